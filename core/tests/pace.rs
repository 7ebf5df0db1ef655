//! The pace that the library promises, whatever else its caller waits for at the same time.
#![allow(missing_docs)]

mod waves;

use std::sync::Arc;
use std::time::Duration;

use perceptis_core::estimate::{Estimates, Product};
use waves::{WAVES, wait_for};

const JOBS: usize = 4_000;

/// Waits for jobs whose durations are equally likely between these, in seconds; so many in a hundred never end. The mean
/// delay, in seconds, and how many polls a job took.
fn mean(
    product: Product,
    between: (f64, f64),
    never: usize,
    submitted: fn(u32) -> Duration,
    seed: u64,
) -> (f64, f64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let takes: Vec<_> = (0..JOBS)
        .map(|number| match number % 100 < never {
            true => Duration::MAX,
            false => Duration::from_secs_f64(between.0 + (between.1 - between.0) * random.f64()),
        })
        .collect();
    let jobs = (0..).map(submitted).zip(takes);
    let ends = wait_for(product, jobs, &Arc::new(Estimates::default()), &mut random);
    assert_eq!(ends.len(), JOBS - JOBS / 100 * never);
    let count = ends.len() as f64;
    let delay = ends.iter().map(|(delay, _)| delay.as_secs_f64()).sum::<f64>() / count;
    (delay, ends.iter().map(|(_, polls)| f64::from(*polls)).sum::<f64>() / count)
}

/// The documented durations: seen within two seconds on average, in so many polls.
#[test]
fn delays_and_polls_are_within_their_bounds() {
    for (product, between, most_polls) in
        [(Product::Slide, (180.0, 420.0), 40.0), (Product::Deck, (300.0, 900.0), 90.0)]
    {
        for (wave, submitted) in WAVES {
            for (never, seed) in [(0, 3), (0, 4), (0, 5), (2, 6)] {
                let (delay, polls) = mean(product, between, never, submitted, seed);
                println!("{product:?}, {wave}, {never} % never: {delay:.2} s, {polls:.1} polls");
                assert!(
                    delay <= 2.0 && polls <= most_polls,
                    "{product:?}, {wave}, {never} % never: {delay:.2} s, {polls:.1} polls"
                );
            }
        }
    }
}

/// Where the documentation does not hold, what was seen does: by what is documented the delays are 45 and 5 s. Those that
/// began before any was seen done are in the mean.
#[test]
fn what_was_seen_is_gone_by() {
    for (product, between, most_delay) in
        [(Product::Slide, (95.0, 110.0), 5.0), (Product::Deck, (1500.0, 2100.0), 4.0)]
    {
        for (wave, submitted) in &WAVES[..2] {
            let (delay, polls) = mean(product, between, 0, *submitted, 7);
            println!("{product:?}, {wave}: {delay:.2} s, {polls:.1} polls");
            assert!(delay <= most_delay, "{product:?}, {wave}: {delay:.2} s, {polls:.1} polls");
        }
    }
}
