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

/// Settles what earlier calls left, of this process or of others that are gone: submissions in doubt are sent again
/// under their keys, running jobs are waited for, and missing or damaged files are fetched into their places. Buys
/// nothing anew. `{"jobs": [{"job_id", "idempotency_key", "operation", "outcome", "billed", "code", "message",
/// "result"}], "unsettled"}`, a line for each submission that waited, in their order.
///
/// `outcome` is "delivered"; "settled" (its call asked for no files); "failed" (nothing is billed); "unknown" (it is
/// older than `resubmit_window_ms`: sent again only with the option `resubmit`); "unsettled" (`code` and `message`
/// say why; the next call tries again); "in_work" (a live process works on it); "other_key" (the service shows it to
/// another API key only). `result` is what `perceptis_run` would have handed out. `unsettled` is how many are left.
///
/// The options `job` (a job id or idempotency key: that one only; `job:` or `key:` before it says which), `resubmit`
/// and `timeout_ms` (of all together, 45 minutes by default) apply. Jobs that take longer go on, and are lines with the outcome "unsettled". On success the
/// caller owns `*report` and frees it with `perceptis_string_free`. Errors: `INVALID_ARGUMENT`, `NOT_FOUND` (no
/// submission has the name `job`), `CONFLICT` (the name can mean two), `LEDGER`, `TIMEOUT`, `CLOSED`,
/// `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_recover(
    client: *mut perceptis_client,
    options: *const perceptis_options,
    report: *mut *mut c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    block(client, ("report", report), error, || Call::recover(options))
}

/// What the ledger knows, the newest first: `{"jobs": [{"job_id", "idempotency_key", "state", "unsettled", "live",
/// "own_key", "operation", "output_type", "variants", "directory", "name", "request_hash", "recorded_unix_ms",
/// "changed_unix_ms", "told", "calls", "files"}], "unsettled"}`. Asks the service nothing.
///
/// `state` is "submitting" (it may have been sent), "accepted", "completed" (files may be missing), "settled",
/// "failed" or "refused"; `unsettled`: it waits for `perceptis_recover` or for its call; `live`: a live process works on
/// it; `own_key`: it was submitted with this client's API key; `told`: the code that the program of its newest call was
/// told, "OK" among them, null where it was not; `calls`: each `perceptis_run` and `perceptis_generate` that asked for it,
/// the newest first: `{"operation", "directory", "name", "told", "live"}`; `files`: `{"variant", "format", "path", "size",
/// "sha256", "delivered"}`. The options `job` (as with `perceptis_recover`), `state`, `unsettled`, `max_age_ms` (since its
/// last change) and `limit` narrow the list, `history` adds each one's events: `{"unix_ms", "event"}`. No prompt is in it,
/// and no API key.
///
/// On success the caller owns `*jobs` and frees it with `perceptis_string_free`. Errors: `INVALID_ARGUMENT`,
/// `NOT_FOUND`, `CONFLICT` (both as with `perceptis_recover`), `LEDGER`, `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`.
/// `options` may be NULL. Any thread; blocks on the disk. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_jobs(
    client: *mut perceptis_client,
    options: *const perceptis_options,
    jobs: *mut *mut c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    block(client, ("jobs", jobs), error, || Call::jobs(options))
}

/// Forgets the submission that has this job id or idempotency key, also an unsettled one; with NULL all that are
/// settled. The job and its files are not touched. What is forgotten is not joined or adopted any more, so that the
/// same call buys anew; a key that bought a job stays refused, with the job's id.
///
/// Errors: `INVALID_ARGUMENT`, `NOT_FOUND` (nothing has that name), `CONFLICT` (a live process works on it, or the
/// name can mean two: `job:` or `key:` before it says which), `LEDGER`, `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. Any thread; blocks on the disk. Since 0.2.
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
