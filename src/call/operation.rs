//! One operation, from the call that starts it to its one end.
//!
//! - The caller's thread makes it and spawns its task.
//! - Any thread calls [`Operation::stop`]: for a cancel, or because the client is closed or freed. The first reason stays.
//!   The operation's steps see that at their next await, have the ledger record how the call ends, and end.
//! - Only the [`Ending`] ends it. There is one, it can't be copied, and the task owns it. The task uses it with the end of
//!   its work, after all that the work held (files, names, connections) is given back; if it is dropped before, because the
//!   threads went away, the reason to stop is the outcome. So each accepted call ends exactly once.

use perceptis_core::{End, Kind, StopReason, Tracker};

use crate::platform::sync::Arc;

/// An operation, shared by the task that runs it and by those that watch it and stop it.
pub(crate) struct Operation {
    tracker: Tracker,
}

impl Operation {
    pub(crate) fn new(tracker: Tracker) -> Operation {
        Operation { tracker }
    }

    /// Where it stands.
    pub(crate) fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Stops it; it ends within two seconds. Once it has ended, this does nothing.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.tracker.stop(reason);
    }
}

/// Takes an operation's end.
pub(crate) type Deliver = Box<dyn FnOnce(End) + Send>;

/// The right to end an operation, and the duty. A pointer: so a task stays within 128 bytes, tokio's next size being 256.
pub(crate) struct Ending(Box<Inner>);

struct Inner {
    operation: Arc<Operation>,
    deliver: Option<Deliver>,
}

impl Ending {
    /// The one ending of this operation; there must be no second.
    pub(crate) fn new(operation: Arc<Operation>, deliver: Deliver) -> Ending {
        Ending(Box::new(Inner { operation, deliver: Some(deliver) }))
    }

    /// Where the operation stands.
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
            Some(StopReason::Cancelled) => tracker.end(Kind::Cancelled, "the call was cancelled"),
            Some(StopReason::Closed) | None => tracker.end(Kind::Closed, "the client was closed"),
        };
        deliver(Err(error.into()).into());
    }
}
