//! A client's threads, and what runs on them.
//!
//! One operation: the caller's thread registers it under the lock of [`State`] and spawns its task; the task
//! ends with the operation, or with `CLOSED` as soon as the client closes, unregisters it and sends the
//! outcome; the caller's thread waits for that and for nothing else. Should the runtime be torn down first,
//! the sender is dropped with the task and the caller gets `CLOSED`. No lock is held across a wait.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::Poll;
use std::time::{Duration, Instant};

use perceptis_core::{Activity, Client, Error, Kind, Outcome, Tracker};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;

use crate::guard;

/// Threads for the disk and for name resolution; they come when needed and go when idle.
const BLOCKING_THREADS: usize = 8;

thread_local! {
    /// Whether this is one of the library's own threads, which must never wait for themselves.
    static OWN: Cell<bool> = const { Cell::new(false) };
}

/// Marks the thread that it is made on as one of the library's own.
pub(crate) struct OwnThread;

impl OwnThread {
    pub(crate) fn enter() -> OwnThread {
        OWN.set(true);
        OwnThread
    }
}

/// What a client handle, its running calls and its tasks share.
pub(crate) struct Shared {
    client: Arc<Client>,
    /// The process that made the client: threads and sockets do not come along into a fork's child.
    process: u32,
    state: Mutex<State>,
    /// An operation has ended.
    ended: Condvar,
    closing: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// Made by the first operation: a client costs nothing until it is used.
    runtime: Option<Runtime>,
    next: u64,
    running: BTreeMap<u64, Tracker>,
}

/// An operation's place among the running ones, given up when it ends, however it ends.
struct Running {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.lock().running.remove(&self.number);
        self.shared.ended.notify_all();
    }
}

impl Shared {
    pub(crate) fn new(client: Client) -> Shared {
        Shared {
            client: Arc::new(client),
            process: std::process::id(),
            state: Mutex::default(),
            ended: Condvar::new(),
            closing: watch::Sender::new(false),
        }
    }

    /// Runs an operation on the client's threads and waits for its end.
    pub(crate) fn block<F>(
        self: &Arc<Shared>,
        tracker: Tracker,
        start: impl FnOnce(Arc<Client>, Tracker) -> F,
    ) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        self.check_thread()?;
        let (running, handle) = self.begin(&tracker)?;
        let work = start(Arc::clone(&self.client), tracker.clone());
        let mut closing = self.closing.subscribe();
        let (sender, receiver) = mpsc::sync_channel(1);
        let watched = tracker.clone();
        handle.spawn(async move {
            let outcome = tokio::select! {
                biased;
                outcome = caught(work, &watched) => outcome,
                _ = closing.wait_for(|closing| *closing) => {
                    Err(watched.end(Kind::Closed, "the client was closed").into())
                }
            };
            drop(running);
            // Nobody listens any more only when the caller's thread is gone.
            let _ = sender.send(outcome);
        });
        receiver.recv().unwrap_or_else(|_| Err(tracker.end(Kind::Closed, "the client was freed").into()))
    }

    /// Ends what runs, waits until it has ended, and stops the threads.
    pub(crate) fn close(&self, timeout: Duration) -> Result<(), Error> {
        self.check_thread()?;
        let end = Instant::now() + timeout;
        let left = || end.saturating_duration_since(Instant::now());
        let mut state = self.lock();
        state.closed = true;
        self.closing.send_replace(true);
        while !state.running.is_empty() && !left().is_zero() {
            state = self.ended.wait_timeout(state, left()).unwrap_or_else(PoisonError::into_inner).0;
        }
        let still = state.running.len();
        let runtime = state.runtime.take();
        drop(state);
        if let Some(runtime) = runtime {
            // Waits for files that are being synced, too.
            runtime.shutdown_timeout(left());
        }
        if still == 0 {
            return Ok(());
        }
        Err(Error::new(
            Kind::Timeout,
            format!(
                "{still} operations had not ended after {} ms; they have been dropped",
                timeout.as_millis()
            ),
        ))
    }

    /// Ends what runs without waiting for it: the handle is gone.
    pub(crate) fn abandon(self: Arc<Shared>) {
        if self.process != std::process::id() {
            // In a fork's child: the threads are the parent's, and so is what their locks guard. Closing our
            // copies of its sockets would take them out of the parent's epoll. Nothing is touched.
            std::mem::forget(self);
            return;
        }
        let runtime = {
            let mut state = self.lock();
            state.closed = true;
            state.runtime.take()
        };
        self.closing.send_replace(true);
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }

    /// What runs now, the oldest first.
    pub(crate) fn activity(&self) -> Result<Vec<Activity>, Error> {
        self.check_process()?;
        Ok(self.lock().running.values().map(Tracker::activity).collect())
    }

    fn begin(self: &Arc<Shared>, tracker: &Tracker) -> Result<(Running, Handle), Error> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::new(Kind::Closed, "the client is closed"));
        }
        let runtime = match &mut state.runtime {
            Some(runtime) => runtime,
            none => none.insert(new_runtime()?),
        };
        let handle = runtime.handle().clone();
        let number = state.next;
        state.next += 1;
        state.running.insert(number, tracker.clone());
        Ok((Running { shared: Arc::clone(self), number }, handle))
    }

    pub(crate) fn check_process(&self) -> Result<(), Error> {
        if self.process == std::process::id() {
            return Ok(());
        }
        Err(Error::new(
            Kind::Forked,
            "the client was made before a fork, in the parent process; make a new one in this process",
        ))
    }

    fn check_thread(&self) -> Result<(), Error> {
        self.check_process()?;
        if OWN.get() {
            return Err(Error::new(
                Kind::WouldDeadlock,
                "a blocking call from a thread of the library's own",
            ));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A future whose panic is its failure, with all that is known of its job.
async fn caught(work: impl Future<Output = Outcome>, tracker: &Tracker) -> Outcome {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))).unwrap_or_else(|panic| {
            Poll::Ready(Err(tracker.end(Kind::Internal, guard::panicked(panic.as_ref()).message()).into()))
        })
    })
    .await
}

/// One thread that does the work, and some that may block.
fn new_runtime() -> Result<Runtime, Error> {
    let signals = SignalsBlocked::new();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("perceptis")
        .on_thread_start(|| OWN.set(true))
        .enable_all()
        .build()
        .map_err(|error| {
            Error::new(Kind::Internal, format!("the client's thread can't be started: {error}"))
        });
    drop(signals);
    runtime
}

/// Blocks all signals in this thread while it lives, so that threads made meanwhile, and theirs, never run
/// a handler of the program.
pub(crate) struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    pub(crate) fn new() -> SignalsBlocked {
        let mut all = std::mem::MaybeUninit::uninit();
        let mut before = std::mem::MaybeUninit::uninit();
        // SAFETY: sigfillset initializes its set, pthread_sigmask reads the first and writes the second; both
        // can fail only for arguments that these are not.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            SignalsBlocked(before.assume_init())
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the set is the one that this thread had.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}
