//! The library's own `operation.rs` and `inbox.rs`, compiled against loom's locks in the place of the standard
//! library's, and run in every order in which their threads can meet. A hang in any of them fails the test, too.
#![cfg(test)]
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../../src/inbox.rs"]
mod inbox;
#[allow(dead_code)]
#[path = "../../src/operation.rs"]
mod operation;

mod checks;

/// What the two stand on.
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

/// A descriptor that tells what it shows.
mod signal {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, Ordering};

    pub(crate) struct Signal(pub(crate) Arc<AtomicBool>);

    impl Signal {
        pub(crate) fn show(&mut self, readable: bool) {
            self.0.store(readable, Ordering::Relaxed);
        }
    }
}

/// A doorbell whose program is gone once no ring can come any more.
mod doorbell {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, Ordering};

    pub(crate) struct Doorbell(pub(crate) Arc<AtomicBool>);

    impl Doorbell {
        pub(crate) fn ring(&self) {
            // Twice: it takes its time.
            for _ in 0..2 {
                assert!(!self.0.load(Ordering::SeqCst), "a ring after the doorbell was taken away");
            }
        }
    }
}

mod threads {
    pub(crate) fn is_own() -> bool {
        false
    }
}
