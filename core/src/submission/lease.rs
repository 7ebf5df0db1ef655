//! A lease: this process's right to work on one submission, and what it records about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::activity::log::Log;
use crate::activity::tracker::Tracker;
use crate::error::{Billed, Error, Failure, Kind};
use crate::ledger::{CallId, Entry, Filter, Ledger, Name, Row, Step, Written};
use crate::model::job_id::JobId;
use crate::model::job_status::JobStatus;
use crate::model::submission_state::State;
use crate::submission::receipt::{Hearing, Receipt};
use crate::submission::submitter::Submitter;

/// How long a call waits for one step to be written. Its end comes within [`MAX_OVERRUN`] of its deadline.
pub(crate) const MAX_WAIT: Duration = Duration::from_millis(1_800);

/// How long after its deadline a call may end, by the wall's clock.
pub(crate) const MAX_OVERRUN: Duration = Duration::from_secs(2);

/// The right to work on a submission, given back by [`Lease::finish`], or when it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    ledger: Arc<dyn Ledger>,
    log: Log,
    row: Row,
    /// The number of the call that asked for the submission; none for `recover`, `wait` and the like.
    call: Option<i64>,
    written: Arc<Written>,
    /// Whether the log has it that a step was not written.
    logged: AtomicBool,
    /// Whether the service may know of the submission, from this process or an earlier one.
    submitted: AtomicBool,
    released: AtomicBool,
    /// Where the call stands that recorded the submission as new; it knows whether anything was sent.
    tracker: Option<Tracker>,
}

impl Lease {
    /// Of a submission that is new to the ledger, for the call with this tracker.
    pub(crate) fn new(submitter: &Submitter, call: CallId, tracker: &Tracker) -> Lease {
        let mut lease = Lease::of(submitter, call.row);
        lease.call = Some(call.number);
        lease.tracker = Some(tracker.clone());
        lease.submitted.store(false, Ordering::Relaxed);
        lease
    }

    /// Of one that is known, for a call that continues it.
    pub(crate) fn continued(submitter: &Submitter, call: CallId) -> Lease {
        let mut lease = Lease::of(submitter, call.row);
        lease.call = Some(call.number);
        lease
    }

    /// Of one that is known, for an operation that did not ask for it.
    pub(crate) fn of(submitter: &Submitter, row: Row) -> Lease {
        Lease {
            ledger: Arc::clone(&submitter.ledger),
            log: submitter.log.clone(),
            row,
            call: None,
            written: Arc::default(),
            logged: AtomicBool::new(false),
            submitted: AtomicBool::new(true),
            released: AtomicBool::new(false),
            tracker: None,
        }
    }

    /// The call's number in the ledger.
    pub(crate) fn call(&self) -> Option<i64> {
        self.call
    }

    /// Whether all that happened is on the disk.
    pub(crate) fn is_written(&self) -> bool {
        self.written.all()
    }

    /// Records a step before the next one is taken. What can't be written within 2 s is written when the disk
    /// comes back: once a job is paid for, a ledger that fails is no reason to lose it.
    pub(crate) async fn step(&self, step: Step) {
        if let Step::Accepted { .. } = step {
            self.submitted.store(true, Ordering::Relaxed);
        }
        self.write(vec![step], MAX_WAIT).await;
    }

