//! How often the service is asked: never more than once a second for one job, and as slowly as it says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::clock::{Clock, Moment};
use crate::job::JobId;

/// The service's hard ceiling: one poll a second for one job.
const BETWEEN_POLLS: Duration = Duration::from_secs(1);
/// A `Retry-After` beyond this is not kept for other calls, or one bad answer would stop the client for good.
const LONGEST_HOLD: Duration = Duration::from_secs(24 * 3600);
/// Above this many jobs the idle ones are forgotten.
const PRUNE_ABOVE: usize = 1024;

/// When one job may be polled again.
type Turn = Arc<AsyncMutex<Option<Moment>>>;

/// Whose turn it is to poll which job.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<JobId, Turn>>);

/// The right to poll one job now; the second until the next poll counts from when it is given back, so that
/// no delay on the way can bring two polls closer together at the service.
pub(crate) struct Poll {
    clock: Clock,
    last: OwnedMutexGuard<Option<Moment>>,
}

impl Drop for Poll {
    fn drop(&mut self) {
        *self.last = Some(self.clock.now());
    }
}

impl Turns {
    /// Waits for this job's next turn.
    pub(crate) async fn take(&self, clock: Clock, job_id: &JobId) -> Poll {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() > PRUNE_ABOVE {
                let now = clock.now();
                turns.retain(|_, turn| match turn.try_lock() {
                    Ok(last) => last.is_some_and(|last| now.since(last) < BETWEEN_POLLS),
                    Err(_) => true,
                });
            }
            Arc::clone(turns.entry(job_id.clone()).or_default())
        };
        let last = turn.lock_owned().await;
        if let Some(before) = *last {
            clock.sleep_until(before.after(BETWEEN_POLLS)).await;
        }
        Poll { clock, last }
    }
}

/// Until when no request of a kind may go out: a 429 for one job slows all of the same key.
#[derive(Debug)]
pub(crate) struct Hold(Mutex<Option<Moment>>);

impl Hold {
    pub(crate) fn new() -> Hold {
        Hold(Mutex::new(None))
    }

    /// The service asked to wait this long.
    pub(crate) fn extend(&self, clock: Clock, wait: Duration) {
        let then = clock.now().after(wait.min(LONGEST_HOLD));
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(then));
    }

    /// Until when to wait.
    pub(crate) fn until(&self) -> Option<Moment> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The distances between the polls of one waiting: growing by a quarter from the first to the longest.
pub(crate) struct Distances {
    next: Duration,
    most: Duration,
}

impl Distances {
    pub(crate) fn new(first: Duration, most: Duration) -> Distances {
        Distances { next: first, most }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let now = self.next;
        self.next = (now + now / 4).min(self.most);
        now
    }
}
