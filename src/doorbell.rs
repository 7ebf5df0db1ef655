//! The callback that rings when events begin to wait.

use std::ffi::c_void;

use crate::queue::perceptis_wakeup_function;
use crate::threads;

/// A program's function and what it wants to be called with.
pub(crate) struct Doorbell {
    function: unsafe extern "C" fn(*mut c_void),
    user: *mut c_void,
}

// SAFETY: the program says that its function may be called with this from any thread.
unsafe impl Send for Doorbell {}
// SAFETY: as above.
unsafe impl Sync for Doorbell {}

impl Doorbell {
    /// NULL is none.
    pub(crate) fn new(function: perceptis_wakeup_function, user: *mut c_void) -> Option<Doorbell> {
        function.map(|function| Doorbell { function, user })
    }

    /// Rings, with no lock held.
    pub(crate) fn ring(&self) {
        // SAFETY: the program says that it can be called with this until it is taken away, which waits for this.
        threads::in_callback(|| unsafe { (self.function)(self.user) });
    }
}
