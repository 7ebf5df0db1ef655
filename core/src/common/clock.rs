//! The one place where time enters.
//!
//! Every duration in this crate is in the client's own time, but for what is called the wall's. `time_scale`
//! makes that time run faster than the wall's, so that against a sandbox at the same speed an hour passes in
//! a second.

use std::num::NonZeroU64;
use std::sync::{Arc, LazyLock};
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

/// When something was recorded, by every clock there is, so that another process can judge its age: after a
/// clock was set, after the machine slept, after it was started again. In the wall's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The date, in milliseconds since 1970. Anything can set it.
    pub(crate) unix_ms: u64,
    /// Since the machine was started, sleep included. Nothing sets it; but it begins anew with each start,
    /// and stands still while a virtual machine is suspended by its host.
    pub(crate) boot_ms: u64,
    /// Which start of the machine that was; empty where the system does not say.
    pub(crate) boot: Arc<str>,
}

/// How old a stamp is, in the wall's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StampAge {
    Known(Duration),
    /// By the date alone, since the machine was started again: as good as the date is.
    ByDate(Duration),
    /// It lies in the future: a clock was set.
    Unknown,
}

impl Stamp {
    /// Now.
    pub(crate) fn now() -> Stamp {
        static BOOT: LazyLock<Arc<str>> = LazyLock::new(|| {
            let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
            id.trim().into()
        });
        let boot_ms = u64::try_from(since_boot().as_millis()).unwrap_or(u64::MAX);
        Stamp { unix_ms: unix_ms(), boot_ms, boot: Arc::clone(&BOOT) }
    }

    /// Its age at `now`: the larger of the ages by all clocks. `tolerance`: how far in the future a date may
    /// lie, since clocks are corrected by small steps.
    pub(crate) fn age(&self, now: &Stamp, tolerance: Duration) -> StampAge {
        let ahead = Duration::from_millis(self.unix_ms.saturating_sub(now.unix_ms));
        if ahead > tolerance {
            return StampAge::Unknown;
        }
        let by_date = Duration::from_millis(now.unix_ms.saturating_sub(self.unix_ms));
        if self.boot.is_empty() || self.boot != now.boot {
            return StampAge::ByDate(by_date);
        }
        match now.boot_ms.checked_sub(self.boot_ms) {
            Some(since) => StampAge::Known(by_date.max(Duration::from_millis(since))),
            // A machine that was set back to an earlier state of its memory.
            None => StampAge::Unknown,
        }
    }
}

fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanoseconds) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0))
}

/// A point in the client's time, counted from the machine's start in microseconds: in half the memory of a
/// `Duration`, since each of thousands of calls keeps several.
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

    /// So long ago; not before the machine's start.
    pub(crate) fn before(self, age: Duration) -> Moment {
        Moment::at(self.0.get().saturating_sub(u64::try_from(age.as_micros()).unwrap_or(u64::MAX)))
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
        let now = since_boot().saturating_mul(self.scale);
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

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Duration = Duration::from_secs(60);

    fn stamp(unix_s: u64, boot_s: u64, boot: &str) -> Stamp {
        Stamp { unix_ms: unix_s * 1000, boot_ms: boot_s * 1000, boot: boot.into() }
    }

    #[test]
    fn stamp_is_as_old_as_the_clock_that_says_most() {
        let recorded = stamp(10_000, 500, "a");
        let known = |seconds| StampAge::Known(Duration::from_secs(seconds));
        for (now, age) in [
            (stamp(10_007, 507, "a"), known(7)),
            (stamp(13_000, 507, "a"), known(3_000)),
            // The date was set back a little; the machine slept.
            (stamp(9_950, 3_500, "a"), known(3_000)),
            // Set back for good, so that nothing is known of the date.
            (stamp(9_000, 507, "a"), StampAge::Unknown),
            (stamp(10_007, 7, "b"), StampAge::ByDate(Duration::from_secs(7))),
            (stamp(9_000, 7, "b"), StampAge::Unknown),
            (stamp(10_007, 400, "a"), StampAge::Unknown),
        ] {
            assert_eq!(recorded.age(&now, TOLERANCE), age, "{now:?}");
        }
        let nameless = stamp(10_000, 500, "");
        assert_eq!(
            nameless.age(&stamp(10_001, 501, ""), TOLERANCE),
            StampAge::ByDate(Duration::from_secs(1))
        );
    }
}
