//! The pace that the library promises, whatever else its caller waits for at the same time.
#![allow(missing_docs)]

mod waves;

use std::sync::Arc;
use std::time::Duration;

use perceptis_core::estimate::{Estimates, Product};
use waves::{WAVES, wait_for};

/// The documented durations, all equally likely: seen within two seconds on average, in so many polls.
#[test]
fn delays_and_polls_are_within_their_bounds() {
    let mut random = fastrand::Rng::with_seed(3);
    for (product, low, high, most_polls) in
        [(Product::Slide, 180.0, 420.0, 40.0), (Product::Deck, 300.0, 900.0, 90.0)]
    {
        for (wave, submitted) in WAVES {
            let takes: Vec<_> =
                (0..10_000).map(|_| Duration::from_secs_f64(low + (high - low) * random.f64())).collect();
            let jobs = (0..).map(submitted).zip(takes);
            let ends = wait_for(product, jobs, &Arc::new(Estimates::default()), &mut random);
            let count = f64::from(u32::try_from(ends.len()).unwrap());
            let delay = ends.iter().map(|(delay, _)| delay.as_secs_f64()).sum::<f64>() / count;
            let polls = ends.iter().map(|(_, polls)| f64::from(*polls)).sum::<f64>() / count;
            assert_eq!(ends.len(), 10_000);
            assert!(
                delay <= 2.0 && polls <= most_polls,
                "{product:?}, {wave}: {delay:.2} s, {polls:.1} polls"
            );
        }
    }
}
