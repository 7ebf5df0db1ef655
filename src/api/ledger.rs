//! The ledger: the exported functions that list it, settle what earlier calls left, and forget.

use std::ffi::c_char;

use crate::api::blocking::block;
use crate::api::client::perceptis_client;
use crate::boundary::arguments::{self, MAX_NAME_BYTES};
use crate::boundary::code::perceptis_code;
use crate::boundary::error::perceptis_error;
use crate::boundary::returns;
use crate::builders::options::perceptis_options;
use crate::call::Call;

/// Settles what earlier calls left, of this process or of processes that are gone: sends submissions
/// in doubt again under their keys, waits for jobs that run, and fetches missing or damaged files
/// into their places. Buys no new job. `{"jobs": [{"job_id", "idempotency_key", "operation",
/// "outcome", "billed", "code", "message", "result"}], "unsettled"}`, with a line for each
/// submission that waited, in their order.
///
/// `outcome` is "delivered"; "settled" (its call asked for no files); "failed" (nothing is billed);
/// "unknown" (it is older than `resubmit_window_ms`: sent again only with the option `resubmit`);
/// "unsettled" (`code` and `message` say why; the next call tries again); "in_work" (a live process
/// works on it); "other_key" (the service shows it to another API key only). `result` is what the
/// call would have returned. `unsettled` is how many submissions are left.
///
/// The options `job` (a job id or idempotency key: only that submission; `job:` or `key:` before it
/// says which), `resubmit` and `timeout_ms` (of all together, 45 minutes by default) apply. Jobs
/// that take longer go on, and their outcome is "unsettled". On success the caller owns `*report`
/// and frees it with `perceptis_string_free`. Errors: `INVALID_ARGUMENT`, `NOT_FOUND` (no submission
/// has the name `job`), `CONFLICT` (the name can mean two), `LEDGER`, `TIMEOUT`, `CLOSED`, `FORKED`,
/// `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_recover(
    client: *mut perceptis_client,
    options: *const perceptis_options,
    report: *mut *mut c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    block(client, ("report", report), error, || Call::recover(options))
}

/// Lists the submissions that the ledger knows, the newest first: `{"jobs": [{"job_id",
/// "idempotency_key", "state", "unsettled", "live", "own_key", "operation", "output_type",
/// "variants", "directory", "name", "request_hash", "recorded_unix_ms", "changed_unix_ms", "told",
/// "calls": [{"operation", "directory", "name", "told", "live"}], "files": [{"variant", "format",
/// "path", "size", "sha256", "delivered"}], "history": [{"unix_ms", "event"}]}], "unsettled"}`. Asks
/// the service nothing. No prompt is in the list, and no API key.
///
/// `state` is "submitting" (the request may have been sent), "accepted", "completed" (files may be
/// missing), "settled", "failed" or "refused". `unsettled`: the submission waits for
/// `perceptis_recover` or for its call; beside `jobs`: how many submissions do. `live`: a live
/// process works on it. `own_key`: it was submitted with this client's API key. `told`: the code
/// that the program of its newest call was given, "OK" among them; null where it was given none.
/// `calls`: each `perceptis_run` and `perceptis_generate` that asked for it, the newest first. The
/// options `job` (as with `perceptis_recover`), `state`, `unsettled`, `max_age_ms` (since its last
/// change) and `limit` narrow the list. `history`, its events, is there only with the option
/// `history`.
///
/// On success the caller owns `*jobs` and frees it with `perceptis_string_free`. Errors:
/// `INVALID_ARGUMENT`, `NOT_FOUND`, `CONFLICT` (both as with `perceptis_recover`), `LEDGER`,
/// `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks on
/// the disk. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_jobs(
    client: *mut perceptis_client,
    options: *const perceptis_options,
    jobs: *mut *mut c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    block(client, ("jobs", jobs), error, || Call::jobs(options))
}

/// Forgets the submission that has this job id or idempotency key, also an unsettled one; with NULL
/// all submissions that are settled. The job and its files are not touched. No later call joins or
/// adopts what is forgotten, so the same call buys a new job. A key that bought a job stays refused,
/// with the id of the job.
///
/// Errors: `INVALID_ARGUMENT`, `NOT_FOUND` (no submission has that name), `CONFLICT` (a live process
/// works on it, or the name can mean two: `job:` or `key:` before it says which), `LEDGER`,
/// `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. Any thread; blocks on the disk. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_forget(
    client: *mut perceptis_client,
    job_or_key: *const c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        let name = (!job_or_key.is_null())
            .then(|| arguments::text("job_or_key", job_or_key, MAX_NAME_BYTES))
            .transpose()?;
        let call = Call::forget(name)?;
        arguments::handle("client", client)?.runtime().block(call).map(drop)
    })
}
