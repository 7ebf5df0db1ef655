//! How soon a completed job is seen, and after how many polls: `cargo bench --bench pace`. Simulates 10,000 jobs of
//! each kind under this library's pace and under the two that clients usually have.
#![allow(missing_docs, clippy::print_stdout)]

#[path = "../core/tests/waves/mod.rs"]
mod waves;

use std::sync::Arc;
use std::time::Duration;

use perceptis_core::estimate::{Estimates, Product};
use perceptis_core::schedule::Schedule;
use waves::{FIRST, MOST, WAVES, wait_for};

const JOBS: usize = 10_000;

/// Polls at the distances that `next` gives for a job's age until one finds it done: the delay and the count.
fn wait(done: Duration, mut next: impl FnMut(Duration) -> Duration) -> (Duration, u32) {
    let (mut age, mut polls) = (Duration::ZERO, 0);
    while age < done {
        age += next(age);
        polls += 1;
    }
    (age - done, polls)
}

fn row(pace: &str, jobs: impl IntoIterator<Item = (Duration, u32)>) {
    let (mut delays, polls): (Vec<f64>, Vec<u32>) =
        jobs.into_iter().map(|(delay, polls)| (delay.as_secs_f64(), polls)).unzip();
    delays.sort_by(f64::total_cmp);
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    let asked = polls.iter().sum::<u32>() as f64 / polls.len() as f64;
    println!("| {pace:<42} | {mean:>8.2} s | {:>8.2} s | {asked:>7.1} |", delays[delays.len() * 95 / 100]);
}

fn main() {
    let mut random = fastrand::Rng::with_seed(7);
    for (title, product, low, high) in [
        ("slide, 3 to 7 minutes", Product::Slide, 180.0, 420.0),
        ("deck, 5 to 15 minutes", Product::Deck, 300.0, 900.0),
        ("slide, 95 to 110 seconds", Product::Slide, 95.0, 110.0),
        ("deck, 25 to 35 minutes", Product::Deck, 1500.0, 2100.0),
    ] {
        let done: Vec<Duration> =
            (0..JOBS).map(|_| Duration::from_secs_f64(low + (high - low) * random.f64())).collect();
        println!("\n| {title:<42} | delay, mean | delay, 95 % | polls   |");
        println!("|{:-<44}|------------|------------|---------|", "");
        let documented = Estimates::default().window(product);
        let unlearned = done.iter().map(|done| {
            let mut schedule = Schedule::new(FIRST, MOST);
            wait(*done, |age| schedule.next(Some(age), &documented, random.f64()))
        });
        row("by what is documented", unlearned);
        for (wave, submitted) in WAVES {
            let jobs = (0..).map(submitted).zip(done.iter().copied());
            row(&format!("by what is seen, {wave}"), wait_for(product, jobs, &Arc::default(), &mut random));
        }
        row("every 3 s", done.iter().map(|done| wait(*done, |_| Duration::from_secs(3))));
        let doubling = done.iter().map(|done| {
            let mut distance = FIRST / 2;
            wait(*done, |_| {
                distance = (distance * 2).min(Duration::from_secs(30));
                distance
            })
        });
        row("doubling from 2 s to 30 s", doubling);
    }
}
