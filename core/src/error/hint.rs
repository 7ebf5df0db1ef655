//! The sentence that helps at three in the morning: to which job, whether it was billed, what to do.

use crate::error::{Billed, Error, Kind};

/// The service's code for a balance that is too low to begin.
pub(crate) const NO_CREDITS: &str = "insufficient_credits";

/// An error whose sentence says what happened, completed by which job it is about, the bill and the way out.
pub(crate) fn explained(error: Error) -> Error {
    let details = error.details();
    let mut message = String::new();
    match &details.job_id {
        Some(job_id) if !error.message().contains(job_id.as_str()) => message = format!("job {job_id}: "),
        _ => {}
    }
    message += error.message();
    let bill = match details.billed {
        Billed::No if error.message().contains("not billed") => None,
        Billed::No => Some("nothing was billed"),
        Billed::Yes => Some("it is billed, and not again"),
        Billed::Unknown => Some("it is billed if it is delivered, and once"),
    };
    let advice = advice(&error);
    let more: Vec<&str> = bill.into_iter().chain(advice.as_deref()).collect();
    if !more.is_empty() {
        message += &format!(" ({})", more.join("; "));
    }
    let kind = error.kind();
    error.restate(kind, message)
}

/// The advice for a key that belongs to another request. It must not lead to the same request under a second
/// key: another caller may have bought it under the first.
pub(crate) const KEY_OF_ANOTHER_REQUEST: &str = "the key belongs to another request: that one, unchanged, gets its \
    job; only a request that differs from it needs a key of its own";

/// What to do, where the error does not say so itself.
fn advice(error: &Error) -> Option<String> {
    let details = error.details();
    let has_job = details.job_id.is_some();
    let text = match error.kind() {
        Kind::Unauthenticated => "check the API key",
        Kind::NotEligible => "use the key of an organization on a Business or Enterprise plan",
        Kind::NotFound if has_job => "ask again with the job's whole id, and with the API key that made it",
        Kind::NotFound => "check what the request names, such as its template",
        Kind::Conflict => match details.api_code.as_deref() {
            Some("ambiguous_template_name") => "name a template whose name no other template has",
            Some("idempotency_conflict") => KEY_OF_ANOTHER_REQUEST,
            // The sentence says it itself. A key of its own would be wrong advice here: another holder of
            // this key may just have bought this request.
            _ => return None,
        },
        Kind::Rejected if details.api_code.as_deref() == Some(NO_CREDITS) => "buy credits, then call again",
        Kind::Rejected => "change the request as the service says",
        Kind::RateLimited => match details.retry_after_ms {
            Some(wait) => return Some(format!("try again in {} s", wait.div_ceil(1000))),
            None => "try again later",
        },
        Kind::Server | Kind::Transport if details.retryable => "try again later",
        Kind::Protocol if !error.message().contains("perceptis_download") => {
            "try again later; if it stays so, something between here and the service answers in its place"
        }
        Kind::JobFailed => "ask for it again, perhaps in other words",
        Kind::Incomplete if error.details().retryable => return None,
        Kind::Incomplete => "fetch what is missing with perceptis_download",
        Kind::File if has_job => "see to the disk, then fetch the files with perceptis_download",
        Kind::File => "see to the directory or the name, then call again",
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_tells_the_job_the_bill_and_the_way_out() {
        let error = Error::new(Kind::Unauthenticated, "the API key is revoked (401)");
        assert_eq!(
            explained(error.clone()).message(),
            "the API key is revoked (401) (nothing was billed; check the API key)"
        );
        let error = error.with(|details| {
            details.job_id = Some("j1".into());
            details.billed = Billed::Unknown;
        });
        assert_eq!(
            explained(error).message(),
            "job j1: the API key is revoked (401) (it is billed if it is delivered, and once; check the API key)"
        );
        let error = Error::new(Kind::RateLimited, "too many requests (429)");
        let error = error.with(|details| details.retry_after_ms = Some(1_500));
        assert!(explained(error).message().ends_with("(nothing was billed; try again in 2 s)"));
    }
}
