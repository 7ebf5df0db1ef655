//! The attempt loop: the one way in which this client asks the service again.
//!
//! What may be repeated is in the table of `policy.rs`; the deadline, the budget and the service's hint are a
//! [`RetryPlan`]'s; how it ended is an [`RetryError`].

mod budget;
pub(crate) mod policy;
pub(crate) mod rate_limit;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::SemaphorePermit;

use crate::activity::log::Log;
use crate::activity::tracker::Tracker;
use crate::common::clock::{Clock, Moment, Stamp, StampAge};
use crate::common::jitter::Jitter;
use crate::error::{Error, Kind};
use crate::retry::budget::Budget;
use crate::retry::policy::{Asking, Next};
use crate::retry::rate_limit::RateLimiter;
use crate::transport::failure::{AttemptError, FailureKind};

const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// How often a submission tries to connect where nothing has been sent yet: about a minute in all.
const MAX_CONNECTS: u32 = 8;

/// Asked just before a first byte: whether it may go out.
pub(crate) type Check = Box<dyn Fn() -> bool + Send + Sync>;

/// Something that can be asked again and again.
pub(crate) trait Attempt {
    /// What it is asked for.
    type Good;

    /// What has to be so just before the first byte of the next attempt.
    fn check_first_byte(&mut self, _check: Option<Check>) {}

    /// Asks once.
    fn once(&mut self) -> impl Future<Output = Result<Self::Good, AttemptError>> + Send;
}

/// Why the attempts ended without what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveUpReason {
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
pub(crate) struct RetryError {
    pub(crate) why: GiveUpReason,
    /// What the last one came to.
    pub(crate) error: Error,
}

impl RetryError {
    /// The error, which says how long to wait where there was no time for that. A deadline that passes while
    /// the wait before an attempt ends leaves no wait, and takes back nothing that the service asked for.
    pub(crate) fn into_error(self) -> Error {
        match self.why {
            GiveUpReason::Late(wait) | GiveUpReason::Stale(wait) if !wait.is_zero() => {
                self.error.retry_after(Some(wait))
            }
            _ => self.error,
        }
    }
}

/// How long after its first attempt a submission in doubt is sent again without asking: `promise.md`, 4. Its
/// age is the larger of the ages by all clocks; of unknown age is as good as too old.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResubmitWindow {
    length: Duration,
    clock: Clock,
    /// Whether an answer of the service has confirmed the date of this machine.
    date_confirmed: bool,
}

/// How far in the future a record may lie, in the client's time: clocks are corrected by small steps.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

impl ResubmitWindow {
    pub(crate) fn new(length: Duration, clock: Clock) -> ResubmitWindow {
        ResubmitWindow { length, clock, date_confirmed: false }
    }

    /// The same, once the service has confirmed the date.
    pub(crate) fn with_date_confirmed(self) -> ResubmitWindow {
        ResubmitWindow { date_confirmed: true, ..self }
    }

    /// Whether only the service can say how old the first attempt is.
    pub(crate) fn needs_date(&self, first: &Stamp) -> bool {
        !self.date_confirmed && matches!(self.age(first, &Stamp::now()), StampAge::ByDate(_))
    }

    /// Whether an attempt is in the window after this wait.
    fn allows(&self, first: &Stamp, wait: Duration) -> bool {
        let age = match self.age(first, &Stamp::now()) {
            StampAge::Known(age) => age,
            StampAge::ByDate(age) if self.date_confirmed => age,
            StampAge::ByDate(_) | StampAge::Unknown => return false,
        };
        self.clock.scaled(age).saturating_add(wait) <= self.length
    }

    fn age(&self, first: &Stamp, now: &Stamp) -> StampAge {
        first.age(now, self.clock.wall(CLOCK_TOLERANCE))
    }
}

/// What the attempts of one operation go by, and how far they have come.
pub(crate) struct RetryPlan<'a> {
    asking: Asking,
    deadline: Moment,
    tracker: &'a Tracker,
    /// Where such requests wait for their permit.
    limiter: Option<&'a RateLimiter>,
    /// The permit for the first attempt, where the caller has it already.
    permit: Option<SemaphorePermit<'a>>,
    /// How many failures in a row end it.
    most: u32,
    /// How long after the first attempt one in doubt is repeated.
    window: Option<ResubmitWindow>,
    first: Option<Stamp>,
    failures: u32,
    attempts: u32,
}

