//! The callback that rings when events begin to wait, and what tells the program that it rings no more.

use std::ffi::c_void;

use crate::platform::process::Process;
use crate::platform::threads;

/// The doorbell, called with the `user` that was set beside it, on a thread that it must not block for long.
/// Since 0.2.
pub type perceptis_wakeup_function = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// Called once, with the `user` that was set beside it, when a doorbell rings no more:
/// `perceptis_queue_set_wakeup_with_release` says on which thread, which it must not block for long.
/// Since 0.3.
pub type perceptis_release_function = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// A program's function and what it wants to be called with.
pub(crate) struct Doorbell {
    function: unsafe extern "C" fn(*mut c_void),
    user: *mut c_void,
    /// Whether the program relies on the calls that take a doorbell away to wait for its rings.
    waited_for: bool,
    release: perceptis_release_function,
}

// SAFETY: the header says of both functions that they are called with `user` on any thread.
unsafe impl Send for Doorbell {}
// SAFETY: as above, and that the first is called on several threads at once. The second is called once, by
// the thread that `Doorbells` gives the doorbell back to.
unsafe impl Sync for Doorbell {}

impl Doorbell {
    /// One whose rings have to be waited for when it is taken away; NULL is none.
    pub(crate) fn new(function: perceptis_wakeup_function, user: *mut c_void) -> Option<Doorbell> {
        function.map(|function| Doorbell { function, user, waited_for: true, release: None })
    }

    /// One that is released instead, once it rings no more; NULL is none.
    pub(crate) fn with_release(
        function: perceptis_wakeup_function,
        user: *mut c_void,
        release: perceptis_release_function,
    ) -> Option<Doorbell> {
        function.map(|function| Doorbell { function, user, waited_for: false, release })
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        self.waited_for
    }

    /// Rings, with no lock held. Whether this is still the same process: the callback may have forked.
    pub(crate) fn ring(&self) -> bool {
        let process = Process::current();
        // SAFETY: the program gave the function for this. It keeps `user` valid until the ring is over:
        // either the call that takes the doorbell away waits for that, except in a callback, where the header
        // says that rings of other threads may go on; or `release` says when.
        threads::in_callback(|| unsafe { (self.function)(self.user) });
        process.is_current()
    }

    /// Tells the program that it rings no more, with no lock held. Called once, after the last ring.
    pub(crate) fn release(&self) {
        release(self.release, self.user);
    }
}

/// Tells the program that what `user` was for is over; NULL: it does not want to know.
pub(crate) fn release(function: perceptis_release_function, user: *mut c_void) {
    if let Some(release) = function {
        // SAFETY: the program gave the function for this one call, with the `user` that it has kept until
        // now.
        threads::in_callback(|| unsafe { release(user) });
    }
}
