//! How long jobs take: by the documentation, and better by the jobs that this client and those before it have
//! watched.
//!
//! Those that are done are not all there is to go by: of thousands that began together the quick ones end
//! first, and an estimate from them alone takes every job for a quick one. So jobs count from their
//! beginning, and one that still runs says that it takes longer than that: the product-limit estimate (E. L.
//! Kaplan, P. Meier, "Nonparametric Estimation from Incomplete Observations", JASA 53, 1958).
//!
//! What is learned is kept for the next process. It decides only which polls a job gets within what
//! `schedule.rs` allows, so that wrong figures cost some polls, and neither a deck nor much time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::common::sync::lock;
use crate::model::figure::{Figure, MAX_REMEMBERED, Product};

/// So many jobs of each kind are followed at once.
const MAX_FOLLOWED: usize = 40;
/// So many have to be done before they count.
const NEEDED: u32 = 10;
/// The twentieth at either end may be strays; a little more, for rounding.
const STRAYS: f64 = 0.050_001;
/// A window that was learned is never narrower than this, and never later than so many times the documented
/// end.
const NARROWEST: Duration = Duration::from_secs(30);
const LATEST: u32 = 4;

impl Product {
    /// As documented: 3 to 7 minutes for a slide, 5 to 15 for a deck. The distances are such that the mean
    /// delay is below 2 s, that a slide takes fewer than 65 polls on average, and a deck fewer than 125;
    /// `benches/pace.rs` counts them.
    fn documented(self) -> Window {
        let minutes = |low: u64, high: u64| (Duration::from_secs(low * 60), Duration::from_secs(high * 60));
        let ((low, high), polls) = match self {
            Product::Slide => (minutes(3, 7), 30),
            Product::Deck => (minutes(5, 15), 75),
        };
        Window { low, high, distance: (high - low) / (2 * polls), polls, jobs: 0 }
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
    /// On how many jobs that were seen done it stands; none: on the documentation alone.
    pub(crate) jobs: u32,
}

/// Who keeps what is learned for the next process. Called while locks are held: it does not block.
pub trait Keep: Send + Sync + std::fmt::Debug {
    /// A job was seen done: what it and those that run say now, in the place of what they said before.
    fn keep(&self, figures: Vec<Figure>);
}

impl Window {
    /// Whether durations that lie evenly within this window can be those that were seen: the first twentieth
    /// done by then, the last left then. So few jobs scatter by a tenth of it, and a bound that is wrong by
    /// that costs more than the learning brings; what lies further within it is covered all the same.
    fn explains(&self, early: Duration, late: Option<Duration>, oldest: Duration) -> bool {
        let (low, high) = (self.low, self.high);
        let twentieth = (high - low) / 20;
        // While more are left to be done, the oldest of them stands for the last ones: it is not yet too
        // late.
        let late = late.unwrap_or(oldest.max(high - twentieth));
        (low.saturating_sub(twentieth)..=low + twentieth * 5).contains(&early)
            && (high - twentieth * 5..=high + twentieth).contains(&late)
    }

    /// What is left for a job of this age: at the earliest, on average, at the latest. Nothing can be said of
    /// one that is overdue.
    pub fn left(&self, age: Duration) -> Option<(Duration, Duration, Duration)> {
        let high = self.high.checked_sub(age)?;
        let low = self.low.saturating_sub(age);
        Some((low, (low + high) / 2, high))
    }
}

/// How long jobs take that this client watches from their submission to their end, and those that it was told
/// of.
#[derive(Debug, Default)]
pub struct Estimates {
    samples: Mutex<[Sample; 2]>,
    keeper: Option<Arc<dyn Keep>>,
}

/// The jobs of one kind by which the others are judged.
#[derive(Debug, Default)]
struct Sample {
    /// In the order of their submission. The earliest one makes room, however it ended: to keep those that
    /// took long, or those that did not, would be a choice by what is to be found out.
    jobs: Vec<Known>,
    /// What follows from them, once they are enough.
    window: Option<Window>,
}

/// What is known of one job. Times are of the clock of the client that follows it.
#[derive(Debug)]
struct Known {
    job: u64,
    submitted: Duration,
    so_far: SoFar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SoFar {
    Runs,
    /// It was done at this age.
    Done(Duration),
    /// It was not done at this age, the last at which it was polled.
    Left(Duration),
}

/// A job that is followed to its end.
#[derive(Debug)]
pub struct Followed {
    estimates: Arc<Estimates>,
    job: u64,
    product: Product,
    submitted: Duration,
    /// How old it was when it was last seen unfinished.
    unfinished: Duration,
    /// How old it was when it was seen done.
    done: Option<Duration>,
}

impl Estimates {
    /// Estimates that begin with the documentation.
    pub fn new(keeper: Option<Arc<dyn Keep>>) -> Estimates {
        Estimates { samples: Mutex::default(), keeper }
    }

