//! What waits for the ledger's thread: jobs, the outbox and figures. Plain data under the writer's lock.

use std::collections::VecDeque;
use std::time::Duration;

use super::figures::Figures;
use super::job::Job;
use super::outbox::{Batch, Item};
use crate::common::clock::Stopwatch;

/// How long another program may keep the file locked before a caller is given the error.
pub(super) const MAX_BUSY: Duration = Duration::from_secs(30);
/// How long to wait before a locked file is tried again: the end of another process's lock is no event.
pub(super) const BUSY_RETRY: Duration = Duration::from_millis(10);
/// How long to wait before steps that could not be written are tried again.
pub(super) const WRITE_RETRY: Duration = Duration::from_secs(1);
/// How long no job may come before the log is emptied.
pub(super) const IDLE: Duration = Duration::from_secs(1);
/// The largest group: no caller waits longer than for so many jobs.
pub(super) const MAX_GROUP: usize = 1_000;
/// The longest that a group waits for those that were in the one before.
const MAX_GATHER: Duration = Duration::from_millis(2);

/// What waits for the thread.
#[derive(Default)]
pub(super) struct WorkQueue {
    pub(super) jobs: VecDeque<Box<dyn Job>>,
    pub(super) outbox: VecDeque<Item>,
    /// What was learned. It goes with steps that no job is beside, or when nothing else is to be done.
    pub(super) figures: Figures,
    /// How many steps are being written.
    pub(super) writing: usize,
    /// Whether a thread waits for the outbox to be empty, so that no step waits for company.
    pub(super) hurried: usize,
    /// Not before this time after the last attempt, which failed or found the file locked.
    pub(super) pause: Option<(Stopwatch, Duration)>,
    /// How often the steps could not be written.
    pub(super) failures: u64,
    /// Whether there is a thread.
    pub(super) thread: bool,
    pub(super) handles: usize,
}

impl WorkQueue {
    /// Puts back what is tried again after a pause, in the place that it had.
    pub(super) fn put_back(&mut self, batch: Batch, jobs: Vec<Box<dyn Job>>, pause: Duration) {
        self.writing = 0;
        if !batch.0.is_empty() || !jobs.is_empty() {
            self.pause = Some((Stopwatch::start(), pause));
        }
        for item in batch.put_back().into_iter().rev() {
            self.outbox.push_front(item);
        }
        for job in jobs.into_iter().rev() {
            self.jobs.push_front(job);
        }
    }

    /// How long until there is something to do; none: nothing waits.
    pub(super) fn due_in(&self) -> Option<Duration> {
        if !self.jobs.is_empty() {
            return Some(Duration::ZERO);
        }
        let hurried = self.hurried > 0 || self.handles == 0 || self.outbox.iter().any(Item::is_urgent);
        let first = self.outbox.front()?;
        Some(if hurried { Duration::ZERO } else { first.can_wait() })
    }

    /// How long not to try again. A new job or step ends the pause.
    pub(super) fn pause_left(&self) -> Duration {
        self.pause.map_or(Duration::ZERO, |(since, pause)| pause.saturating_sub(since.elapsed()))
    }
}

/// How large the last groups were and how long a commit takes: whether it pays to wait for more.
#[derive(Default)]
pub(super) struct GroupPace {
    last: usize,
    before: usize,
    took: Duration,
}

impl GroupPace {
    pub(super) fn ran(&mut self, size: usize, took: Duration) {
        self.before = std::mem::replace(&mut self.last, size);
        self.took = (self.took * 3 + took) / 4;
    }

    /// How many are worth waiting for, and for how long: less than a commit takes, nothing for one alone.
    pub(super) fn expects(&self) -> (usize, Duration) {
        (self.last.max(self.before).min(MAX_GROUP), (self.took / 2).min(MAX_GATHER))
    }
}

/// What the thread does next.
pub(super) enum Next {
    Group(Batch, Vec<Box<dyn Job>>, Figures),
    Tidy,
    End,
}
