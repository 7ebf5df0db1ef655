//! Where an operation stands, readable at any time: for whoever shows it, and for the error that has to be
//! told when the operation is ended from outside, at whatever await it happens to be.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::advice;
use crate::attempt::Miss;
use crate::clock::{Moment, Stopwatch};
use crate::error::{Billed, Details, Error, Kind, Tried};
use crate::first_byte::FirstByte;
use crate::job::JobId;

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
    idempotency_key: Option<String>,
    job_id: Option<JobId>,
    status: Option<String>,
    /// A submission is on its way, and no answer has come.
    in_flight: Option<FirstByte>,
    /// A submission's fate is unknown.
    unknown: bool,
    /// What last went wrong and was borne.
    cause: Option<Error>,
    retry_after: Option<Duration>,
    /// When it began, in the client's time.
    began: Option<Moment>,
    /// The newest of its attempts, and how many came before them.
    tried: VecDeque<Tried>,
    omitted: u32,
    eta: Option<Eta>,
    observer: Option<Observer>,
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
    /// On the wall's clock, as whoever watches it has it: when this was estimated.
    pub(crate) made: Stopwatch,
    pub(crate) low: Duration,
    pub(crate) likely: Duration,
    pub(crate) high: Duration,
}

/// The situation of one operation, shared by those who run it, watch it and end it.
#[derive(Clone, Debug)]
pub struct Tracker {
    operation: &'static str,
    started: Stopwatch,
    situation: Arc<Mutex<Situation>>,
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
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Tracker {
    /// For an operation of this name that begins now.
    pub fn new(operation: &'static str) -> Tracker {
        Tracker { operation, started: Stopwatch::start(), situation: Arc::default() }
    }

    /// For an operation about this job: even one that is ended before its first step can name it.
    pub fn for_job(operation: &'static str, job_id: &JobId) -> Tracker {
        let tracker = Tracker::new(operation);
        tracker.lock().job_id = Some(job_id.clone());
        tracker
    }

    /// Has this called after each change of what [`Tracker::activity`] shows, with no lock held, on the thread that
    /// made the change. That time passes is no change.
    pub fn on_change(&self, observer: Arc<dyn Fn() + Send + Sync>) {
        self.lock().observer = Some(Observer(observer));
    }

    /// For one of the jobs that this operation is about.
    pub(crate) fn part(&self) -> Tracker {
        Tracker::new(self.operation)
    }

    /// The job, once it is known.
    pub(crate) fn job_id(&self) -> Option<String> {
        self.lock().job_id.as_ref().map(ToString::to_string)
    }

    /// What is shown of it.
    pub fn activity(&self) -> Activity {
        let now = self.lock();
        let eta = |bound: fn(&Eta) -> Duration| {
            let eta = now.eta.as_ref().filter(|_| now.phase == Phase::Waiting)?;
            Some(milliseconds(bound(eta).saturating_sub(eta.made.elapsed())))
        };
        Activity {
            eta_ms: eta(|eta| eta.likely),
            eta_low_ms: eta(|eta| eta.low),
            eta_high_ms: eta(|eta| eta.high),
            operation: self.operation,
            phase: now.phase,
            job_id: now.job_id.as_ref().map(ToString::to_string),
            status: now.status.clone(),
            idempotency_key: now.idempotency_key.clone(),
            elapsed_ms: milliseconds(self.started.elapsed()),
        }
    }

    /// The error of an operation that ends here and now for this reason (`Timeout`, `Cancelled`, `Closed`,
    /// `Internal`): what is known of the job and the bill, and how to go on.
    pub fn end(&self, kind: Kind, reason: &str) -> Error {
        let now = self.lock();
        if self.operation == "recover" {
            let message = format!(
                "{reason}; what has been settled is, the rest stays in the ledger for the next perceptis_recover, and \
                 each job is billed if it is delivered, and once"
            );
            return Error::new(kind, message).with(|details| details.billed = Billed::Unknown);
        }
        let (kind, message, billed) = if let Some(job_id) = &now.job_id {
            let done = now.status.as_deref() == Some("completed");
            let (state, next, billed) = if done {
                ("is completed and billed", "perceptis_download", Billed::Yes)
            } else {
                let state = "goes on, and is billed if it is delivered, and once";
                (state, "perceptis_wait and then perceptis_download", Billed::Unknown)
            };
            (kind, format!("{reason}; job {job_id} {state}: fetch it with {next}"), billed)
        } else if now.unknown || now.in_flight.as_ref().is_some_and(FirstByte::is_out) {
            let key = now.idempotency_key.as_deref().unwrap_or_default();
            let kind = if kind == Kind::Timeout { Kind::OutcomeUnknown } else { kind };
            let message = format!(
                "{reason}; whether the service accepted the request is unknown: the same request with the \
                 idempotency key {key} settles it and is not billed twice"
            );
            (kind, message, Billed::Unknown)
        } else {
            (kind, format!("{reason}; nothing was submitted, and nothing is billed"), Billed::No)
        };
        // Where nothing is under way that a timeout could leave behind, what kept failing says more than that
        // the time is over. It must not depend on which moment the deadline strikes in.
        let asks_only = self.operation == "get_status";
        let kind = match &now.cause {
            Some(cause) if kind == Kind::Timeout && (asks_only || billed == Billed::No) => cause.kind(),
            _ => kind,
        };
        let mut error = Error::new(kind, message);
        if let Some(cause) = &now.cause {
            let details = cause.details().clone();
            error = Error::new(kind, format!("{error} (before that: {cause})")).with(|into| *into = details);
        }
        error
            .with(|details| {
                details.job_id = now.job_id.as_ref().map(ToString::to_string);
                details.idempotency_key.clone_from(&now.idempotency_key);
                details.billed = billed;
                now.list_attempts(details);
                // A repeated `run` or `generate` without a key of the caller's would be another submission.
                let asks = matches!(self.operation, "get_status" | "wait" | "download");
                let ended = matches!(kind, Kind::Closed | Kind::Cancelled);
                details.retryable = !ended && (asks || billed == Billed::No);
            })
            .retry_after(now.retry_after)
    }

    /// An error with what is known of the operation added.
    pub(crate) fn complete(&self, error: Error) -> Error {
        let now = self.lock();
        // Once there is a job, this operation's own or the one that it asks about, "no" is no longer true but of
        // one that failed, and "yes" of one that is completed.
        let failed = error.kind() == Kind::JobFailed;
        let billed = match now.status.as_deref() {
            Some("completed") => Billed::Yes,
            _ if now.job_id.is_some() => Billed::Unknown,
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
                details.idempotency_key.get_or_insert_with(|| key.clone());
            }
            now.list_attempts(details);
        });
        // Nothing was asked for yet: the sentence is about the call, and complete.
        let local =
            matches!(error.kind(), Kind::InvalidArgument | Kind::Configuration | Kind::OutcomeUnknown);
        if local { error } else { advice::explained(error) }
    }

    /// The operation begins.
    pub(crate) fn begin(&self, now: Moment) {
        self.lock().began = Some(now);
    }

    /// An attempt failed.
    pub(crate) fn missed(&self, miss: &Miss, now: Moment) {
        self.lock().list(now, miss.came.word().into(), miss.error.details().http_status);
    }

    /// When the job is likely to be done.
    pub(crate) fn expects(&self, eta: Option<Eta>) {
        self.lock().eta = eta;
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.change(|now| std::mem::replace(&mut now.phase, phase) != phase);
    }

    pub(crate) fn key(&self, key: &str) {
        self.change(|now| now.idempotency_key.replace(key.to_owned()).as_deref() != Some(key));
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
        now.unknown = true;
    }

    /// Whether the service may have heard of the submission.
    pub(crate) fn may_be_submitted(&self) -> bool {
        let now = self.lock();
        now.unknown || now.job_id.is_some() || now.in_flight.as_ref().is_some_and(FirstByte::is_out)
    }

    pub(crate) fn is_outcome_unknown(&self) -> bool {
        self.lock().unknown
    }

    /// The service has the job: every doubt is settled.
    pub(crate) fn accepted(&self, job_id: &JobId, at: Moment) {
        self.change(|now| {
            now.list(at, "accepted".into(), None);
            now.in_flight = None;
            now.unknown = false;
            now.cause = None;
            now.retry_after = None;
            now.job_id.replace(job_id.clone()).as_ref() != Some(job_id)
        });
    }

    /// The operation goes on with a job that the service has.
    pub(crate) fn continues(&self, job_id: &JobId) {
        self.change(|now| {
            now.in_flight = None;
            now.unknown = false;
            now.job_id.replace(job_id.clone()).as_ref() != Some(job_id)
        });
    }

    /// The service said how the job stands; whether that is news.
    pub(crate) fn status(&self, status: &str, at: Moment) -> bool {
        self.change(|now| {
            now.cause = None;
            now.retry_after = None;
            let news = now.status.as_deref() != Some(status);
            if news {
                now.status = Some(status.to_owned());
                now.list(at, shown(status), None);
            }
            news
        })
    }

    /// Something went wrong that the operation bears.
    pub(crate) fn bears(&self, cause: &Error, retry_after: Option<Duration>) {
        let mut now = self.lock();
        now.cause = Some(cause.clone());
        now.retry_after = retry_after;
    }

    /// Changes something and, where that shows, tells the observer; whether it does.
    fn change(&self, change: impl FnOnce(&mut Situation) -> bool) -> bool {
        let (shows, observer) = {
            let mut now = self.lock();
            let shows = change(&mut now);
            (shows, now.observer.clone().filter(|_| shows))
        };
        if let Some(Observer(tell)) = observer {
            tell();
        }
        shows
    }

    fn lock(&self) -> MutexGuard<'_, Situation> {
        self.situation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A status as a list of attempts names it; it can be anything.
fn shown(status: &str) -> Cow<'static, str> {
    match ["pending", "processing", "completed", "failed"].into_iter().find(|known| *known == status) {
        Some(known) => known.into(),
        None => status.chars().take(40).collect::<String>().into(),
    }
}

impl Situation {
    fn list(&mut self, at: Moment, outcome: Cow<'static, str>, http_status: Option<u16>) {
        if self.tried.len() == LISTED {
            self.tried.pop_front();
            self.omitted += 1;
        }
        let at_ms = self.began.map_or(0, |began| milliseconds(at.since(began)));
        self.tried.push_back(Tried { at_ms, outcome, http_status });
    }

    fn list_attempts(&self, details: &mut Details) {
        details.attempts = self.tried.iter().cloned().collect();
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
        let (job_id, now) = (JobId::from_caller("j1").unwrap(), crate::clock::Clock::new(1).now());
        for _ in 0..2 {
            tracker.phase(Phase::Submitting);
            tracker.key("k");
            tracker.accepted(&job_id, now);
            tracker.status("pending", now);
            tracker.bears(&Error::new(Kind::Server, "down"), None);
        }
        assert_eq!(told.load(Ordering::Relaxed), 4, "the same again is no change");
    }
}
