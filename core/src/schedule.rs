//! When a job is asked about: sparsely while it can't yet be done, densely while it is likely to be.
//!
//! Between two bounds of equal likelihood no distance beats an even one: the delay from completion to the poll
//! that sees it is then half the distance on average.

use std::time::Duration;

use crate::estimate::Window;

/// Before the window distances grow by this, to this many times the longest one within it.
const SPARSE_GROWTH: u32 = 3;
const SPARSE: u32 = 6;

/// The distances between the polls of one job. Small, since there may be thousands.
#[derive(Clone, Debug)]
pub struct Schedule {
    first_ms: u32,
    most_ms: u32,
    last: Option<Duration>,
}

impl Schedule {
    /// `first` is the shortest distance, `most` the longest while the job is likely to be done.
    pub fn new(first: Duration, most: Duration) -> Schedule {
        let milliseconds = |distance: Duration| u32::try_from(distance.as_millis()).unwrap_or(u32::MAX);
        Schedule { first_ms: milliseconds(first), most_ms: milliseconds(most), last: None }
    }

    /// How long after this moment to ask again about a job of this age; of one whose age is not known, a
    /// little later each time. `chance`, from 0 to 1, spreads it by up to a tenth.
    pub fn next(&mut self, age: Option<Duration>, window: &Window, chance: f64) -> Duration {
        let [first, most] = [self.first_ms, self.most_ms].map(|ms| Duration::from_millis(ms.into()));
        let distance = match age {
            Some(age) if age < window.low => {
                let grown = self.last.map_or(first, |last| last * SPARSE_GROWTH);
                grown.min(most * SPARSE).min(window.low - age).max(first)
            }
            Some(age) if age <= window.high => window.distance.clamp(first, most),
            _ => self.last.map_or(first, |last| last + last / 4).min(most),
        };
        self.last = Some(distance);
        distance + (distance / 10).mul_f64(chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::{Estimates, Product};

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn polls_are_sparse_at_first_and_dense_when_a_job_is_likely_to_be_done() {
        let window = Estimates::default().window(Product::Slide);
        let mut schedule = Schedule::new(s(2), s(10));
        let (mut age, mut ages) = (Duration::ZERO, Vec::new());
        while age < s(900) {
            age += schedule.next(Some(age), &window, 0.0);
            ages.push(age.as_secs());
        }
        assert_eq!(ages[..7], [2, 8, 26, 80, 140, 180, 183], "{ages:?}");
        let within: Vec<_> = ages.iter().filter(|age| (180..=420).contains(*age)).collect();
        assert!((60..=70).contains(&within.len()), "{within:?}");
        let overdue: Vec<_> = ages.windows(2).skip_while(|pair| pair[0] < 500).map(|p| p[1] - p[0]).collect();
        assert!(overdue.iter().all(|distance| *distance == 10), "{overdue:?}");
    }

    #[test]
    fn the_configured_distances_hold() {
        let window = Estimates::default().window(Product::Deck);
        for age in [None, Some(s(1)), Some(s(299)), Some(s(400)), Some(s(5_000))] {
            let mut schedule = Schedule::new(s(1), s(1));
            for _ in 0..20 {
                let sparse = age.is_some_and(|age| age < s(300));
                let most = if sparse { s(6) } else { s(1) };
                let distance = schedule.next(age, &window, 1.0);
                assert!(distance >= s(1) && distance <= most + most / 10, "{age:?}: {distance:?}");
            }
        }
    }
}
