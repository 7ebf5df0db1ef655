//! One operation, from the call that starts it to its one end.
//!
//! ```text
//!              stop(why)                          stop again, later or by another: nothing changes
//!   Accepted -------------> Accepted, to stop     (the first reason stays)
//!      |                       |
//!      | started(handle)       | started(handle): the task is interrupted at once
//!      v       stop(why)       v
//!   Running -------------> Stopping(why)          stop: the task is interrupted
//!      |                       |
//!      +---- [`End`] ----------+---> Ended        from any state; stop does nothing any more
//! ```
//!
//! Who moves it, holding what:
//!
//! - The caller's thread makes it and calls `started` once its task is spawned. The task may have ended by then.
//! - Any thread calls `stop`: for a cancel, or because the client is closed or freed.
//! - Only the [`End`] ends it. There is one, it can't be copied, and the task owns it. The task uses it with the
//!   outcome of its work, after all that the work held (files, names, connections) is given back; if it is dropped
//!   before, because it was interrupted or the threads went away, the reason to stop is the outcome. So each accepted
//!   call ends exactly once, and an outcome that is there already is never lost to a cancel.
//!
//! The state's lock is held for a change of the state and nothing else: not while a task is interrupted, and not
//! while an end is handed over. That the waking of a stopped task can't be lost, and that there is one end, is
//! checked in every order of events by `tests/loom`.

use perceptis_core::{Kind, Outcome, Tracker};

use crate::sync::{AbortHandle, Arc, Mutex, lock};

/// Why an operation is stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The caller does not want to wait any longer.
    Cancelled,
    /// The client ends.
    Closed,
}

enum State {
    /// Its task is not known yet; nor may it have been spawned.
    Accepted(Option<Stop>),
    Running(AbortHandle),
    /// The task has been interrupted and gives back what it holds.
    Stopping(Stop),
    Ended,
}

/// An operation, shared by those who run it, watch it and stop it.
pub(crate) struct Operation {
    tracker: Tracker,
    state: Mutex<State>,
}

impl Operation {
    pub(crate) fn new(tracker: Tracker) -> Operation {
        Operation { tracker, state: Mutex::new(State::Accepted(None)) }
    }

    /// Where it stands.
    pub(crate) fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Its task has been spawned.
    pub(crate) fn started(&self, task: AbortHandle) {
        let interrupted = {
            let mut state = lock(&self.state);
            match *state {
                State::Accepted(None) => {
                    *state = State::Running(task);
                    None
                }
                State::Accepted(Some(why)) => {
                    *state = State::Stopping(why);
                    Some(task)
                }
                State::Running(_) | State::Stopping(_) | State::Ended => None,
            }
        };
        if let Some(task) = interrupted {
            task.abort();
        }
    }

    /// Stops it, unless it has ended or is stopping.
    pub(crate) fn stop(&self, why: Stop) {
        let interrupted = {
            let mut state = lock(&self.state);
            match &*state {
                State::Accepted(None) => {
                    *state = State::Accepted(Some(why));
                    None
                }
                State::Running(_) => match std::mem::replace(&mut *state, State::Stopping(why)) {
                    State::Running(task) => Some(task),
                    _ => None,
                },
                State::Accepted(Some(_)) | State::Stopping(_) | State::Ended => None,
            }
        };
        if let Some(task) = interrupted {
            task.abort();
        }
    }

    /// The last move; tells why it was stopped, if it was.
    fn ended(&self) -> Option<Stop> {
        match std::mem::replace(&mut *lock(&self.state), State::Ended) {
            State::Accepted(why) => why,
            State::Stopping(why) => Some(why),
            State::Running(_) | State::Ended => None,
        }
    }
}

/// To whom an end is handed over.
pub(crate) type Deliver = Box<dyn FnOnce(Outcome) + Send>;

/// The right to end an operation, and the duty. A pointer: so a task stays within 128 bytes, tokio's next size being 256.
pub(crate) struct End(Box<Ending>);

struct Ending {
    operation: Arc<Operation>,
    deliver: Option<Deliver>,
}

impl End {
    /// The one end of this operation; there must be no second.
    pub(crate) fn new(operation: Arc<Operation>, deliver: Deliver) -> End {
        End(Box::new(Ending { operation, deliver: Some(deliver) }))
    }

    /// Where the operation stands.
    pub(crate) fn tracker(&self) -> &Tracker {
        &self.0.operation.tracker
    }

    /// Ends the operation with this outcome.
    pub(crate) fn with(mut self, outcome: Outcome) {
        self.0.operation.ended();
        if let Some(deliver) = self.0.deliver.take() {
            deliver(outcome);
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let Some(deliver) = self.0.deliver.take() else { return };
        let operation = &self.0.operation;
        let (kind, reason) = match operation.ended() {
            Some(Stop::Cancelled) => (Kind::Cancelled, "the call was cancelled"),
            Some(Stop::Closed) | None => (Kind::Closed, "the client was closed"),
        };
        deliver(Err(operation.tracker.end(kind, reason).into()));
    }
}
