//! The log callback of a configuration, and the thread that hands records to it.
//!
//! All clients of a configuration share the thread, and a list of records that wait, so that the callback
//! never runs twice at once. The list is bounded: a slow callback delays no client. The oldest records make
//! room, and the next record that is handed out says how many were dropped.
//!
//! Any thread appends a record under the lock ([`perceptis_core::Sink::take`]). The log thread takes the
//! first record under the lock, and calls the callback without it. [`ClientRecords::stop`] waits until the
//! thread has no record of that client any more. The first record starts the thread; it ends when the
//! configuration and all its clients are gone.
//!
//! A fork's child has no such thread, and another thread may have held the lock during the fork. So in the
//! child the configuration has a thread and a list of its own, and the child does not touch those of the
//! parent.

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

/// Takes a log record: a JSON object that is valid during the call. The library calls it on a thread
/// of its own, with no lock held, and for the clients of one configuration never twice at once. The
/// function may not call the functions of this header that block. It must return: it must not end by
/// `longjmp`, `pthread_exit` or an exception. Since 0.2.
pub type perceptis_log_function = Option<unsafe extern "C" fn(user: *mut c_void, record_json: *const c_char)>;

/// The largest number of records that wait for the callback.
const MAX_WAITING: usize = 1024;

/// The program's function, and the argument that it is called with.
#[derive(Clone, Copy)]
struct Callback {
    function: unsafe extern "C" fn(*mut c_void, *const c_char),
    user: *mut c_void,
}

// SAFETY: `perceptis_config_set_log` says that the function is called with `user` on a thread of the
// library's.
unsafe impl Send for Callback {}
// SAFETY: threads only copy a shared callback, except for `LogThread::run`, which calls it. A process has one
// such thread for each configuration: `State::running` is set under the lock when the thread is started, and
// taken back under the lock as the last thing that the thread does.
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
pub(crate) struct LogCallback {
    callback: Callback,
    thread: Arc<LogThread>,
    /// What a fork's child uses in the place of this. Empty in the process that made this.
    in_child: OnceLock<Box<LogCallback>>,
}

impl LogCallback {
    /// `None` of NULL.
    pub(crate) fn new(function: perceptis_log_function, user: *mut c_void) -> Option<LogCallback> {
        function.map(|function| LogCallback::of(Callback { function, user }))
    }

    fn of(callback: Callback) -> LogCallback {
        LogCallback { callback, thread: Arc::new(LogThread::new(callback)), in_child: OnceLock::new() }
    }

    /// The log of a new client.
    pub(crate) fn join(&self) -> ClientRecords {
        if !self.thread.process.is_current() {
            return self.in_child.get_or_init(|| Box::new(LogCallback::of(self.callback))).join();
        }
        let mut state = self.thread.lock();
        state.next += 1;
        let client = state.next;
        state.clients.insert(client);
        drop(state);
        ClientRecords { client, thread: Arc::clone(&self.thread) }
    }
}

impl Drop for LogCallback {
    fn drop(&mut self) {
        if !self.thread.process.is_current() {
            // In a fork's child: the thread's state is the parent's, and stays as it is.
            std::mem::forget(Arc::clone(&self.thread));
            return;
        }
        self.thread.lock().configured = false;
        self.thread.changed.notify_all();
    }
}

/// The records of one client, which go to the callback.
pub(crate) struct ClientRecords {
    client: u64,
    thread: Arc<LogThread>,
}

impl ClientRecords {
    /// What the client in `core` writes its records to.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(CallbackSink { client: self.client, thread: Arc::clone(&self.thread) })
    }

    /// Takes no further records, and waits until the records that came before were handed out, or until the
    /// time is over, which drops the rest. Says whether the callback has returned from this client's records.
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

impl Drop for ClientRecords {
    fn drop(&mut self) {
        if self.thread.process.is_current() {
            self.stop(Duration::ZERO);
        } else {
            std::mem::forget(Arc::clone(&self.thread));
        }
    }
}

/// What a client in `core` writes its records to. It appends them to the list of the log thread.
struct CallbackSink {
    client: u64,
    thread: Arc<LogThread>,
}

impl fmt::Debug for CallbackSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackSink")
    }
}

impl Sink for CallbackSink {
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
        // If the thread can't be started, no record is handed out now, and the next record tries again.
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
    /// How many records were dropped since the last record that was handed out.
    dropped: u64,
    /// Whether the thread runs.
    running: bool,
    /// The client whose record the callback has now.
    calling: Option<u64>,
    /// Whether the configuration still exists, so that further clients may come.
    configured: bool,
    /// The clients that may bring records.
    clients: BTreeSet<u64>,
    /// The number of the newest client.
    next: u64,
    /// How many threads wait in [`ClientRecords::stop`].
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
    /// The callback has returned.
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
                self.callback.call(&c_text(&with_dropped(record.json, dropped)));
                if !self.process.is_current() {
                    // The callback forked, and this thread is the child's.
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

/// A record, and in it how many records were dropped before it.
fn with_dropped(record: String, dropped: u64) -> String {
    match record.strip_suffix('}') {
        Some(open) if dropped > 0 => format!("{open},\"dropped\":{dropped}}}"),
        _ => record,
    }
}
