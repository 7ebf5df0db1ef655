//! Configurations: the exported functions.
// Defaults stand in brackets, which rustdoc takes for links.
#![allow(rustdoc::broken_intra_doc_links)]

use std::ffi::{c_char, c_void};

use perceptis_core::Config;

use crate::api::queue::perceptis_queue;
use crate::boundary::arguments::{self, MAX_NAME_BYTES, MAX_VALUE_BYTES};
use crate::boundary::code::perceptis_code;
use crate::boundary::error::perceptis_error;
use crate::boundary::guard;
use crate::boundary::handle::{self, Handle};
use crate::boundary::returns;
use crate::events::log::Target;
use crate::events::log_callback::{LogCallback, perceptis_log_function};

/// A configuration: what a client is made from. It has one owner: two threads must not use it at
/// once. Since 0.1.
pub struct perceptis_config {
    pub(crate) config: Config,
    pub(crate) log: Option<Target>,
}

impl Handle for perceptis_config {
    const KIND: handle::Kind = handle::Kind::Config;
}

/// Makes a configuration in which no key is set.
///
/// Never NULL. The caller owns it and frees it with `perceptis_config_free`. Any thread; does not
/// block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_config_new() -> *mut perceptis_config {
    handle::new(perceptis_config { config: Config::default(), log: None })
}

/// Sets a key from text; the last value wins. A key that is not set is taken from the environment
/// variable `PERCEPTIS_<KEY>` when a client is made; without that, the default in brackets holds.
/// Durations are in milliseconds.
///
/// - (the table `CONFIGURATION` of `core/src/config/keys.rs`)
///
/// Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, an unknown key, a bad value: the message
/// lists what is accepted), `CONFIGURATION` (a base URL with a path, query, user info or another
/// scheme). The texts are copied. Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_config_set(
    config: *mut perceptis_config,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        let config = arguments::handle_mut("config", config)?;
        let key = arguments::text("key", key, MAX_NAME_BYTES)?;
        let value = arguments::text("value", value, MAX_VALUE_BYTES)?;
        Ok(config.config.set(key, value)?)
    })
}

/// Sets the function that takes the log records of clients made from this configuration, and the
/// `user` that it is called with. NULL: no log.
///
/// A record is a JSON object with `unix_ms`, `level`, `event` ("started", "request", "retrying",
/// "poll failed", "wait bounded", "outcome unknown", "adopted", "status", "finished", "failed",
/// "stopped", "unsettled", "not recorded") and, where they apply, `operation`, `job_id`,
/// `idempotency_key`, `request` ("generate", "status", "download"), `attempt`, `outcome`,
/// `http_status`, `took_ms`, `wait_ms`, `asked_ms`, `code`, `billed`, `message`. More keys may be
/// added. A record has neither the API key nor the query of a URL. At most 1,024 records wait for a
/// slow callback. Then the oldest are dropped, and the next record says how many in `dropped`.
///
/// The library calls the function on one thread for all clients made from this configuration, never
/// twice at once, with no lock held. The function may not call what blocks (`WOULD_DEADLOCK`).
/// `perceptis_client_close` waits, within its time, until the function has taken the records of that
/// client; once it has returned OK, no call with such a record begins or is in progress.
/// `perceptis_client_free` does not wait for a call in progress. `user` is the caller's and must
/// stay valid until all these clients are closed. A second call of this function is for the clients
/// that are made afterwards; their callback may run beside that of the earlier clients. A fork's
/// child may make clients from the configuration, too: they have a thread of the child's. Errors:
/// `INVALID_ARGUMENT`. Any thread; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_config_set_log(
    config: *mut perceptis_config,
    log: perceptis_log_function,
    user: *mut c_void,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        arguments::handle_mut("config", config)?.log = LogCallback::new(log, user).map(Target::Callback);
        Ok(())
    })
}

/// Sets the queue that gets the log records of clients made from this configuration, as events of
/// the kind `PERCEPTIS_EVENT_LOG` with the record as their JSON. NULL: no log. So the library calls
/// nothing on a thread of its own. At most 1,024 records wait; then the oldest are dropped, and an
/// event says how many. The records are those of `perceptis_config_set_log`, which this replaces,
/// and none comes after `perceptis_client_close`.
///
/// The queue stays the caller's, who may free it before the client. Errors: `INVALID_ARGUMENT`,
/// `FORKED`. Any thread; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_config_set_log_queue(
    config: *mut perceptis_config,
    queue: *mut perceptis_queue,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        let config = arguments::handle_mut("config", config)?;
        config.log = match arguments::optional("queue", queue)? {
            Some(queue) => Some(Target::Queue(queue.completions()?)),
            None => None,
        };
        Ok(())
    })
}

/// Frees a configuration. Clients made from it are not touched. NULL is accepted.
///
/// Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_config_free(config: *mut perceptis_config) {
    guard::free(config, drop);
}
