//! What threads share things by. `tests/loom` puts loom's in their place and tries every order of events.

pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};

pub(crate) use perceptis_core::sync::{lock, wait};

/// Interrupts a task: at its next await it is dropped, on the thread that runs it.
pub(crate) enum AbortHandle {
    /// One that was spawned.
    Spawned(tokio::task::AbortHandle),
    /// One that its caller runs.
    Own(futures_util::future::AbortHandle),
}

impl AbortHandle {
    pub(crate) fn abort(&self) {
        match self {
            AbortHandle::Spawned(task) => task.abort(),
            AbortHandle::Own(task) => task.abort(),
        }
    }
}

impl From<tokio::task::AbortHandle> for AbortHandle {
    fn from(task: tokio::task::AbortHandle) -> AbortHandle {
        AbortHandle::Spawned(task)
    }
}

impl From<futures_util::future::AbortHandle> for AbortHandle {
    fn from(task: futures_util::future::AbortHandle) -> AbortHandle {
        AbortHandle::Own(task)
    }
}
