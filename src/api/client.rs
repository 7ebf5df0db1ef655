//! Clients: the exported functions.

use std::ffi::c_char;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perceptis_core::{Client, ClientHooks, Config, Error, Kind};

use crate::api::config::perceptis_config;
use crate::boundary::arguments;
use crate::boundary::code::perceptis_code;
use crate::boundary::error::perceptis_error;
use crate::boundary::guard;
use crate::boundary::handle::{self, Handle};
use crate::boundary::returns;
use crate::boundary::text::c_text;
use crate::events::log::Log;
use crate::platform::fork;
use crate::platform::resolver;
use crate::platform::threads;
use crate::runtime::ClientRuntime;

/// The longest wait for a client's end: a week, in milliseconds.
const MAX_CLOSE_MS: i64 = 7 * 24 * 3600 * 1000;

/// A client of the service with one API key. Any number of threads may use it at once. After a fork
/// it belongs to the parent: in the child every call answers `FORKED`, and the child can make a new
/// client. Since 0.1.
pub struct perceptis_client {
    runtime: Arc<ClientRuntime>,
    log: Option<Log>,
}

impl Handle for perceptis_client {
    const KIND: handle::Kind = handle::Kind::Client;
}

impl perceptis_client {
    /// What a call keeps, so that the program may free the handle while the call runs.
    pub(crate) fn runtime(&self) -> Arc<ClientRuntime> {
        Arc::clone(&self.runtime)
    }
}

/// Makes a client from a configuration, which is copied; NULL: from the environment and the
/// defaults. It opens no connection and starts no thread: the first operation does that.
///
/// This function reads the environment, and no later call does, so that a program may change it at
/// any other time: the variables `PERCEPTIS_<KEY>`; for proxies those of curl, `https_proxy`,
/// `http_proxy`, `all_proxy`, `no_proxy`, where the lower case comes first; `SSL_CERT_FILE` and
/// `SSL_CERT_DIR`; `HOME` and `XDG_STATE_HOME`. The one exception is the resolver of the C library:
/// glibc before 2.41 can read `LOCALDOMAIN`, `RES_OPTIONS` and `HOSTALIASES` when it looks up a host
/// name other than localhost, as in any program that calls getaddrinfo(3). From glibc 2.41 on,
/// setenv(3) is safe beside that. The scheme of a proxy is http, https, socks5, socks5h, socks4 or
/// socks4a. The library never reaches this machine through a proxy.
///
/// On success the caller owns `*client` and frees it with `perceptis_client_free`. Errors:
/// `INVALID_ARGUMENT`, `CONFIGURATION` (no API key, plain http to another machine, a CA file that
/// can't be read, a bad environment variable: the message names it). Any thread; blocks only to read
/// `ca_file`. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_client_new(
    config: *const perceptis_config,
    client: *mut *mut perceptis_client,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::clear(client);
    returns::call(error, || {
        arguments::out("client", client)?;
        let from_environment = Config::default();
        let (config, log) = match arguments::optional("config", config)? {
            Some(config) => (&config.config, config.log.as_ref().map(Log::new)),
            None => (&from_environment, None),
        };
        let surroundings = ClientHooks { sink: log.as_ref().map(Log::sink), spawn: Some(threads::spawn) };
        let made = Client::new(config.settle(|name| std::env::var_os(name))?, surroundings)?;
        resolver::read_environment();
        fork::watch();
        let runtime = Arc::new(ClientRuntime::new(made));
        returns::put(client, || handle::new(perceptis_client { runtime, log }));
        Ok(())
    })
}

/// Lists the operations that run in this client now, the oldest first, without a question to the
/// service: `{"operations": [{"operation", "phase", "job_id", "status", "idempotency_key",
/// "elapsed_ms", "eta_ms", "eta_low_ms", "eta_high_ms", "eta_jobs"}]}`. What is not known is null. A
/// program can show it as a line of state while another thread waits.
///
/// `phase` is "preparing", "submitting", "waiting" or "downloading". `eta_ms`, `eta_low_ms` and
/// `eta_high_ms` say in how many milliseconds the job is likely to be done, at the earliest and at
/// the latest. `eta_jobs` says how many jobs of its kind that estimate stands on, which this client
/// or earlier processes with the same ledger saw done; 0: on the documentation of the service.
///
/// On success the caller owns `*activity` and frees it with `perceptis_string_free`. Errors:
/// `INVALID_ARGUMENT`, `FORKED`. Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_client_activity(
    client: *mut perceptis_client,
    activity: *mut *mut c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::clear(activity);
    returns::call(error, || {
        arguments::out("activity", activity)?;
        let operations = arguments::handle("client", client)?.runtime.activity()?;
        let json = serde_json::to_string(&serde_json::json!({ "operations": operations }))
            .map_err(|error| Error::new(Kind::Internal, format!("the activity is no JSON: {error}")))?;
        returns::put(activity, || c_text(&json).into_raw());
        Ok(())
    })
}

/// Ends the operations that run, each with `CLOSED` and all that is known of its job, and waits
/// until they have ended, at most `timeout_ms` milliseconds of the wall's time (0 to a week). Their
/// final events are in their queues by then. Steps that the ledger does not have yet are written,
/// for at most 2 s of that time. Jobs go on at the service. Every later operation answers `CLOSED`.
/// A second close does nothing.
///
/// The handle stays the caller's, who frees it. Errors: `INVALID_ARGUMENT`, `TIMEOUT` (operations
/// have not ended and are dropped all the same, or the message says how many steps the ledger could
/// not take), `FORKED`, `WOULD_DEADLOCK`. Any thread; blocks. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_client_close(
    client: *mut perceptis_client,
    timeout_ms: i64,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        let client = arguments::handle("client", client)?;
        if !(0..=MAX_CLOSE_MS).contains(&timeout_ms) {
            let message = format!("argument timeout_ms is {timeout_ms}; accepted is 0 to {MAX_CLOSE_MS}");
            return Err(Error::invalid(message).into());
        }
        let end = Instant::now() + Duration::from_millis(timeout_ms.unsigned_abs());
        let closed = client.runtime().close(end.saturating_duration_since(Instant::now()));
        // From here on the log is silent, also after a close that took too long.
        if let Some(log) = client.log.as_ref().filter(|_| !is_not_done(&closed))
            && !log.stop(end.saturating_duration_since(Instant::now()))
        {
            closed?;
            return Err(Error::new(Kind::Timeout, "the log's callback has not come back").into());
        }
        Ok(closed?)
    })
}

/// Frees a client. Operations that run end with `CLOSED`, those of queues a moment later; their jobs
/// go on at the service. The program may free queues before or after. NULL is accepted.
///
/// Any thread, also in a callback; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_client_free(client: *mut perceptis_client) {
    guard::free(client, |client| {
        let client = *client;
        let forked = !client.runtime.is_of_this_process();
        client.runtime.abandon();
        match client.log {
            // In a fork's child: the log is the parent's, too.
            log if forked => std::mem::forget(log),
            Some(log) => drop(log.stop(Duration::ZERO)),
            None => {}
        }
    });
}

/// Whether the close was refused, so that nothing has ended.
fn is_not_done(closed: &Result<(), Error>) -> bool {
    closed.as_ref().is_err_and(|error| matches!(error.kind(), Kind::Forked | Kind::WouldDeadlock))
}
