//! The attempt loop: the one way in which this client asks the service again.
//!
//! What may be repeated is in the table of `policy.rs`; the deadline, the budget and the service's hint are a
//! [`Course`]'s; how it ended is an [`Ended`].

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::SemaphorePermit;

use crate::client::Client;
use crate::clock::Moment;
use crate::error::{Error, Kind};
use crate::pace::Gate;
use crate::policy::{self, Asking, Came, Next};
use crate::tracker::Tracker;

const FIRST: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(30);
/// How often a submission tries to connect where nothing has been sent yet: about a minute in all.
const MOST_CONNECTS: u32 = 8;

/// An attempt that did not bring what was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Miss {
    pub(crate) came: Came,
    pub(crate) error: Error,
    /// Whether it brought a part of it all the same.
    pub(crate) progressed: bool,
}

impl Miss {
    pub(crate) fn new(came: Came, error: Error) -> Miss {
        Miss { came, error, progressed: false }
    }

    /// The shortest wait before the next attempt, by the service's word.
    pub(crate) fn floor(&self) -> Option<Duration> {
        self.error.details().retry_after_ms.map(Duration::from_millis)
    }
}

/// Something that can be asked again and again.
pub(crate) trait Attempt {
    /// What it is asked for.
    type Good;

    /// Asks once.
    fn once(&mut self) -> impl Future<Output = Result<Self::Good, Miss>> + Send;
}

/// Why the attempts ended without what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The table says that asking again is of no use.
    Stop,
    /// The table says that something else has to be done first.
    Renew,
    /// It failed too often.
    Often,
    /// The next attempt would come after the deadline.
    Late(Duration),
    /// The next attempt would come so late that the service may have forgotten the first one.
    Stale(Duration),
}

/// How attempts ended that did not bring what was asked for.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) why: Why,
    /// What the last one came to.
    pub(crate) error: Error,
}

impl Ended {
    /// The error, which says how long to wait where there was no time for that. A deadline that passes while the
    /// wait before an attempt ends leaves no wait, and takes back nothing that the service asked for.
    pub(crate) fn told(self) -> Error {
        match self.why {
            Why::Late(wait) | Why::Stale(wait) if !wait.is_zero() => self.error.retry_after(Some(wait)),
            _ => self.error,
        }
    }
}

/// How old something is. Not when it began, which may have been before the machine's start, where no moment is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    /// When it was this old.
    pub(crate) at: Moment,
    pub(crate) age: Duration,
}

impl Age {
    fn then(self, then: Moment) -> Duration {
        self.age.saturating_add(then.since(self.at))
    }
}

/// What the attempts of one operation go by, and how far they have come.
pub(crate) struct Course<'a> {
    asking: Asking,
    deadline: Moment,
    tracker: &'a Tracker,
    /// Where such requests wait for their turn.
    gate: Option<&'a Gate>,
    /// Its turn for the first attempt, where whoever begins has waited for that.
    place: Option<SemaphorePermit<'a>>,
    /// How many failures in a row end it.
    most: u32,
    /// How long after the first attempt one in doubt is repeated.
    window: Option<Duration>,
    first: Option<Age>,
    failures: u32,
    attempts: u32,
}

impl<'a> Course<'a> {
    /// Attempts to the deadline.
    pub(crate) fn new(asking: Asking, deadline: Moment, tracker: &'a Tracker) -> Course<'a> {
        let (gate, most, window) = (None, u32::MAX, None);
        let (place, first) = (None, None);
        Course { asking, deadline, tracker, gate, place, most, window, first, failures: 0, attempts: 0 }
    }

    /// The same through a gate that all such requests pass, where it has its first turn.
    pub(crate) fn through(self, gate: &'a Gate, place: SemaphorePermit<'a>) -> Course<'a> {
        Course { gate: Some(gate), place: Some(place), ..self }
    }

