//! Configurations as C sees them.

use std::ffi::{c_char, c_void};

use perceptis_core::Config;

use crate::arguments::{self, MAX_NAME_BYTES, MAX_VALUE_BYTES};
use crate::code::perceptis_code;
use crate::error::perceptis_error;
use crate::guard;
use crate::handle::{self, Handle};
use crate::log::{Target, perceptis_log_function};
use crate::log_thread::Source;
use crate::queue::perceptis_queue;

/// What a client is made from. Has one owner: not to be used from two threads at once. Since 0.1.
pub struct perceptis_config {
    pub(crate) config: Config,
    pub(crate) log: Option<Target>,
}

impl Handle for perceptis_config {
    const KIND: handle::Kind = handle::Kind::Config;
}

/// A configuration with nothing set.
///
/// Never NULL. The caller owns it and frees it with `perceptis_config_free`. Any thread; does not block.
/// Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_config_new() -> *mut perceptis_config {
    handle::new(perceptis_config { config: Config::default(), log: None })
}

/// Sets a key from text; the last value wins. What is not set is taken from the environment variable
/// `PERCEPTIS_<KEY>` when a client is made, else the default in brackets holds. Durations are in
/// milliseconds.
///
/// - `api_key`: needed, here or in the environment
/// - `api_base_url`: an origin only [https://app.perceptis.ai]
/// - `app_name`: put before the library's name in the User-Agent
/// - `ca_file`: certificates in PEM form, trusted besides the system's
/// - `client_cert_file`, `client_key_file`: the certificate that is shown to a host that asks for one, with
///   those that lead to its authority, and its private key, not encrypted; in PEM form; both, or neither
/// - `allow_http`: `true` to use plain http to another machine [false]
/// - `connect_timeout_ms` [5000], `submit_timeout_ms` [60000], `status_timeout_ms` [15000]: of one attempt
/// - `download_idle_timeout_ms`: how long a download may bring nothing [30000]
/// - `poll_first_ms` [2000], `poll_max_ms` [10000]: the shortest and the longest distance between two polls of
///   a job, at least 1000. Between them no distance is longer than 15 % of the job's age, so that the end of
///   a job is seen within 15 % of the time that it took, or `poll_first_ms` where that is longer
/// - `resubmit_window_ms`: how long after its first attempt a submission whose fate is unknown is repeated
///   without asking [3600000]
/// - `adopt_window_ms`: how long an equal call is given what another one settled for it, by `perceptis_recover`, say;
///   after that it buys anew, and its result's `note` names the earlier deck; 0 to a year [86400000]
/// - `max_concurrent_submissions`: 1 to 64 [8]
/// - `max_file_bytes`: the largest file that is fetched, to 4 GiB [536870912]
/// - `ledger`: the path of the file in which submissions are recorded before they are sent, so that the death of the
///   process costs nothing; or `off`: in memory, for the life of the client
///   [$XDG_STATE_HOME/perceptis/ledger.db, or the same in $HOME/.local/state]
/// - `log_level`: what is logged, where a log is set: `error`, `warning`, `info` or `debug` [info]
/// - `time_scale`: 1 to 10000, divides every duration; with a base URL on this machine only [1]
/// - `jitter_seed`: 0 to 9223372036854775807, makes the spreads of waiting times the same in each run of a test; with a
///   base URL on this machine only. Idempotency keys are random with it, too [the operating system's randomness]
///
/// Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, an unknown key, a bad value: the message lists what
/// is accepted), `CONFIGURATION` (a base URL with a path, query, user info or another scheme). The texts are
/// copied. Any thread; does not block. Since 0.1.
// What is in brackets is a default, not a link: this text is for the header.
#[allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links)]
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_config_set(
    config: *mut perceptis_config,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    guard::call(error, || {
        let config = arguments::handle_mut("config", config)?;
        let key = arguments::text("key", key, MAX_NAME_BYTES)?;
        let value = arguments::text("value", value, MAX_VALUE_BYTES)?;
        Ok(config.config.set(key, value)?)
    })
}

/// Sets the function that takes the log records of clients made from this configuration, and what it is
/// called with; NULL: no log. A record is a JSON object with `unix_ms`, `level`, `event` ("started",
/// "request", "retrying", "poll failed", "wait bounded", "outcome unknown", "adopted", "status", "finished",
/// "failed", "stopped", "unsettled", "not recorded") and, where they apply, `operation`, `job_id`,
/// `idempotency_key`, `request` ("generate", "status", "download"), `attempt`, `outcome`, `http_status`,
/// `took_ms`, `wait_ms`, `asked_ms`, `code`, `billed`, `message`; more may be added. It holds
/// neither the API key nor a URL's query. A callback that is slower than the records loses the oldest beyond
/// 1,024; the next record says how many in `dropped`.
///
/// The function is called on one thread for all clients made from this configuration, never twice at once,
/// with no lock held, and may not call what blocks (`WOULD_DEADLOCK`). `perceptis_client_close` waits, within
/// its time, until the records of its client were handed out; once it has returned OK, no call with one
/// begins or is in progress. `perceptis_client_free` does not wait for one in progress. `user` is the
/// caller's and must stay valid until all these clients are closed. Setting it again is for the clients made
/// afterwards, whose callback may run beside that of the earlier ones. A fork's child may make clients from
/// it, too: they have a thread of the child's. Errors: `INVALID_ARGUMENT`. Any thread; does not block.
/// Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_config_set_log(
    config: *mut perceptis_config,
    log: perceptis_log_function,
    user: *mut c_void,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    guard::call(error, || {
        arguments::handle_mut("config", config)?.log = Source::new(log, user).map(Target::Callback);
        Ok(())
    })
}

/// Sets the queue that gets the log records of clients made from this configuration, as events of the kind
/// `PERCEPTIS_EVENT_LOG` with the record as their JSON; NULL: no log. So nothing is called on a thread of the
/// library's. At most 1,024 records wait; the oldest make room, and an event tells how many. The records are
/// those of `perceptis_config_set_log`, which this replaces, and none comes after `perceptis_client_close`.
///
/// The queue is not taken over, and may be freed before the client. Errors: `INVALID_ARGUMENT`, `FORKED`. Any
/// thread; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_config_set_log_queue(
    config: *mut perceptis_config,
    queue: *mut perceptis_queue,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    guard::call(error, || {
        let config = arguments::handle_mut("config", config)?;
        config.log = match arguments::optional("queue", queue)? {
            Some(queue) => Some(Target::Queue(queue.inbox()?)),
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
