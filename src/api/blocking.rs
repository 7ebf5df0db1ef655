//! The calls that block: the exported functions.

use std::ffi::c_char;

use perceptis_core::Error;

use crate::api::client::perceptis_client;
use crate::boundary::arguments;
use crate::boundary::code::perceptis_code;
use crate::boundary::error::perceptis_error;
use crate::boundary::returns;
use crate::boundary::returns::hand_out;
use crate::builders::options::perceptis_options;
use crate::builders::request::perceptis_request;
use crate::call::Call;

/// Starts a call, waits for its end, and sets the result.
pub(crate) fn block(
    client: *mut perceptis_client,
    (name, result): (&str, *mut *mut c_char),
    error: *mut *mut perceptis_error,
    call: impl FnOnce() -> Result<Call, Error>,
) -> perceptis_code {
    returns::clear(result);
    returns::call(error, || {
        arguments::out(name, result)?;
        let client = arguments::handle("client", client)?.runtime();
        hand_out(client.block(call()?), result)
    })
}

/// Makes what a request asks for and puts it on disk: submits the request, waits for the job and
/// fetches its files. `{"job_id", "status", "output_type", "idempotency_key", "billed", "adopted",
/// "recorded", "unsettled", "note", "files": [{"path", "variant", "format", "size", "sha256",
/// "note"}], "unverified", "job"}`. Before it submits anything it checks the directory and the names
/// and reserves the names, since a job costs money.
///
/// `billed` is "no", "yes" or "unknown". `adopted`: whether this call continues the submission of an
/// equal call. `recorded`: whether the ledger has all of it. `unsettled`: how many submissions wait
/// for `perceptis_recover`. `note`, of the result or of a file, is there only where the caller
/// should know more, as that a name was taken. `files`: paths are absolute, sizes in bytes, SHA-256
/// in hexadecimal. `unverified` is there only with `INCOMPLETE`: the files that came damaged, with
/// the same keys. `job` is the last answer of the service, unchanged; null where the ledger and the
/// disk knew all.
///
/// Never submits twice: attempts are repeated under one idempotency key. When the call ends early,
/// the details of the error say what is known: `job_id` to wait for, or `idempotency_key` to submit
/// again with, and `billed`. The same call again continues with the job, also in another process.
/// Errors: `LEDGER` (the ledger can't be used; nothing was sent), `CONFLICT` (the key is known for
/// another request or under another API key), those of `perceptis_generate`, `perceptis_wait` and
/// `perceptis_download`. The caller owns `*result` and frees it with `perceptis_string_free`.
/// `options` may be NULL. Any thread; blocks. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_run(
    client: *mut perceptis_client,
    request: *const perceptis_request,
    options: *const perceptis_options,
    result: *mut *mut c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    block(client, ("result", result), error, || Call::run(request, options))
}

/// Submits a request and returns once the service has accepted it: `{"job_id", "idempotency_key",
/// "output_type", "billed", "adopted", "recorded", "unsettled", "note", "answer"}`. `answer` is the
/// service's own, unchanged; null where nothing had to be sent. The other keys are those of
/// `perceptis_run`. The job goes on at the service, which bills it when it is delivered.
///
/// Never submits twice: attempts are repeated under one idempotency key. On success the caller owns
/// `*accepted` and frees it with `perceptis_string_free`. Errors: `INVALID_ARGUMENT`,
/// `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `CONFLICT`, `REJECTED`, `RATE_LIMITED`,
/// `TRANSPORT` (with all of these nothing was billed), `OUTCOME_UNKNOWN` (a job may exist: the
/// `idempotency_key` of the details settles it), `TIMEOUT`, `CONFIGURATION`, `CLOSED`, `FORKED`,
/// `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_generate(
    client: *mut perceptis_client,
    request: *const perceptis_request,
    options: *const perceptis_options,
    accepted: *mut *mut c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    block(client, ("accepted", accepted), error, || Call::generate(request, options))
}

/// Waits until a job is completed and returns the last answer of the service, unchanged. Outages,
/// answers that can't be read, and limits do not end the wait; only the end of the job, a refusal of
/// the API key, "not found" and the deadline do. A completed job without files is polled five more
/// times first. Costs nothing.
///
/// On success the caller owns `*status` and frees it with `perceptis_string_free`. Errors:
/// `INVALID_ARGUMENT`, `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `JOB_FAILED`, `TIMEOUT` (the
/// job goes on: wait again), `CONFIGURATION`, `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`.
/// `options` may be NULL. Any thread; blocks. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_wait(
    client: *mut perceptis_client,
    job_id: *const c_char,
    options: *const perceptis_options,
    status: *mut *mut c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    block(client, ("status", status), error, || Call::wait(job_id, options))
}

/// Fetches the files of a completed job into `directory`, verified (length, zip checksums, a
/// presentation inside). Each file appears under its final name at once or not at all. The result is
/// that of `perceptis_run`: `{"job_id", "status", "output_type", "idempotency_key", "billed",
/// "adopted", "recorded", "unsettled", "note", "files": [{"path", "variant", "format", "size",
/// "sha256", "note"}], "unverified", "job"}`. Costs nothing.
///
/// With `INCOMPLETE` both `*result` and `*error` are set: `files` has what came whole, `unverified`
/// what came damaged. A file that has come in part stays as `<name>.<job_id>.part`, and a later call
/// continues it. Each different file that came damaged stays as `<name>.unverified`, with a number
/// from the second on. The caller owns `*result` and frees it with `perceptis_string_free`. Errors:
/// `INVALID_ARGUMENT`, `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `CONFLICT`, `REJECTED`,
/// `RATE_LIMITED`, `SERVER`, `TRANSPORT`, `PROTOCOL`, `TIMEOUT`, `JOB_FAILED`, `INCOMPLETE`, `FILE`,
/// `CONFIGURATION`, `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any
/// thread; blocks. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_download(
    client: *mut perceptis_client,
    job_id: *const c_char,
    options: *const perceptis_options,
    result: *mut *mut c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    block(client, ("result", result), error, || Call::download(job_id, options))
}

/// Asks once for the state of a job and returns the answer of the service, unchanged. Passing
/// failures (a lost connection, 429, 5xx) are retried within `timeout_ms`. A job is asked about at
/// most once a second, so a second call within the second waits its turn. Costs nothing.
///
/// Runs on the calling thread, which needs 128 KiB of stack for it; where several threads call at
/// once, all but one of the calls run on the client's own thread. Signal handlers of the program may
/// run meanwhile and end nothing; SIGPIPE is not raised.
///
/// On success the caller owns `*status` and frees it with `perceptis_string_free`. Errors:
/// `INVALID_ARGUMENT`, `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `CONFLICT`, `REJECTED`,
/// `RATE_LIMITED`, `SERVER`, `TRANSPORT`, `PROTOCOL`, `TIMEOUT`, `CONFIGURATION`, `CLOSED`,
/// `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_get_status(
    client: *mut perceptis_client,
    job_id: *const c_char,
    options: *const perceptis_options,
    status: *mut *mut c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    block(client, ("status", status), error, || Call::get_status(job_id, options))
}
