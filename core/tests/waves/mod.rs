//! Jobs that one client waits for, simulated with its own schedule: how soon it sees their ends, and after
//! how many polls.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use perceptis_core::Product;
use perceptis_core::estimate::{Estimates, Followed};
use perceptis_core::schedule::Schedule;

/// The defaults of the client's configuration.
pub const FIRST: Duration = Duration::from_secs(2);
pub const MAX_DISTANCE: Duration = Duration::from_secs(10);
/// How many polls a client has under way at once.
pub const SLOTS: usize = 8;

/// The documentation's longest wait for a deck and more, after which callers give up.
const GIVEN_UP: Duration = Duration::from_secs(4 * 3600);

/// A job from its submission on.
struct Job {
    submitted: Duration,
    takes: Duration,
    followed: Option<Box<Followed>>,
    polls: u32,
}

/// How a wait for a job ended.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// How long the job took.
    pub took: Duration,
    /// From its end to the poll that saw it.
    pub delay: Duration,
    /// How many polls that took.
    pub polls: u32,
}

/// The client, whose polls go through a few slots in the order in which they are due.
pub struct Waits<'a> {
    pub product: Product,
    pub schedule: Schedule,
    pub estimates: &'a Arc<Estimates>,
    /// How long the service takes to answer a poll.
    pub answer: Duration,
    pub random: &'a mut fastrand::Rng,
}

impl Waits<'_> {
    /// Waits for jobs that are submitted then and take that long; in the order of their ends.
    pub fn for_all(&mut self, jobs: impl IntoIterator<Item = (Duration, Duration)>) -> Vec<Seen> {
        let mut jobs: Vec<Job> = jobs
            .into_iter()
            .map(|(submitted, takes)| Job { submitted, takes, followed: None, polls: 0 })
            .collect();
        let (mut due, mut under_way) = (BinaryHeap::new(), VecDeque::new());
        for (at, job) in jobs.iter().enumerate() {
            due.push(Reverse((job.submitted, at)));
        }
        let (mut now, mut ends) = (Duration::ZERO, Vec::with_capacity(jobs.len()));
        loop {
            // Every answer takes equally long, so that they come in the order of the questions.
            let next = due.peek().map(|Reverse((then, _))| now.max(*then));
            let answered = under_way.front().map(|(begun, _)| *begun + self.answer);
            match (next, answered) {
                (Some(then), answer)
                    if under_way.len() < SLOTS && answer.is_none_or(|answer| then < answer) =>
                {
                    now = then;
                    if let Some(Reverse((_, at))) = due.pop() {
                        if self.begins(&mut jobs[at], at, now) {
                            due.push(Reverse((now + self.schedule.first(self.random.f64()), at)));
                        } else {
                            under_way.push_back((now, at));
                        }
                    }
                }
                (_, Some(answer)) => {
                    now = answer;
                    let Some((begun, at)) = under_way.pop_front() else { continue };
                    match self.answered(&mut jobs[at], begun, now) {
                        Next::At(then) => due.push(Reverse((then, at))),
                        Next::Seen(seen) => ends.push(seen),
                        Next::GivenUp => {}
                    }
                }
                _ => return ends,
            }
        }
    }

    /// Whether this is the job's submission, and not a poll.
    fn begins(&self, job: &mut Job, number: usize, now: Duration) -> bool {
        job.polls += 1;
        if job.polls == 1 {
            job.followed = self.estimates.follow(number as u64, self.product, now, now);
        }
        job.polls == 1
    }

    fn answered(&mut self, job: &mut Job, begun: Duration, now: Duration) -> Next {
        let asked = begun - job.submitted;
        if let Some(delay) = asked.checked_sub(job.takes) {
            if let Some(followed) = job.followed.take() {
                followed.done(now - job.submitted);
            }
            // The first is the submission.
            return Next::Seen(Seen { took: job.takes, delay, polls: job.polls - 1 });
        }
        if let Some(followed) = &mut job.followed {
            followed.runs(now - job.submitted);
        }
        if asked > GIVEN_UP {
            return Next::GivenUp;
        }
        let window = self.estimates.window(self.product);
        let distance = self.schedule.next(asked, Some(&window), self.random.f64());
        Next::At((begun + distance).max(now + Duration::from_secs(1)))
    }
}

enum Next {
    At(Duration),
    Seen(Seen),
    GivenUp,
}

/// When the jobs of a wave are submitted, each by its number.
pub type Wave = (&'static str, fn(u32) -> Duration);

pub const WAVES: [Wave; 4] = [
    ("one after another", |number| Duration::from_secs(20_000) * number),
    ("four a second", |number| Duration::from_millis(250) * number),
    ("a hundred at once", |number| {
        Duration::from_secs(20_000) * (number / 100) + Duration::from_millis(10) * (number % 100)
    }),
    ("all at once", |number| Duration::from_millis(10) * number),
];
