//! Forks and the end of the process: what `core` has to do around them.

use std::sync::Once;
use std::time::Duration;

use perceptis_core::fork;

extern "C" fn before() {
    let _ = std::panic::catch_unwind(fork::before_fork);
}

extern "C" fn in_parent() {
    let _ = std::panic::catch_unwind(fork::after_fork_in_parent);
}

extern "C" fn in_child() {
    let _ = std::panic::catch_unwind(fork::after_fork_in_child);
}

/// Has the ledger's connections closed around every fork from now on. SQLite's must not cross one: a child's commit
/// would answer OK and be gone. The library stays loaded, so the handlers do.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers live as long as the process, since the library is never unloaded. It fails only for want
        // of memory, and then the next lock would fail as well.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
        // SAFETY: as above; it is called by exit, when the program's other threads may still run.
        unsafe { libc::atexit(at_exit) };
    });
}

/// How long a normal exit waits for the ledger.
const MAX_EXIT_WAIT: Duration = Duration::from_secs(2);

extern "C" fn at_exit() {
    let _ = std::panic::catch_unwind(|| perceptis_core::write_all_before_exit(MAX_EXIT_WAIT));
}
