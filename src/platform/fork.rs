//! Handlers of forks and of the process's exit, which call the ones of `core`.

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

/// Runs a handler. A cancellation of the forking thread takes effect after it, and a panic does not leave it.
fn run(handler: fn()) {
    let _uncancelled = Uncancelled::new();
    let _ = std::panic::catch_unwind(handler);
}

/// Registers the handlers. From then on `core` closes the ledger's connections before every fork, since
/// SQLite's connections must not be used in a child: its commit would answer OK and be lost.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers stay loaded. The shared library is linked with `-z nodelete`; the header asks
        // the same of a shared object that the static library is linked into, since the library's threads
        // would run in unmapped code otherwise. The call fails only without memory, and then the next lock
        // would fail as well.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
        // SAFETY: as above. exit calls the handler while the program's other threads may still run.
        unsafe { libc::atexit(at_exit) };
    });
}

/// How long a normal exit waits for the ledger.
const MAX_EXIT_WAIT: Duration = Duration::from_secs(2);

extern "C" fn at_exit() {
    run(|| perceptis_core::write_all_before_exit(MAX_EXIT_WAIT));
}
