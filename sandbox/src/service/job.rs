//! A job. Its state is a function of when it was created and what time it is: nothing ticks.

use std::time::Duration;

use super::keys::ApiKey;
use super::request::{OutputType, Wanted};
use crate::clock::Clock;
use crate::deck;
use crate::hash;
use crate::ooxml;

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Accepted.
    Pending,
    /// Being made.
    Processing,
    /// There to be fetched.
    Completed,
}

impl State {
    /// As the API names it.
    pub fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Processing => "processing",
            State::Completed => "completed",
        }
    }
}

/// A job.
pub struct Job {
    /// Whose it is.
    pub key: ApiKey,
    /// What was asked for.
    pub wanted: Wanted,
    /// When, in virtual time.
    created: Duration,
    /// What all chance in it comes from.
    seed: u64,
    /// The key under which it was submitted.
    pub idempotency_key: Option<String>,
}

impl Job {
    /// A job that begins now.
    pub fn new(
        id: &str,
        key: ApiKey,
        wanted: Wanted,
        created: Duration,
        idempotency_key: Option<&str>,
    ) -> Job {
        let seed = hash::number(&[id.as_bytes()]);
        Job { key, wanted, created, seed, idempotency_key: idempotency_key.map(str::to_owned) }
    }

    /// How it stands at this time.
    pub fn state(&self, now: Duration) -> State {
        let age = now.saturating_sub(self.created);
        if age < self.within(1, 2, 8) {
            State::Pending
        } else if age < self.duration() {
            State::Processing
        } else {
            State::Completed
        }
    }

    /// How long it takes: 3 to 7 minutes for a slide, 5 to 15 for a deck, uniformly.
    fn duration(&self) -> Duration {
        match self.wanted.output_type {
            OutputType::SingleSlide => self.within(2, 3 * 60, 7 * 60),
            OutputType::Deck => self.within(3, 5 * 60, 15 * 60),
        }
    }

    /// The file of a variant: the same bytes each time.
    pub fn render(&self, id: &str, variant: u32, clock: &Clock) -> Result<Vec<u8>, ooxml::Error> {
        let deck = match self.wanted.output_type {
            OutputType::SingleSlide => deck::single_slide(&self.wanted.prompt, variant),
            OutputType::Deck => deck::deck(&self.wanted.prompt),
        };
        let design = usize::try_from(self.seed % 97).unwrap_or(0) + variant as usize;
        ooxml::write(&deck, &ooxml::Properties { id, design, created: clock.unix(self.created) })
    }

    /// A length between these seconds that is this job's own.
    fn within(&self, what: u64, from: u64, to: u64) -> Duration {
        let number = hash::number(&[&self.seed.to_le_bytes(), &what.to_le_bytes()]);
        Duration::from_millis(from * 1000 + number % ((to - from) * 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_take_as_long_as_documented_and_differ() {
        let key = crate::service::keys::read(Some("Bearer sk-1")).unwrap();
        let mut lengths = Vec::new();
        for (output_type, from, to) in [(OutputType::SingleSlide, 180, 420), (OutputType::Deck, 300, 900)] {
            for number in 0..200 {
                let wanted = Wanted { output_type, prompt: "p".into(), variants: 1, digest: [0; 32] };
                let job = Job::new(&format!("job_{number}"), key.clone(), wanted, Duration::ZERO, None);
                let at = |seconds| job.state(Duration::from_secs(seconds));
                assert_eq!(at(0), State::Pending);
                assert_eq!(at(10), State::Processing);
                assert_eq!(at(from - 1), State::Processing);
                assert_eq!(at(to), State::Completed);
                lengths.push(job.duration());
            }
        }
        lengths.sort();
        lengths.dedup();
        assert!(lengths.len() > 390);
    }
}
