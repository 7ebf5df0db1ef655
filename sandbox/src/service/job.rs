//! A job. Its state is a function of when it was created, what time it is, and how often it was asked about:
//! nothing ticks.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::keys::ApiKey;
use super::request::{OutputType, Wanted};
use super::scenario::{Fault, Scenario, Why};
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
    /// Given up.
    Failed,
}

impl State {
    /// As the API names it.
    pub fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Processing => "processing",
            State::Completed => "completed",
            State::Failed => "failed",
        }
    }
}

/// A job.
#[derive(Debug)]
pub struct Job {
    /// Whose it is.
    pub key: ApiKey,
    /// What was asked for.
    pub wanted: Wanted,
    /// When, in virtual time.
    pub created: Duration,
    /// How often it was asked about.
    pub polls: u64,
    /// When it was last asked about.
    pub polled: Option<Duration>,
    /// The key under which it was submitted.
    pub idempotency_key: Option<String>,
    /// The scenarios of the key that submitted it: a download carries no key.
    pub key_scenarios: Vec<Scenario>,
    /// What all chance in it comes from.
    seed: u64,
    /// How and when it failed; a failure is for good.
    failed: Option<(Why, Duration)>,
    /// When a scenario that strikes polls had it completed before its time; then it is, and is billed.
    early: Option<Duration>,
    /// How often it was said to be completed without its files.
    late: u64,
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
        Job {
            key,
            wanted,
            created,
            polls: 0,
            polled: None,
            idempotency_key: idempotency_key.map(str::to_owned),
            key_scenarios: Vec::new(),
            seed: hash::number(&[id.as_bytes()]),
            failed: None,
            early: None,
            late: 0,
        }
    }

    /// The job's own scenario of this kind, out of its prompt.
    fn own(&self, wanted: impl Fn(Fault) -> bool) -> Option<&Scenario> {
        self.wanted.scenarios.iter().find(|scenario| wanted(scenario.fault))
    }

    /// How it stands at this time, but for what strikes single polls.
    pub fn state(&self, now: Duration) -> State {
        if self.failed.is_some() {
            return State::Failed;
        }
        if self.early.is_some() {
            return State::Completed;
        }
        let age = now.saturating_sub(self.created);
        let duration = self.duration();
        if age < self.pending() {
            State::Pending
        } else if age < duration || self.own(|fault| fault == Fault::NeverEnds).is_some() {
            State::Processing
        } else {
            State::Completed
        }
    }

    /// How long it waits before it is processed.
    pub fn pending(&self) -> Duration {
        self.within(1, 2, 8).min(self.duration() / 2)
    }

    /// When it failed, if it did.
    pub fn failed_at(&self) -> Option<Duration> {
        self.failed.map(|(_, at)| at)
    }

    /// How long it takes: 3 to 7 minutes for a slide, 5 to 15 for a deck, uniformly, unless its prompt says
    /// so.
    pub fn duration(&self) -> Duration {
        if let Some(scenario) = self.own(|fault| fault == Fault::Takes) {
            return Duration::try_from_secs_f64(scenario.number()).unwrap_or(Duration::MAX);
        }
        match self.wanted.output_type {
            OutputType::SingleSlide => self.within(2, 3 * 60, 7 * 60),
            OutputType::Deck => self.within(3, 5 * 60, 15 * 60),
        }
    }

    /// When it is completed, as far as is known.
    pub fn delivered_at(&self) -> Duration {
        self.early.unwrap_or_else(|| self.created.saturating_add(self.duration()))
    }

    /// What it costs once it is delivered: a credit for each variant, or for each slide of a deck.
    pub fn credits(&self, now: Duration) -> u64 {
        if self.state(now) != State::Completed {
            return 0;
        }
        match self.wanted.output_type {
            OutputType::SingleSlide => {
                let missing = self.own(|fault| fault == Fault::FewerVariants).is_some();
                u64::from(self.wanted.variants) - u64::from(missing)
            }
            OutputType::Deck => self.wanted.slides as u64,
        }
    }

    /// Whether a scenario of the job's layers changes anything about the next poll: only then it strikes, and
    /// is counted.
    pub fn heeds(&self, scenario: &Scenario, now: Duration) -> bool {
        let state = self.state(now);
        let ends = !matches!(state, State::Completed | State::Failed);
        let age = now.saturating_sub(self.created);
        match scenario.fault {
            Fault::Takes => ends && age.as_secs_f64() >= scenario.number(),
            Fault::FailAfter(_) => self.failed.is_none() && (self.polls + 1) as f64 >= scenario.number(),
            Fault::NeverEnds => state == State::Completed || (ends && age >= self.duration()),
            Fault::StepBack => state == State::Processing && !self.polls.is_multiple_of(2),
            Fault::UnknownStatus => state != State::Completed,
            Fault::NoDownloads | Fault::FewerVariants | Fault::OtherFormat => state == State::Completed,
            Fault::LateDownloads => state == State::Completed && (self.late as f64) < scenario.number(),
            _ => true,
        }
    }

    /// Completed from now on, whatever its time is.
    pub fn complete(&mut self, now: Duration) {
        self.early.get_or_insert(now);
    }

    /// The answer to a poll, with what strikes it and is [heeded](Job::heeds). `url` makes a fresh URL of a
    /// variant.
    pub fn poll(
        &mut self,
        id: &str,
        now: Duration,
        struck: Option<&Scenario>,
        url: impl Fn(u32) -> String,
    ) -> Value {
        self.polls += 1;
        let fault = struck.map(|scenario| scenario.fault);
        if let Some(Fault::FailAfter(why)) = fault {
            self.failed = Some((why, now));
        }
        // From a rule, a header or a key, these last as long as they strike.
        let state = match fault {
            Some(Fault::NeverEnds) => State::Processing,
            Some(Fault::StepBack) => State::Pending,
            _ => self.state(now),
        };
        let mut variants: Vec<u32> =
            if state == State::Completed { (1..=self.wanted.variants).collect() } else { Vec::new() };
        let mut format = "pptx".to_owned();
        match (fault, struck) {
            (Some(Fault::NoDownloads), _) => variants.clear(),
            (Some(Fault::LateDownloads), _) => {
                self.late += 1;
                variants.clear();
            }
            (Some(Fault::FewerVariants), _) => {
                variants.pop();
            }
            (Some(Fault::OtherFormat), Some(scenario)) => format.clone_from(&scenario.value),
            _ => {}
        }
        let downloads: Vec<Value> = variants
            .into_iter()
            .map(|variant| json!({ "url": url(variant), "format": format, "variant": variant }))
            .collect();
        let mut response = json!({
            "job_id": id,
            "status": state.name(),
            "output_type": self.wanted.output_type.name(),
            "downloads": downloads,
            "error": if state == State::Failed { self.error() } else { Value::Null },
        });
        match (fault, struck) {
            (Some(Fault::UnknownStatus), Some(scenario)) => {
                response["status"] = json!(scenario.value);
            }
            (Some(Fault::DownloadsNull), _) => response["downloads"] = Value::Null,
            (Some(Fault::UnknownFields), _) => {
                response["progress"] = json!({ "percent": 41.5, "stage": "drawing" });
                response["x_new"] = json!([1, null, { "deep": true }]);
            }
            (Some(Fault::NumbersForText), _) => {
                response["output_type"] = json!(7);
                if let Some(downloads) = response["downloads"].as_array_mut() {
                    for download in downloads {
                        download["variant"] = json!(download["variant"].to_string());
                    }
                }
            }
            _ => {}
        }
        response
    }

    /// Why it failed, as a poll tells it.
    pub fn error(&self) -> Value {
        let (code, message) = ("generation_failed", "the slides could not be made");
        match self.failed.map(|(why, _)| why) {
            None | Some(Why::Null) => Value::Null,
            Some(Why::Both) => json!({ "code": code, "message": message }),
            Some(Why::Code) => json!({ "code": code }),
            Some(Why::Message) => json!({ "message": message }),
            Some(Why::Text) => json!(message),
            Some(Why::Nested) => json!({ "error": { "code": code, "message": message } }),
        }
    }

    /// What is on the slides of a variant.
    pub fn deck(&self, variant: u32) -> deck::Deck {
        let Wanted { prompt, template, pictures, .. } = &self.wanted;
        match self.wanted.output_type {
            OutputType::SingleSlide => deck::single_slide(prompt, variant, *template, pictures),
            OutputType::Deck => deck::deck(prompt, template.unwrap_or_else(|| deck::design(0))),
        }
    }

    /// The file of a variant: the same bytes each time, but for another edition.
    pub fn render(
        &self,
        id: &str,
        variant: u32,
        edition: Option<u64>,
        clock: &Clock,
    ) -> Result<Vec<u8>, ooxml::Error> {
        let mut deck = self.deck(variant);
        if let Some(edition) = edition {
            let _ = write!(deck.title, ", edition {edition}");
        }
        ooxml::write(&deck, &ooxml::Properties { id, created: clock.unix(self.created) })
    }

    /// What it takes in memory, about.
    pub fn bytes(&self) -> usize {
        let pictures: usize = self.wanted.pictures.iter().map(|picture| picture.data.len()).sum();
        self.wanted.prompt.len() + pictures + 512
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
        let key = crate::service::keys::read(Some("Bearer sk-1")).unwrap().key;
        for (output_type, from, to) in [(OutputType::SingleSlide, 180, 420), (OutputType::Deck, 300, 900)] {
            let mut lengths = Vec::new();
            for number in 0..200 {
                let wanted = Wanted {
                    output_type,
                    prompt: "p".into(),
                    variants: 1,
                    template: None,
                    pictures: Vec::new(),
                    slides: 10,
                    digest: [0; 32],
                    scenarios: Vec::new(),
                };
                let job = Job::new(&format!("job_{number}"), key.clone(), wanted, Duration::ZERO, None);
                let at = |seconds| job.state(Duration::from_secs(seconds));
                assert_eq!(at(0), State::Pending);
                assert_eq!(at(10), State::Processing);
                assert_eq!(at(from - 1), State::Processing);
                assert_eq!(at(to), State::Completed);
                assert_eq!(job.credits(Duration::from_secs(from - 1)), 0);
                assert!(job.credits(Duration::from_secs(to)) >= 1);
                lengths.push(job.duration());
            }
            lengths.sort();
            lengths.dedup();
            assert!(lengths.len() > 195);
        }
    }
}
