//! Forks: no SQLite connection crosses one, and no lock of the ledger's is held by a thread that the child does not
//! have. The three functions are for `pthread_atfork`.
//!
//! Whoever touches SQLite or what beside a ledger is shared by the process does it inside the gate; a fork waits for
//! it to be empty and keeps it shut until it is over. A child inherits clients that it may not use; their queues and
//! locks are never looked at again. Its own begin with no connection, no thread and no owner.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use super::owner::{self, Own};
use super::writer::Writer;
use crate::sync::lock;

static GATE: RwLock<()> = RwLock::new(());

/// The writers of this process, by the path of their ledger.
static WRITERS: Mutex<Writers> = Mutex::new(Writers::new());

type Writers = BTreeMap<PathBuf, Weak<Writer>>;

/// What is held from before a fork until it is over, by the thread that forks.
struct Held {
    own: Own,
    writers: MutexGuard<'static, Writers>,
    gate: RwLockWriteGuard<'static, ()>,
}

thread_local! {
    // Never dropped by the thread's end: a fork can come as late as that.
    static HELD: RefCell<Option<ManuallyDrop<Held>>> = const { RefCell::new(None) };
}

/// Keeps forks out while it lives. Not to be taken twice by one thread.
pub(super) fn inside() -> RwLockReadGuard<'static, ()> {
    GATE.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn writers() -> MutexGuard<'static, Writers> {
    lock(&WRITERS)
}

/// Before a fork: waits until no ledger is in work and closes their connections. Blocks as long as a transaction
/// takes.
pub fn before_fork() {
    let gate = GATE.write().unwrap_or_else(PoisonError::into_inner);
    let writers = writers();
    for writer in writers.values().filter_map(Weak::upgrade) {
        writer.close_for_fork();
    }
    let held = Held { own: owner::own(), writers, gate };
    HELD.with(|slot| slot.replace(Some(ManuallyDrop::new(held))));
}

/// After a fork, in the parent: work goes on; connections are opened again when they are needed.
pub fn after_fork_in_parent() {
    if let Some(held) = HELD.with(RefCell::take) {
        let Held { own, writers, gate } = ManuallyDrop::into_inner(held);
        drop((own, writers, gate));
    }
}

/// After a fork, in the child: nothing of the parent's is this process's.
pub fn after_fork_in_child() {
    // Directories and the locks in them are the parent's alone.
    perceptis_descriptors::after_fork_in_child();
    if let Some(held) = HELD.with(RefCell::take) {
        let Held { mut own, mut writers, gate } = ManuallyDrop::into_inner(held);
        // The locks on these files stayed with the parent; here only descriptors are closed.
        own.clear();
        writers.clear();
        drop((own, writers, gate));
    }
}
