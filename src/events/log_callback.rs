//! The thread that hands log records to a configuration's callback.
//!
//! All clients of a configuration share it, and the queue before it, so the callback never runs twice at
//! once. The queue is bounded: a slow callback delays no client; the oldest records make room, and the next
//! one that is handed out says how many.
//!
//! Who may do what: any thread appends under the lock ([`perceptis_core::Sink::take`]). The thread takes the
//! first record under the lock and calls without it. [`CallbackLog::stop`] waits, holding the lock only while
//! it sleeps, until the thread has no record of that client any more. The thread is started by the first
//! record, and ends when the configuration and all its clients are gone.
//!
//! A fork's child has no such thread, and another thread may have held the lock when it was forked. A
//! configuration works there all the same, with a thread and a queue of the child's own; what is the parent's
//! is not touched.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{CString, c_char, c_void};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use perceptis_core::Sink;

use crate::boundary::text::c_text;
use crate::platform::process::Process;
use crate::platform::sync::{lock, wait};
use crate::platform::threads;

/// Takes a log record: a JSON object that is valid during the call. Called on a thread of the library's own,
/// for the clients of one configuration never twice at once, with no lock held; may not call the functions of
/// this header that block, and returns: it is not left by `longjmp`, `pthread_exit` or an exception.
/// Since 0.2.
pub type perceptis_log_function = Option<unsafe extern "C" fn(user: *mut c_void, record_json: *const c_char)>;

/// How many records wait for the callback.
const MAX_WAITING: usize = 1024;

/// A function of the program and what it is called with.
#[derive(Clone, Copy)]
struct Callback {
    function: unsafe extern "C" fn(*mut c_void, *const c_char),
    user: *mut c_void,
}

// SAFETY: `perceptis_config_set_log` says that the function is called with `user` on a thread of the
// library's.
unsafe impl Send for Callback {}
// SAFETY: all that threads do with a shared one is to copy it, except for `LogThread::run`, which calls it.
// Of those there is one in a process for each configuration: `State::running` is set under the lock when it
// is started, and taken back under the lock as the last thing that it does.
unsafe impl Sync for Callback {}

impl Callback {
    fn call(self, record: &CString) {
        threads::in_callback(|| {
            // SAFETY: the program gave this function for this use; the record lives until it returns. The
            // program keeps `user` valid until its clients are closed, which waits for this.
            unsafe { (self.function)(self.user, record.as_ptr()) };
        });
    }
}

/// A configuration's callback, with its thread in each process that uses the configuration.
pub(crate) struct Source {
    callback: Callback,
    thread: Arc<LogThread>,
    /// The child's, where this process is a fork's child of the one that made this.
    in_child: OnceLock<Box<Source>>,
}

impl Source {
    /// NULL is none.
    pub(crate) fn new(function: perceptis_log_function, user: *mut c_void) -> Option<Source> {
        function.map(|function| Source::of(Callback { function, user }))
    }

    fn of(callback: Callback) -> Source {
        Source { callback, thread: Arc::new(LogThread::new(callback)), in_child: OnceLock::new() }
    }

    /// The log of a new client.
    pub(crate) fn join(&self) -> CallbackLog {
        if !self.thread.process.is_current() {
            return self.in_child.get_or_init(|| Box::new(Source::of(self.callback))).join();
        }
        let mut state = self.thread.lock();
        state.next += 1;
        let client = state.next;
        state.clients.insert(client);
        drop(state);
        CallbackLog { client, thread: Arc::clone(&self.thread) }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if !self.thread.process.is_current() {
            // The parent's: kept as it is.
            std::mem::forget(Arc::clone(&self.thread));
            return;
        }
        self.thread.lock().configured = false;
        self.thread.changed.notify_all();
    }
}

/// The log of one client, which ends in a callback.
pub(crate) struct CallbackLog {
    client: u64,
    thread: Arc<LogThread>,
}

impl CallbackLog {
    /// Its end in `core`.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(Ear { client: self.client, thread: Arc::clone(&self.thread) })
    }

    /// Takes no further records, and waits until those that came were handed out, or so long; then nothing
    /// more is. Whether the callback has come back from this client's records.
    pub(crate) fn stop(&self, timeout: Duration) -> bool {
        let (client, thread) = (self.client, &*self.thread);
        let end = Instant::now() + timeout;
        let mut state = thread.lock();
        state.clients.remove(&client);
        thread.changed.notify_all();
        while state.has(client) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || !state.running {
                state.waiting.retain(|record| record.client != client);
                return state.calling != Some(client);
            }
            state.stopping += 1;
            state = wait(&thread.quiet, &thread.state, state, Some(left));
            state.stopping -= 1;
        }
        true
    }
}

impl Drop for CallbackLog {
    fn drop(&mut self) {
        if self.thread.process.is_current() {
            self.stop(Duration::ZERO);
        } else {
            std::mem::forget(Arc::clone(&self.thread));
        }
    }
}

/// A client's place in `core`, which knows nothing of threads.
struct Ear {
    client: u64,
    thread: Arc<LogThread>,
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackLog")
    }
}

impl Sink for Ear {
    fn take(&self, json: String) {
        let thread = &self.thread;
        let mut state = thread.lock();
        if !state.clients.contains(&self.client) {
            return;
        }
        if state.waiting.len() == MAX_WAITING {
            state.waiting.pop_front();
            state.dropped += 1;
        }
        state.waiting.push_back(Record { client: self.client, json });
        if state.running {
            drop(state);
            thread.changed.notify_one();
            return;
        }
        let own = Arc::clone(thread);
        // Without a thread nothing is handed out; the next record tries again.
        state.running = threads::spawn_named("perceptis-log", Box::new(move || own.run())).is_ok();
    }
}

struct Record {
    client: u64,
    json: String,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Record>,
    /// How many records made room since the last that was handed out.
    dropped: u64,
    /// Whether there is a thread.
    running: bool,
    /// The client whose record the callback has now.
    calling: Option<u64>,
    /// Whether the configuration is there, so that further clients may come.
    configured: bool,
    /// The clients that may bring records.
    clients: BTreeSet<u64>,
    /// Numbers clients.
    next: u64,
    /// How many threads wait in [`CallbackLog::stop`].
    stopping: usize,
}

impl State {
    /// Whether a record of this client waits or is being handed out.
    fn has(&self, client: u64) -> bool {
        self.calling == Some(client) || self.waiting.iter().any(|record| record.client == client)
    }
}

struct LogThread {
    callback: Callback,
    process: Process,
    state: Mutex<State>,
    /// A record has come, or the configuration or a client is gone.
    changed: Condvar,
    /// The callback has come back.
    quiet: Condvar,
}

impl LogThread {
    fn new(callback: Callback) -> LogThread {
        LogThread {
            callback,
            process: Process::current(),
            state: Mutex::new(State { configured: true, ..State::default() }),
            changed: Condvar::new(),
            quiet: Condvar::new(),
        }
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            if let Some(record) = state.waiting.pop_front() {
                let dropped = std::mem::take(&mut state.dropped);
                state.calling = Some(record.client);
                drop(state);
                self.callback.call(&c_text(&told(record.json, dropped)));
                if !self.process.is_current() {
                    // The callback forked, and this is the child.
                    return;
                }
                state = self.lock();
                state.calling = None;
                if state.stopping > 0 {
                    self.quiet.notify_all();
                }
                continue;
            }
            if !state.configured && state.clients.is_empty() {
                state.running = false;
                return;
            }
            state = wait(&self.changed, &self.state, state, None);
        }
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
