//! Forks: no SQLite connection crosses one. `promise.md`, 17. The three functions are for `pthread_atfork`.
//!
//! Before a fork the connections are closed, if the work on them ends in time (see `gate.rs`). After it both
//! processes open them again when they need them. A child inherits clients that it may not use; their queues
//! and locks are never looked at again, and the descriptors behind them are closed. A connection that was in
//! use when the fork came is the parent's alone: the child has neither its descriptors nor its shared memory,
//! and never takes its place in SQLite's table of open files (see the crate `perceptis-descriptors`).

use super::gate;
use super::opening;
use super::registry;

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
    opening::after_fork_in_child();
}
