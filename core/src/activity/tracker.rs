//! The state of an operation, readable at any time: for progress and the log, and for the error of an
//! operation that is ended from outside, at any await.

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use serde::Serialize;

use crate::common::clock::{Moment, Stopwatch};
use crate::common::sync::lock;
use crate::config::options::Options;
use crate::error::{Billed, Details, Error, Kind, Tried, hint};
use crate::model::idempotency_key::Key;
use crate::model::job_id::JobId;
use crate::transport::body::FirstByte;
use crate::transport::failure::{Came, Miss};

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
struct Situation {
    phase: Phase,
    idempotency_key: Option<Key>,
    job_id: Option<JobId>,
    status: Option<Said>,
    /// The ledger has not said yet whether another call has sent this submission.
    unchecked: bool,
    /// A submission is on its way, and no answer has come.
    in_flight: Option<FirstByte>,
    /// A submission's fate is unknown.
    unknown: bool,
    /// What last went wrong and was borne, with how long the service asked to wait then.
    cause: Option<Error>,
    /// When it began, in the client's time.
    began: Option<Moment>,
    /// The newest of its attempts, and how many came before them.
    tried: Vec<Noted>,
    omitted: u32,
    eta: Option<Eta>,
    /// In a box: mostly there is none.
    observer: Option<Box<Observer>>,
}

/// One of them, smaller than it is told: a job that runs has three.
#[derive(Clone, Debug)]
struct Noted {
    at_ms: u64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Missed(Came, Option<u16>),
    Accepted,
    /// The job has this status, one of the documented.
    Status(Status),
    /// It has another; that can be anything.
    Other(Box<Text>),
}

#[derive(Clone, Debug)]
struct Text(String);

/// The documented statuses.
#[derive(Clone, Copy, Debug)]
enum Status {
    Pending,
    Processing,
    Completed,
    Failed,
}

/// How the service says that a job stands.
#[derive(Clone, Debug)]
enum Said {
    Documented(Status),
    Other(Box<str>),
}

impl Said {
    fn as_str(&self) -> &str {
        match self {
            Said::Documented(status) => status.name(),
            Said::Other(text) => text,
        }
    }
}

impl Status {
    fn of(text: &str) -> Option<Status> {
        [Status::Pending, Status::Processing, Status::Completed, Status::Failed]
            .into_iter()
            .find(|status| status.name() == text)
    }

    fn name(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Processing => "processing",
            Status::Completed => "completed",
            Status::Failed => "failed",
        }
    }
}

impl Noted {
    fn tell(&self) -> Tried {
        let (outcome, http_status): (Cow<'static, str>, _) = match &self.what {
            What::Missed(came, http_status) => (came.word().into(), *http_status),
            What::Accepted => ("accepted".into(), None),
            What::Status(status) => (status.name().into(), None),
            What::Other(text) => (text.0.clone().into(), None),
        };
        Tried { at_ms: self.at_ms, outcome, http_status }
    }
}

/// Who is told of changes.
#[derive(Clone)]
struct Observer(Arc<dyn Fn() + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// How many attempts an error lists.
const LISTED: usize = 12;

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
    operation: &'static str,
    started: Stopwatch,
    stop: Stop,
    /// How many milliseconds of the wall's it waited after it was ended from outside.
    overrun_ms: AtomicU32,
    situation: Mutex<Situation>,
}

/// Why an operation is stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The caller does not want to wait any longer.
    Cancelled,
    /// The client ends.
    Closed,
}

impl StopReason {
    /// The error's kind, and the beginning of its sentence.
    fn words(self) -> (Kind, &'static str) {
        match self {
            StopReason::Cancelled => (Kind::Cancelled, "the call was cancelled"),
            StopReason::Closed => (Kind::Closed, "the client was closed"),
        }
    }
}

/// Whether the operation is to stop. The first reason stays.
#[derive(Debug, Default)]
struct Stop {
    reason: AtomicU8,
    waker: AtomicWaker,
}

impl Stop {
    fn get(&self) -> Option<StopReason> {
        match self.reason.load(Ordering::Acquire) {
            1 => Some(StopReason::Cancelled),
            2 => Some(StopReason::Closed),
            _ => None,
        }
    }

    fn set(&self, reason: StopReason) {
        let number = match reason {
            StopReason::Cancelled => 1,
            StopReason::Closed => 2,
        };
        // Err means that there is a reason already.
        let _ = self.reason.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire);
        self.waker.wake();
    }
}

