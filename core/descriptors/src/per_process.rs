//! A value that each process makes for itself.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::registry::Process;

/// A value that each process makes at its first use and keeps for life. In a forked child the parent's is
/// left alone, since a thread that the child does not have may hold a lock in it; the child makes its own.
#[derive(Debug)]
pub struct PerProcess<T: 'static>(AtomicPtr<Made<T>>);

#[derive(Debug)]
struct Made<T> {
    process: Process,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    /// Nothing is made yet.
    #[must_use]
    pub const fn new() -> PerProcess<T> {
        PerProcess(AtomicPtr::new(ptr::null_mut()))
    }

    /// This process's value, made by `make` at the first use. Two threads that come first at once may both
    /// call it; one value is kept.
    pub fn get(&self, make: impl FnOnce() -> T) -> &'static T {
        let process = Process::current();
        let found = self.0.load(Ordering::Acquire);
        // SAFETY: NULL or a pointer from `Box::into_raw` below, which is published with Release and never
        // freed.
        if let Some(made) = unsafe { found.as_ref() }
            && made.process == process
        {
            return &made.value;
        }
        let made = Box::into_raw(Box::new(Made { process, value: make() }));
        match self.0.compare_exchange(found, made, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: just made, and never freed: what is there already may be a parent's, and is left alone.
            Ok(_) => unsafe { &(*made).value },
            Err(other) => {
                // SAFETY: it was not published, so nothing else has it.
                drop(unsafe { Box::from_raw(made) });
                // SAFETY: not NULL, since only values of this process come in after the parent's; never
                // freed.
                unsafe { &(*other).value }
            }
        }
    }
}

impl<T: Send + Sync> Default for PerProcess<T> {
    fn default() -> Self {
        PerProcess::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn value_is_made_once_and_is_new_in_a_forked_child() {
        static VALUE: PerProcess<Mutex<u32>> = PerProcess::new();
        let of_parent = VALUE.get(|| Mutex::new(1));
        assert!(ptr::eq(of_parent, VALUE.get(|| Mutex::new(2))));
        let held = of_parent.lock().unwrap();
        // SAFETY: the child calls nothing that another thread of this test could have locked, and ends at
        // once.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let own = VALUE.get(|| Mutex::new(3));
            let free = own.try_lock().is_ok_and(|value| *value == 3);
            // SAFETY: ends the child without running what the parent has at exit.
            unsafe { libc::_exit(if free { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: a child of this process, and a place for its status.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "the child met its parent's lock");
        drop(held);
    }
}
