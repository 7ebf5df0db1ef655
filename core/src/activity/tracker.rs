//! The state of an operation, readable at any time: for progress and the log, and for the error of an
//! operation that is ended from outside, at any await.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde::Serialize;

use crate::activity::attempts::{AttemptEvent, AttemptList};
use crate::activity::bill::{self, Fate};
use crate::activity::stop::{Stop, StopReason};
use crate::common::clock::Stopwatch;
use crate::common::sync::lock;
use crate::config::options::Options;
use crate::error::{Billed, Error, Kind, message};
use crate::model::idempotency_key::Key;
use crate::model::job_id::JobId;
use crate::model::job_status::JobStatus;
use crate::model::operation::Operation;
use crate::transport::body::FirstByte;
use crate::transport::failure::AttemptError;

/// What an operation is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Nothing has been sent.
    #[default]
    Preparing,
    /// The request is being handed to the service.
    Submitting,
    /// The service works.
    Waiting,
    /// Files are on their way.
    Downloading,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    idempotency_key: Option<Key>,
    job_id: Option<JobId>,
    status: Option<JobStatus>,
    /// The ledger has not said yet whether another call has sent this submission.
    unchecked: bool,
    /// A submission is on its way, and no answer has come.
    in_flight: Option<FirstByte>,
    /// A submission's fate is unknown.
    unknown: bool,
    /// What last went wrong and was borne, with how long the service asked to wait then.
    cause: Option<Error>,
    attempts: AttemptList,
    eta: Option<Eta>,
    /// In a box: mostly there is none.
    observer: Option<Box<Observer>>,
}

/// Who is told of changes.
#[derive(Clone)]
struct Observer(Arc<dyn Fn() + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// When the job is likely to be done, from now on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Eta {
    /// When this was estimated, by the wall's clock.
    pub(crate) made: Stopwatch,
    pub(crate) low_ms: u32,
    pub(crate) likely_ms: u32,
    pub(crate) high_ms: u32,
    /// On how many jobs that stands.
    pub(crate) jobs: u32,
}

/// The situation of one operation, shared by those who run it, watch it and end it. A pointer: there are
/// several of it for each of thousands of operations.
#[derive(Clone, Debug)]
pub struct Tracker(Arc<Tracked>);

#[derive(Debug)]
struct Tracked {
    operation: Operation,
    started: Stopwatch,
    stop: Stop,
    /// How many milliseconds of the wall's it waited after it was ended from outside.
    overrun_ms: AtomicU32,
    situation: Mutex<State>,
}

