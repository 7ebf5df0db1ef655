//! Forks and the end of the process: what `core` has to do around them.

use std::sync::Once;
use std::time::Duration;

use perceptis_core::fork;

use crate::platform::threads::Uncancelled;

extern "C" fn before() {
    run(fork::before_fork);
}

extern "C" fn in_parent() {
    run(fork::after_fork_in_parent);
}

extern "C" fn in_child() {
    run(fork::after_fork_in_child);
}

/// Runs a handler. A cancellation of the thread that forks waits until it is over, and a panic ends there.
fn run(handler: fn()) {
    let _uncancelled = Uncancelled::new();
    let _ = std::panic::catch_unwind(handler);
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
        // SAFETY: as above; it is called by exit, when the program's other threads may still run.
        unsafe { libc::atexit(at_exit) };
    });
}

/// How long a normal exit waits for the ledger.
const MAX_EXIT_WAIT: Duration = Duration::from_secs(2);

extern "C" fn at_exit() {
    run(|| perceptis_core::write_all_before_exit(MAX_EXIT_WAIT));
}
