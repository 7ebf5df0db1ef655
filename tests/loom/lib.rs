//! The library's own `call/operation.rs`, `events/completion_queue.rs` and `events/wakeups.rs`, compiled
//! against loom's locks in the place of the standard library's, and run in every order in which their threads
//! can meet. A hang in any of them fails the test, too.
#![cfg(test)]
#![allow(clippy::unwrap_used)]

/// The library's files of these folders, beside stand-ins for what they use.
#[path = "../../src/call"]
mod call {
    #[allow(dead_code)]
    pub(crate) mod operation;
}

#[path = "../../src/events"]
mod events {
    #[allow(dead_code)]
    pub(crate) mod completion_queue;
    #[allow(dead_code)]
    pub(crate) mod wakeups;

    pub(crate) use crate::{readiness, wakeup};
}

mod platform {
    pub(crate) use crate::{sync, threads};
}

mod checks;

/// The locks that the files above stand on.
mod sync {
    use std::time::Duration;

    pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap()
    }

    pub(crate) fn wait<'a, T>(
        condition: &Condvar,
        _: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        most: Option<Duration>,
    ) -> MutexGuard<'a, T> {
        assert!(most.is_none(), "loom has no time");
        condition.wait(guard).unwrap()
    }
}

/// A descriptor that tells whether it is readable.
mod readiness {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, Ordering};

    pub(crate) struct Readiness(pub(crate) Arc<AtomicBool>);

    impl Readiness {
        pub(crate) fn set(&mut self, readable: bool) {
            self.0.store(readable, Ordering::Relaxed);
        }
    }
}

/// A wakeup whose program is gone once no call can come any more: because a function has waited for that, or
/// because the wakeup was released.
mod wakeup {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, Ordering};

    pub(crate) struct Wakeup {
        pub(crate) gone: Arc<AtomicBool>,
        pub(crate) waited_for: bool,
    }

    impl Wakeup {
        pub(crate) fn is_waited_for(&self) -> bool {
            self.waited_for
        }

        pub(crate) fn call(&self) -> bool {
            // Twice: a call takes its time.
            for _ in 0..2 {
                assert!(!self.gone.load(Ordering::SeqCst), "a call after the wakeup was replaced");
            }
            true
        }

        pub(crate) fn release(&self) {
            if !self.waited_for {
                assert!(!self.gone.swap(true, Ordering::SeqCst), "released twice");
            }
        }
    }
}

mod threads {
    pub(crate) fn is_own() -> bool {
        false
    }
}
