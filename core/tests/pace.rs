//! The pace that the library promises, whatever else its caller waits for at the same time, and however long
//! jobs take.
#![allow(missing_docs)]

mod waves;

use std::sync::Arc;
use std::time::Duration;

use perceptis_core::estimate::Estimates;
use perceptis_core::schedule::Schedule;
use perceptis_core::{Figure, Product};
use proptest::collection::vec;
use proptest::prelude::*;
use waves::{FIRST, MAX_DISTANCE, SLOTS, Seen, WAVES, Waits};

const JOBS: usize = 4_000;
/// How long an answer takes: so that all polls that are due go out at once, and so that few do.
const FAST: Duration = Duration::from_millis(1);
const SLOW: Duration = Duration::from_millis(50);

/// Waits for jobs with the defaults of the configuration.
fn wait_for(
    product: Product,
    jobs: impl IntoIterator<Item = (Duration, Duration)>,
    estimates: &Arc<Estimates>,
    answer: Duration,
    seed: u64,
) -> Vec<Seen> {
    let random = &mut fastrand::Rng::with_seed(seed);
    Waits { product, schedule: Schedule::new(FIRST, MAX_DISTANCE), estimates, answer, random }.for_all(jobs)
}

/// The mean delay, in seconds, and how many polls a job took.
fn mean(ends: &[Seen]) -> (f64, f64) {
    let count = ends.len() as f64;
    let delay = ends.iter().map(|seen| seen.delay.as_secs_f64()).sum::<f64>() / count;
    (delay, ends.iter().map(|seen| f64::from(seen.polls)).sum::<f64>() / count)
}

/// Durations that are equally likely between these, in seconds; so many in a hundred never end.
fn durations(between: (f64, f64), never: usize, seed: u64) -> Vec<Duration> {
    let mut random = fastrand::Rng::with_seed(seed);
    let takes = |number| match number % 100 < never {
        true => Duration::MAX,
        false => Duration::from_secs_f64(between.0 + (between.1 - between.0) * random.f64()),
    };
    (0..JOBS).map(takes).collect()
}

/// The longest delay of a job that took so long, where so many are waited for: one round of their polls more.
fn bound(took: Duration, jobs: u32) -> Duration {
    let round = SLOW * jobs.div_ceil(SLOTS as u32) + SLOW;
    (took * 15 / 100).max(FIRST) + if jobs == 1 { Duration::ZERO } else { round }
}

/// The documented durations: seen within two seconds on average, in so many polls.
#[test]
fn delays_and_polls_are_within_their_bounds() {
    for (product, between, most_polls) in
        [(Product::Slide, (180.0, 420.0), 65.0), (Product::Deck, (300.0, 900.0), 125.0)]
    {
        for (wave, submitted) in WAVES {
            for (never, seed) in [(0, 3), (0, 4), (0, 5), (2, 6)] {
                let jobs = (0..).map(submitted).zip(durations(between, never, seed));
                let ends = wait_for(product, jobs, &Arc::default(), FAST, seed);
                assert_eq!(ends.len(), JOBS - JOBS / 100 * never);
                let (delay, polls) = mean(&ends);
                let case = format!("{product:?}, {wave}, {never} % never: {delay:.2} s, {polls:.1} polls");
                println!("{case}");
                assert!(delay <= 2.0 && polls <= most_polls, "{case}");
            }
        }
    }
}

/// Where the documentation does not hold, what was seen does.
#[test]
fn what_was_seen_is_gone_by() {
    for (product, between, most_delay, most_polls) in
        [(Product::Slide, (95.0, 110.0), 2.0, 40.0), (Product::Deck, (1500.0, 2100.0), 5.0, 400.0)]
    {
        for (wave, submitted) in &WAVES[..2] {
            let jobs = (0..).map(submitted).zip(durations(between, 0, 7));
            let (delay, polls) = mean(&wait_for(product, jobs, &Arc::default(), FAST, 7));
            let case = format!("{product:?}, {wave}: {delay:.2} s, {polls:.1} polls");
            println!("{case}");
            assert!(delay <= most_delay && polls <= most_polls, "{case}");
        }
    }
}

/// Durations from a second to three hours: no end is seen later than the bound says.
#[test]
fn no_duration_has_a_longer_delay_than_its_bound() {
    for product in [Product::Slide, Product::Deck] {
        for second in (1..60).chain((60..3 * 3600).step_by(53)) {
            for millisecond in [0, 1, 137, 500] {
                let took = Duration::from_millis(second * 1000 + millisecond);
                let ends = wait_for(product, [(Duration::ZERO, took)], &Arc::default(), SLOW, second);
                assert!(ends[0].delay <= bound(took, 1), "{product:?}: {:?}", ends[0]);
            }
        }
    }
}

fn durations_to_three_hours() -> impl Strategy<Value = Duration> {
    // Short ones are as likely as long ones.
    (0.0..=(3.0_f64 * 3600.0).ln()).prop_map(|log| Duration::from_secs_f64(log.exp()))
}

fn figures() -> impl Strategy<Value = Vec<Figure>> {
    let figure = (any::<u64>(), durations_to_three_hours(), any::<bool>(), 0.0..4.0_f64);
    vec(figure, 0..90).prop_map(|figures| {
        let product = |job: u64| if job.is_multiple_of(2) { Product::Slide } else { Product::Deck };
        let figure = |(job, age, done, much): (u64, Duration, bool, f64)| Figure {
            job,
            product: product(job),
            // Also what no job can have taken.
            age: if much > 3.9 { Duration::from_millis(u64::MAX) } else { age },
            done,
        };
        figures.into_iter().map(figure).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever was learned, right or wrong, and however many jobs there are.
    #[test]
    fn what_was_learned_never_makes_a_delay_longer_than_its_bound(
        takes in vec(durations_to_three_hours(), 1..60),
        kept in figures(),
        seed in any::<u64>(),
        slide in any::<bool>(),
    ) {
        let estimates = Arc::new(Estimates::default());
        estimates.recall(&kept, Duration::ZERO);
        let product = if slide { Product::Slide } else { Product::Deck };
        let jobs = takes.iter().map(|took| (Duration::ZERO, *took));
        let ends = wait_for(product, jobs, &estimates, SLOW, seed);
        prop_assert_eq!(ends.len(), takes.len());
        for seen in ends {
            prop_assert!(seen.delay <= bound(seen.took, takes.len() as u32), "{:?}", seen);
        }
    }

    /// A job of unknown age is at least as old as the wait for it.
    #[test]
    fn job_of_unknown_age_has_the_bound_of_the_wait(
        took in durations_to_three_hours(),
        seed in any::<u64>(),
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let schedule = Schedule::new(FIRST, MAX_DISTANCE);
        let mut waited = Duration::ZERO;
        while waited < took {
            waited += schedule.next(waited, None, random.f64());
        }
        prop_assert!(waited - took <= bound(took, 1));
    }
}
