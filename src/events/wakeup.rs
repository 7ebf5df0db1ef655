//! A wakeup: the program's callback that is called when a queue, empty before, holds an event; and the
//! release callback that tells the program that the wakeup is called no more.

use std::ffi::c_void;

use crate::platform::process::Process;
use crate::platform::threads;

/// The wakeup of a queue. The library calls it with the `user` that was set beside it, on a thread
/// that it must not block for long. Since 0.2.
pub type perceptis_wakeup_function = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// The release of a wakeup. The library calls it once, with the `user` that was set beside it, when
/// it calls the wakeup no more: `perceptis_queue_set_wakeup_with_release` says on which thread,
/// which the function must not block for long. Since 0.3.
pub type perceptis_release_function = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// The program's function, and the argument that it is called with.
pub(crate) struct Wakeup {
    function: unsafe extern "C" fn(*mut c_void),
    user: *mut c_void,
    /// Whether the program relies on this: the function that replaces a wakeup waits for the calls in
    /// progress.
    waited_for: bool,
    release: perceptis_release_function,
}

// SAFETY: the header says of both functions that they are called with `user` on any thread.
unsafe impl Send for Wakeup {}
// SAFETY: as above, and that the first is called on several threads at once. The second is called once, by
// the thread that `Wakeups` gives the wakeup back to.
unsafe impl Sync for Wakeup {}

impl Wakeup {
    /// A wakeup whose calls in progress are waited for when it is replaced. `None` of NULL.
    pub(crate) fn new(function: perceptis_wakeup_function, user: *mut c_void) -> Option<Wakeup> {
        function.map(|function| Wakeup { function, user, waited_for: true, release: None })
    }

    /// A wakeup that is released after its last call, and that no function waits for. `None` of NULL.
    pub(crate) fn with_release(
        function: perceptis_wakeup_function,
        user: *mut c_void,
        release: perceptis_release_function,
    ) -> Option<Wakeup> {
        function.map(|function| Wakeup { function, user, waited_for: false, release })
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        self.waited_for
    }

    /// Calls the program's function, with no lock held. Says whether this is still the same process: the
    /// function may have forked.
    pub(crate) fn call(&self) -> bool {
        let process = Process::current();
        // SAFETY: the program gave the function for this. It keeps `user` valid until the call is over:
        // either the function that replaces the wakeup waits for that, except in a callback, where the header
        // says that calls on other threads may go on; or `release` says when.
        threads::in_callback(|| unsafe { (self.function)(self.user) });
        process.is_current()
    }

    /// Tells the program that the wakeup is called no more, with no lock held. Called once, after the last
    /// call.
    pub(crate) fn release(&self) {
        release(self.release, self.user);
    }
}

/// Tells the program that the library needs `user` no more. NULL: the program did not ask for that.
pub(crate) fn release(function: perceptis_release_function, user: *mut c_void) {
    if let Some(release) = function {
        // SAFETY: the program gave the function for this one call, with the `user` that it has kept until
        // now.
        threads::in_callback(|| unsafe { release(user) });
    }
}
