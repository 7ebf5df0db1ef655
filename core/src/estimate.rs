//! How long jobs take: by the documentation, and better by the jobs that this client has watched.
//!
//! Those that are done are not all there is to go by: of thousands that began together the quick ones end first, and
//! whoever counts them alone takes every job for a quick one. So jobs count from their beginning, and one that still runs
//! says that it takes longer than that: the product-limit estimate (E. L. Kaplan, P. Meier, "Nonparametric Estimation from
//! Incomplete Observations", JASA 53, 1958).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::sync::lock;

/// So many jobs of each kind are followed at once, and the durations of so many are remembered.
const REMEMBERED: usize = 50;
/// So many have to be done before they count.
const NEEDED: usize = 10;
/// The twentieth at either end may be strays; a little more, for rounding.
const STRAYS: f64 = 0.050_001;
/// A window that was learned is never narrower than this, and never later than so many times the documented end.
const NARROWEST: Duration = Duration::from_secs(30);
const LATEST: u32 = 4;

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
    pub(crate) low: Duration,
    pub(crate) high: Duration,
    /// Between two polls within it.
    pub(crate) distance: Duration,
    /// How many polls within it a job may take on average.
    polls: u32,
}

impl Window {
    /// Whether durations that all lie evenly within this window can be those that were seen: the first twentieth done
    /// by then, the last left then. So few jobs scatter that much, and a bound that is wrong by that costs more
    /// than the learning brings.
    fn explains(&self, early: Duration, late: Option<Duration>, oldest: Duration) -> bool {
        let range = self.high - self.low;
        let near = |seen: Duration, expected: Duration| seen.abs_diff(expected) <= range / 10;
        // While some are left to be done, the oldest of them stands for the last ones: it is not yet too late.
        let last = late.unwrap_or(oldest.max(self.high - range / 20));
        near(early, self.low + range / 20) && near(last, self.high - range / 20)
    }

    /// What is left for a job of this age: at the earliest, on average, at the latest. Nothing can be said of one
    /// that is overdue.
    pub fn left(&self, age: Duration) -> Option<(Duration, Duration, Duration)> {
        let high = self.high.checked_sub(age)?;
        let low = self.low.saturating_sub(age);
        Some((low, (low + high) / 2, high))
    }
}

/// How long jobs take that this client watches from their submission to their end.
#[derive(Debug, Default)]
pub struct Estimates(Mutex<[Sample; 2]>);

/// The jobs of one kind by which the others are judged.
#[derive(Debug, Default)]
struct Sample {
    /// When those were submitted that are not done.
    running: Vec<Duration>,
    /// How long the last ones took that were followed to their end.
    took: Vec<Duration>,
    /// What follows from them, once they are enough.
    window: Option<Window>,
}

/// A job that is followed to its end. Dropped before that, it is not counted.
#[derive(Debug)]
pub struct Followed {
    estimates: Arc<Estimates>,
    product: Product,
    submitted: Duration,
    /// How long it took, and when that was known.
    done: Option<(Duration, Duration)>,
}

impl Estimates {
    /// Follows a job that was submitted just now, at this time of a clock of the caller's; `None` while enough are
    /// followed. Which ones are must not depend on how long they take.
    pub fn follow(self: &Arc<Estimates>, product: Product, submitted: Duration) -> Option<Box<Followed>> {
        let mut samples = self.lock();
        let running = &mut samples[product as usize].running;
        if running.len() == REMEMBERED {
            return None;
        }
        running.push(submitted);
        Some(Box::new(Followed { estimates: Arc::clone(self), product, submitted, done: None }))
    }

    /// When jobs of this kind are likely to be done.
    pub fn window(&self, product: Product) -> Window {
        self.lock()[product as usize].window.unwrap_or_else(|| product.documented())
    }

    fn lock(&self) -> MutexGuard<'_, [Sample; 2]> {
        lock(&self.0)
    }
}

impl Followed {
    /// The job took this long, and that is known now, by the same clock.
    pub fn done(mut self, took: Duration, now: Duration) {
        self.done = Some((took, now));
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let mut samples = self.estimates.lock();
        let sample = &mut samples[self.product as usize];
        if let Some(at) = sample.running.iter().position(|running| *running == self.submitted) {
            sample.running.swap_remove(at);
        }
        let Some((took, now)) = self.done else { return };
        if sample.took.len() == REMEMBERED {
            sample.took.remove(0);
        }
        sample.took.push(took);
        if sample.took.len() >= NEEDED {
            sample.window = Some(sample.learned(self.product.documented(), now));
        }
    }
}

