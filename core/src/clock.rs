//! The one place where time enters.
//!
//! Every duration in this crate is in the client's own time. `time_scale` makes that time run faster than
//! the wall's, so that against a sandbox at the same speed an hour passes in a second.

use std::num::NonZeroU64;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// No network timeout gets shorter than this by scaling: sockets and schedulers do not run faster, and
/// every submission that times out needlessly is one whose outcome is unknown.
const IO_FLOOR: Duration = Duration::from_millis(250);

/// Timers do not advance while the machine is suspended, so long sleeps are cut and the clock is asked again.
const SLICE: Duration = Duration::from_secs(30);

/// How long something took on the wall's clock, for people who watch it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// The date, for answers that name one and do not say what they count from.
pub(crate) fn date() -> SystemTime {
    SystemTime::now()
}

/// The date as the ledger keeps it: in milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = date().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A point in the client's time, counted from the machine's start in microseconds: in half the memory of a `Duration`,
/// since each of thousands of calls keeps several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZeroU64);

impl Moment {
    fn at(microseconds: u64) -> Moment {
        Moment(NonZeroU64::new(microseconds).unwrap_or(NonZeroU64::MIN))
    }

    /// Rounded up: a wait is never undercut by a rounding.
    pub(crate) fn after(self, wait: Duration) -> Moment {
        let wait = wait.as_nanos().div_ceil(1000);
        Moment(self.0.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX)))
    }

    /// The client's time since the machine's start.
    pub(crate) fn uptime(self) -> Duration {
        Duration::from_micros(self.0.get())
    }

    pub(crate) fn since(self, earlier: Moment) -> Duration {
        Duration::from_micros(self.0.get().saturating_sub(earlier.0.get()))
    }
}

/// The client's clock: CLOCK_BOOTTIME, which counts suspended time, times the scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    scale: u32,
}

impl Clock {
    /// `scale` is 1 to 10,000.
    pub(crate) fn new(scale: u32) -> Clock {
        Clock { scale: scale.max(1) }
    }

    /// The wall's own time.
    pub(crate) const fn wall_clock() -> Clock {
        Clock { scale: 1 }
    }

    pub(crate) fn now(self) -> Moment {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or(0);
        let now = Duration::new(seconds, nanoseconds).saturating_mul(self.scale);
        Moment::at(u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
    }

    /// Waits until then; at once when it is past.
    #[allow(clippy::manual_async_fn)] // That would keep its arguments twice, in each of thousands of calls.
    pub(crate) fn sleep_until(self, then: Moment) -> impl Future<Output = ()> {
        async move {
            while let Some(left) = self.slice(then) {
                tokio::time::sleep(left).await;
            }
        }
    }

    /// How long to sleep now on the way to then; `None`: no longer.
    fn slice(self, then: Moment) -> Option<Duration> {
        let left = then.since(self.now());
        // Rounded up: a pace promised to the service is never undercut by a rounding.
        (!left.is_zero()).then(|| (left / self.scale + Duration::from_nanos(1)).min(SLICE))
    }

    /// How long this, taken from the wall's clock, was in the client's time.
    pub(crate) fn scaled(self, duration: Duration) -> Duration {
        duration.saturating_mul(self.scale)
    }

    /// How long this takes on the wall's clock.
    pub(crate) fn wall(self, duration: Duration) -> Duration {
        duration / self.scale
    }

    /// What a network timeout of this length is on the wall's clock.
    pub(crate) fn io(self, timeout: Duration) -> Duration {
        if self.scale == 1 { timeout } else { (timeout / self.scale).max(IO_FLOOR.min(timeout)) }
    }
}
