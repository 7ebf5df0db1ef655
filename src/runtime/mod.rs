//! The runtime of a client: its threads, and the operations that run on them.
//!
//! The calling thread registers an operation under the lock of [`State`] and spawns its task. The task ends
//! with the operation: it unregisters it, and hands the outcome over to the thread that waits or to a queue.
//! A client that ends stops its operations. If the threads end first, their tasks are dropped, which ends the
//! operations as well. No lock is held across a wait or a callback.
//!
//! A short call that blocks runs on the calling thread instead, where no other call uses the runtime for that
//! ([`caller_thread`]).

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
use crate::events::completion_queue::CompletionQueue;
use crate::platform::process::Process;
use crate::platform::sync::{Arc, Condvar, Mutex, MutexGuard, lock, wait};
use crate::platform::threads;
use crate::runtime::builder::RuntimeBuilder;
use crate::runtime::caller_thread::CallerRuntime;
use crate::runtime::worker::Worker;

/// How long the threads of a freed client wait for its operations to end.
const MAX_LINGER: Duration = Duration::from_secs(5);

/// What a client handle, its running calls and its tasks share.
pub(crate) struct ClientRuntime {
    client: Arc<Client>,
    process: Process,
    builder: RuntimeBuilder,
    state: Mutex<State>,
    /// An operation has handed over its end. Notified once the client closes.
    ended: Condvar,
    /// The same, for the task that ends the threads of a client that the program freed.
    all_ended: Notify,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// Made by the first operation: a client costs nothing until it is used.
    worker: Option<Worker>,
    /// Made by the first short call that blocks. `None` while a call uses it, too.
    caller_runtime: Option<CallerRuntime>,
    /// Whether a call uses it.
    caller_runtime_lent: bool,
    /// The number of the next operation.
    next: u64,
    running: BTreeMap<u64, Arc<Operation>>,
    /// How many operations have not handed over their end.
    unfinished: usize,
}

/// What runs an operation.
enum Executor {
    /// The client's worker.
    Worker(Handle),
    /// The calling thread.
    Caller(LentRuntime),
}

/// The client's [`CallerRuntime`] while a call uses it.
struct LentRuntime {
    client: Arc<ClientRuntime>,
    /// `None` only while this is dropped.
    runtime: Option<CallerRuntime>,
}

impl Drop for LentRuntime {
    fn drop(&mut self) {
        let mut state = self.client.lock();
        state.caller_runtime_lent = false;
        if !state.closed {
            state.caller_runtime = self.runtime.take();
        }
        // After the client has ended, the runtime is dropped with this, when no lock is held.
        drop(state);
    }
}

/// An operation that is registered with its client, until this is dropped.
struct Running {
    client: Arc<ClientRuntime>,
    number: u64,
}

impl Running {
    /// Hands the operation's end over. The client no longer lists it as running by then, and a client that
    /// closes waits until this is done.
    fn end(self, deliver: impl FnOnce()) {
        self.client.lock().running.remove(&self.number);
        deliver();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.client.lock();
        state.running.remove(&self.number);
        state.unfinished -= 1;
        let closed = state.closed;
        drop(state);
        // Only a client that closes waits for this. So other operations save the system call.
        if closed {
            self.client.ended.notify_all();
            self.client.all_ended.notify_one();
        }
    }
}

impl ClientRuntime {
    pub(crate) fn new(client: Client) -> ClientRuntime {
        ClientRuntime {
            client: Arc::new(client),
            process: Process::current(),
            builder: RuntimeBuilder::new(),
            state: Mutex::default(),
            ended: Condvar::new(),
            all_ended: Notify::new(),
        }
    }

    /// Runs an operation and waits for its end.
    pub(crate) fn block(self: &Arc<ClientRuntime>, call: Call) -> Outcome {
        self.process.check("client")?;
        threads::check_blocking()?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let here = call.is_short() && CallerRuntime::fits();
        self.start(call, here, Hearing::AtReturn, |_, _| {
            Ok(move |end: End| {
                // The receiver is gone only when the calling thread is.
                let _ = sender.send(end.outcome);
            })
        })?;
        receiver
            .recv()
            .unwrap_or_else(|_| Err(Error::new(Kind::Internal, "the call ended without an end").into()))
    }

