//! Forks: what `core` has to do around one.

use std::sync::Once;

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
/// would answer OK and be gone.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers are there when they are called. The shared library is linked with `-z
        // nodelete`; the header asks the same of a shared object that the static library is linked into,
        // whose threads would run on in unmapped code otherwise. It fails only for want of memory, and then
        // the next lock would fail as well.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    });
}