    /// The same, ended by this many failures in a row.
    pub(crate) fn at_most(self, most: u32) -> Course<'a> {
        Course { most, ..self }
    }

    /// The same; once a job may exist, nothing is repeated later than this after the first attempt.
    pub(crate) fn within(self, window: Option<Duration>) -> Course<'a> {
        Course { window, ..self }
    }

    /// The same, where the first attempt was made by an earlier process.
    pub(crate) fn since(self, first: Age) -> Course<'a> {
        Course { first: Some(first), ..self }
    }

    /// Whether an attempt may come then; if not, why.
    fn allows(&self, then: Moment, wait: Duration) -> Result<(), Why> {
        if then > self.deadline {
            return Err(Why::Late(wait));
        }
        match (self.asking, self.window, self.first) {
            (Asking::Resubmit, Some(window), Some(first)) if first.then(then) > window => {
                Err(Why::Stale(wait))
            }
            _ => Ok(()),
        }
    }

    /// Whether the table and the count of failures allow another attempt. Remembers that a job may exist.
    fn judge(&mut self, miss: &Miss) -> Result<(), Why> {
        let next = policy::next(miss.came, self.asking);
        if matches!(next, Next::Doubt | Next::DoubtStop) {
            self.asking = Asking::Resubmit;
            self.tracker.outcome_unknown();
        } else {
            self.tracker.nothing_came_of_it();
        }
        if miss.progressed {
            self.failures = 0;
        }
        self.failures += 1;
        match next {
            Next::Again | Next::Doubt if self.failures < self.most => Ok(()),
            Next::Few if self.failures < MOST_CONNECTS.min(self.most) => Ok(()),
            Next::Again | Next::Doubt | Next::Few => Err(Why::Often),
            Next::Renew => Err(Why::Renew),
            Next::Stop | Next::DoubtStop | Next::Young => Err(Why::Stop),
        }
    }
}

impl Client {
    /// Asks until there is an answer, or until the table, the deadline or the number of failures ends it.
    pub(crate) async fn attempts<A: Attempt>(
        &self,
        course: &mut Course<'_>,
        attempt: &mut A,
    ) -> Result<A::Good, Ended> {
        let mut last = None;
        loop {
            let pass = match course.gate {
                Some(gate) => Some(self.pass(gate, course).await?),
                None => None,
            };
            let begun = self.clock.now();
            // Only now: the wait for a place can be long.
            if let Err(why) = course.allows(begun, Duration::ZERO) {
                let late = || Error::new(Kind::Timeout, "there is no time left for an attempt");
                return Err(Ended { why, error: last.unwrap_or_else(late) });
            }
            course.first.get_or_insert(Age { at: begun, age: Duration::ZERO });
            course.attempts += 1;
            // In a box of its own: thousands wait for their turn at the gate, and should be small then.
            let result = Box::pin(attempt.once()).await;
            let now = self.clock.now();
            let miss = match result {
                Ok(good) => {
                    self.budget.give();
                    if let Some(gate) = course.gate {
                        gate.pace.succeeded();
                    }
                    return Ok(good);
                }
                Err(miss) => miss,
            };
            let floor = miss.floor();
            if let (Some(gate), Came::Status(429)) = (course.gate, miss.came) {
                gate.pace.limited(begun, now, floor.unwrap_or_default());
            }
            drop(pass);
            course.tracker.missed(&miss, now);
            if miss.progressed {
                self.budget.give();
            }
            let doubted = course.asking == Asking::Resubmit;
            let judged = course.judge(&miss);
            if !doubted && course.asking == Asking::Resubmit {
                self.log.in_doubt(course.tracker);
            }
            if let Err(why) = judged {
                return Err(Ended { why, error: miss.error });
            }
            course.tracker.bears(&miss.error, floor);
            let wait = self.backoff(course.failures, floor);
            if let Err(why) = course.allows(now.after(wait), floor.unwrap_or_default()) {
                return Err(Ended { why, error: miss.error });
            }
            self.log.retrying(course.tracker, course.attempts, &miss, wait);
            last = Some(miss.error);
            self.clock.sleep_until(now.after(wait)).await;
        }
    }

