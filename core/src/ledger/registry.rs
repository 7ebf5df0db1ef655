//! The writers of this process, one for each ledger, and the handles that keep them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use perceptis_descriptors::PerProcess;

use super::writer::Writer;
use crate::common::clock::Stopwatch;
use crate::common::runtime::Spawn;
use crate::common::sync::lock;
use crate::config::ledger_location::Location;

/// The writers of this process, by the path of their ledger.
type Writers = Mutex<BTreeMap<PathBuf, Weak<Writer>>>;
static WRITERS: PerProcess<Writers> = PerProcess::new();

/// What keeps a writer's thread: clients have one each.
pub(super) struct Handle(Arc<Writer>);

impl Handle {
    /// The writer of this location: the process's, or for a ledger in memory a new one.
    pub(super) fn new(location: &Location, spawn: Option<Spawn>) -> Handle {
        let new = || Arc::new(Writer::new(location, spawn));
        let writer = match location {
            Location::Off | Location::Nowhere => new(),
            Location::At(path) => {
                let mut writers = lock(WRITERS.get(Writers::default));
                writers.retain(|_, writer| writer.strong_count() > 0);
                match writers.get(path).and_then(Weak::upgrade) {
                    Some(writer) => writer,
                    None => {
                        let writer = new();
                        writers.insert(path.clone(), Arc::downgrade(&writer));
                        writer
                    }
                }
            }
        };
        writer.add_handle();
        Handle(writer)
    }

    pub(super) fn writer(&self) -> &Arc<Writer> {
        &self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.remove_handle();
    }
}

/// Every writer of this process.
fn writers() -> Vec<Arc<Writer>> {
    lock(WRITERS.get(Writers::default)).values().filter_map(Weak::upgrade).collect()
}

/// Closes the connections of all ledgers before a fork, but for those in use.
pub(super) fn close_all_for_fork() {
    for writer in writers() {
        writer.close_for_fork();
    }
}

/// Writes what is not written yet before the process exits, and waits for that on this thread, at most so
/// long. A disk that refuses them is asked once: the process can't wait for it.
pub fn write_all_before_exit(timeout: Duration) {
    let began = Stopwatch::start();
    for writer in writers() {
        writer.write_waiting(timeout.saturating_sub(began.elapsed()), 1);
    }
}

/// How many writers there are for this path; for tests.
#[cfg(test)]
pub(super) fn count_at(path: &std::path::Path) -> usize {
    lock(WRITERS.get(Writers::default)).get(path).map_or(0, Weak::strong_count)
}