impl Sample {
    /// The window in which all but the strays are done.
    fn learned(&self, documented: Window, now: Duration) -> Window {
        let took = self.took.iter().map(|took| Reverse((*took, false)));
        let ages = self.running.iter().map(|submitted| Reverse((now.saturating_sub(*submitted), true)));
        // By age; those that are done first, where both are as old.
        let mut jobs: BinaryHeap<_> = took.chain(ages).collect();
        let (mut early, mut late, mut unfinished, mut oldest) = (None, None, 1.0, Duration::ZERO);
        let mut as_old = jobs.len() as f64;
        while let Some(Reverse((age, runs))) = jobs.pop() {
            oldest = age;
            if !runs {
                unfinished *= 1.0 - 1.0 / as_old;
                if unfinished <= 1.0 - STRAYS {
                    early.get_or_insert(age);
                }
                if unfinished <= STRAYS {
                    late.get_or_insert(age);
                }
            }
            as_old -= 1.0;
        }
        let early = early.unwrap_or(documented.low);
        if documented.explains(early, late, oldest) {
            return documented;
        }
        // A tenth on either side is for those that have not been seen.
        let low = (early / 10 * 9).min(documented.high);
        let high = match late {
            Some(late) => late.saturating_mul(11) / 10,
            None => documented.high.max(oldest.saturating_mul(11) / 10),
        };
        let high = high.clamp(low + NARROWEST, documented.high * LATEST);
        // What is likely lies between what was seen and what is allowed for.
        let late = late.unwrap_or(high);
        let likely = (late.saturating_sub(early).min(high - low) + (high - low)) / 2;
        Window { low, high, distance: likely / (2 * documented.polls), ..documented }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// One job after the other, each of them followed.
    fn learn(estimates: &Arc<Estimates>, durations: impl IntoIterator<Item = u64>) {
        for took in durations {
            estimates.follow(Product::Slide, s(0)).unwrap().done(s(took), s(took));
        }
    }

    #[test]
    fn what_was_seen_counts_within_bounds() {
        let estimates = Arc::new(Estimates::default());
        let documented = estimates.window(Product::Slide);
        learn(&estimates, [60; 9]);
        assert_eq!(estimates.window(Product::Slide), documented, "too few to count");
        learn(&estimates, 60..101);
        let learned = estimates.window(Product::Slide);
        assert_eq!((learned.low, learned.high), (s(54), s(98) * 11 / 10));
        assert_eq!(estimates.window(Product::Deck), Product::Deck.documented(), "of each kind apart");
        learn(&estimates, [1_000_000; 50]);
        assert_eq!(estimates.window(Product::Slide).high, s(4 * 420), "nonsense has bounds");
        learn(&estimates, [0; 50]);
        assert_eq!(estimates.window(Product::Slide).high, NARROWEST);
        assert_eq!(documented.left(s(60)), Some((s(120), s(240), s(360))));
        assert_eq!(documented.left(s(421)), None);
    }

    #[test]
    fn those_that_still_run_count_as_slower_ones() {
        let estimates = Arc::new(Estimates::default());
        let mut all: Vec<_> = (0..50).map(|_| estimates.follow(Product::Slide, s(100)).unwrap()).collect();
        assert!(estimates.follow(Product::Slide, s(100)).is_none(), "enough");
        all.drain(..10).for_each(|quick| quick.done(s(100), s(300)));
        let learned = estimates.window(Product::Slide);
        assert_eq!((learned.low, learned.high), (s(90), s(420)), "four in five are not done");
        all.drain(..38).for_each(|slow| slow.done(s(600), s(710)));
        let learned = estimates.window(Product::Slide);
        assert_eq!((learned.low, learned.high), (s(90), s(660)), "only strays are not done");
    }

    #[test]
    fn a_job_that_nobody_follows_to_its_end_makes_room_and_is_not_counted() {
        let estimates = Arc::new(Estimates::default());
        for _ in 0..200 {
            drop(estimates.follow(Product::Slide, s(1)).unwrap());
        }
        learn(&estimates, [60; 10]);
        assert_eq!(estimates.window(Product::Slide).high, s(54) + NARROWEST);
    }
}
