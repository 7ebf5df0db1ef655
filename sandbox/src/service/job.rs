//! A job. Its state is computed from its creation, the clock and the number of polls. There is no timer.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::fault::{ErrorShape, Fault};
use super::keys::ApiKey;
use super::scenario::Scenario;
use super::submission::{OutputType, Submission};
use crate::clock::Clock;
use crate::deck;
use crate::hash;
use crate::ooxml;

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Accepted.
    Pending,
    /// In work.
    Processing,
    /// Done; its files can be downloaded.
    Completed,
    /// Ended without files.
    Failed,
}

impl State {
    /// Its name in the API.
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
    /// The API key that submitted it.
    pub key: ApiKey,
    /// The submission.
    pub submission: Submission,
    /// When it was created, in virtual time.
    pub created: Duration,
    /// The number of polls.
    pub polls: u64,
    /// When it was last polled.
    pub polled: Option<Duration>,
    /// The idempotency key of its submission.
    pub idempotency_key: Option<String>,
    /// The scenarios of the API key. They are kept here because a download has no key.
    pub key_scenarios: Vec<Scenario>,
    /// What its random values are made from.
    seed: u64,
    /// In which shape and when it failed. A failure is final.
    failed: Option<(ErrorShape, Duration)>,
    /// When a scenario completed it before its time. It stays completed, and is billed.
    early: Option<Duration>,
    /// How many polls saw it completed without its downloads.
    late: u64,
}

impl Job {
    /// A job that is created now.
    pub fn new(
        id: &str,
        key: ApiKey,
        submission: Submission,
        created: Duration,
        idempotency_key: Option<&str>,
    ) -> Job {
        Job {
            key,
            submission,
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

    /// The scenario of this kind in the job's prompt.
    fn own_scenario(&self, is_wanted: impl Fn(Fault) -> bool) -> Option<&Scenario> {
        self.submission.scenarios.iter().find(|scenario| is_wanted(scenario.fault))
    }

    /// Its state at this time, without the scenarios that change single polls.
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
        } else if age < duration || self.own_scenario(|fault| fault == Fault::NeverEnds).is_some() {
            State::Processing
        } else {
            State::Completed
        }
    }

    /// How long it is pending.
    pub fn pending(&self) -> Duration {
        self.within(1, 2, 8).min(self.duration() / 2)
    }

    /// When it failed, if it did.
    pub fn failed_at(&self) -> Option<Duration> {
        self.failed.map(|(_, at)| at)
    }

    /// How long it takes: 3 to 7 minutes for a slide and 5 to 15 for a deck, uniformly, unless its prompt
    /// gives another time.
    pub fn duration(&self) -> Duration {
        if let Some(scenario) = self.own_scenario(|fault| fault == Fault::Takes) {
            return Duration::try_from_secs_f64(scenario.number()).unwrap_or(Duration::MAX);
        }
        match self.submission.output_type {
            OutputType::SingleSlide => self.within(2, 3 * 60, 7 * 60),
            OutputType::Deck => self.within(3, 5 * 60, 15 * 60),
        }
    }

    /// When it is or will be completed.
    pub fn delivered_at(&self) -> Duration {
        self.early.unwrap_or_else(|| self.created.saturating_add(self.duration()))
    }

    /// Its price: nothing until it is completed, then a credit for each variant, or for each slide of a deck.
    pub fn credits(&self, now: Duration) -> u64 {
        if self.state(now) != State::Completed {
            return 0;
        }
        match self.submission.output_type {
            OutputType::SingleSlide => {
                let missing = self.own_scenario(|fault| fault == Fault::FewerVariants).is_some();
                u64::from(self.submission.variants) - u64::from(missing)
            }
            OutputType::Deck => self.submission.slides as u64,
        }
    }

