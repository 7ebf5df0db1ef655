//! The calls that return at once and end in a queue: the exported functions.

use std::ffi::c_char;

use perceptis_core::Error;

use crate::api::client::perceptis_client;
use crate::api::queue::perceptis_queue;
use crate::boundary::arguments;
use crate::boundary::code::perceptis_code;
use crate::boundary::error::perceptis_error;
use crate::boundary::returns;
use crate::builders::options::perceptis_options;
use crate::builders::request::perceptis_request;
use crate::call::Call;

/// Starts a call whose end goes into a queue.
fn enqueue(
    client: *mut perceptis_client,
    queue: *mut perceptis_queue,
    tag: u64,
    error: *mut *mut perceptis_error,
    call: impl FnOnce() -> Result<Call, Error>,
) -> perceptis_code {
    returns::call(error, || {
        let client = arguments::handle("client", client)?.runtime();
        let completions = arguments::handle("queue", queue)?.completions()?;
        Ok(client.enqueue(call()?, &completions, tag)?)
    })
}

/// `perceptis_run` that returns at once and ends in a queue.
///
/// With `PERCEPTIS_OK` the call is accepted. Exactly one event `PERCEPTIS_EVENT_FINISHED` with `tag`
/// comes out of `queue`, whatever happens, possibly before this function returns. It has the code,
/// the result and the error that the form that blocks would have had. With any other code nothing
/// was sent and no event comes. `tag` is the program's name for the call, unique among the calls of
/// the queue whose final event has not been taken. With the option `progress` there are also events
/// `PERCEPTIS_EVENT_PROGRESS`, of which only the latest waits, and none after the final event.
///
/// The arguments are copied: the program may free client, queue, request and options while the call
/// runs. Errors: `INVALID_ARGUMENT` (NULL, not UTF-8, a tag in use), `CLOSED` (the client or the
/// queue), `FORKED`, `INTERNAL`. `options` may be NULL. Any thread, also in a callback; does not
/// block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_run_async(
    client: *mut perceptis_client,
    request: *const perceptis_request,
    options: *const perceptis_options,
    queue: *mut perceptis_queue,
    tag: u64,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    enqueue(client, queue, tag, error, || Call::run(request, options))
}

/// `perceptis_generate` that returns at once and ends in a queue. All else is as
/// `perceptis_run_async` says: what it returns, `tag`, events, ownership, errors. Any thread, also
/// in a callback; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_generate_async(
    client: *mut perceptis_client,
    request: *const perceptis_request,
    options: *const perceptis_options,
    queue: *mut perceptis_queue,
    tag: u64,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    enqueue(client, queue, tag, error, || Call::generate(request, options))
}

/// `perceptis_wait` that returns at once and ends in a queue. All else is as `perceptis_run_async`
/// says: what it returns, `tag`, events, ownership, errors. Any thread, also in a callback; does not
/// block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_wait_async(
    client: *mut perceptis_client,
    job_id: *const c_char,
    options: *const perceptis_options,
    queue: *mut perceptis_queue,
    tag: u64,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    enqueue(client, queue, tag, error, || Call::wait(job_id, options))
}

/// `perceptis_download` that returns at once and ends in a queue. All else is as
/// `perceptis_run_async` says: what it returns, `tag`, events, ownership, errors. Any thread, also
/// in a callback; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_download_async(
    client: *mut perceptis_client,
    job_id: *const c_char,
    options: *const perceptis_options,
    queue: *mut perceptis_queue,
    tag: u64,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    enqueue(client, queue, tag, error, || Call::download(job_id, options))
}

/// `perceptis_get_status` that returns at once and ends in a queue. All else is as
/// `perceptis_run_async` says: what it returns, `tag`, events, ownership, errors. Any thread, also
/// in a callback; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_get_status_async(
    client: *mut perceptis_client,
    job_id: *const c_char,
    options: *const perceptis_options,
    queue: *mut perceptis_queue,
    tag: u64,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    enqueue(client, queue, tag, error, || Call::get_status(job_id, options))
}

/// `perceptis_recover` that returns at once and ends in a queue. All else is as
/// `perceptis_run_async` says: what it returns, `tag`, events, ownership, errors. Any thread, also
/// in a callback; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_recover_async(
    client: *mut perceptis_client,
    options: *const perceptis_options,
    queue: *mut perceptis_queue,
    tag: u64,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    enqueue(client, queue, tag, error, || Call::recover(options))
}
