//! When to try again: backoff, a budget, the server's hint, and one deadline over everything.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::clock::{Clock, Moment};
use crate::jitter::Jitter;

const FIRST: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(30);

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

/// The waits between the attempts of one operation.
pub(crate) struct Retry<'a> {
    clock: Clock,
    jitter: &'a Jitter,
    budget: &'a Budget,
    deadline: Moment,
    failures: u32,
}

impl<'a> Retry<'a> {
    pub(crate) fn new(clock: Clock, jitter: &'a Jitter, budget: &'a Budget, deadline: Moment) -> Retry<'a> {
        Retry { clock, jitter, budget, deadline, failures: 0 }
    }

    /// How often this operation has failed since it last made progress.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The operation got further: the backoff starts anew.
    pub(crate) fn progressed(&mut self) {
        self.failures = 0;
        self.budget.give();
    }

    /// Waits before the next attempt, at least `floor`.
    ///
    /// # Errors
    /// The wait that it would have been, at once, when it would end beyond the deadline.
    pub(crate) async fn pause(&mut self, floor: Option<Duration>) -> Result<(), Duration> {
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(8)).min(MOST);
        self.failures += 1;
        let backoff = if self.budget.take() { self.jitter.full(ceiling) } else { MOST };
        let wait = match floor {
            Some(floor) => backoff.max(self.jitter.tenth_more(floor)),
            None => backoff,
        };
        if self.clock.now().after(wait) > self.deadline {
            return Err(wait);
        }
        self.clock.sleep(wait).await;
        Ok(())
    }
}
