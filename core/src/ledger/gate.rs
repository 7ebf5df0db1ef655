//! The gate that keeps forks and ledger work apart.
//!
//! A thread that touches SQLite, or a file beside a ledger, does so inside the gate. A fork shuts the gate,
//! waits for it to be empty and closes the connections; it does not wait longer than [`MAX_WAIT`], since a
//! disk may take seconds for a sync and the host program is not to stand still for that. Each process has its
//! own gate: a forked child never meets a lock of its parent's.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use perceptis_descriptors::PerProcess;

use crate::common::clock::Stopwatch;
use crate::common::sync::{lock, wait};

/// How long a fork waits for ledger work to end.
const MAX_WAIT: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many threads are inside.
    inside: usize,
    /// How many forks are under way.
    shut: usize,
}

static GATE: PerProcess<Gate> = PerProcess::new();

fn gate() -> &'static Gate {
    GATE.get(Gate::default)
}

/// Proof of being inside; leaves when it is dropped.
pub(super) struct Inside(());

/// Enters, once no fork is under way. Not to be called twice by one thread.
pub(super) fn enter() -> Inside {
    let gate = gate();
    let mut state = lock(&gate.state);
    while state.shut > 0 {
        state = wait(&gate.changed, &gate.state, state, None);
    }
    state.inside += 1;
    Inside(())
}

impl Drop for Inside {
    fn drop(&mut self) {
        let gate = gate();
        let mut state = lock(&gate.state);
        // In a forked child of a thread that was inside, the gate is new.
        state.inside = state.inside.saturating_sub(1);
        drop(state);
        gate.changed.notify_all();
    }
}

/// Shuts the gate before a fork. Whether it is empty; if not, the wait took too long.
pub(super) fn shut() -> bool {
    let gate = gate();
    let began = Stopwatch::start();
    let mut state = lock(&gate.state);
    state.shut += 1;
    while state.inside > 0 {
        let Some(left) = MAX_WAIT.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else {
            return false;
        };
        state = wait(&gate.changed, &gate.state, state, Some(left));
    }
    true
}

/// Opens the gate after a fork, in the parent.
pub(super) fn open() {
    let gate = gate();
    let mut state = lock(&gate.state);
    state.shut = state.shut.saturating_sub(1);
    drop(state);
    gate.changed.notify_all();
}
