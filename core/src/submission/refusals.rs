//! Why a call may not submit what it asks for, and the note about an earlier equal call: sentences.

use crate::common::sha256;
use crate::error::{Billed, Error, Kind};
use crate::ledger::Entry;
use crate::model::job_id::JobId;
use crate::request::EncodedRequest;

/// What a result says about an equal call's deck that is too old to be adopted.
pub(super) fn earlier_deck(earlier: &Entry) -> String {
    let file = earlier.files.iter().find(|file| file.delivered);
    let file = file.map_or_else(String::new, |file| format!(", {}", file.path));
    let job_id = earlier.job_id.as_deref().unwrap_or_default();
    format!(
        "an earlier equal call was left without its end; its deck (job {job_id}, idempotency key {}{file}) \
         was settled longer ago than adopt_window_ms, so that this is another one",
        earlier.key
    )
}

/// An equal key's job has failed.
pub(super) fn failed_before(job_id: &JobId) -> Error {
    let message = format!("job {job_id} failed and is not billed; its idempotency key is used up");
    Error::new(Kind::JobFailed, message).says_bill().with(|details| {
        details.billed = Billed::No;
        details.job_id = Some(job_id.to_string());
    })
}

/// The submission is another API key's: under this idempotency key, or as an equal call's (`equal`).
pub(super) fn other_api_key(request: &EncodedRequest, entry: &Entry, equal: bool) -> Error {
    let same_request =
        equal || request.body.as_ref().is_ok_and(|body| sha256::hex(&sha256::of(body)) == entry.request_hash);
    let billed = if same_request { Billed::Unknown } else { Billed::No };
    let message = if equal {
        format!(
            "an equal call under another API key is not finished (idempotency key {}), and the service shows \
             its job to that API key only: use that API key, or set on_other_key to submit, which buys anew, \
             or forget the other submission",
            entry.key
        )
    } else {
        format!(
            "the idempotency key {} was used with another API key, and the service shows its job to that API \
             key only: use that API key, or set on_other_key to submit, which buys anew",
            entry.key
        )
    };
    conflict(entry, billed, message)
}

/// Only a tombstone is left of what came of the key.
pub(super) fn pruned(job_id: Option<String>, same_request: bool) -> Error {
    let (request, billed) =
        if same_request { ("this very request", Billed::Unknown) } else { ("another request", Billed::No) };
    let message = format!(
        "the idempotency key was used before for {request}, and what came of it is no longer recorded; \
         nothing was sent"
    );
    Error::new(Kind::Conflict, message).with(|details| {
        details.job_id = job_id;
        details.billed = billed;
    })
}

/// The key is in use for something else.
pub(super) fn conflict(entry: &Entry, billed: Billed, message: String) -> Error {
    Error::new(Kind::Conflict, message).with(|details| {
        details.job_id.clone_from(&entry.job_id);
        details.idempotency_key = Some(entry.key.clone());
        details.billed = billed;
    })
}
