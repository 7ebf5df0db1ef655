//! The virtual clock: real time that can be sped up, advanced or stopped. Nothing waits for it: states are
//! computed from it.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The speeds that a clock can have.
pub const SPEED_RANGE: std::ops::RangeInclusive<f64> = 0.001..=100_000.0;

/// Refuses a speed that a clock can't have.
pub fn check(speed: f64) -> io::Result<()> {
    if SPEED_RANGE.contains(&speed) {
        return Ok(());
    }
    let message = format!("the speed can't be {speed}; accepted is a number from 0.001 to 100000");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// A virtual clock.
#[derive(Clone, Debug)]
pub struct Clock {
    speed: f64,
    frozen: bool,
    /// The virtual time of the last change to the clock, and the real time of that change.
    base: Duration,
    since: Instant,
    date: SystemTime,
}

impl Clock {
    /// A clock at zero that runs this many times as fast as real time.
    pub fn new(speed: f64) -> Clock {
        Clock { speed, frozen: false, base: Duration::ZERO, since: Instant::now(), date: SystemTime::now() }
    }

    /// The virtual time since the clock began.
    pub fn now(&self) -> Duration {
        if self.frozen {
            return self.base;
        }
        self.base.saturating_add(self.since.elapsed().mul_f64(self.speed))
    }

    /// How many times as fast as real time it runs.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Whether it is stopped.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Advances it.
    pub fn advance(&mut self, by: Duration) {
        self.rebase();
        self.base = self.base.saturating_add(by);
    }

    /// Changes its speed from now on.
    pub fn set_speed(&mut self, speed: f64) {
        self.rebase();
        self.speed = speed;
    }

    /// Stops it, or starts it again.
    pub fn set_frozen(&mut self, frozen: bool) {
        self.rebase();
        self.frozen = frozen;
    }

    /// The virtual date at this time, in seconds since 1970.
    pub fn unix(&self, at: Duration) -> u64 {
        let date = self.date.checked_add(at).and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        date.map_or(0, |since| since.as_secs())
    }

    fn rebase(&mut self) {
        self.base = self.now();
        self.since = Instant::now();
    }
}

/// The date of a day since 1970, as year, month and day (Howard Hinnant's `civil_from_days`).
pub fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}
