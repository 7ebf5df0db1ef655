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

/// Starts a call and waits for its end.
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

/// The state of a job, asked once: the service's own JSON, unchanged. Passing failures (a lost connection,
/// 429, 5xx) are retried within `timeout_ms`. A job is asked about at most once a second, so a second call
/// within the second waits its turn. Costs nothing.
///
/// Runs on the thread that calls, which needs 128 KiB of stack for it; where several call at once, all but one of them
/// go by the client's own thread. Signal handlers of the program may run meanwhile and end nothing; SIGPIPE is not
/// raised.
///
/// On success the caller owns `*status` and frees it with `perceptis_string_free`. Errors:
/// `INVALID_ARGUMENT`, `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `CONFLICT`, `REJECTED`,
/// `RATE_LIMITED`, `SERVER`, `TRANSPORT`, `PROTOCOL`, `TIMEOUT`, `CONFIGURATION`, `CLOSED`, `FORKED`,
/// `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks. Since 0.1.
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

/// Submits a request and returns once the service has accepted it: `{"job_id", "idempotency_key",
/// "output_type", "billed", "adopted", "recorded", "unsettled", "answer"}`, where `answer` is the service's own, null
/// where nothing had to be sent, and the others are those of `perceptis_run`. The job goes on at the service and is
/// billed when it is delivered.
///
/// Never submits twice: attempts are repeated under one idempotency key. On success the caller owns
/// `*accepted` and frees it with `perceptis_string_free`. Errors: `INVALID_ARGUMENT`, `UNAUTHENTICATED`,
/// `NOT_ELIGIBLE`, `NOT_FOUND`, `CONFLICT`, `REJECTED`, `RATE_LIMITED`, `TRANSPORT` (with all of these
/// nothing was billed), `OUTCOME_UNKNOWN` (a job may exist: the details' `idempotency_key` settles it),
/// `TIMEOUT`, `CONFIGURATION`, `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any
/// thread; blocks. Since 0.1.
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

/// Waits until a job is completed and returns the service's last answer, unchanged. Outages, unreadable
/// answers and limits are waited out; only the job's end, a refusal of the key, "not found" and the deadline
/// end it. A completed job without files is asked five more times first. Costs nothing.
///
/// On success the caller owns `*status` and frees it with `perceptis_string_free`. Errors:
/// `INVALID_ARGUMENT`, `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `JOB_FAILED`, `TIMEOUT` (the job goes
/// on: wait again), `CONFIGURATION`, `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be
/// NULL. Any thread; blocks. Since 0.1.
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

/// Fetches the files of a completed job into `directory`, verified (length, zip checksums, a presentation
/// inside) and under their final names at once or not at all: `{"job_id", "status", "output_type",
/// "idempotency_key", "billed", "files": [{"path", "variant", "format", "size", "sha256"}], "job": <the
/// service's last answer, unchanged>}`. Paths are absolute, sizes in bytes, SHA-256 in hexadecimal. A file has
/// a `note` where the caller should know more, as that its name was taken. Costs nothing.
///
/// With `INCOMPLETE` both `*result` (what came, and under `unverified` what came damaged) and `*error` are
/// set. What has arrived of a file stays as `<name>.<job_id>.part`, and a later call goes on with it. Each
/// different file that came damaged stays as `<name>.unverified`, numbered from the second on. The
/// caller owns `*result` and frees it with `perceptis_string_free`. Errors: `INVALID_ARGUMENT`,
/// `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `CONFLICT`, `REJECTED`, `RATE_LIMITED`, `SERVER`,
/// `TRANSPORT`, `PROTOCOL`, `TIMEOUT`, `JOB_FAILED`, `INCOMPLETE`, `FILE`, `CONFIGURATION`, `CLOSED`,
/// `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks. Since 0.1.
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

/// Makes what a request asks for and puts it on disk: submits, waits and fetches, with the result of
/// `perceptis_download`. The directory and the names are checked, and the names reserved, before anything is
/// submitted, since a job costs money.
///
/// The result has `adopted` (whether this goes on with what an equal call has left), `recorded` (whether the ledger has
/// all of it), `unsettled` (how many submissions wait for `perceptis_recover`) and, where the caller should know more, a
/// `note`. `job` is null where the ledger and the disk knew all.
///
/// Never submits twice: attempts are repeated under one idempotency key. When the call ends early, the
/// error's details say what is known: `job_id` to wait for, or `idempotency_key` to submit again with, and
/// `billed`. The same call again goes on with the job, also in another process. Errors: `LEDGER` (the ledger can't be
/// used; nothing was sent), `CONFLICT` (the key is known for another request or under another API key), those of `perceptis_generate`, `perceptis_wait` and `perceptis_download`. The caller
/// owns `*result` and frees it with `perceptis_string_free`. `options` may be NULL. Any thread; blocks.
/// Since 0.1.
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
