//! How fast a kind of request goes out, for all jobs of the key together: as slowly as the service says, and
//! afterwards faster by steps.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::common::clock::Moment;
use crate::common::sync::lock;
use crate::error::{Error, Kind};

/// A `Retry-After` beyond this is not kept for other calls, or one bad answer would stop the client for good.
const LONGEST_HOLD: Duration = Duration::from_secs(24 * 3600);
/// The distances that a limit leads to lie between these.
const SHORTEST_SPACING: Duration = Duration::from_millis(10);
const LONGEST_SPACING: Duration = Duration::from_secs(10);
/// So many answers without a limit are a step towards the old pace.
const STEP: u32 = 10;

/// The pace of one kind of request.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<Now>);

#[derive(Debug, Default)]
struct Now {
    /// Nothing goes out before this.
    hold: Option<Moment>,
    /// The least distance between two requests; none while the service does not complain.
    spacing: Duration,
    /// When the last one went out.
    last: Option<Moment>,
    /// The usual distance between two, a moving average.
    usual: Option<Duration>,
    /// When the service last complained.
    limited: Option<Moment>,
    /// Answers since the last step.
    good: u32,
}

impl Pace {
    /// A request goes out now, or may go out then.
    pub(crate) fn start(&self, now: Moment) -> Result<(), Moment> {
        let mut state = self.lock();
        let spaced = state.last.map(|last| last.after(state.spacing));
        let then = if state.spacing.is_zero() { state.hold } else { state.hold.max(spaced) };
        if let Some(then) = then.filter(|then| *then > now) {
            return Err(then);
        }
        if let Some(last) = state.last {
            let distance = now.since(last).min(LONGEST_SPACING);
            state.usual = Some(state.usual.map_or(distance, |usual| (usual * 7 + distance) / 8));
        }
        state.last = Some(now);
        Ok(())
    }

    /// The service answered a request that went out at `begun` with "too fast: wait so long".
    pub(crate) fn limited(&self, begun: Moment, now: Moment, wait: Duration) {
        let mut state = self.lock();
        state.hold = state.hold.max(Some(now.after(wait.min(LONGEST_HOLD))));
        // Those that were on their way together are one complaint.
        if state.limited.is_none_or(|before| begun > before) {
            let usual = state.usual.unwrap_or(LONGEST_SPACING / 4);
            state.spacing = (state.spacing.max(usual) * 2).clamp(SHORTEST_SPACING, LONGEST_SPACING);
            state.limited = Some(now);
        }
        state.good = 0;
    }

    /// A request was answered without a complaint.
    pub(crate) fn succeeded(&self) {
        let mut state = self.lock();
        if state.spacing.is_zero() {
            return;
        }
        state.good += 1;
        if state.good == STEP {
            state.good = 0;
            state.spacing = state.spacing * 3 / 4;
            if state.spacing < SHORTEST_SPACING {
                state.spacing = Duration::ZERO;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        lock(&self.0)
    }
}

/// What requests of a kind pass on their way out: so many at once, at this pace.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    permits: Semaphore,
    pub(crate) pace: Pace,
}

impl RateLimiter {
    pub(crate) fn new(permits: usize) -> RateLimiter {
        RateLimiter { permits: Semaphore::new(permits), pace: Pace::default() }
    }

    /// A permit for one request, given back by being dropped.
    pub(crate) async fn permit(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.permits.acquire().await.map_err(|_| Error::new(Kind::Closed, "the client was closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::clock::Clock;

    #[test]
    fn a_limit_slows_and_the_pace_comes_back_by_steps() {
        let (pace, begin) = (Pace::default(), Clock::new(1).now());
        let at = |ms| begin.after(Duration::from_millis(ms));
        for ms in 0..10 {
            pace.start(at(ms * 100)).unwrap();
        }
        pace.limited(at(900), at(950), Duration::from_secs(2));
        // Another answer to the same burst holds on longer, and is no second complaint.
        pace.limited(at(901), at(960), Duration::from_secs(3));
        assert_eq!(pace.start(at(1000)), Err(at(3960)));
        pace.start(at(3960)).unwrap();
        assert_eq!(pace.start(at(3961)), Err(at(3960 + 200)), "twice the usual distance");
        let mut steps = 0;
        while pace.start(at(1_000_000 + steps)).is_ok() && pace.start(at(1_000_000 + steps)).is_err() {
            (0..STEP).for_each(|_| pace.succeeded());
            steps += 1_000;
        }
        assert_eq!(steps / 1_000, 11, "from 200 ms to none");
    }
}
