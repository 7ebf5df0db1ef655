//! A client's log as C sees it: records that become events of a queue, or are handed to a callback, on a thread of
//! the log's own.
//!
//! For a callback, records wait in a bounded queue, so that a slow callback delays nobody; the oldest make room, and the next one
//! that is handed out says how many. Who may do what: [`perceptis_core::Sink::take`] appends under the lock, from
//! any thread; the log's thread takes the first under the lock and calls without it; [`CallbackLog::stop`] waits,
//! holding the lock only while it sleeps, until that thread is in no call and will begin none.

use std::collections::VecDeque;
use std::ffi::{CString, c_char, c_void};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use perceptis_core::Sink;

use crate::error::c_text;
use crate::inbox::Inbox;
use crate::sync::{lock, wait};
use crate::threads::{self, SignalsBlocked};

/// How many records wait for the callback.
const MOST_WAITING: usize = 1024;

/// Takes a log record: a JSON object that is valid during the call. Called on a thread of the library's own,
/// never twice at once, with no lock held; may not call the functions of this header that block. Since 0.2.
pub type perceptis_log_function = Option<unsafe extern "C" fn(user: *mut c_void, record_json: *const c_char)>;

/// A function of the program and what it is called with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callback {
    function: unsafe extern "C" fn(*mut c_void, *const c_char),
    user: *mut c_void,
}

// SAFETY: `perceptis_config_set_log` says that the function is called with `user` on another thread.
unsafe impl Send for Callback {}
// SAFETY: as above; it is called on one thread at a time.
unsafe impl Sync for Callback {}

impl Callback {
    pub(crate) fn new(function: perceptis_log_function, user: *mut c_void) -> Option<Callback> {
        function.map(|function| Callback { function, user })
    }

    fn call(self, record: &CString) {
        threads::in_callback(|| {
            // SAFETY: the program gave this function for this use; the record lives until it returns.
            unsafe { (self.function)(self.user, record.as_ptr()) };
        });
    }
}

/// Where records go that a configuration asks for.
#[derive(Clone)]
pub(crate) enum Target {
    Callback(Callback),
    Queue(Arc<Inbox>),
}

/// The log of one client.
pub(crate) enum Log {
    Callback(Arc<CallbackLog>),
    Queue(Arc<QueueLog>),
}

impl Log {
    pub(crate) fn new(target: Target) -> Log {
        match target {
            Target::Callback(callback) => Log::Callback(Arc::new(CallbackLog::new(callback))),
            Target::Queue(inbox) => Log::Queue(Arc::new(QueueLog { inbox, silent: AtomicBool::new(false) })),
        }
    }

    /// Its end in `core`.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        match self {
            Log::Callback(log) => Arc::new(Ear(Arc::clone(log))),
            Log::Queue(log) => Arc::<QueueLog>::clone(log),
        }
    }

    /// Takes no further records; those that came are told within `timeout`, or not at all. Whether the callback, where
    /// there is one, has come back.
    pub(crate) fn stop(&self, timeout: Duration) -> bool {
        match self {
            Log::Callback(log) => log.stop(timeout),
            Log::Queue(log) => {
                log.silent.store(true, Ordering::Release);
                true
            }
        }
    }
}

/// A log that ends in a queue.
pub(crate) struct QueueLog {
    inbox: Arc<Inbox>,
    silent: AtomicBool,
}

impl fmt::Debug for QueueLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueLog")
    }
}

impl Sink for QueueLog {
    fn take(&self, record: String) {
        if !self.silent.load(Ordering::Acquire) {
            self.inbox.push_log(record);
        }
    }
}

/// A log that ends in a callback.
#[derive(Debug)]
pub(crate) struct CallbackLog {
    callback: Callback,
    state: Mutex<State>,
    /// A record has come, or the log stops.
    changed: Condvar,
    /// The thread is in no call any more.
    quiet: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<String>,
    dropped: u64,
    /// Whether there is a thread; made by the first record.
    running: bool,
    calling: bool,
    stopping: bool,
}

/// The log's place in `core`, which knows nothing of threads.
#[derive(Debug)]
struct Ear(Arc<CallbackLog>);

impl Sink for Ear {
    fn take(&self, record: String) {
        let log = &self.0;
        let mut state = log.lock();
        if state.stopping {
            return;
        }
        if state.waiting.len() == MOST_WAITING {
            state.waiting.pop_front();
            state.dropped += 1;
        }
        state.waiting.push_back(record);
        if state.running {
            drop(state);
            log.changed.notify_one();
            return;
        }
        let own = Arc::clone(log);
        let signals = SignalsBlocked::new();
        let thread = std::thread::Builder::new().name("perceptis-log".into());
        // Without a thread nothing is told; the next record tries again.
        state.running = thread.spawn(move || own.run()).is_ok();
        drop(signals);
    }
}

impl CallbackLog {
    pub(crate) fn new(callback: Callback) -> CallbackLog {
        CallbackLog { callback, state: Mutex::default(), changed: Condvar::new(), quiet: Condvar::new() }
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            if let Some(record) = state.waiting.pop_front() {
                let dropped = std::mem::take(&mut state.dropped);
                state.calling = true;
                drop(state);
                self.callback.call(&c_text(&told(record, dropped)));
                state = self.lock();
                state.calling = false;
                continue;
            }
            self.quiet.notify_all();
            if state.stopping {
                state.running = false;
                return;
            }
            state = wait(&self.changed, &self.state, state, None);
        }
    }

    /// Takes no further records, and waits until those that came are told, or so long; then nothing more is.
    /// Whether the callback has come back.
    pub(crate) fn stop(&self, timeout: Duration) -> bool {
        let end = Instant::now() + timeout;
        let mut state = self.lock();
        state.stopping = true;
        self.changed.notify_all();
        while state.running && (state.calling || !state.waiting.is_empty()) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.waiting.clear();
                return !state.calling;
            }
            state = wait(&self.quiet, &self.state, state, Some(left));
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// A record, and how many before it had to make room.
fn told(record: String, dropped: u64) -> String {
    match record.strip_suffix('}') {
        Some(open) if dropped > 0 => format!("{open},\"dropped\":{dropped}}}"),
        _ => record,
    }
}
