//! When a job is asked about: never so late that its end is seen with much delay, and evenly while it is
//! likely to be done.
//!
//! The documentation can be wrong about how long a job takes, and so can be what was learned. So no distance
//! is longer than 15 % of the job's age: whatever its duration is, its end is seen within 15 % of it. Within
//! the window in which the job is likely to be done, distances are even: between two bounds of equal
//! likelihood nothing beats that, and the delay is half the distance on average.

use std::time::Duration;

use crate::polling::estimate::Window;

/// A distance is at most this part of the job's age, in percent, or `poll_first_ms` where that is longer.
const MAX_PART: u32 = 15;
/// After the window distances grow by the time since then, divided by this.
const OVERDUE_DIVISOR: u32 = 8;

/// The distances between the polls of one job. Small, since there may be thousands.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    first_ms: u32,
    most_ms: u32,
}

impl Schedule {
    /// `first` is the shortest distance, `most` the longest.
    pub fn new(first: Duration, most: Duration) -> Schedule {
        let milliseconds = |distance: Duration| u32::try_from(distance.as_millis()).unwrap_or(u32::MAX);
        Schedule { first_ms: milliseconds(first), most_ms: milliseconds(most) }
    }

    /// How long after its submission to ask about a job first. `chance`, from 0 to 1, makes that up to a
    /// tenth longer, so that jobs that were submitted together are not asked about together.
    pub fn first(self, chance: f64) -> Duration {
        let first = self.first_distance();
        (first + (first / 10).mul_f64(chance.clamp(0.0, 1.0))).min(self.most())
    }

    /// How long after a poll of a job of this age the next one is. `chance`, from 0 to 1, makes that up to a
    /// tenth shorter. The window of a job of which nothing is known is `None`, and its age is the time since
    /// it was first seen: it is at least as old.
    pub fn next(self, age: Duration, window: Option<&Window>, chance: f64) -> Duration {
        let most = self.most().min(age.saturating_mul(MAX_PART) / 100);
        let wanted = match window {
            None => most,
            Some(window) if age < window.low => window.low - age,
            Some(window) => window.distance + age.saturating_sub(window.high) / OVERDUE_DIVISOR,
        };
        self.spread(wanted.min(most), chance)
    }

    /// How long until a completed job is asked again for files that it does not offer yet, after so many such
    /// waits.
    pub fn late(self, waits: u32, chance: f64) -> Duration {
        let grown = (0..waits.min(32)).fold(self.first_distance(), |last, _| last + last / 4);
        self.spread(grown.min(self.most()), chance)
    }

    /// Up to a tenth shorter, and never below the shortest.
    fn spread(self, distance: Duration, chance: f64) -> Duration {
        let shorter = distance.saturating_sub((distance / 10).mul_f64(chance.clamp(0.0, 1.0)));
        shorter.max(self.first_distance())
    }

    fn first_distance(self) -> Duration {
        Duration::from_millis(self.first_ms.min(self.most_ms).into())
    }

    fn most(self) -> Duration {
        Duration::from_millis(self.most_ms.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::figure::Product;
    use crate::polling::estimate::Estimates;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The ages at which a job is asked about until it is this old.
    fn ages(schedule: Schedule, window: Option<&Window>, until: Duration) -> Vec<Duration> {
        let (mut age, mut ages) = (schedule.first(0.0), Vec::new());
        while age < until {
            ages.push(age);
            age += schedule.next(age, window, 0.0);
        }
        ages
    }

    #[test]
    fn polls_are_even_where_a_job_is_likely_to_be_done_and_sparse_elsewhere() {
        let window = Estimates::default().window(Product::Slide);
        let ages = ages(Schedule::new(s(2), s(15)), Some(&window), s(900));
        let within = |low, high| ages.iter().filter(|age| (s(low)..=s(high)).contains(age)).count();
        assert!((25..=35).contains(&within(0, 179)), "{ages:?}");
        assert!(ages.contains(&s(180)), "the window begins with a poll: {ages:?}");
        assert!((55..=65).contains(&within(180, 420)), "{ages:?}");
        let overdue: Vec<_> = ages.windows(2).skip_while(|pair| pair[0] < s(550)).collect();
        assert!(overdue.iter().all(|pair| pair[1] - pair[0] == s(15)), "{overdue:?}");
    }

    #[test]
    fn the_configured_distances_hold() {
        let window = Estimates::default().window(Product::Deck);
        let ages = [0, 1, 13, 60, 299, 300, 400, 900, 901, 5_000, u64::MAX];
        for (first, most) in [(s(1), s(1)), (s(2), s(10)), (s(5), s(20)), (s(1), s(3_600))] {
            let schedule = Schedule::new(first, most);
            for chance in [0.0, 0.3, 1.0, -1.0, 7.0] {
                let distances = ages
                    .iter()
                    .flat_map(|age| {
                        [Some(&window), None].map(|window| schedule.next(s(*age), window, chance))
                    })
                    .chain((0..8).map(|number| schedule.late(number, chance)))
                    .chain([schedule.first(chance)]);
                for distance in distances {
                    assert!((first..=most).contains(&distance), "{first:?} to {most:?}: {distance:?}");
                }
            }
        }
    }
}
