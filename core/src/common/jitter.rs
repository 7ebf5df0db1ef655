//! The one place where chance enters, but for idempotency keys: see `key.rs`.
//!
//! A test can seed it, so that waiting times are the same when it is played again. Keys are never seeded.

use std::sync::Mutex;
use std::time::Duration;

use crate::common::sync::lock;
use crate::error::{Error, Kind};

/// Random spreads of waiting times, so that clients that failed together do not return together.
#[derive(Debug)]
pub(crate) struct Jitter(Mutex<fastrand::Rng>);

impl Jitter {
    /// Seeded by the configuration, else by the operating system.
    pub(crate) fn new(seed: Option<u64>) -> Result<Jitter, Error> {
        let seed = match seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|error| {
                Error::new(Kind::Internal, format!("the system gave no random bytes: {error}"))
            })?,
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_of_one_seed_is_the_same_each_time() {
        let draws = |seed: Option<u64>| {
            let jitter = Jitter::new(seed).unwrap();
            let minute = Duration::from_secs(60);
            [jitter.full(minute), jitter.tenth_more(minute), jitter.full(minute), jitter.full(minute)]
        };
        assert_eq!(draws(Some(7)), draws(Some(7)));
        assert_ne!(draws(Some(7)), draws(Some(8)));
        assert_ne!(draws(Some(0)), draws(Some(u64::MAX >> 1)));
        assert_ne!(draws(None), draws(None));
    }
}
