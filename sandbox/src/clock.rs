//! The sandbox's time: the wall's, sped up. Nothing waits for it; states are computed from it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A virtual clock that begins with the sandbox.
#[derive(Clone, Debug)]
pub struct Clock {
    speed: f64,
    started: Instant,
    date: SystemTime,
}

impl Clock {
    /// A clock that runs this many times as fast as the wall's.
    pub fn new(speed: f64) -> Clock {
        Clock { speed, started: Instant::now(), date: SystemTime::now() }
    }

    /// A clock as it would be had it begun this long before now, in virtual time.
    #[cfg(test)]
    pub fn ahead(speed: f64, by: Duration) -> Clock {
        let started = Instant::now().checked_sub(by.div_f64(speed)).unwrap_or_else(Instant::now);
        Clock { started, ..Clock::new(speed) }
    }

    /// Virtual time since the sandbox began.
    pub fn now(&self) -> Duration {
        self.started.elapsed().mul_f64(self.speed)
    }

    /// How fast it runs.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// The virtual date at this time, in seconds since 1970.
    pub fn unix(&self, at: Duration) -> u64 {
        self.date
            .checked_add(at)
            .and_then(|date| date.duration_since(UNIX_EPOCH).ok())
            .map_or(0, |since| since.as_secs())
    }
}
