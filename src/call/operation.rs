//! One operation, from the call that starts it to its one end.
//!
//! - The calling thread makes the operation and spawns its task.
//! - Any thread may call [`Operation::stop`]: for a cancel, or because the client is closed or freed. The
//!   first reason stays. The operation's steps see it at their next await, let the ledger record how the call
//!   ends, and end.
//! - Only the [`Ending`] ends the operation. There is one, it can't be copied, and the task owns it. The task
//!   uses it with the end of its work, after it has given back all that the work held (files, names,
//!   connections). If the ending is dropped before that, because the threads ended, the reason to stop is the
//!   outcome. So each accepted call ends exactly once.

use perceptis_core::{End, Kind, StopReason, Tracker};

use crate::platform::sync::Arc;

/// An operation. The task that runs it shares it with the queue and the client, which watch it and stop it.
pub(crate) struct Operation {
    tracker: Tracker,
}

impl Operation {
    pub(crate) fn new(tracker: Tracker) -> Operation {
        Operation { tracker }
    }

    /// The state of the operation.
    pub(crate) fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Stops the operation, which ends within two seconds. Does nothing once it has ended.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.tracker.stop(reason);
    }
}

/// The function that takes an operation's end.
pub(crate) type Deliver = Box<dyn FnOnce(End) + Send>;

/// The right and the duty to end an operation. It is a pointer so that a task stays within 128 bytes; the
/// next size that tokio has is 256.
pub(crate) struct Ending(Box<Inner>);

struct Inner {
    operation: Arc<Operation>,
    deliver: Option<Deliver>,
}

impl Ending {
    /// The ending of this operation. There must be no second one.
    pub(crate) fn new(operation: Arc<Operation>, deliver: Deliver) -> Ending {
        Ending(Box::new(Inner { operation, deliver: Some(deliver) }))
    }

    /// The state of the operation.
    pub(crate) fn tracker(&self) -> &Tracker {
        &self.0.operation.tracker
    }

    /// Ends the operation.
    pub(crate) fn with(mut self, end: End) {
        if let Some(deliver) = self.0.deliver.take() {
            deliver(end);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Some(deliver) = self.0.deliver.take() else { return };
        let tracker = self.tracker();
        let error = match tracker.stopped_for() {
            Some(StopReason::Cancelled) => {
                tracker.interrupted_error(Kind::Cancelled, "the call was cancelled")
            }
            Some(StopReason::Closed) | None => {
                tracker.interrupted_error(Kind::Closed, "the client was closed")
            }
        };
        deliver(Err(error.into()).into());
    }
}