    /// Waits for a place and for the pace that the service asked for, unless that is beyond the deadline.
    async fn pass<'g>(&self, gate: &'g Gate, course: &mut Course<'g>) -> Result<SemaphorePermit<'g>, Ended> {
        let place = match course.place.take() {
            Some(place) => place,
            None => gate.place().await.map_err(|error| Ended { why: Why::Stop, error })?,
        };
        loop {
            let now = self.clock.now();
            let Err(then) = gate.pace.start(now) else { return Ok(place) };
            let wait = then.since(now);
            if let Err(why) = course.allows(then, wait) {
                let error = Error::new(
                    Kind::RateLimited,
                    format!("the service asked to send nothing for another {} s", wait.as_secs()),
                );
                return Err(Ended { why, error: error.retryable() });
            }
            self.clock.sleep_until(then).await;
        }
    }

    /// How long to wait after so many failures: full jitter under a ceiling that doubles, never less than the
    /// service asked for. "Exponential Backoff And Jitter", M. Brooker, AWS Architecture Blog, 2015.
    fn backoff(&self, failures: u32, floor: Option<Duration>) -> Duration {
        let ceiling = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(MOST);
        let backoff = if self.budget.take() { self.jitter.full(ceiling) } else { MOST };
        floor.map_or(backoff, |floor| backoff.max(self.jitter.tenth_more(floor)))
    }
}

/// Tokens that retries take and successes bring back, so that an outage is not made worse: while there are
/// none, retries still happen, since money may hang on them, but only at the longest distance. The figures
/// are those of the AWS SDKs' standard retry mode.
#[derive(Debug)]
pub(crate) struct Budget(AtomicU32);

const CAPACITY: u32 = 500;
const COST: u32 = 5;

impl Budget {
    pub(crate) fn new() -> Budget {
        Budget(AtomicU32::new(CAPACITY))
    }

    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| tokens.checked_sub(COST)).is_ok()
    }

    /// A request succeeded.
    pub(crate) fn give(&self) {
        let more = |tokens: u32| (tokens < CAPACITY).then(|| tokens + 1);
        // Err means that the budget is full, which is fine.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn what_is_older_than_the_machines_start_is_as_old_as_it_is() {
        let (now, tracker) = (Clock::new(1).now(), Tracker::new("run"));
        let window = Duration::from_secs(3600);
        let course = |years: u64| {
            let age = Duration::from_secs(years * 365 * 24 * 3600);
            Course::new(Asking::Resubmit, now.after(window * 10), &tracker)
                .within(Some(window))
                .since(Age { at: now, age })
        };
        assert_eq!(course(0).allows(now.after(window), Duration::ZERO), Ok(()));
        let later = now.after(window + Duration::from_secs(1));
        assert_eq!(course(0).allows(later, Duration::ZERO), Err(Why::Stale(Duration::ZERO)));
        assert_eq!(course(300).allows(now, Duration::ZERO), Err(Why::Stale(Duration::ZERO)));
    }

    #[test]
    fn a_deadline_that_passes_in_a_wait_takes_back_nothing_that_the_service_asked_for() {
        let asked = |asked: Option<u64>, why: Why| {
            let error =
                Error::new(Kind::RateLimited, "too fast").retry_after(asked.map(Duration::from_millis));
            Ended { why, error }.told().details().retry_after_ms
        };
        assert_eq!(asked(Some(1000), Why::Late(Duration::ZERO)), Some(1000));
        assert_eq!(asked(None, Why::Stale(Duration::ZERO)), None);
        assert_eq!(asked(Some(1000), Why::Late(Duration::from_secs(2))), Some(2000));
        assert_eq!(asked(Some(1000), Why::Often), Some(1000));
    }
}
