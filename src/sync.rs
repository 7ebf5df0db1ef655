//! What threads share things by. `tests/loom` puts loom's in their place and tries every order of events.

pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Interrupts a task: at its next await it is dropped, on its own thread.
pub(crate) use tokio::task::AbortHandle;

/// Takes a lock. What a panic left behind one is whole: no code of ours panics between two changes.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