/// A situation as it is shown.
#[derive(Debug, Serialize)]
pub struct Activity {
    operation: Operation,
    phase: Phase,
    job_id: Option<String>,
    status: Option<String>,
    idempotency_key: Option<String>,
    elapsed_ms: u64,
    eta_ms: Option<u64>,
    eta_low_ms: Option<u64>,
    eta_high_ms: Option<u64>,
    eta_jobs: Option<u32>,
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Tracker {
    /// For an operation of this name that begins now.
    pub fn new(operation: Operation) -> Tracker {
        Tracker(Arc::new(Tracked {
            operation,
            started: Stopwatch::start(),
            stop: Stop::default(),
            overrun_ms: AtomicU32::new(0),
            situation: Mutex::default(),
        }))
    }

    /// Stops the operation: it ends as soon as the ledger knows how, within 2 s. If it is over, nothing
    /// happens.
    pub fn stop(&self, reason: StopReason) {
        self.0.stop.set(reason);
    }

    /// Why it is stopped, if it is.
    pub fn stopped_for(&self) -> Option<StopReason> {
        self.0.stop.get()
    }

    /// Waits until the operation is to stop. From then on no attempt sends its first byte.
    pub(crate) async fn stopped(&self) -> StopReason {
        let reason = self.0.stop.requested().await;
        self.revoke();
        reason
    }

    /// After it was ended from outside it waited so long, in the wall's time.
    pub(crate) fn overran(&self, waited: Duration) {
        let waited = u32::try_from(waited.as_millis()).unwrap_or(u32::MAX);
        self.0.overrun_ms.store(waited, Ordering::Relaxed);
    }

    /// How long it waited after it was ended from outside.
    pub(crate) fn overrun(&self) -> Duration {
        Duration::from_millis(self.0.overrun_ms.load(Ordering::Relaxed).into())
    }

    /// Forbids the first byte of an attempt that has not sent it.
    pub(crate) fn revoke(&self) {
        if let Some(first_byte) = &self.lock().in_flight {
            first_byte.revoke();
        }
    }

    /// For an operation about this job: even one that is ended before its first step can name it.
    pub fn for_job(operation: Operation, job_id: &JobId) -> Tracker {
        let tracker = Tracker::new(operation);
        tracker.lock().job_id = Some(job_id.clone());
        tracker
    }

    /// For an operation that can cost money. With a key of the caller's another call may have sent the
    /// submission, as long as the ledger has not said that none has.
    pub fn for_submission(operation: Operation, options: &Options) -> Tracker {
        let tracker = Tracker::new(operation);
        if let Some(key) = &options.idempotency_key {
            let mut now = tracker.lock();
            now.idempotency_key = Some(key.as_str().into());
            now.unchecked = true;
        }
        tracker
    }

    /// Has this called after each change of what [`Tracker::activity`] shows, with no lock held, on the
    /// thread that made the change. That time passes is no change.
    pub fn on_change(&self, observer: Arc<dyn Fn() + Send + Sync>) {
        self.lock().observer = Some(Box::new(Observer(observer)));
    }

    /// For one of the jobs that this operation is about.
    pub(crate) fn child(&self) -> Tracker {
        Tracker::new(self.0.operation)
    }

    /// The job, once it is known.
    pub(crate) fn job_id(&self) -> Option<String> {
        self.lock().job_id.as_ref().map(ToString::to_string)
    }

    /// What is shown of it.
    pub fn activity(&self) -> Activity {
        let now = self.lock();
        let known = now.eta.as_ref().filter(|_| now.phase == Phase::Waiting);
        let eta = |bound: fn(&Eta) -> u32| {
            let eta = known?;
            Some(milliseconds(Duration::from_millis(bound(eta).into()).saturating_sub(eta.made.elapsed())))
        };
        Activity {
            eta_ms: eta(|eta| eta.likely_ms),
            eta_low_ms: eta(|eta| eta.low_ms),
            eta_high_ms: eta(|eta| eta.high_ms),
            eta_jobs: known.map(|eta| eta.jobs),
            operation: self.0.operation,
            phase: now.phase,
            job_id: now.job_id.as_ref().map(ToString::to_string),
            status: now.status.as_ref().map(ToString::to_string),
            idempotency_key: now.idempotency_key.as_ref().map(ToString::to_string),
            elapsed_ms: self.elapsed_ms(),
        }
    }

    /// The error of an operation that ends here and now for this reason (`Timeout`, `Cancelled`, `Closed`,
    /// `Internal`): what is known of the job and the bill, and how to go on.
    pub fn interrupted_error(&self, kind: Kind, reason: &str) -> Error {
        let now = self.lock();
        let (operation, fate, cause) = (self.0.operation, now.fate(), now.cause.as_ref());
        let billed = bill::billed(operation, fate);
        let kind = bill::kind(kind, operation, fate, cause);
        let sentence = bill::sentence(reason, operation, fate);
        if operation == Operation::Recover {
            return Error::new(kind, sentence).with(|details| details.billed = billed);
        }
        let error = match cause {
            Some(cause) => {
                let details = cause.details().clone();
                Error::new(kind, format!("{sentence} (before that: {cause})")).with(|into| *into = details)
            }
            None => Error::new(kind, sentence),
        };
        error.with(|details| {
            details.job_id = now.job_id.as_ref().map(ToString::to_string);
            details.idempotency_key = now.idempotency_key.as_ref().map(ToString::to_string);
            details.billed = billed;
            details.retryable = bill::retryable(kind, operation, fate);
            now.attempts.write_to(details);
        })
    }

    /// An error with what is known of the operation added.
    pub(crate) fn completed_error(&self, error: Error) -> Error {
        let now = self.lock();
        // Once there is a job, this operation's own or the one that it asks about, or may be one, "no" is no
        // longer true but of one that failed, and "yes" of one that is completed.
        let failed = error.kind() == Kind::JobFailed;
        let error = error.with(|details| {
            if !failed && details.billed == Billed::No {
                details.billed = bill::billed(self.0.operation, now.fate());
            }
            if let Some(job_id) = &now.job_id {
                details.job_id.get_or_insert_with(|| job_id.to_string());
            }
            if let Some(key) = &now.idempotency_key {
                details.idempotency_key.get_or_insert_with(|| key.to_string());
            }
            now.attempts.write_to(details);
        });
        // The sentence is about the call or the ledger, and complete.
        let local =
            matches!(error.kind(), Kind::InvalidArgument | Kind::Configuration | Kind::OutcomeUnknown)
                || error.kind() == Kind::NotFound && error.details().http_status.is_none();
        if local { error } else { message::render(error) }
    }

    /// An attempt failed.
    pub(crate) fn record_failure(&self, miss: &AttemptError) {
        let event = AttemptEvent::Failed(miss.came, miss.error.details().http_status);
        self.lock().attempts.add(self.elapsed_ms(), event);
    }

    /// When the job is likely to be done.
    pub(crate) fn set_eta(&self, eta: Option<Eta>) {
        self.lock().eta = eta;
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.change(|now| std::mem::replace(&mut now.phase, phase) != phase);
    }

    pub(crate) fn key(&self, key: &Key) {
        self.change(|now| now.idempotency_key.replace(key.clone()).as_ref() != Some(key));
    }

    /// The ledger knows of no such submission.
    pub(crate) fn checked(&self) {
        let mut now = self.lock();
        now.unchecked = false;
        now.in_flight = None;
    }

    /// The ledger is asked once more. Until it has answered, another call with the caller's key may have sent
    /// the submission.
    pub(crate) fn asks_ledger(&self) {
        let mut now = self.lock();
        now.unchecked = now.idempotency_key.is_some();
    }

    /// The error of an operation that was stopped.
    pub(crate) fn stop_error(&self, reason: StopReason) -> Error {
        let (kind, words) = reason.words();
        self.interrupted_error(kind, words)
    }

    /// A submission goes out; from its first byte until something is known of it, its fate is not.
    pub(crate) fn set_in_flight(&self, first_byte: &FirstByte) {
        self.lock().in_flight = Some(first_byte.clone());
    }

    /// The submission on its way was never sent, or was refused: nothing came of it.
    pub(crate) fn clear_in_flight(&self) {
        self.lock().in_flight = None;
    }

    /// The submission on its way can have been accepted.
    pub(crate) fn outcome_unknown(&self) {
        let mut now = self.lock();
        now.in_flight = None;
        now.unchecked = false;
        now.unknown = true;
    }

    /// Whether the service may have heard of the submission.
    pub(crate) fn may_be_submitted(&self) -> bool {
        self.lock().may_be_submitted()
    }

    pub(crate) fn is_outcome_unknown(&self) -> bool {
        self.lock().unknown
    }

    /// The service has the job: every doubt is settled.
    pub(crate) fn accepted(&self, job_id: &JobId) {
        let at_ms = self.elapsed_ms();
        self.change(|now| {
            now.attempts.add(at_ms, AttemptEvent::Accepted);
            now.in_flight = None;
            now.unchecked = false;
            now.unknown = false;
            now.cause = None;
            now.job_id.replace(job_id.clone()).as_ref() != Some(job_id)
        });
    }

    /// The operation goes on with a job that the service has.
    pub(crate) fn resume_job(&self, job_id: &JobId) {
        self.change(|now| {
            now.in_flight = None;
            now.unchecked = false;
            now.unknown = false;
            now.job_id.replace(job_id.clone()).as_ref() != Some(job_id)
        });
    }

    /// The service said how the job stands; whether that is news.
    pub(crate) fn status(&self, status: &JobStatus) -> bool {
        let at_ms = self.elapsed_ms();
        self.change(|now| {
            now.cause = None;
            let news = now.status.as_ref() != Some(status);
            if news {
                now.status = Some(status.clone());
                now.attempts.add(at_ms, AttemptEvent::Status(status.clone()));
            }
            news
        })
    }

    /// Something went wrong that the operation bears.
    pub(crate) fn set_last_error(&self, cause: &Error, retry_after: Option<Duration>) {
        self.lock().cause = Some(cause.clone().retry_after(retry_after));
    }

    /// Changes something and, where that shows, tells the observer; whether it does.
    fn change(&self, change: impl FnOnce(&mut State) -> bool) -> bool {
        let (shows, observer) = {
            let mut now = self.lock();
            let shows = change(&mut now);
            (shows, now.observer.as_deref().filter(|_| shows).cloned())
        };
        if let Some(Observer(tell)) = observer {
            tell();
        }
        shows
    }

    /// How long it has run, in milliseconds of the wall's.
    fn elapsed_ms(&self) -> u64 {
        milliseconds(self.0.started.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0.situation)
    }
}

impl State {
    /// Whether the service may have heard of the submission, from this process or another.
    fn may_be_submitted(&self) -> bool {
        self.unchecked || self.was_sent()
    }

