//! When a job is asked about: sparsely while it can't yet be done, densely while it is likely to be.
//!
//! How long jobs take is known from the documentation, and better from the jobs that this client has seen.
//! Between two bounds of equal likelihood no distance beats an even one: the delay from completion to the poll
//! that sees it is then half the distance on average.

use std::collections::VecDeque;

use crate::sync::lock;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// So many durations are remembered of each kind, and so many are needed before they count.
const REMEMBERED: usize = 50;
const NEEDED: usize = 10;
/// A window that was learned is never narrower than this, and never later than four times the documented end.
const NARROWEST: Duration = Duration::from_secs(30);
const LATEST: u32 = 4;
/// Before the window distances grow by this, to this many times the longest one within it.
const SPARSE_GROWTH: u32 = 3;
const SPARSE: u32 = 6;

/// What is made, as far as it decides how long that takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// A single slide, in any number of variants.
    Slide,
    /// A deck.
    Deck,
}

impl Product {
    /// The product of an `output_type`; what is not known takes as long as a deck.
    pub fn of(output_type: &str) -> Product {
        if output_type == "single_slide" { Product::Slide } else { Product::Deck }
    }

    /// As documented: 3 to 7 minutes for a slide, 5 to 15 for a deck. The distances are such that a slide takes
    /// fewer than 40 polls on average and a deck fewer than 90; `benches/pace.rs` counts them.
    fn documented(self) -> Window {
        let minutes = |low: u64, high: u64| (Duration::from_secs(low * 60), Duration::from_secs(high * 60));
        let ((low, high), polls) = match self {
            Product::Slide => (minutes(3, 7), 33),
            Product::Deck => (minutes(5, 15), 84),
        };
        Window { low, high, distance: (high - low) / (2 * polls), polls }
    }
}

/// When a job of a kind is likely to be done, counted from its submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    low: Duration,
    high: Duration,
    /// Between two polls within it.
    distance: Duration,
    /// How many polls within it a job may take on average.
    polls: u32,
}

impl Window {
    /// What is left for a job of this age: at the earliest, on average, at the latest. Nothing can be said of one
    /// that is overdue.
    pub fn left(&self, age: Duration) -> Option<(Duration, Duration, Duration)> {
        let high = self.high.checked_sub(age)?;
        let low = self.low.saturating_sub(age);
        Some((low, (low + high) / 2, high))
    }
}

/// How long jobs took that this client saw from their submission to their end.
#[derive(Debug, Default)]
pub struct Estimates(Mutex<[VecDeque<Duration>; 2]>);

impl Estimates {
    /// A job took this long.
    pub fn learn(&self, product: Product, took: Duration) {
        let mut seen = self.lock();
        let seen = &mut seen[product as usize];
        if seen.len() == REMEMBERED {
            seen.pop_front();
        }
        seen.push_back(took);
    }

    /// When jobs of this kind are likely to be done.
    pub fn window(&self, product: Product) -> Window {
        let documented = product.documented();
        let mut seen: Vec<Duration> = {
            let seen = self.lock();
            if seen[product as usize].len() < NEEDED {
                return documented;
            }
            seen[product as usize].iter().copied().collect()
        };
        seen.sort_unstable();
        // The twentieth at either end may be strays, and a tenth is for those that have not been seen.
        let stray = seen.len() / 20;
        let (early, late) = (seen[stray], seen[seen.len() - 1 - stray]);
        let low = (early / 10 * 9).min(documented.high);
        let high = (late.saturating_mul(11) / 10).clamp(low + NARROWEST, documented.high * LATEST);
        // What is likely lies between what was seen and what is allowed for.
        let likely = (late.saturating_sub(early).min(high - low) + (high - low)) / 2;
        let distance = likely / (2 * documented.polls);
        Window { low, high, distance, ..documented }
    }

    fn lock(&self) -> MutexGuard<'_, [VecDeque<Duration>; 2]> {
        lock(&self.0)
    }
}

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

    /// The documented durations, all equally likely: seen within two seconds on average, in so many polls.
    #[test]
    fn delays_and_polls_are_within_their_bounds() {
        let mut random = fastrand::Rng::with_seed(3);
        for (product, low, high, most_polls) in
            [(Product::Slide, 180.0, 420.0, 40.0), (Product::Deck, 300.0, 900.0, 90.0)]
        {
            for learns in [false, true] {
                let (estimates, jobs) = (Estimates::default(), 20_000);
                let (mut delays, mut polls) = (Duration::ZERO, 0_u32);
                for _ in 0..jobs {
                    let done = Duration::from_secs_f64(low + (high - low) * random.f64());
                    let (window, mut age) = (estimates.window(product), Duration::ZERO);
                    let mut schedule = Schedule::new(s(2), s(10));
                    while age < done {
                        age += schedule.next(Some(age), &window, random.f64());
                        polls += 1;
                    }
                    delays += age - done;
                    if learns {
                        estimates.learn(product, done);
                    }
                }
                let (delay, asked) = (delays / jobs, f64::from(polls) / f64::from(jobs));
                let within = delay <= s(2) && asked <= most_polls;
                assert!(within, "{product:?}, learns {learns}: {delay:?}, {asked} polls");
            }
        }
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

    #[test]
    fn what_was_seen_counts_within_bounds() {
        let estimates = Estimates::default();
        let documented = estimates.window(Product::Slide);
        (0..9).for_each(|_| estimates.learn(Product::Slide, s(60)));
        assert_eq!(estimates.window(Product::Slide), documented, "too few to count");
        (0..41).for_each(|n| estimates.learn(Product::Slide, s(60 + n)));
        let learned = estimates.window(Product::Slide);
        assert_eq!((learned.low, learned.high), (s(54), s(98) * 11 / 10));
        assert_eq!(estimates.window(Product::Deck), Product::Deck.documented(), "of each kind apart");
        (0..50).for_each(|_| estimates.learn(Product::Slide, s(1_000_000)));
        assert_eq!(estimates.window(Product::Slide).high, s(4 * 420), "nonsense has bounds");
        (0..50).for_each(|_| estimates.learn(Product::Slide, s(0)));
        assert_eq!(estimates.window(Product::Slide).high, NARROWEST);
        assert_eq!(documented.left(s(60)), Some((s(120), s(240), s(360))));
        assert_eq!(documented.left(s(421)), None);
    }
}
