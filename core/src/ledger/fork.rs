//! Forks: no SQLite connection crosses one. `promise.md`, 17. The three functions are for `pthread_atfork`.
//!
//! Before a fork the connections are closed, if the work on them ends in time (see `gate.rs`). After it both
//! processes open them again when they need them. A child inherits clients that it may not use; their queues
//! and locks are never looked at again, and the descriptors behind them are closed. A connection that was in
//! use when the fork came is the parent's alone: the child has neither its descriptors nor its shared memory,
//! and never takes its place in SQLite's table of open files (see the crate `perceptis-descriptors`).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::gate;
use super::refusal::Trouble;
use super::registry;
use crate::error::{Error, Kind};

/// How many threads open a ledger just now. SQLite holds a lock of the whole process meanwhile.
static OPENING: AtomicUsize = AtomicUsize::new(0);

/// Whether this process was forked in such a moment: nothing in it ever gives that lock back.
static UNUSABLE: AtomicBool = AtomicBool::new(false);

/// Says that a ledger is being opened, as long as it lives.
pub(super) struct Opening(());

impl Opening {
    pub(super) fn begin() -> Opening {
        OPENING.fetch_add(1, Ordering::AcqRel);
        Opening(())
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        OPENING.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Refuses a ledger where SQLite would wait for ever.
pub(super) fn check_usable() -> Result<(), Trouble> {
    if !UNUSABLE.load(Ordering::Acquire) {
        return Ok(());
    }
    let message = "this process was forked in the very moment in which its parent opened a ledger, and took \
                   longer than 100 ms for it; fork again, or call exec after the fork";
    Err(Trouble::Final(Error::new(Kind::Ledger, message)))
}

/// Before a fork: closes the connections. Blocks at most 100 ms.
pub fn before_fork() {
    gate::shut();
    registry::close_all_for_fork();
}

/// After a fork, in the parent: work goes on.
pub fn after_fork_in_parent() {
    gate::open();
}

/// After a fork, in the child: nothing of the parent's is this process's.
pub fn after_fork_in_child() {
    perceptis_descriptors::after_fork_in_child();
    if OPENING.swap(0, Ordering::AcqRel) > 0 {
        UNUSABLE.store(true, Ordering::Release);
    }
}
