//! Waiting for a job's end. A failed poll is not a failed job.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::activity::log::Log;
use crate::activity::tracker::{Eta, Tracker};
use crate::api::response::Job;
use crate::api::status::Polled;
use crate::common::clock::{Moment, Stopwatch};
use crate::error::{Billed, Error, Kind};
use crate::model::job_id::JobId;
use crate::polling::estimate::Followed;
use crate::polling::schedule::Schedule;
use crate::polling::timing::{OwnJob, Timing};
use crate::polling::verdict::{self, Verdict};

/// How often "completed" without all files is asked again before it counts.
const LATE_FILES: u32 = 5;

/// How the waiting of one caller ends.
type End = Result<Arc<Job>, Error>;

/// What the caller has seen of the job before it begins to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastSeen {
    Not,
    /// It was completed, and files were missing.
    WithoutFiles,
}

/// Those who wait for one job, and when it is asked about for them.
#[derive(Debug)]
pub(crate) struct Watch {
    own: Option<OwnJob>,
    /// Says how long the job took, if others are judged by it.
    followed: Option<Box<Followed>>,
    schedule: Schedule,
    /// When this began: a job of unknown age is at least as old.
    since: Moment,
    /// How often the job was completed without all its files.
    late: u32,
    waiters: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    expected: u32,
    tracker: Tracker,
    end: oneshot::Sender<End>,
}

/// What those who wait are to be told, once no lock is held.
pub(crate) struct Notifications {
    trackers: Vec<Tracker>,
    eta: Option<Eta>,
    ended: Vec<(oneshot::Sender<End>, End)>,
}

impl Watch {
    /// A watch without a waiter, and when to ask first: at once about a job of unknown age.
    pub(crate) fn new(timing: &Timing, job_id: &JobId, seen: LastSeen, now: Moment) -> (Watch, Moment) {
        let own = timing.own_job(job_id);
        let schedule = timing.schedule();
        let chance = timing.jitter.fraction();
        let mut followed = None;
        let (late, first) = match (own, seen) {
            (_, LastSeen::WithoutFiles) => (1, now.after(schedule.late(0, chance))),
            (Some(own), LastSeen::Not) => {
                let (submitted, now) = (own.submitted.uptime(), now.uptime());
                followed = timing.estimates.follow(job_id.number(), own.product, submitted, now);
                (0, own.submitted.after(schedule.first(chance)))
            }
            (None, LastSeen::Not) => (0, now),
        };
        (Watch { own, followed, schedule, since: now, late, waiters: Vec::new() }, first)
    }

    /// One more who waits, under this number.
    pub(crate) fn join(&mut self, number: u64, expected: u32, tracker: Tracker) -> oneshot::Receiver<End> {
        let (end, receiver) = oneshot::channel();
        // Mostly one caller waits.
        self.waiters.reserve_exact(1);
        self.waiters.push(Waiter { number, expected, tracker, end });
        receiver
    }

    /// Removes a waiter; whether none is left.
    pub(crate) fn leave(&mut self, number: u64) -> bool {
        self.waiters.retain(|waiter| waiter.number != number);
        self.waiters.is_empty()
    }

    /// What a poll that began then means to the waiters, and when to ask again; `None`: no waiter is left.
    pub(crate) fn judge(
        &mut self,
        timing: &Timing,
        job_id: &JobId,
        polled: &Polled,
        (begun, now): (Moment, Moment),
    ) -> (Notifications, Option<Moment>) {
        let age = self.own.map(|own| now.since(own.submitted));
        let trackers = self.waiters.iter().map(|waiter| waiter.tracker.clone()).collect();
        let mut tell = Notifications { trackers, eta: None, ended: Vec::new() };
        let verdict = verdict::of(polled, age);
        self.learn(&verdict, age);
        match &verdict {
            Verdict::Completed { job, offered } => {
                let enough = self.late == LATE_FILES;
                self.late += 1;
                self.end(&mut tell, |waiter| {
                    (enough || *offered >= waiter.expected.max(1)).then(|| Ok(Arc::clone(job)))
                });
            }
            Verdict::Failed { job } => self.end(&mut tell, |_| Some(Err(job_failed(job_id, job)))),
            Verdict::Unseen { error } => self.end(&mut tell, |_| Some(Err(unseen(job_id, error)))),
            Verdict::GoesOn | Verdict::AskAgain { .. } => {}
        }
        if self.waiters.is_empty() {
            return (tell, None);
        }
        // After an answer the distance counts from when it was asked for: the job was not done then, and the
        // time of the answer on its way must not delay the next poll.
        let (asked, floor) = match verdict {
            Verdict::AskAgain { floor } => (now, floor),
            _ => (begun, Duration::ZERO),
        };
        let (distance, eta) = self.plan(timing, asked, now);
        tell.eta = eta;
        let next = asked.after(distance).max(now.after(timing.jitter.tenth_more(floor)));
        (tell, Some(next))
    }