/// A situation as it is shown.
#[derive(Debug, Serialize)]
pub struct Activity {
    operation: &'static str,
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
    pub fn new(operation: &'static str) -> Tracker {
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
        let reason = poll_fn(|context| {
            self.0.stop.waker.register(context.waker());
            self.0.stop.get().map_or(Poll::Pending, Poll::Ready)
        })
        .await;
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
    pub fn for_job(operation: &'static str, job_id: &JobId) -> Tracker {
        let tracker = Tracker::new(operation);
        tracker.lock().job_id = Some(job_id.clone());
        tracker
    }

    /// For an operation that can cost money. With a key of the caller's another call may have sent the
    /// submission, as long as the ledger has not said that none has.
    pub fn for_submission(operation: &'static str, options: &Options) -> Tracker {
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
            status: now.status().map(str::to_owned),
            idempotency_key: now.idempotency_key.as_ref().map(ToString::to_string),
            elapsed_ms: milliseconds(self.0.started.elapsed()),
        }
    }

    /// The error of an operation that ends here and now for this reason (`Timeout`, `Cancelled`, `Closed`,
    /// `Internal`): what is known of the job and the bill, and how to go on.
    pub fn end(&self, kind: Kind, reason: &str) -> Error {
        let now = self.lock();
        if self.0.operation == "recover" {
            let message = format!(
                "{reason}; what has been settled is, the rest stays in the ledger for the next perceptis_recover, and \
                 each job is billed if it is delivered, and once"
            );
            return Error::new(kind, message).with(|details| details.billed = Billed::Unknown);
        }
        let (kind, message, billed) = if matches!(self.0.operation, "jobs" | "forget") {
            (kind, reason.to_owned(), Billed::No)
        } else if let Some(job_id) = &now.job_id {
            let done = now.status() == Some("completed");
            let (state, next, billed) = if done {
                ("is completed and billed", "perceptis_download", Billed::Yes)
            } else {
                let state = "goes on, and is billed if it is delivered, and once";
                (state, "perceptis_wait and then perceptis_download", Billed::Unknown)
            };
            (kind, format!("{reason}; job {job_id} {state}: fetch it with {next}"), billed)
        } else if now.was_sent() {
            let key = now.idempotency_key.as_deref().unwrap_or_default();
            let kind = if kind == Kind::Timeout { Kind::OutcomeUnknown } else { kind };
            let message = format!(
                "{reason}; whether the service accepted the request is unknown: the same request with the \
                 idempotency key {key} settles it and is not billed twice"
            );
            (kind, message, Billed::Unknown)
        } else if now.unchecked {
            let key = now.idempotency_key.as_deref().unwrap_or_default();
            let message = format!(
                "{reason} before the ledger said whether another call has sent the request with the idempotency key \
                 {key}; this call sent nothing, and the same call again is not billed twice"
            );
            (kind, message, Billed::Unknown)
        } else {
            (kind, format!("{reason}; nothing was submitted, and nothing is billed"), Billed::No)
        };
        let only_unchecked = now.unchecked && !now.was_sent();
        // Where nothing is under way that a timeout could leave behind, what kept failing says more than that
        // the time is over. It must not depend on which moment the deadline strikes in.
        let asks_only = self.0.operation == "get_status";
        let kind = match &now.cause {
            Some(cause) if kind == Kind::Timeout && (asks_only || billed == Billed::No || only_unchecked) => {
                cause.kind()
            }
            _ => kind,
        };
        let mut error = Error::new(kind, message);
        if let Some(cause) = &now.cause {
            let details = cause.details().clone();
            error = Error::new(kind, format!("{error} (before that: {cause})")).with(|into| *into = details);
        }
        error.with(|details| {
            details.job_id = now.job_id.as_ref().map(ToString::to_string);
            details.idempotency_key = now.idempotency_key.as_ref().map(ToString::to_string);
            details.billed = billed;
            now.list_attempts(details);
            // A repeated `run` or `generate` without a key of the caller's would be another submission.
            let asks = matches!(self.0.operation, "get_status" | "wait" | "download");
            let ended = matches!(kind, Kind::Closed | Kind::Cancelled);
            details.retryable = !ended && (asks || billed == Billed::No || only_unchecked);
        })
    }

    /// An error with what is known of the operation added.
    pub(crate) fn complete(&self, error: Error) -> Error {
        let now = self.lock();
        // Once there is a job, this operation's own or the one that it asks about, or may be one, "no" is no
        // longer true but of one that failed, and "yes" of one that is completed.
        let failed = error.kind() == Kind::JobFailed;
        let billed = match now.status() {
            Some("completed") => Billed::Yes,
            _ if now.may_be_submitted() || self.0.operation == "recover" => Billed::Unknown,
            _ => error.details().billed,
        };
        let error = error.with(|details| {
            if !failed && details.billed == Billed::No {
                details.billed = billed;
            }
            if let Some(job_id) = &now.job_id {
                details.job_id.get_or_insert_with(|| job_id.to_string());
            }
            if let Some(key) = &now.idempotency_key {
                details.idempotency_key.get_or_insert_with(|| key.to_string());
            }
            now.list_attempts(details);
        });
        // The sentence is about the call or the ledger, and complete.
        let local =
            matches!(error.kind(), Kind::InvalidArgument | Kind::Configuration | Kind::OutcomeUnknown)
                || error.kind() == Kind::NotFound && error.details().http_status.is_none();
        if local { error } else { hint::explained(error) }
    }

