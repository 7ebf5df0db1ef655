//! A client's threads, and what runs on them.
//!
//! One operation: the caller's thread registers it under the lock of [`State`] and spawns its task; the task ends
//! with the operation, unregisters it and hands its outcome over, to the thread that waits for it or to a queue. A
//! client that ends stops its operations; should the threads go away first, the tasks are dropped, which ends the
//! operations as well. No lock is held across a wait or a callback.
//!
//! A short call that blocks runs on its caller's thread instead, where the client's runtime for that is free.

pub(crate) mod builder;
pub(crate) mod caller_thread;
pub(crate) mod worker;

use std::collections::BTreeMap;
use std::sync::{Weak, mpsc};
use std::time::{Duration, Instant};

use perceptis_core::{Activity, Client, End, Error, Hearing, Kind, Outcome, StopReason};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::call::Call;
use crate::call::operation::{Ending, Operation};
use crate::call::task::Task;
use crate::events::completion_queue::Inbox;
use crate::platform::process::Process;
use crate::platform::sync::{Arc, Condvar, Mutex, MutexGuard, lock, wait};
use crate::platform::threads;
use crate::runtime::builder::Runtimes;
use crate::runtime::caller_thread::Lane;
use crate::runtime::worker::Worker;

/// How long the threads of a freed client wait for its operations to end.
const MAX_LINGER: Duration = Duration::from_secs(5);

/// What a client handle, its running calls and its tasks share.
pub(crate) struct Shared {
    client: Arc<Client>,
    process: Process,
    runtimes: Runtimes,
    state: Mutex<State>,
    /// An operation of a client that closes has ended, and its end has been handed over.
    ended: Condvar,
    /// The same, for the task that ends the threads of a client that was freed.
    all_ended: Notify,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// Made by the first operation: a client costs nothing until it is used.
    worker: Option<Worker>,
    /// None while a call has it, too.
    lane: Option<Lane>,
    lane_lent: bool,
    next: u64,
    running: BTreeMap<u64, Arc<Operation>>,
    /// How many operations have not handed over their end.
    unfinished: usize,
}

/// Where an operation runs.
enum Place {
    Threads(Handle),
    Lane(LentLane),
}

/// The client's lane while a call has it.
struct LentLane {
    shared: Arc<Shared>,
    /// Taken when this is dropped.
    lane: Option<Lane>,
}

impl Drop for LentLane {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.lane_lent = false;
        if !state.closed {
            state.lane = self.lane.take();
        }
        // A client that has ended leaves it here, to be dropped with this: no lock is held then.
        drop(state);
    }
}

/// An operation's place in its client.
struct Running {
    shared: Arc<Shared>,
    number: u64,
}

impl Running {
    /// Hands the operation's end over. It no longer shows as running by then, and a client that closes waits until
    /// this is done.
    fn end(self, deliver: impl FnOnce()) {
        self.shared.lock().running.remove(&self.number);
        deliver();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.running.remove(&self.number);
        state.unfinished -= 1;
        let closed = state.closed;
        drop(state);
        // A system call; and nothing waits before the client closes.
        if closed {
            self.shared.ended.notify_all();
            self.shared.all_ended.notify_one();
        }
    }
}

impl Shared {
    pub(crate) fn new(client: Client) -> Shared {
        Shared {
            client: Arc::new(client),
            process: Process::current(),
            runtimes: Runtimes::new(),
            state: Mutex::default(),
            ended: Condvar::new(),
            all_ended: Notify::new(),
        }
    }

    /// Runs an operation on the client's threads and waits for its end.
    pub(crate) fn block(self: &Arc<Shared>, call: Call) -> Outcome {
        self.process.check("client")?;
        threads::check_blocking()?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let here = call.is_short() && Lane::fits();
        self.start(call, here, Hearing::AtReturn, |_, _| {
            Ok(move |end: End| {
                // The receiver is gone only when the caller's thread is.
                let _ = sender.send(end.outcome);
            })
        })?;
        receiver
            .recv()
            .unwrap_or_else(|_| Err(Error::new(Kind::Internal, "the call ended without an end").into()))
    }

    /// Runs an operation on the client's threads; its end goes into a queue.
    ///
    /// # Errors
    /// `Forked`, `Closed`, and `InvalidArgument` when the tag is in use; nothing goes into the queue then.
    pub(crate) fn enqueue(self: &Arc<Shared>, call: Call, inbox: &Arc<Inbox>, tag: u64) -> Result<(), Error> {
        self.process.check("client")?;
        self.start(call, false, Hearing::Later, |operation, progress| {
            let number = inbox.accept(tag, operation)?;
            if progress {
                // Weakly: the queue holds the operation.
                let inbox = Arc::downgrade(inbox);
                operation.tracker().on_change(Arc::new(move || {
                    if let Some(inbox) = Weak::upgrade(&inbox) {
                        inbox.news(tag, number);
                    }
                }));
            }
            let inbox = Arc::clone(inbox);
            Ok(move |end| inbox.end(tag, end))
        })
    }