    /// Runs an operation on the client's worker. Its end goes into a queue.
    ///
    /// # Errors
    /// `Forked`, `Closed`, and `InvalidArgument` when the tag is in use; nothing goes into the queue then.
    pub(crate) fn enqueue(
        self: &Arc<ClientRuntime>,
        call: Call,
        completions: &Arc<CompletionQueue>,
        tag: u64,
    ) -> Result<(), Error> {
        self.process.check("client")?;
        self.start(call, false, Hearing::Later, |operation, progress| {
            let number = completions.accept(tag, operation)?;
            if progress {
                // A weak reference: the queue holds the operation.
                let completions = Arc::downgrade(completions);
                operation.tracker().on_change(Arc::new(move || {
                    if let Some(completions) = Weak::upgrade(&completions) {
                        completions.progress(tag, number);
                    }
                }));
            }
            let completions = Arc::clone(completions);
            Ok(move |end| completions.end(tag, end))
        })
    }

    /// Starts an operation, once `accept` has returned the function that takes its end. With `here`, the
    /// operation runs on this thread where that is possible, and this returns when it has ended.
    fn start<D: FnOnce(End) + Send + 'static>(
        self: &Arc<ClientRuntime>,
        call: Call,
        here: bool,
        hearing: Hearing,
        accept: impl FnOnce(&Arc<Operation>, bool) -> Result<D, Error>,
    ) -> Result<(), Error> {
        let operation = Arc::new(Operation::new(call.tracker()));
        let (running, executor) = self.begin(&operation, here)?;
        let deliver = accept(&operation, call.progress())?;
        let ending = Ending::new(Arc::clone(&operation), Box::new(move |end| running.end(|| deliver(end))));
        let work = call.work(Arc::clone(&self.client), operation.tracker().clone(), hearing);
        let task = Task::new(work, ending);
        match executor {
            Executor::Worker(handle) => drop(handle.spawn(task)),
            Executor::Caller(mut lent) => match &mut lent.runtime {
                Some(runtime) => runtime.run(task),
                None => drop(task),
            },
        }
        Ok(())
    }

    /// Ends the operations that run, waits until they have ended and the ledger has their ends, and stops the
    /// threads.
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
        let (worker, caller_runtime) = (state.worker.take(), state.caller_runtime.take());
        drop(state);
        drop(caller_runtime);
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
                "{operations} operations had not ended after {time} ms; they have been dropped, and {steps} \
                 steps could not be written to the ledger; they are tried again"
            ),
        };
        Err(Error::new(Kind::Timeout, message))
    }

    /// Ends the operations that run without waiting for them, since the program has freed the handle. The
    /// threads end when all operations have.
    pub(crate) fn abandon(self: Arc<ClientRuntime>) {
        if !self.process.is_current() {
            // In a fork's child: the threads are the parent's, and so is the state that their locks guard. If
            // the child closed its copies of the sockets, that would take them out of the parent's epoll.
            std::mem::forget(self);
            return;
        }
        self.stop_all();
        let (worker, caller_runtime) = {
            let mut state = self.lock();
            (state.worker.take(), state.caller_runtime.take())
        };
        drop(caller_runtime);
        let Some(worker) = worker else { return self.client.disconnect() };
        let runtime = worker.runtime().clone();
        runtime.spawn(async move {
            // Each operation ends within two seconds. One that does not is dropped with the threads.
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

    /// Whether this process made the client, and not a parent of it.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.process.is_current()
    }

    /// The operations that run now, the oldest first.
    pub(crate) fn activity(&self) -> Result<Vec<Activity>, Error> {
        self.process.check("client")?;
        Ok(self.lock().running.values().map(|operation| operation.tracker().activity()).collect())
    }

    /// Refuses further operations and stops those that run.
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

    fn begin(
        self: &Arc<ClientRuntime>,
        operation: &Arc<Operation>,
        here: bool,
    ) -> Result<(Running, Executor), Error> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::new(Kind::Closed, "the client is closed"));
        }
        let worker = match &state.worker {
            Some(worker) => worker.runtime().clone(),
            None => {
                let worker = state.worker.insert(Worker::start(&self.builder)?);
                self.client.live_on(worker.runtime());
                worker.runtime().clone()
            }
        };
        let executor = if here && !state.caller_runtime_lent {
            let runtime = match state.caller_runtime.take() {
                Some(runtime) => runtime,
                None => CallerRuntime::new(&self.builder)?,
            };
            state.caller_runtime_lent = true;
            Executor::Caller(LentRuntime { client: Arc::clone(self), runtime: Some(runtime) })
        } else {
            Executor::Worker(worker)
        };
        let number = state.next;
        state.next += 1;
        state.running.insert(number, Arc::clone(operation));
        state.unfinished += 1;
        Ok((Running { client: Arc::clone(self), number }, executor))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
