//! The outbox: steps that are not written yet. `promise.md`, 19.
//!
//! A step is put in here, and leaves when it is on the disk. What can't be written, because the disk is full
//! or another program has the file locked, stays, in order, and is tried again. Every transaction of this
//! process writes the outbox first, so that a call of the process always sees the steps of those before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::engine::Work;
use super::session::Session;
use super::step::{self, Applied};
use super::{Row, Step};
use crate::common::clock::Stopwatch;
use crate::error::Error;

/// How long steps that no caller waits for may wait for company.
const SOON: Duration = Duration::from_millis(250);

/// Whether what happened to a submission, as far as one call knows, is on the disk.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// How many steps are not.
    waiting: AtomicU32,
    /// Whether a step never will be.
    lost: AtomicBool,
}

impl Written {
    /// Whether all steps so far are written.
    pub(crate) fn all(&self) -> bool {
        self.is_idle() && !self.lost.load(Ordering::Acquire)
    }

    /// Whether no step waits to be written.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }
}

/// Steps of one submission that are written together.
#[derive(Debug)]
pub(super) struct Item {
    row: Row,
    steps: Vec<Step>,
    written: Option<Arc<Written>>,
    waiter: Option<oneshot::Sender<Result<(), Error>>>,
    since: Stopwatch,
    outcome: Option<Result<(), Error>>,
}

impl Item {
    /// Steps that a call waits for.
    pub(super) fn new(
        row: Row,
        steps: Vec<Step>,
        written: &Arc<Written>,
        waiter: oneshot::Sender<Result<(), Error>>,
    ) -> Item {
        written.waiting.fetch_add(1, Ordering::AcqRel);
        Item { written: Some(Arc::clone(written)), waiter: Some(waiter), ..Item::soon(row, steps) }
    }

    /// Steps that no call waits for.
    pub(super) fn soon(row: Row, steps: Vec<Step>) -> Item {
        let since = Stopwatch::start();
        Item { row, steps, written: None, waiter: None, since, outcome: None }
    }

    /// How long it can still wait for company.
    pub(super) fn can_wait(&self) -> Duration {
        if self.waiter.is_some() { Duration::ZERO } else { SOON.saturating_sub(self.since.elapsed()) }
    }

    pub(super) fn is_urgent(&self) -> bool {
        self.waiter.is_some()
    }

    /// It has left the outbox.
    fn done(self, outcome: Result<(), Error>) {
        if let Some(written) = &self.written {
            if outcome.is_err() {
                written.lost.store(true, Ordering::Release);
            }
            written.waiting.fetch_sub(1, Ordering::AcqRel);
        }
        if let Some(waiter) = self.waiter {
            // A call that waits no longer has ended, or went on without this.
            let _ = waiter.send(outcome);
        }
    }

    /// It will never be written, for this reason.
    pub(super) fn give_up(self, error: &Error) {
        self.done(Err(error.clone()));
    }
}

/// The items of one transaction.
#[derive(Debug, Default)]
pub(super) struct Batch(pub(super) Vec<Item>);

impl Batch {
    /// The transaction is committed, and every item of it done with.
    pub(super) fn committed(self) {
        for mut item in self.0 {
            let outcome = item.outcome.take().unwrap_or(Ok(()));
            item.done(outcome);
        }
    }

    /// The transaction is not: all stay.
    pub(super) fn put_back(mut self) -> Vec<Item> {
        for item in &mut self.0 {
            item.outcome = None;
        }
        self.0
    }
}

impl Work for Batch {
    fn writes(&self) -> bool {
        !self.0.is_empty()
    }

    fn is_required(&self) -> bool {
        true
    }

    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Error> {
        for item in &mut self.0 {
            let mut lost = false;
            let done = session.apart(|session| match step::apply(session, item.row, &item.steps)? {
                Applied::Done => Ok(()),
                Applied::Lost(error) => {
                    lost = true;
                    Err(error)
                }
            });
            if let (Err(error), false) = (&done, lost)
                && (session.disk_failed.get() || session.connection.is_autocommit())
            {
                // Nothing of this transaction is written; all of it is tried again.
                return Err(error.clone());
            }
            item.outcome = Some(done);
        }
        Ok(())
    }
}
