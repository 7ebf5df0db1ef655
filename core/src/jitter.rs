//! The one place where chance enters. Idempotency keys do not come from here: see `key.rs`.

use std::sync::Mutex;
use std::time::Duration;

use crate::error::{Error, Kind};
use crate::sync::lock;

/// Random spreads of waiting times, so that clients that failed together do not return together.
#[derive(Debug)]
pub(crate) struct Jitter(Mutex<fastrand::Rng>);

impl Jitter {
    /// Seeded by the operating system.
    pub(crate) fn from_system() -> Result<Jitter, Error> {
        let seed = getrandom::u64().map_err(|error| {
            Error::new(Kind::Internal, format!("the system gave no random bytes: {error}"))
        })?;
        Ok(Jitter(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// Anything from nothing to all of `wait` ("full jitter").
    pub(crate) fn full(&self, wait: Duration) -> Duration {
        wait.mul_f64(self.fraction())
    }

    /// `wait` and up to a tenth more.
    pub(crate) fn tenth_more(&self, wait: Duration) -> Duration {
        // Added, not multiplied in: a wait of centuries must not overflow.
        wait.saturating_add((wait / 10).mul_f64(self.fraction()))
    }

    /// Anything from 0 to 1.
    pub(crate) fn fraction(&self) -> f64 {
        lock(&self.0).f64()
    }
}