    /// Takes over what was kept, the oldest first. It counts as older than what this client has seen itself.
    pub fn recall(&self, kept: &[Figure], now: Duration) {
        let mut samples = self.lock();
        for product in [Product::Slide, Product::Deck] {
            let documented = product.documented();
            let sample = &mut samples[product as usize];
            let is_new = |figure: &&Figure| {
                figure.product == product && !sample.jobs.iter().any(|known| known.job == figure.job)
            };
            let mut jobs: Vec<Known> = kept.iter().filter(is_new).map(Known::from_kept).collect();
            let too_many = (jobs.len() + sample.jobs.len()).saturating_sub(MAX_REMEMBERED).min(jobs.len());
            jobs.drain(..too_many);
            sample.jobs.splice(..0, jobs);
            sample.window = sample.learned(documented, now).or(sample.window);
        }
    }

    /// Follows a job that was submitted not long before now; `None` while enough are followed. Which ones are
    /// must not depend on how long they take: of those that are first looked at when quick ones are done,
    /// none is.
    pub fn follow(
        self: &Arc<Estimates>,
        job: u64,
        product: Product,
        submitted: Duration,
        now: Duration,
    ) -> Option<Box<Followed>> {
        let documented = product.documented();
        let longest = documented.high * LATEST;
        let mut samples = self.lock();
        let jobs = &mut samples[product as usize].jobs;
        let follows = |job: &&Known| job.so_far == SoFar::Runs && now.saturating_sub(job.submitted) < longest;
        if now.saturating_sub(submitted) > documented.low / 4
            || jobs.iter().filter(follows).count() >= MAX_FOLLOWED
        {
            return None;
        }
        if jobs.len() == MAX_REMEMBERED {
            jobs.remove(0);
        }
        jobs.push(Known { job, submitted, so_far: SoFar::Runs });
        let (estimates, unfinished) = (Arc::clone(self), Duration::ZERO);
        Some(Box::new(Followed { estimates, job, product, submitted, unfinished, done: None }))
    }

    /// When jobs of this kind are likely to be done.
    pub fn window(&self, product: Product) -> Window {
        self.lock()[product as usize].window.unwrap_or_else(|| product.documented())
    }

    fn lock(&self) -> MutexGuard<'_, [Sample; 2]> {
        lock(&self.samples)
    }
}

impl Followed {
    /// The job is not done at this age.
    pub fn runs(&mut self, age: Duration) {
        self.unfinished = age;
    }

    /// The job is done at this age.
    pub fn done(mut self, age: Duration) {
        self.done = Some(age);
    }

    /// What is known of it in the end.
    fn end(&self, documented: Window) -> SoFar {
        match self.done {
            // Of a job that was not polled for long, as in an outage or while the machine slept, that is not
            // known.
            Some(age) if age.saturating_sub(self.unfinished) <= documented.high / 2 => {
                SoFar::Done(self.unfinished + age.saturating_sub(self.unfinished) / 2)
            }
            _ => SoFar::Left(self.unfinished),
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let documented = self.product.documented();
        let mut samples = self.estimates.lock();
        let sample = &mut samples[self.product as usize];
        let own = |job: &&mut Known| job.job == self.job && job.so_far == SoFar::Runs;
        if let Some(job) = sample.jobs.iter_mut().find(own) {
            job.so_far = self.end(documented);
        }
        let Some(age) = self.done else { return };
        let now = self.submitted.saturating_add(age);
        sample.window = sample.learned(documented, now).or(sample.window);
        if let Some(keeper) = &self.estimates.keeper {
            let figures = sample.figures(self.product, self.job, now);
            drop(samples);
            keeper.keep(figures);
        }
    }
}

impl Known {
    /// Of a job that another process has watched.
    fn from_kept(figure: &Figure) -> Known {
        let so_far = if figure.done { SoFar::Done(figure.age) } else { SoFar::Left(figure.age) };
        Known { job: figure.job, submitted: Duration::ZERO, so_far }
    }
}

impl Sample {
    /// What is kept when a job has ended: with its figure those of the jobs that run, which take longer than
    /// that. Without them the quick ones would be known first, and pass for what is usual.
    fn figures(&self, product: Product, ended: u64, now: Duration) -> Vec<Figure> {
        // While one runs, nothing beyond this is said of it: should this process die, it was not polled
        // later.
        let longest = product.documented().high;
        let figure = |known: &Known| {
            let (age, done) = match known.so_far {
                SoFar::Done(age) => (age, true),
                SoFar::Left(age) => (age, false),
                SoFar::Runs => (now.saturating_sub(known.submitted).min(longest), false),
            };
            Figure { job: known.job, product, age, done }
        };
        let says = |known: &&Known| known.job == ended || known.so_far == SoFar::Runs;
        self.jobs.iter().filter(says).map(figure).collect()
    }

