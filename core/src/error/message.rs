//! The sentence of an error as the caller reads it: the job, what happened, the bill, and what to do next.

use crate::error::{Billed, Error, Kind};

/// The service's code for a balance that is too low to begin.
pub(crate) const NO_CREDITS: &str = "insufficient_credits";

/// Renders the whole sentence of an error that says what happened: adds the job, the bill and what to do
/// next, each unless the error says it already.
pub(crate) fn render(error: Error) -> Error {
    let details = error.details();
    let mut message = String::new();
    match &details.job_id {
        Some(job_id) if !error.message().contains(job_id.as_str()) => message = format!("job {job_id}: "),
        _ => {}
    }
    message += error.message();
    let bill = match details.billed {
        _ if error.says().bill => None,
        Billed::No => Some("nothing was billed"),
        Billed::Yes => Some("it is billed, and not again"),
        Billed::Unknown => Some("it is billed if it is delivered, and once"),
    };
    let hint = hint(&error);
    let more: Vec<&str> = bill.into_iter().chain(hint.as_deref()).collect();
    if !more.is_empty() {
        message += &format!(" ({})", more.join("; "));
    }
    let kind = error.kind();
    error.restate(kind, message)
}

/// The hint for a key that belongs to another request. It must not lead to the same request under a second
/// key: another caller may have bought it under the first.
pub(crate) const KEY_OF_ANOTHER_REQUEST: &str = "the key belongs to another request: that one, unchanged, \
                                                 gets its job; only a request that differs from it needs a \
                                                 key of its own";

/// What to do next, where the error does not say so itself.
fn hint(error: &Error) -> Option<String> {
    let details = error.details();
    let has_job = details.job_id.is_some();
    let text = match error.kind() {
        Kind::Unauthenticated => "check the API key",
        Kind::NotEligible => "use the key of an organization on a Business or Enterprise plan",
        Kind::NotFound if has_job => "ask again with the job's whole id, and with the API key that made it",
        Kind::NotFound => "check what the request names, such as its template",
        Kind::Conflict => match details.api_code.as_deref() {
            Some("ambiguous_template_name") => "use a template name that is unique in your account",
            Some("idempotency_conflict") => KEY_OF_ANOTHER_REQUEST,
            // The sentence says it itself. A key of its own would be a wrong hint here: another holder of
            // this key may just have bought this request.
            _ => return None,
        },
        Kind::Rejected if details.api_code.as_deref() == Some(NO_CREDITS) => "buy credits, then call again",
        Kind::Rejected => "change the request as the service says",
        Kind::RateLimited => match details.retry_after_ms {
            Some(wait) => return Some(format!("try again in {} s", wait.div_ceil(1000))),
            None => "try again later",
        },
        // The error says what to do. How long the service asked to wait, above, is worth saying all the same.
        _ if error.says().next_step => return None,
        Kind::Server | Kind::Transport if details.retryable => "try again later",
        Kind::Protocol => {
            "try again later; if it persists, look for a proxy that answers in the place of the service"
        }
        Kind::JobFailed => "submit again, perhaps with a reworded prompt",
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
    fn sentence_says_the_job_the_bill_and_the_next_step() {
        let error = Error::new(Kind::Unauthenticated, "the API key is revoked (401)");
        assert_eq!(
            render(error.clone()).message(),
            "the API key is revoked (401) (nothing was billed; check the API key)"
        );
        let error = error.with(|details| {
            details.job_id = Some("j1".into());
            details.billed = Billed::Unknown;
        });
        assert_eq!(
            render(error).message(),
            "job j1: the API key is revoked (401) (it is billed if it is delivered, and once; check the API \
             key)"
        );
        let error = Error::new(Kind::RateLimited, "too many requests (429)");
        let error = error.with(|details| details.retry_after_ms = Some(1_500));
        assert!(render(error).message().ends_with("(nothing was billed; try again in 2 s)"));
    }

    #[test]
    fn sentence_repeats_nothing_that_the_error_says() {
        let error = Error::new(Kind::JobFailed, "job j1 failed and is not billed: why").says_bill();
        assert_eq!(
            render(error.with(|details| details.job_id = Some("j1".into()))).message(),
            "job j1 failed and is not billed: why (submit again, perhaps with a reworded prompt)"
        );
        let error = Error::new(Kind::Protocol, "no zip; fetch it again").says_next_step();
        assert_eq!(render(error).message(), "no zip; fetch it again (nothing was billed)");
    }
}
