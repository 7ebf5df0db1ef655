//! Locks, and waiting under them, where threads and not tasks wait.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Takes a lock. What a panic left behind one is whole: no code of ours panics between two changes.
#[cfg(not(perceptis_tsan))]
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Gives a lock back, waits to be woken, at most this long, and takes it again. May return early: what is
/// waited for is asked again.
#[cfg(not(perceptis_tsan))]
pub fn wait<'a, T>(
    condition: &Condvar,
    _: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    most: Option<Duration>,
) -> MutexGuard<'a, T> {
    use std::sync::PoisonError;
    match most {
        Some(most) => condition.wait_timeout(guard, most).unwrap_or_else(PoisonError::into_inner).0,
        None => condition.wait(guard).unwrap_or_else(PoisonError::into_inner),
    }
}

/// Both again for ThreadSanitizer, which does not see how the standard library's own code, compiled without
/// it, waits for a lock that is taken: here no thread waits in there.
#[cfg(perceptis_tsan)]
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
}

#[cfg(perceptis_tsan)]
pub fn wait<'a, T>(
    _: &Condvar,
    mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    _: Option<Duration>,
) -> MutexGuard<'a, T> {
    drop(guard);
    std::thread::yield_now();
    lock(mutex)
}