impl<'a> RetryPlan<'a> {
    /// Attempts to the deadline.
    pub(crate) fn new(asking: Asking, deadline: Moment, tracker: &'a Tracker) -> RetryPlan<'a> {
        let (limiter, most, window) = (None, u32::MAX, None);
        let (permit, first) = (None, None);
        RetryPlan {
            asking,
            deadline,
            tracker,
            limiter,
            permit,
            most,
            window,
            first,
            failures: 0,
            attempts: 0,
        }
    }

    /// The same through a limiter that all such requests pass, with the permit for the first attempt.
    pub(crate) fn through(self, limiter: &'a RateLimiter, permit: SemaphorePermit<'a>) -> RetryPlan<'a> {
        RetryPlan { limiter: Some(limiter), permit: Some(permit), ..self }
    }

    /// The same, ended by this many failures in a row.
    pub(crate) fn at_most(self, most: u32) -> RetryPlan<'a> {
        RetryPlan { most, ..self }
    }

    /// The same; once a job may exist, nothing is repeated later than this after the first attempt.
    pub(crate) fn within(self, window: Option<ResubmitWindow>) -> RetryPlan<'a> {
        RetryPlan { window, ..self }
    }

    /// The same, where the first attempt was made by an earlier process.
    pub(crate) fn since(self, first: Stamp) -> RetryPlan<'a> {
        RetryPlan { first: Some(first), ..self }
    }

    /// Whether an attempt may come `ahead` of now; if not, why. `wait`: how long the service asked to wait.
    fn allows(&self, now: Moment, ahead: Duration, wait: Duration) -> Result<(), GiveUpReason> {
        if now.after(ahead) > self.deadline {
            return Err(GiveUpReason::Late(wait));
        }
        match (self.asking, &self.window, &self.first) {
            (Asking::Resubmit, Some(window), Some(first)) if !window.allows(first, ahead) => {
                Err(GiveUpReason::Stale(wait))
            }
            _ => Ok(()),
        }
    }

    /// What has to be so just before the first byte of an attempt: name resolution and connect take their
    /// time.
    fn check(&self) -> Option<Check> {
        match (self.asking, self.window, &self.first) {
            (Asking::Resubmit, Some(window), Some(first)) => {
                let first = first.clone();
                Some(Box::new(move || window.allows(&first, Duration::ZERO)))
            }
            _ => None,
        }
    }

    /// Whether the table and the count of failures allow another attempt. Remembers that a job may exist.
    fn judge(&mut self, miss: &AttemptError) -> Result<(), GiveUpReason> {
        let next = policy::next(miss.came, self.asking);
        if matches!(next, Next::Doubt | Next::DoubtStop) {
            self.asking = Asking::Resubmit;
            self.tracker.outcome_unknown();
        } else {
            self.tracker.clear_in_flight();
        }
        if miss.progressed {
            self.failures = 0;
        }
        self.failures += 1;
        match next {
            Next::Again | Next::Doubt if self.failures < self.most => Ok(()),
            Next::Few if self.failures < MAX_CONNECTS.min(self.most) => Ok(()),
            Next::Again | Next::Doubt | Next::Few => Err(GiveUpReason::Often),
            Next::Renew => Err(GiveUpReason::Renew),
            Next::Stop | Next::DoubtStop | Next::Young => Err(GiveUpReason::Stop),
        }
    }
}

/// Makes attempts until one succeeds, or until a rule ends them.
#[derive(Debug)]
pub(crate) struct Retrier {
    clock: Clock,
    jitter: Arc<Jitter>,
    budget: Budget,
    log: Log,
}

impl Retrier {
    pub(crate) fn new(clock: Clock, jitter: Arc<Jitter>, log: Log) -> Retrier {
        Retrier { clock, jitter, budget: Budget::new(), log }
    }