    /// Tells the estimates how far the job has come.
    fn learn(&mut self, verdict: &Verdict<'_>, age: Option<Duration>) {
        let Some(age) = age else { return };
        match verdict {
            Verdict::Completed { .. } => {
                if let Some(followed) = self.followed.take() {
                    followed.done(age);
                }
            }
            Verdict::GoesOn => {
                if let Some(followed) = &mut self.followed {
                    followed.runs(age);
                }
            }
            _ => {}
        }
    }

    /// How long after a poll at `asked` to ask again, and when the job is likely to be done from now on.
    fn plan(&self, timing: &Timing, asked: Moment, now: Moment) -> (Duration, Option<Eta>) {
        let chance = timing.jitter.fraction();
        if let Some(waits) = self.late.checked_sub(1) {
            // Files that are late are not to be expected at any age.
            return (self.schedule.late(waits, chance), None);
        }
        let Some(own) = self.own.filter(|own| own.is_dated) else {
            return (self.schedule.next(asked.since(self.since), None, chance), None);
        };
        let window = timing.estimates.window(own.product);
        let eta = window.left(now.since(own.submitted)).map(|(low, likely, high)| {
            let wall = |left| u32::try_from(timing.clock.wall(left).as_millis()).unwrap_or(u32::MAX);
            let (low_ms, likely_ms, high_ms) = (wall(low), wall(likely), wall(high));
            Eta { made: Stopwatch::start(), low_ms, likely_ms, high_ms, jobs: window.jobs }
        });
        (self.schedule.next(asked.since(own.submitted), Some(&window), chance), eta)
    }

    /// Ends the waiting of those for whom there is an end.
    fn end(&mut self, tell: &mut Notifications, end: impl Fn(&Waiter) -> Option<End>) {
        for waiter in std::mem::take(&mut self.waiters) {
            match end(&waiter) {
                Some(result) => tell.ended.push((waiter.end, result)),
                None => self.waiters.push(waiter),
            }
        }
    }
}

impl Notifications {
    /// Tells all waiters what the poll brought, and ends the waiting of those that have their answer.
    pub(crate) fn say(self, log: &Log, polled: &Polled) {
        for tracker in self.trackers {
            match polled {
                Ok(job) => {
                    tracker.set_eta(self.eta);
                    if tracker.status(&job.status) {
                        log.status(&tracker);
                    }
                }
                Err(miss) => {
                    tracker.record_failure(miss);
                    tracker.set_last_error(&miss.error, miss.asked());
                    log.poll_failed(&tracker, miss);
                }
            }
        }
        for (end, result) in self.ended {
            // The receiver is gone only when its caller has gone.
            let _ = end.send(result);
        }
    }
}

/// The job may well go on; this client can't see it.
fn unseen(job_id: &JobId, error: &Error) -> Error {
    let message = match error.kind() {
        Kind::NotFound => format!("job {job_id} can't be found: {error}; nothing more is known of its bill"),
        _ => format!("job {job_id} can't be asked about: {error}; it goes on, and can be waited for again"),
    };
    error.clone().restate(error.kind(), message).with(|details| details.billed = Billed::Unknown)
}

/// The error of a job that the service gave up.
pub(crate) fn job_failed(job_id: &JobId, job: &Job) -> Error {
    let why = job.error.as_deref().unwrap_or("the service gave no reason");
    let message = format!("job {job_id} failed and is not billed: {why}");
    Error::new(Kind::JobFailed, message).says_bill().with(|details| {
        details.billed = Billed::No;
        details.job_id = Some(job_id.to_string());
    })
}