    /// Whether a scenario of the job's layers changes the next poll. Only then it applies and is counted.
    pub fn is_changed_by(&self, scenario: &Scenario, now: Duration) -> bool {
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

    /// Completes it now, whatever its duration is.
    pub fn complete(&mut self, now: Duration) {
        self.early.get_or_insert(now);
    }

    /// Answers a poll. The scenario [changes](Job::is_changed_by) it. `url` makes a fresh URL of a variant.
    pub fn poll(
        &mut self,
        id: &str,
        now: Duration,
        scenario: Option<&Scenario>,
        url: impl Fn(u32) -> String,
    ) -> Value {
        self.polls += 1;
        let fault = scenario.map(|scenario| scenario.fault);
        if let Some(Fault::FailAfter(shape)) = fault {
            self.failed = Some((shape, now));
        }
        // From a rule, a header or a key, these last only as long as they apply.
        let state = match fault {
            Some(Fault::NeverEnds) => State::Processing,
            Some(Fault::StepBack) => State::Pending,
            _ => self.state(now),
        };
        let mut variants: Vec<u32> =
            if state == State::Completed { (1..=self.submission.variants).collect() } else { Vec::new() };
        let mut format = "pptx".to_owned();
        match (fault, scenario) {
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
        let mut status = json!({
            "job_id": id,
            "status": state.name(),
            "output_type": self.submission.output_type.name(),
            "downloads": downloads,
            "error": if state == State::Failed { self.error() } else { Value::Null },
        });
        if let Some(scenario) = scenario {
            change_status(&mut status, scenario);
        }
        status
    }

    /// Why it failed, as a poll reports it.
    pub fn error(&self) -> Value {
        let (code, message) = ("generation_failed", "the slides could not be made");
        match self.failed.map(|(why, _)| why) {
            None | Some(ErrorShape::Null) => Value::Null,
            Some(ErrorShape::Both) => json!({ "code": code, "message": message }),
            Some(ErrorShape::Code) => json!({ "code": code }),
            Some(ErrorShape::Message) => json!({ "message": message }),
            Some(ErrorShape::Text) => json!(message),
            Some(ErrorShape::Nested) => json!({ "error": { "code": code, "message": message } }),
        }
    }

    /// The deck of a variant.
    pub fn deck(&self, variant: u32) -> deck::Deck {
        let Submission { prompt, template, pictures, .. } = &self.submission;
        match self.submission.output_type {
            OutputType::SingleSlide => deck::single_slide(prompt, variant, *template, pictures),
            OutputType::Deck => deck::deck(prompt, template.unwrap_or_else(|| deck::design(0))),
        }
    }

    /// The file of a variant. It has the same bytes each time, except for another edition.
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

    /// The memory that it takes, roughly.
    pub fn bytes(&self) -> usize {
        let pictures: usize = self.submission.pictures.iter().map(|picture| picture.data.len()).sum();
        self.submission.prompt.len() + pictures + 512
    }

    /// A time between these seconds. It is random, and the same each time for this job.
    fn within(&self, what: u64, from: u64, to: u64) -> Duration {
        let number = hash::number(&[&self.seed.to_le_bytes(), &what.to_le_bytes()]);
        Duration::from_millis(from * 1000 + number % ((to - from) * 1000))
    }
}

/// Changes the JSON of a status as a scenario asks.
fn change_status(status: &mut Value, scenario: &Scenario) {
    match scenario.fault {
        Fault::UnknownStatus => status["status"] = json!(scenario.value),
        Fault::DownloadsNull => status["downloads"] = Value::Null,
        Fault::UnknownFields => {
            status["progress"] = json!({ "percent": 41.5, "stage": "drawing" });
            status["x_new"] = json!([1, null, { "deep": true }]);
        }
        Fault::NumbersForText => {
            status["output_type"] = json!(7);
            for download in status["downloads"].as_array_mut().into_iter().flatten() {
                download["variant"] = json!(download["variant"].to_string());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_takes_the_documented_time() {
        let key = crate::service::keys::read(Some("Bearer sk-1")).unwrap().key;
        for (output_type, from, to) in [(OutputType::SingleSlide, 180, 420), (OutputType::Deck, 300, 900)] {
            let mut lengths = Vec::new();
            for number in 0..200 {
                let submission = Submission {
                    output_type,
                    prompt: "p".into(),
                    variants: 1,
                    template: None,
                    pictures: Vec::new(),
                    slides: 10,
                    digest: [0; 32],
                    scenarios: Vec::new(),
                };
                let job = Job::new(&format!("job_{number}"), key.clone(), submission, Duration::ZERO, None);
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
