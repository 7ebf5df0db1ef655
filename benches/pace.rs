//! How soon a completed job is seen, and after how many polls: `cargo bench --bench pace`. Simulates jobs
//! under this library's schedule in virtual time: durations as documented and others, one job, a hundred and
//! ten thousand at once, with nothing learned and with what earlier jobs have taught; the longest distances
//! that could be the default; and two paces of others.
#![allow(missing_docs, clippy::print_stdout)]

#[path = "../core/tests/waves/mod.rs"]
mod waves;

use std::sync::Arc;
use std::time::Duration;

use perceptis_core::estimate::Estimates;
use perceptis_core::schedule::Schedule;
use perceptis_core::{Figure, Product};
use waves::{FIRST, MAX_DISTANCE, Seen, WAVES, Waits};

const JOBS: u32 = 10_000;
/// How long the service takes to answer a poll: with eight at once 160 a second, so that ten thousand jobs
/// have to wait.
const ANSWER: Duration = Duration::from_millis(50);
/// So many earlier jobs teach the one that knows them.
const TAUGHT: u64 = 80;

const KINDS: [(&str, Product, f64, f64); 2] =
    [("slide", Product::Slide, 180.0, 420.0), ("deck", Product::Deck, 300.0, 900.0)];
const FACTORS: [(&str, f64); 4] =
    [("as documented", 1.0), ("a tenth", 0.1), ("half", 0.5), ("three times", 3.0)];

fn draw(random: &mut fastrand::Rng, low: f64, high: f64) -> Duration {
    Duration::from_secs_f64(low + (high - low) * random.f64())
}

/// What a client knows when it begins, from the ledger.
fn estimates(product: Product, learned: bool, low: f64, high: f64) -> Arc<Estimates> {
    let estimates = Arc::new(Estimates::default());
    if learned {
        let mut random = fastrand::Rng::with_seed(11);
        let kept: Vec<Figure> = (0..TAUGHT)
            .map(|job| Figure { job: u64::MAX - job, product, age: draw(&mut random, low, high), done: true })
            .collect();
        estimates.recall(&kept, Duration::ZERO);
    }
    estimates
}

fn row(title: &str, seen: &[Seen]) {
    let mut delays: Vec<f64> = seen.iter().map(|seen| seen.delay.as_secs_f64()).collect();
    delays.sort_by(f64::total_cmp);
    let count = seen.len() as f64;
    let mean = delays.iter().sum::<f64>() / count;
    let polls = seen.iter().map(|seen| f64::from(seen.polls)).sum::<f64>() / count;
    let part = |seen: &Seen| seen.delay.as_secs_f64() / seen.took.as_secs_f64();
    let worst = seen.iter().map(part).fold(0.0, f64::max) * 100.0;
    let (late, last) = (delays[delays.len() * 95 / 100], delays[delays.len() - 1]);
    println!(
        "| {title:<38} | {mean:>5.2} s | {late:>5.1} s | {last:>5.1} s | {worst:>5.1} % | {polls:>5.1} |"
    );
}

fn table(title: &str) {
    println!("\n| {title:<38} | mean    | 95 %    | longest | part    | polls |");
    println!("|{:-<40}|---------|---------|---------|---------|-------|", "");
}

/// Jobs that are waited for by clients of their own, one each.
fn alone(product: Product, most: Duration, learned: bool, low: f64, high: f64) -> Vec<Seen> {
    let random = &mut fastrand::Rng::with_seed(7);
    let mut seen = Vec::new();
    for _ in 0..JOBS / 2 {
        let jobs = [(Duration::ZERO, draw(random, low, high))];
        let estimates = &estimates(product, learned, low, high);
        let schedule = Schedule::new(FIRST, most);
        seen.extend(Waits { product, schedule, estimates, answer: ANSWER, random }.for_all(jobs));
    }
    seen
}

/// Jobs of one client that begin together.
fn together(product: Product, count: u32, learned: bool, low: f64, high: f64) -> Vec<Seen> {
    let random = &mut fastrand::Rng::with_seed(7);
    let mut seen = Vec::new();
    for _ in 0..(2_000 / count).max(1) {
        let jobs: Vec<_> =
            (0..count).map(|number| (WAVES[3].1(number) / 10, draw(random, low, high))).collect();
        let estimates = &estimates(product, learned, low, high);
        let schedule = Schedule::new(FIRST, MAX_DISTANCE);
        seen.extend(Waits { product, schedule, estimates, answer: ANSWER, random }.for_all(jobs));
    }
    seen
}

/// Polls at the distances that `next` gives until one finds the job done.
fn wait(took: Duration, mut next: impl FnMut() -> Duration) -> Seen {
    let (mut age, mut polls) = (Duration::ZERO, 0);
    while age < took {
        age += next();
        polls += 1;
    }
    Seen { took, delay: age - took, polls }
}

/// What clients usually do, with the documented durations.
fn others(low: f64, high: f64) {
    let mut random = fastrand::Rng::with_seed(7);
    let takes: Vec<Duration> = (0..JOBS).map(|_| draw(&mut random, low, high)).collect();
    let even: Vec<Seen> = takes.iter().map(|took| wait(*took, || Duration::from_secs(3))).collect();
    row("another client: every 3 s", &even);
    let doubling = takes.iter().map(|took| {
        let mut distance = FIRST / 2;
        wait(*took, || {
            distance = (distance * 2).min(Duration::from_secs(30));
            distance
        })
    });
    row("another client: doubling to 30 s", &doubling.collect::<Vec<_>>());
}

fn main() {
    for (kind, product, low, high) in KINDS {
        for (durations, factor) in FACTORS {
            let (low, high) = (low * factor, high * factor);
            table(&format!("{kind}, {durations}"));
            for (known, learned) in [("nothing learned", false), ("learned", true)] {
                row(&format!("one job, {known}"), &alone(product, MAX_DISTANCE, learned, low, high));
                for count in [100, JOBS] {
                    let seen = together(product, count, learned, low, high);
                    row(&format!("{count} at once, {known}"), &seen);
                }
            }
            if factor == 1.0 {
                others(low, high);
            }
        }
    }
    for (kind, product, low, high) in KINDS {
        table(&format!("{kind}, nothing learned, by poll_max_ms"));
        for (durations, factor) in FACTORS {
            for most in [5, 8, 10, 12, 15, 20, 30, 60] {
                let seen = alone(product, Duration::from_secs(most), false, low * factor, high * factor);
                row(&format!("{durations}, {} ms", most * 1_000), &seen);
            }
        }
    }
}