    /// The window in which all but the strays are done, by what is known now.
    fn learned(&self, documented: Window, now: Duration) -> Option<Window> {
        let ages = self.jobs.iter().map(|job| match job.so_far {
            SoFar::Done(age) => Reverse((age, false)),
            SoFar::Left(age) => Reverse((age, true)),
            SoFar::Runs => Reverse((now.saturating_sub(job.submitted), true)),
        });
        // By age; those that are done first, where both are as old.
        let mut jobs: BinaryHeap<_> = ages.collect();
        let strays = (jobs.len() / 20).max(1);
        let (mut early, mut late, mut unfinished) = (None, None, 1.0);
        let (mut done, mut oldest) = (0, Duration::ZERO);
        let mut as_old = jobs.len() as f64;
        while let Some(Reverse((age, runs))) = jobs.pop() {
            if jobs.len() >= strays {
                oldest = age;
            }
            if !runs {
                done += 1;
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
        let early = early.filter(|_| done >= NEEDED)?;
        if documented.explains(early, late, oldest) {
            return Some(Window { jobs: done, ..documented });
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
        let distance = likely / (2 * documented.polls);
        Some(Window { low, high, distance, jobs: done, ..documented })
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
            let mut job = estimates.follow(took, Product::Slide, s(0), s(0)).unwrap();
            job.runs(s(took));
            job.done(s(took));
        }
    }

    #[test]
    fn what_was_seen_counts_within_bounds() {
        let estimates = Arc::new(Estimates::default());
        let documented = estimates.window(Product::Slide);
        learn(&estimates, [60; 9]);
        assert_eq!(estimates.window(Product::Slide), documented, "too few to count");
        learn(&estimates, 60..131);
        let learned = estimates.window(Product::Slide);
        assert_eq!((learned.low, learned.high), (s(54), s(126) * 11 / 10));
        assert_eq!(estimates.window(Product::Deck), Product::Deck.documented(), "of each kind apart");
        learn(&estimates, [1_000_000; MAX_REMEMBERED]);
        assert_eq!(estimates.window(Product::Slide).high, s(4 * 420), "nonsense has bounds");
        learn(&estimates, [u64::MAX; MAX_REMEMBERED]);
        assert_eq!(estimates.window(Product::Slide).high, s(4 * 420), "nonsense has bounds");
        learn(&estimates, [0; MAX_REMEMBERED]);
        assert_eq!(estimates.window(Product::Slide).high, NARROWEST);
        assert_eq!(documented.left(s(60)), Some((s(120), s(240), s(360))));
        assert_eq!(documented.left(s(421)), None);
    }

    #[test]
    fn those_that_still_run_count_as_slower_ones() {
        let estimates = Arc::new(Estimates::default());
        let mut all: Vec<_> =
            (0..40).map(|job| estimates.follow(job, Product::Slide, s(100), s(100)).unwrap()).collect();
        assert!(estimates.follow(40, Product::Slide, s(100), s(100)).is_none(), "enough");
        let done = |mut job: Box<Followed>, took| {
            job.runs(s(took));
            job.done(s(took));
        };
        all.drain(..10).for_each(|quick| done(quick, 100));
        let learned = estimates.window(Product::Slide);
        assert_eq!((learned.low, learned.high), (s(90), s(420)), "three in four are not done");
        all.drain(..29).for_each(|slow| done(slow, 600));
        let learned = estimates.window(Product::Slide);
        assert_eq!((learned.low, learned.high), (s(90), s(660)), "only a stray is not done");
    }

    #[test]
    fn a_wait_that_is_given_up_says_that_the_job_takes_longer() {
        let estimates = Arc::new(Estimates::default());
        for number in 0..40 {
            let mut job = estimates.follow(number, Product::Slide, s(number), s(number)).unwrap();
            job.runs(s(80));
            if number % 2 == 0 {
                job.done(s(80));
            }
        }
        assert_eq!(estimates.window(Product::Slide).high, s(420), "half of them were not done at 80 s");
    }

    #[test]
    fn what_was_not_looked_at_is_not_learned() {
        let estimates = Arc::new(Estimates::default());
        for number in 0..80 {
            let mut job = estimates.follow(number, Product::Slide, s(number), s(number)).unwrap();
            job.runs(s(150));
            job.done(s(8 * 3600));
            let late = estimates.follow(100, Product::Slide, s(number), s(number + 46));
            assert!(late.is_none(), "it is too late");
        }
        assert_eq!(estimates.window(Product::Slide), Product::Slide.documented(), "the machine slept");
    }

    /// Keeps what it is given, the newest figure of each job.
    #[derive(Debug, Default)]
    struct Kept(Mutex<std::collections::BTreeMap<u64, Figure>>);

    impl Keep for Kept {
        fn keep(&self, figures: Vec<Figure>) {
            lock(&self.0).extend(figures.into_iter().map(|figure| (figure.job, figure)));
        }
    }

    #[test]
    fn what_one_process_has_seen_the_next_one_knows() {
        let kept = Arc::new(Kept::default());
        for number in 0..12 {
            let estimates = Arc::new(Estimates::new(Some(kept.clone() as Arc<dyn Keep>)));
            let mut job = estimates.follow(number, Product::Slide, s(0), s(0)).unwrap();
            job.runs(s(59));
            job.done(s(61));
        }
        let figures: Vec<Figure> = lock(&kept.0).values().copied().collect();
        assert_eq!(figures.len(), 12);
        let next = Estimates::default();
        next.recall(&figures[..9], s(7));
        assert_eq!(next.window(Product::Slide), Product::Slide.documented(), "too few to count");
        next.recall(&figures, s(7));
        let window = next.window(Product::Slide);
        assert_eq!((window.low, window.high, window.jobs), (s(54), s(54) + NARROWEST, 12));
        assert_eq!(next.window(Product::Deck).jobs, 0);
        assert_eq!(next.lock()[0].jobs.len(), 12, "each of them once");
    }

    #[test]
    fn what_is_kept_says_that_those_that_run_take_longer() {
        let kept = Arc::new(Kept::default());
        let estimates = Arc::new(Estimates::new(Some(kept.clone() as Arc<dyn Keep>)));
        let mut all: Vec<_> =
            (0..40).map(|job| estimates.follow(job, Product::Slide, s(100), s(100)).unwrap()).collect();
        for mut quick in all.drain(..10) {
            quick.runs(s(100));
            quick.done(s(100));
        }
        let figures: Vec<Figure> = lock(&kept.0).values().copied().collect();
        assert_eq!((figures.len(), figures.iter().filter(|figure| figure.done).count()), (40, 10));
        let next = Estimates::default();
        next.recall(&figures, s(7));
        assert_eq!(next.window(Product::Slide).high, s(420), "three in four are not done");
    }

    #[test]
    fn nonsense_that_was_kept_has_bounds() {
        let nonsense = [0, 1, 500, 100_000, u64::MAX / 2, u64::MAX];
        let figures: Vec<Figure> = (0..200)
            .map(|job| {
                let age = Duration::from_millis(nonsense[job as usize % nonsense.len()]);
                Figure { job, product: Product::Slide, age, done: job % 3 != 0 }
            })
            .collect();
        for count in 0..figures.len() {
            let estimates = Estimates::default();
            estimates.recall(&figures[..count], Duration::MAX);
            let window = estimates.window(Product::Slide);
            assert!(window.low <= window.high && window.high <= s(4 * 420), "{window:?}");
            assert!(estimates.lock()[0].jobs.len() <= MAX_REMEMBERED);
        }
    }

    #[test]
    fn jobs_that_never_end_hold_no_place_for_ever() {
        let estimates = Arc::new(Estimates::default());
        let hung: Vec<_> =
            (0..40).map(|job| estimates.follow(job, Product::Slide, s(0), s(0)).unwrap()).collect();
        let now = s(4 * 420);
        assert!(estimates.follow(40, Product::Slide, s(900), s(900)).is_none());
        for number in 100..180 {
            let mut job = estimates.follow(number, Product::Slide, now, now).unwrap();
            job.runs(s(60));
            job.done(s(60));
        }
        assert_eq!(estimates.window(Product::Slide).high, s(54) + NARROWEST);
        drop(hung);
    }
}