    /// Starts an operation, once `accept` has said to whom its end is handed over. `here`: if it can, it runs it on this
    /// thread and returns when it has ended.
    fn start<D: FnOnce(End) + Send + 'static>(
        self: &Arc<Shared>,
        call: Call,
        here: bool,
        hearing: Hearing,
        accept: impl FnOnce(&Arc<Operation>, bool) -> Result<D, Error>,
    ) -> Result<(), Error> {
        let operation = Arc::new(Operation::new(call.tracker()));
        let (running, place) = self.begin(&operation, here)?;
        let deliver = accept(&operation, call.progress())?;
        let ending = Ending::new(Arc::clone(&operation), Box::new(move |end| running.end(|| deliver(end))));
        let work = call.work(Arc::clone(&self.client), operation.tracker().clone(), hearing);
        let task = Task::new(work, ending);
        match place {
            Place::Threads(handle) => drop(handle.spawn(task)),
            Place::Lane(mut lent) => match &mut lent.lane {
                Some(lane) => lane.run(task),
                None => drop(task),
            },
        }
        Ok(())
    }

    /// Ends what runs, waits until it has ended and the ledger has it, and stops the threads.
    pub(crate) fn close(&self, timeout: Duration) -> Result<(), Error> {
        self.process.check("client")?;
        threads::check_blocking()?;
        let end = Instant::now() + timeout;
        let left = || end.saturating_duration_since(Instant::now());
        self.stop_all();
        let mut state = self.lock();
        while state.unfinished > 0 && !left().is_zero() {
            state = wait(&self.ended, &self.state, state, Some(left()));
        }
        let still = state.unfinished;
        let (worker, lane) = (state.worker.take(), state.lane.take());
        drop(state);
        drop(lane);
        let unwritten = self.client.write_ledger(left());
        self.client.disconnect();
        if let Some(worker) = worker {
            worker.shut_down(left());
        }
        let time = timeout.as_millis();
        let message = match (still, unwritten) {
            (0, 0) => return Ok(()),
            (0, steps) => {
                format!(
                    "{steps} steps could not be written to the ledger within {time} ms; they are tried again"
                )
            }
            (operations, 0) => {
                format!("{operations} operations had not ended after {time} ms; they have been dropped")
            }
            (operations, steps) => format!(
                "{operations} operations had not ended after {time} ms; they have been dropped, and {steps} steps \
                 could not be written to the ledger; they are tried again"
            ),
        };
        Err(Error::new(Kind::Timeout, message))
    }

    /// Ends what runs without waiting for it: the handle is gone. The threads go when all of it has ended.
    pub(crate) fn abandon(self: Arc<Shared>) {
        if !self.process.is_current() {
            // In a fork's child: the threads are the parent's, and so is what their locks guard. Closing our
            // copies of its sockets would take them out of the parent's epoll. Nothing is touched.
            std::mem::forget(self);
            return;
        }
        self.stop_all();
        let (worker, lane) = {
            let mut state = self.lock();
            (state.worker.take(), state.lane.take())
        };
        drop(lane);
        let Some(worker) = worker else { return self.client.disconnect() };
        let runtime = worker.runtime().clone();
        runtime.spawn(async move {
            // Each ends within two seconds; what does not is dropped with the threads.
            let ended = async {
                while self.lock().unfinished > 0 {
                    self.all_ended.notified().await;
                }
            };
            let _ = tokio::time::timeout(MAX_LINGER, ended).await;
            self.client.disconnect();
            drop(worker);
        });
    }

    /// Whether this process made it, and no parent.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.process.is_current()
    }

    /// What runs now, the oldest first.
    pub(crate) fn activity(&self) -> Result<Vec<Activity>, Error> {
        self.process.check("client")?;
        Ok(self.lock().running.values().map(|operation| operation.tracker().activity()).collect())
    }

    /// Begins no further operation and stops those that run.
    fn stop_all(&self) {
        let running: Vec<Arc<Operation>> = {
            let mut state = self.lock();
            state.closed = true;
            state.running.values().map(Arc::clone).collect()
        };
        for operation in running {
            operation.stop(StopReason::Closed);
        }
    }

    fn begin(self: &Arc<Shared>, operation: &Arc<Operation>, here: bool) -> Result<(Running, Place), Error> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::new(Kind::Closed, "the client is closed"));
        }
        let runtime = match &state.worker {
            Some(worker) => worker.runtime().clone(),
            None => {
                let worker = state.worker.insert(Worker::start(&self.runtimes)?);
                self.client.live_on(worker.runtime());
                worker.runtime().clone()
            }
        };
        let place = if here && !state.lane_lent {
            let lane = match state.lane.take() {
                Some(lane) => lane,
                None => Lane::new(&self.runtimes)?,
            };
            state.lane_lent = true;
            Place::Lane(LentLane { shared: Arc::clone(self), lane: Some(lane) })
        } else {
            Place::Threads(runtime)
        };
        let number = state.next;
        state.next += 1;
        state.running.insert(number, Arc::clone(operation));
        state.unfinished += 1;
        Ok((Running { shared: Arc::clone(self), number }, place))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
