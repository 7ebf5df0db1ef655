//! What one operation writes into the ledger about its submission, and its ownership of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::client::Client;
use crate::clock::Stopwatch;
use crate::error::{Billed, Failure, Kind};
use crate::job::JobId;
use crate::ledger::{Entry, Filter, Ledger, Row, State, Step};
use crate::sync::lock;
use crate::tracker::Tracker;

/// A disk that hangs must not outlast a deadline by more than this.
const LONGEST_RELEASE: Duration = Duration::from_secs(2);

/// A submission that this process owns, given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Record {
    ledger: Arc<dyn Ledger>,
    row: Row,
    /// Whether all that happened could be recorded.
    whole: AtomicBool,
    /// Whether the service may know of it, by this process or an earlier one.
    submitted: AtomicBool,
    released: AtomicBool,
    /// Whether this is the call that asked for it, which is told how it ended.
    caller: bool,
    /// Where the call stands that made it; it tells whether anything was sent. None for what was sent long ago.
    tracker: Option<Tracker>,
}

impl Record {
    /// Of a submission that is new to the ledger, for a call that stands there.
    pub(crate) fn new(ledger: &Arc<dyn Ledger>, row: Row, tracker: &Tracker) -> Record {
        let mut record = Record::bare(ledger, row);
        record.tracker = Some(tracker.clone());
        record
    }

    fn bare(ledger: &Arc<dyn Ledger>, row: Row) -> Record {
        Record {
            ledger: Arc::clone(ledger),
            row,
            whole: AtomicBool::new(true),
            submitted: AtomicBool::new(false),
            released: AtomicBool::new(false),
            caller: true,
            tracker: None,
        }
    }

    /// Of one that is known, and was taken over.
    pub(crate) fn of(ledger: &Arc<dyn Ledger>, entry: &Entry) -> Record {
        let record = Record::bare(ledger, entry.row);
        record.submitted.store(true, Ordering::Relaxed);
        record
    }

    /// The same, taken over by somebody who did not ask for it.
    pub(crate) fn lent(ledger: &Arc<dyn Ledger>, entry: &Entry) -> Record {
        let mut record = Record::of(ledger, entry);
        record.caller = false;
        record
    }

    /// Whether all that happened could be recorded.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }

    /// Records a step before the next one is taken. Once the request is paid for, a ledger that fails is no reason to
    /// lose it: that is told and borne.
    pub(crate) async fn step(&self, client: &Client, step: Step) {
        if let Step::Accepted { .. } = step {
            self.submitted.store(true, Ordering::Relaxed);
        }
        if let Err(error) = self.ledger.record(self.row, step).await
            && self.whole.swap(false, Ordering::Relaxed)
        {
            client.log.ledger_failed(&error);
        }
    }

    fn end(&self, told: Option<Kind>) -> Step {
        if self.caller { Step::Released { told } } else { Step::Returned }
    }

    /// Ends the ownership, with what the caller is about to be told; `settled`: nothing is left to do.
    pub(crate) async fn release(&self, client: &Client, failure: Option<&Failure>, settled: bool) {
        let end = self.end(failure.map(|failure| failure.error.kind()));
        let step = match failure {
            // Nothing came of it, so that nobody need come back to it.
            Some(failure)
                if failure.error.details().billed == Billed::No
                    && !self.submitted.load(Ordering::Relaxed)
                    && failure.error.kind() != Kind::JobFailed =>
            {
                Some(Step::Refused { code: failure.error.kind() })
            }
            Some(_) => None,
            None => settled.then_some(Step::Settled),
        };
        // A process that died between the two would leave a job of which nobody heard, and which nobody continues, since
        // nothing is left to do.
        let written = self.step(client, Step::Together(step.into_iter().chain([end]).collect()));
        // What is not written by then is written when the disk comes back.
        let _ = tokio::time::timeout(LONGEST_RELEASE, written).await;
        self.released.store(true, Ordering::Relaxed);
    }
}

impl Client {
    /// The record of a job, taken over, where the ledger knows it and nobody works on it. Without a ledger there is
    /// none: what costs nothing works all the same.
    pub(crate) async fn owned(&self, job_id: &JobId) -> Option<(Record, Entry)> {
        let ledger = &self.ledger;
        let name = Some(job_id.to_string());
        let filter = Filter { name, own_key: true, limit: 1, ..Filter::default() };
        let found = ledger.list(filter).await.ok()?.into_iter().next()?;
        if found.live || found.job_id.as_deref() != Some(job_id.as_str()) {
            return None;
        }
        let entry = ledger.take(found.row).await.ok()??;
        Some((Record::lent(ledger, &entry), entry))
    }

    /// Records how a job ended that somebody asked about.
    pub(crate) async fn note_end(&self, job_id: &JobId, status: &str) {
        let end = match status {
            "completed" => Step::Completed,
            "failed" => Step::Failed,
            _ => return,
        };
        let noted = async {
            let Some((record, entry)) = self.owned(job_id).await else { return };
            if entry.state == State::Accepted {
                record.step(self, end).await;
            }
            let settled = entry.directory.is_none() && status == "completed";
            record.release(self, None, settled).await;
        };
        let _ = tokio::time::timeout(LONGEST_RELEASE, noted).await;
    }

    /// How many submissions wait for `recover`, as of the last second; none without a ledger. Counted that rarely, and by
    /// one call for all, since it is told with every call, and ten thousand calls would count ten thousand each.
    pub(crate) async fn unsettled(&self) -> u64 {
        const HOLDS: Duration = Duration::from_secs(1);
        {
            let mut unsettled = lock(&self.unsettled);
            if let Some((counted, count)) = unsettled.counted
                && (unsettled.counting || counted.elapsed() < HOLDS)
            {
                return count;
            }
            unsettled.counting = true;
        }
        let _counting = Counting(&self.unsettled);
        let Ok(count) = self.ledger.unsettled().await else { return 0 };
        let told = {
            let mut unsettled = lock(&self.unsettled);
            unsettled.counted = Some((Stopwatch::start(), count));
            let told = unsettled.told;
            unsettled.told |= count > 0;
            told
        };
        if count > 0 && !told {
            self.log.unsettled(count);
        }
        count
    }

    /// One of those that wait is taken over: their number is another.
    pub(crate) fn takes_over(&self) {
        lock(&self.unsettled).counted = None;
    }
}

/// How many submissions wait for `recover`.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    counted: Option<(Stopwatch, u64)>,
    /// Whether a call counts anew.
    counting: bool,
    /// Whether the log has told it.
    told: bool,
}

/// That a call counts, until this is dropped.
struct Counting<'a>(&'a Mutex<Unsettled>);

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        lock(self.0).counting = false;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.released.load(Ordering::Relaxed) {
            let mut steps = Vec::new();
            if self.tracker.as_ref().is_some_and(|tracker| !tracker.may_be_submitted()) {
                // Nothing was sent, and its caller does not want it any more: nobody may buy it later.
                steps.push(Step::Refused { code: Kind::Cancelled });
            }
            steps.push(self.end(Some(Kind::Closed)));
            // Nobody can wait for it here; the ledger does it all the same.
            drop(self.ledger.record(self.row, Step::Together(steps)));
        }
    }
}