    /// Asks until there is an answer, or until the table, the deadline or the number of failures ends it.
    pub(crate) async fn run<A: Attempt>(
        &self,
        plan: &mut RetryPlan<'_>,
        attempt: &mut A,
    ) -> Result<A::Good, RetryError> {
        let mut last = None;
        loop {
            let pass = match plan.limiter {
                Some(limiter) => Some(self.pass(limiter, plan).await?),
                None => None,
            };
            let begun = self.clock.now();
            // Only now: the wait for a permit can be long.
            if let Err(why) = plan.allows(begun, Duration::ZERO, Duration::ZERO) {
                let late = || Error::new(Kind::Timeout, "there is no time left for an attempt");
                return Err(RetryError { why, error: last.unwrap_or_else(late) });
            }
            attempt.check_first_byte(plan.check());
            if plan.window.is_some() {
                plan.first.get_or_insert_with(Stamp::now);
            }
            plan.attempts += 1;
            // In a box of its own: thousands wait for their permit, and should be small then.
            let result = Box::pin(attempt.once()).await;
            let now = self.clock.now();
            let miss = match result {
                Ok(good) => {
                    self.budget.give();
                    if let Some(limiter) = plan.limiter {
                        limiter.pace.succeeded();
                    }
                    return Ok(good);
                }
                Err(miss) => miss,
            };
            if miss.came == FailureKind::Withheld {
                let why = GiveUpReason::Stale(Duration::ZERO);
                return Err(RetryError { why, error: last.unwrap_or(miss.error) });
            }
            // A look that is for its caller alone ends sooner than it asks against the service's word.
            let floor = if plan.asking == Asking::Look { miss.asked() } else { miss.floor() };
            if let (Some(limiter), FailureKind::Status(429)) = (plan.limiter, miss.came) {
                limiter.pace.limited(begun, now, floor.unwrap_or_default());
            }
            drop(pass);
            plan.tracker.record_failure(&miss);
            if miss.progressed {
                self.budget.give();
            }
            let doubted = plan.asking == Asking::Resubmit;
            let judged = plan.judge(&miss);
            if !doubted && plan.asking == Asking::Resubmit {
                self.log.in_doubt(plan.tracker);
            }
            if let Err(why) = judged {
                return Err(RetryError { why, error: miss.error });
            }
            plan.tracker.set_last_error(&miss.error, miss.asked());
            let wait = self.backoff(plan.failures, floor);
            if let Err(why) = plan.allows(now, wait, miss.asked().unwrap_or_default()) {
                return Err(RetryError { why, error: miss.error });
            }
            self.log.retrying(plan.tracker, plan.attempts, &miss, wait);
            last = Some(miss.error);
            self.clock.sleep_until(now.after(wait)).await;
        }
    }

