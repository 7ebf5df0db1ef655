//! Jobs that one client waits for, simulated: how soon it sees their ends, and after how many polls.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use perceptis_core::estimate::{Estimates, Followed, Product};
use perceptis_core::schedule::Schedule;

/// The defaults of the client's configuration.
pub const FIRST: Duration = Duration::from_secs(2);
pub const MOST: Duration = Duration::from_secs(10);

/// The documentation's longest wait for a deck, after which callers give up.
const GIVEN_UP: Duration = Duration::from_secs(3600);

/// A job from its submission on.
struct Job {
    submitted: Duration,
    takes: Duration,
    schedule: Schedule,
    followed: Option<Box<Followed>>,
    polls: u32,
}

/// Jobs that are submitted then and take that long: of each, in the order of their ends, the delay from its
/// completion to the poll that saw it, and how many polls it took.
pub fn wait_for(
    product: Product,
    jobs: impl IntoIterator<Item = (Duration, Duration)>,
    estimates: &Arc<Estimates>,
    random: &mut fastrand::Rng,
) -> Vec<(Duration, u32)> {
    let mut jobs: Vec<Job> = jobs
        .into_iter()
        .map(|(submitted, takes)| Job {
            submitted,
            takes,
            schedule: Schedule::new(FIRST, MOST),
            followed: None,
            polls: 0,
        })
        .collect();
    let mut due: BinaryHeap<_> =
        jobs.iter().enumerate().map(|(at, job)| Reverse((job.submitted, at))).collect();
    let mut ends = Vec::with_capacity(jobs.len());
    while let Some(Reverse((now, at))) = due.pop() {
        let job = &mut jobs[at];
        let age = now - job.submitted;
        if age.is_zero() {
            job.followed = estimates.follow(product, now, now);
        } else {
            job.polls += 1;
            if age >= job.takes {
                if let Some(followed) = job.followed.take() {
                    followed.done(age);
                }
                ends.push((age - job.takes, job.polls));
                continue;
            }
            if let Some(followed) = &mut job.followed {
                followed.runs(age);
            }
            if age > GIVEN_UP {
                continue;
            }
        }
        let next = job.schedule.next(Some(age), &estimates.window(product), random.f64());
        due.push(Reverse((now + next, at)));
    }
    ends
}

/// When the jobs of a wave are submitted, each by its number.
pub type Wave = (&'static str, fn(u32) -> Duration);

pub const WAVES: [Wave; 4] = [
    ("one after another", |number| Duration::from_secs(2500) * number),
    ("four a second", |number| Duration::from_millis(250) * number),
    ("waves of a thousand", |number| {
        Duration::from_secs(2500) * (number / 1000) + Duration::from_millis(10) * (number % 1000)
    }),
    ("all at once", |number| Duration::from_millis(10) * number),
];