    /// The same, as far as it is known that an attempt was made.
    fn was_sent(&self) -> bool {
        self.unknown || self.job_id.is_some() || self.in_flight.as_ref().is_some_and(FirstByte::is_out)
    }

    /// What is known of the submission or the job.
    fn fate(&self) -> Fate<'_> {
        let key = self.idempotency_key.as_deref().unwrap_or_default();
        match &self.job_id {
            Some(id) if self.status == Some(JobStatus::Completed) => Fate::Completed { job_id: id.as_str() },
            Some(id) => Fate::Accepted { job_id: id.as_str() },
            None if self.was_sent() => Fate::Unknown { key },
            None if self.unchecked => Fate::Unchecked { key },
            None => Fate::NotSent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn what_shows_is_told_once_and_with_no_lock_held() {
        let (tracker, told) = (Tracker::new(Operation::Run), Arc::new(AtomicUsize::new(0)));
        let (watched, count) = (tracker.clone(), Arc::clone(&told));
        tracker.on_change(Arc::new(move || {
            // Would hang if the change still held the lock.
            let _ = watched.activity();
            count.fetch_add(1, Ordering::Relaxed);
        }));
        let job_id = JobId::from_caller("j1").unwrap();
        for _ in 0..2 {
            tracker.phase(Phase::Submitting);
            tracker.key(&"k".into());
            tracker.accepted(&job_id);
            tracker.status(&JobStatus::Pending);
            tracker.set_last_error(&Error::new(Kind::Server, "down"), None);
        }
        assert_eq!(told.load(Ordering::Relaxed), 4, "the same again is no change");
    }
}