    /// The operation begins.
    pub(crate) fn begin(&self, now: Moment) {
        self.lock().began = Some(now);
    }

    /// An attempt failed.
    pub(crate) fn missed(&self, miss: &Miss, now: Moment) {
        self.lock().list(now, What::Missed(miss.came, miss.error.details().http_status));
    }

    /// When the job is likely to be done.
    pub(crate) fn expects(&self, eta: Option<Eta>) {
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

    /// The error of an operation that was stopped.
    pub(crate) fn stop_error(&self, reason: StopReason) -> Error {
        let (kind, words) = reason.words();
        self.end(kind, words)
    }

    /// A submission goes out; from its first byte until something is known of it, its fate is not.
    pub(crate) fn sending(&self, first_byte: &FirstByte) {
        self.lock().in_flight = Some(first_byte.clone());
    }

    /// The submission on its way was never sent, or was refused: nothing came of it.
    pub(crate) fn nothing_came_of_it(&self) {
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
    pub(crate) fn accepted(&self, job_id: &JobId, at: Moment) {
        self.change(|now| {
            now.list(at, What::Accepted);
            now.in_flight = None;
            now.unchecked = false;
            now.unknown = false;
            now.cause = None;
            now.job_id.replace(job_id.clone()).as_ref() != Some(job_id)
        });
    }

    /// The operation goes on with a job that the service has.
    pub(crate) fn continues(&self, job_id: &JobId) {
        self.change(|now| {
            now.in_flight = None;
            now.unchecked = false;
            now.unknown = false;
            now.job_id.replace(job_id.clone()).as_ref() != Some(job_id)
        });
    }

    /// The service said how the job stands; whether that is news.
    pub(crate) fn status(&self, status: &str, at: Moment) -> bool {
        self.change(|now| {
            now.cause = None;
            let news = now.status() != Some(status);
            if news {
                let (status, what) = match Status::of(status) {
                    Some(known) => (Said::Documented(known), What::Status(known)),
                    None => (Said::Other(status.into()), What::Other(Box::new(Text(shown(status))))),
                };
                now.status = Some(status);
                now.list(at, what);
            }
            news
        })
    }

    /// Something went wrong that the operation bears.
    pub(crate) fn bears(&self, cause: &Error, retry_after: Option<Duration>) {
        self.lock().cause = Some(cause.clone().retry_after(retry_after));
    }

    /// Changes something and, where that shows, tells the observer; whether it does.
    fn change(&self, change: impl FnOnce(&mut Situation) -> bool) -> bool {
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

    fn lock(&self) -> MutexGuard<'_, Situation> {
        lock(&self.0.situation)
    }
}

/// A status as a list of attempts names it; it can be anything.
fn shown(status: &str) -> String {
    status.chars().take(40).collect()
}

impl Situation {
    /// Whether the service may have heard of the submission, from this process or another.
    fn may_be_submitted(&self) -> bool {
        self.unchecked || self.was_sent()
    }

    /// The same, as far as it is known that an attempt was made.
    fn was_sent(&self) -> bool {
        self.unknown || self.job_id.is_some() || self.in_flight.as_ref().is_some_and(FirstByte::is_out)
    }

    fn status(&self) -> Option<&str> {
        self.status.as_ref().map(Said::as_str)
    }

    fn list(&mut self, at: Moment, what: What) {
        if self.tried.len() == LISTED {
            self.tried.remove(0);
            self.omitted += 1;
        }
        // Mostly there are three, and they are kept for as long as the job takes.
        self.tried.reserve_exact(1);
        let at_ms = self.began.map_or(0, |began| milliseconds(at.since(began)));
        self.tried.push(Noted { at_ms, what });
    }

    fn list_attempts(&self, details: &mut Details) {
        details.attempts = self.tried.iter().map(Noted::tell).collect();
        details.attempts_omitted = self.omitted;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn what_shows_is_told_once_and_with_no_lock_held() {
        let (tracker, told) = (Tracker::new("run"), Arc::new(AtomicUsize::new(0)));
        let (watched, count) = (tracker.clone(), Arc::clone(&told));
        tracker.on_change(Arc::new(move || {
            // Would hang if the change still held the lock.
            let _ = watched.activity();
            count.fetch_add(1, Ordering::Relaxed);
        }));
        let (job_id, now) = (JobId::from_caller("j1").unwrap(), crate::common::clock::Clock::new(1).now());
        for _ in 0..2 {
            tracker.phase(Phase::Submitting);
            tracker.key(&"k".into());
            tracker.accepted(&job_id, now);
            tracker.status("pending", now);
            tracker.bears(&Error::new(Kind::Server, "down"), None);
        }
        assert_eq!(told.load(Ordering::Relaxed), 4, "the same again is no change");
    }
}