    /// Waits for a permit and for the pace that the service asked for, unless that is beyond the deadline.
    async fn pass<'g>(
        &self,
        limiter: &'g RateLimiter,
        plan: &mut RetryPlan<'g>,
    ) -> Result<SemaphorePermit<'g>, RetryError> {
        let permit = match plan.permit.take() {
            Some(permit) => permit,
            None => limiter.permit().await.map_err(|error| RetryError { why: GiveUpReason::Stop, error })?,
        };
        loop {
            let now = self.clock.now();
            let Err(then) = limiter.pace.start(now) else { return Ok(permit) };
            let wait = then.since(now);
            if let Err(why) = plan.allows(now, wait, wait) {
                let error = Error::new(
                    Kind::RateLimited,
                    format!("the service asked to send nothing for another {} s", wait.as_secs()),
                );
                return Err(RetryError { why, error: error.retryable() });
            }
            self.clock.sleep_until(then).await;
        }
    }

    /// How long to wait after so many failures: full jitter under a ceiling that doubles, never less than the
    /// service asked for. "Exponential Backoff And Jitter", M. Brooker, AWS Architecture Blog, 2015.
    fn backoff(&self, failures: u32, floor: Option<Duration>) -> Duration {
        let ceiling = FIRST_BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(MAX_BACKOFF);
        let backoff = if self.budget.take() { self.jitter.full(ceiling) } else { MAX_BACKOFF };
        floor.map_or(backoff, |floor| backoff.max(self.jitter.tenth_more(floor)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::common::clock::Clock;
    use crate::config::log_level::Level;
    use crate::model::operation::Operation;

    /// Attempts that come to this, one after the other; the last one again and again.
    struct Scripted {
        comes: VecDeque<FailureKind>,
        attempts: u32,
    }

    impl Attempt for Scripted {
        type Good = ();

        async fn once(&mut self) -> Result<(), AttemptError> {
            self.attempts += 1;
            let came = match self.comes.len() {
                0 => return Ok(()),
                1 => self.comes[0],
                _ => self.comes.pop_front().unwrap(),
            };
            Err(AttemptError::new(came, Error::new(Kind::Transport, "scripted")))
        }
    }

    /// How many attempts are made, and why they end. The longest distance between two is 3 ms of the wall's.
    fn run(
        comes: &[FailureKind],
        change: fn(RetryPlan<'_>) -> RetryPlan<'_>,
        asking: Asking,
    ) -> (u32, Result<(), GiveUpReason>) {
        let clock = Clock::new(10_000);
        let jitter = Arc::new(Jitter::new(Some(1)).unwrap());
        let retrier = Retrier::new(clock, jitter, Log::new(None, Level::Error));
        let tracker = Tracker::new(Operation::Run);
        let deadline = clock.now().after(Duration::from_secs(1_000_000));
        let mut plan = change(RetryPlan::new(asking, deadline, &tracker));
        let mut attempt = Scripted { comes: comes.iter().copied().collect(), attempts: 0 };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let end = runtime.block_on(retrier.run(&mut plan, &mut attempt));
        (attempt.attempts, end.map_err(|ended| ended.why))
    }

    #[test]
    fn retrier_makes_as_many_attempts_as_the_table_allows() {
        use FailureKind::{Lost, NotSent, Status, Unreadable};
        let plain: fn(RetryPlan<'_>) -> RetryPlan<'_> = |plan| plan;
        for (comes, asking, attempts, why) in [
            (&[][..], Asking::Submit, 1, None),
            (&[NotSent], Asking::Submit, MAX_CONNECTS, Some(GiveUpReason::Often)),
            (&[Status(401)], Asking::Submit, 1, Some(GiveUpReason::Stop)),
            (&[Status(407)], Asking::Wait, 1, Some(GiveUpReason::Stop)),
            // In doubt once, it is sent again where nothing was sent for longer than the first submission is.
            (
                &[Lost, NotSent, NotSent, NotSent, NotSent, NotSent, NotSent, NotSent, NotSent, Status(401)],
                Asking::Submit,
                10,
                Some(GiveUpReason::Stop),
            ),
            (&[Lost, Status(503), Status(403)], Asking::Look, 3, Some(GiveUpReason::Stop)),
            (&[Unreadable], Asking::Look, 1, Some(GiveUpReason::Stop)),
            (&[Lost, Status(403)], Asking::Fetch, 2, Some(GiveUpReason::Renew)),
        ] {
            let expected = why.map_or(Ok(()), Err);
            assert_eq!(run(comes, plain, asking), (attempts, expected), "{comes:?} {asking:?}");
        }
    }

    #[test]
    fn retrier_ends_by_failures_in_a_row_and_by_the_deadline() {
        assert_eq!(
            run(&[FailureKind::Lost], |plan| plan.at_most(3), Asking::Wait),
            (3, Err(GiveUpReason::Often))
        );
        let passed: fn(RetryPlan<'_>) -> RetryPlan<'_> =
            |plan| RetryPlan { deadline: Clock::new(10_000).now(), ..plan };
        let (attempts, end) = run(&[FailureKind::Lost], passed, Asking::Wait);
        assert!(attempts <= 1 && matches!(end, Err(GiveUpReason::Late(_))), "{attempts} {end:?}");
    }

    #[test]
    fn resubmit_window_ends_by_the_clock_that_says_most() {
        let (now, tracker) = (Clock::new(1).now(), Tracker::new(Operation::Run));
        let window = Duration::from_secs(3600);
        let plan = |change: fn(&mut Stamp)| {
            let mut first = Stamp::now();
            change(&mut first);
            RetryPlan::new(Asking::Resubmit, now.after(window * 10), &tracker)
                .within(Some(ResubmitWindow::new(window, Clock::new(1))))
                .since(first)
        };
        let allows = |plan: &RetryPlan<'_>, ahead: u64| {
            plan.allows(now, Duration::from_secs(ahead), Duration::ZERO) == Ok(())
        };
        let fresh = plan(|_| {});
        assert!(allows(&fresh, 3500) && !allows(&fresh, 3601));
        assert!(fresh.check().unwrap()());
        let stale: [fn(&mut Stamp); 5] = [
            |first| first.unix_ms -= 3_601_000,
            |first| first.unix_ms = 0,
            |first| first.boot_ms = first.boot_ms.saturating_sub(3_601_000),
            // The clock was set back by two hours; the machine was started again.
            |first| first.unix_ms += 7_200_000,
            |first| first.boot = "another".into(),
        ];
        for (at, change) in stale.into_iter().enumerate() {
            let plan = plan(change);
            // A machine that has been up for less than an hour can't be older by its own clock.
            let up = Stamp::now().boot_ms > 3_601_000;
            assert!(!allows(&plan, 0) || at == 2 && !up, "case {at}");
        }
        // After a start of the machine the date counts once the service confirms it.
        let mut first = Stamp::now();
        first.boot = "another".into();
        let window = ResubmitWindow::new(window, Clock::new(1));
        assert!(window.needs_date(&first) && !window.allows(&first, Duration::ZERO));
        assert!(window.with_date_confirmed().allows(&first, Duration::ZERO));
    }

    #[test]
    fn a_deadline_that_passes_in_a_wait_takes_back_nothing_that_the_service_asked_for() {
        let asked = |asked: Option<u64>, why: GiveUpReason| {
            let error =
                Error::new(Kind::RateLimited, "too fast").retry_after(asked.map(Duration::from_millis));
            RetryError { why, error }.into_error().details().retry_after_ms
        };
        assert_eq!(asked(Some(1000), GiveUpReason::Late(Duration::ZERO)), Some(1000));
        assert_eq!(asked(None, GiveUpReason::Stale(Duration::ZERO)), None);
        assert_eq!(asked(Some(1000), GiveUpReason::Late(Duration::from_secs(2))), Some(2000));
        assert_eq!(asked(Some(1000), GiveUpReason::Often), Some(1000));
    }
}