    /// Records steps together, and waits at most so long; whether they are written.
    async fn write(&self, steps: Vec<Step>, wait: Duration) -> bool {
        // Behind steps that are late already there is nothing to wait for.
        let wait = if self.written.is_idle() { wait } else { Duration::ZERO };
        let recorded = self.ledger.record(self.row, steps, &self.written);
        let late = match tokio::time::timeout(wait, recorded).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error.message().to_owned(),
            Err(_) => "a step could not be written to the ledger within 2 s; it is tried again".to_owned(),
        };
        if !self.logged.swap(true, Ordering::Relaxed) {
            self.log.not_recorded(&late);
        }
        false
    }

    /// Ends the lease with the call's end. `settled`: nothing is left to do if the end is good. `overrun`:
    /// how long the call has waited since its deadline or its stop, for which less is waited here. The ledger
    /// has the end before the caller gets it; where it can't be written, an error no longer says that nothing
    /// is billed, since `recover` might send what was never sent.
    pub(crate) async fn finish<T, R>(
        &self,
        end: Result<T, Failure<R>>,
        settled: bool,
        hearing: Hearing,
        overrun: Duration,
    ) -> (Result<T, Failure<R>>, Option<Receipt>) {
        let code = end.as_ref().err().map(|failure| failure.error.kind());
        let mut steps = Vec::new();
        let free = end.as_ref().is_err_and(|failure| {
            failure.error.details().billed == Billed::No && failure.error.kind() != Kind::JobFailed
        });
        let refused = code.filter(|_| free && !self.submitted.load(Ordering::Relaxed));
        if let Some(code) = refused {
            steps.push(Step::Refused { code });
        } else if end.is_ok() && settled {
            steps.push(Step::Settled);
        }
        let mut receipt = None;
        match (self.call, hearing) {
            // With the rest of the end: a process that died between the two would leave a job that no program
            // heard of.
            (Some(call), Hearing::AtReturn) => steps.push(Step::Told { call, code }),
            (Some(call), Hearing::Later) => {
                receipt = Some(Receipt::new(&self.ledger, CallId { row: self.row, number: call }, code))
            }
            (None, _) => {}
        }
        steps.push(Step::Released);
        self.released.store(true, Ordering::Relaxed);
        let written = self.write(steps, MAX_WAIT.saturating_sub(overrun)).await;
        let end = match end {
            Err(Failure { error, result }) if refused.is_some() && !written => {
                Err(Failure { error: unrecorded(error), result })
            }
            end => end,
        };
        (end, receipt)
    }
}

/// The error of a call that sent nothing, where the ledger does not have that.
pub(crate) fn unrecorded(error: Error) -> Error {
    let kind = error.kind();
    let message = format!(
        "{error} (but the ledger could not be written, so that a later recover may send the request under \
         its idempotency key, once)"
    );
    error.restate(kind, message).with(|details| details.billed = Billed::Unknown)
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.released.load(Ordering::Relaxed) {
            return;
        }
        let mut steps = Vec::new();
        if self.tracker.as_ref().is_some_and(|tracker| !tracker.may_be_submitted()) {
            // Nothing was sent, and its caller does not want it any more: no later call may buy it.
            steps.push(Step::Refused { code: Kind::Cancelled });
        }
        if let Some(call) = self.call {
            steps.push(Step::Told { call, code: Some(Kind::Closed) });
        }
        steps.push(Step::Released);
        // Nothing can wait for it here; the ledger does it all the same.
        self.ledger.record_soon(self.row, steps);
    }
}

impl Submitter {
    /// What the ledger knows of a job of this API key.
    pub(crate) async fn known_job(&self, job_id: &JobId) -> Option<Entry> {
        let name = Some(Name::Job(job_id.to_string()));
        let filter = Filter { name, own_key: true, limit: 1, ..Filter::default() };
        self.ledger.list(filter).await.ok()?.into_iter().next()
    }

    /// Remembers of a job what the ledger knows, if it is not known yet: how many files were asked for, and
    /// since when it runs. A ledger that another program has locked is not waited for.
    pub(crate) async fn learn(&self, job_id: &JobId) {
        if self.timing.own_job(job_id).is_some() {
            return;
        }
        if let Ok(Some(entry)) = tokio::time::timeout(MAX_WAIT, self.known_job(job_id)).await {
            self.remember_known(job_id, &entry);
        }
    }

    /// The lease of a job, where the ledger knows it and no live process works on it. Without a ledger there
    /// is none: what costs nothing works all the same.
    pub(crate) async fn lease_of_job(&self, job_id: &JobId) -> Option<(Lease, Entry)> {
        let found = self.known_job(job_id).await?;
        if found.live {
            return None;
        }
        let entry = self.ledger.take(found.row).await.ok()??;
        Some((Lease::of(self, entry.row), entry))
    }

    /// Records how a job ended, for an operation that asked about it.
    pub(crate) async fn note_end(&self, job_id: &JobId, status: &JobStatus) {
        let end = match status {
            JobStatus::Completed => Step::Completed { files: None },
            JobStatus::Failed => Step::Failed,
            _ => return,
        };
        let noted = async {
            let Some((lease, entry)) = self.lease_of_job(job_id).await else { return };
            if entry.state == State::Accepted {
                lease.step(end).await;
            }
            let wants_files = entry.calls.iter().any(|call| call.directory.is_some());
            let settled = !wants_files && *status == JobStatus::Completed && entry.state.is_unsettled();
            let _ = lease.finish(Ok::<_, Failure>(()), settled, Hearing::AtReturn, Duration::ZERO).await;
            self.unsettled.changed();
        };
        let _ = tokio::time::timeout(MAX_WAIT, noted).await;
    }
}
