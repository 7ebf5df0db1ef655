//! A namespace: the clock, jobs, rules and journal that parallel tests do not share.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use super::fault::{Fault, Layer};
use super::job::{Job, State};
use super::journal::Journal;
use super::keys::ApiKey;
use super::rules::{Rules, Source, Target};
use super::scenario::Scenario;
use super::store::Store;
use crate::clock::Clock;

const MAX_VIOLATIONS: usize = 1000;
const MAX_METERS: usize = 10_000;
/// The documented pace: one poll a second for one job.
const MIN_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A namespace.
#[derive(Debug)]
pub struct Namespace {
    /// Its clock.
    pub clock: Clock,
    /// Its jobs.
    pub store: Store,
    /// Its rules.
    pub rules: Rules,
    /// Its journal.
    pub journal: Journal,
    violations: VecDeque<Value>,
    meters: Meters,
}

/// For each API key and endpoint: the last second with a request, and the number of requests in it.
#[derive(Debug, Default)]
struct Meters(HashMap<(ApiKey, &'static str), (u64, u64)>);

impl Meters {
    /// Counts a request. Returns how many there were in its second, with this one.
    fn count(&mut self, key: &ApiKey, endpoint: &'static str, now: Duration) -> u64 {
        if self.0.len() > MAX_METERS {
            self.0.clear();
        }
        let (second, count) = self.0.entry((key.clone(), endpoint)).or_insert((now.as_secs(), 0));
        if *second != now.as_secs() {
            (*second, *count) = (now.as_secs(), 0);
        }
        *count += 1;
        *count
    }
}

impl Namespace {
    /// An empty namespace whose clock runs this many times as fast as real time.
    pub fn new(speed: f64) -> Namespace {
        Namespace {
            clock: Clock::new(speed),
            store: Store::default(),
            rules: Rules::default(),
            journal: Journal::default(),
            violations: VecDeque::new(),
            meters: Meters::default(),
        }
    }

    /// Notes a poll as a violation if it came too soon after the last one of its job, whatever their
    /// responses are.
    pub fn watch_pace(&mut self, job_id: &str, key: &ApiKey) {
        let now = self.clock.now();
        let Some(job) = self.store.job_mut(job_id).filter(|job| job.key == *key) else { return };
        let last = job.polled.replace(now);
        if let Some(gap) = last.map(|last| now.saturating_sub(last)).filter(|gap| *gap < MIN_POLL_INTERVAL) {
            self.violated(job_id, now, Some(gap), "one poll a second");
        }
    }

    /// Notes as a violation that a download was sent an API key.
    pub fn watch_download(&mut self, job_id: &str) {
        self.violated(job_id, self.clock.now(), None, "no key with a download");
    }

    fn violated(&mut self, job_id: &str, now: Duration, gap: Option<Duration>, rule: &str) {
        if self.violations.len() == MAX_VIOLATIONS {
            self.violations.pop_front();
        }
        let gap = gap.map(millis);
        self.violations
            .push_back(json!({ "job_id": job_id, "at_ms": millis(now), "gap_ms": gap, "rule": rule }));
    }

    /// The violations of the documentation by clients: polls that came too soon, and keys that were sent to
    /// downloads.
    pub fn violations(&self) -> Vec<Value> {
        self.violations.iter().cloned().collect()
    }

    /// The scenarios of these layers that apply to a request, the strongest of each layer. They are counted.
    pub fn matching(
        &mut self,
        target: &Target<'_>,
        sources: &[Source<'_>],
        layers: &[Layer],
    ) -> Vec<Scenario> {
        let now = self.clock.now();
        let Namespace { rules, store, meters, .. } = self;
        let submitted = |any: bool| {
            store.submission(target.key.filter(|_| !any), target.idempotency_key?).map(|(_, job)| job)
        };
        let age = |job: &Job| now.saturating_sub(job.created).as_secs_f64();
        let mut requests = None;
        rules.matching(target, sources, layers, |scenario| match scenario.fault {
            Fault::RateLimit => target.key.is_some_and(|key| {
                // A request counts once, however many scenarios limit the rate.
                let count = || meters.count(key, target.endpoint.name(), now);
                *requests.get_or_insert_with(count) > scenario.number() as u64
            }),
            Fault::KeysForgotten => submitted(false).is_some_and(|job| age(job) >= scenario.number()),
            Fault::ConflictInWork => submitted(false).is_some_and(|job| age(job) < scenario.number()),
            Fault::KeysPerOrganization => submitted(true).is_some_and(|job| Some(&job.key) != target.key),
            Fault::ErrorsKept => target.idempotency_key.is_some(),
            Fault::RedirectOnce | Fault::RedirectOtherHost | Fault::RedirectToHttp => !target.is_redirected,
            fault => {
                let job = target.job.and_then(|job| store.job(job));
                match (fault, scenario.layer) {
                    (Fault::NotFoundAtFirst, _) => job.is_some_and(|job| age(job) < scenario.number()),
                    (_, Layer::Pace | Layer::Job) => job.is_some_and(|job| job.is_changed_by(scenario, now)),
                    _ => true,
                }
            }
        })
    }

    /// What each API key was billed, by job: once, on delivery. A failed job costs nothing.
    pub fn credits(&self) -> Value {
        let now = self.clock.now();
        let mut keys: HashMap<String, (u64, Vec<Value>)> = HashMap::new();
        for (id, job) in self.store.jobs() {
            let credits = job.credits(now);
            let of_key = keys.entry(job.key.fingerprint()).or_default();
            of_key.0 += credits;
            if credits > 0 {
                let delivered = millis(job.delivered_at());
                of_key.1.push(json!({ "job_id": id, "credits": credits, "delivered_at_ms": delivered }));
            }
        }
        let total: u64 = keys.values().map(|(credits, _)| credits).sum();
        let mut keys: Vec<Value> = keys
            .into_iter()
            .map(|(key, (credits, jobs))| json!({ "key": key, "credits": credits, "jobs": jobs }))
            .collect();
        keys.sort_by_key(|key| key["key"].to_string());
        json!({ "credits": total, "keys": keys })
    }

    /// At most `max` jobs, the newest first.
    pub fn jobs(&self, max: usize) -> Vec<Value> {
        let now = self.clock.now();
        self.store.jobs().rev().take(max).map(|(id, job)| describe(id, job, now)).collect()
    }

    /// One job, with its whole prompt. `url` makes a fresh URL of a variant.
    pub fn job(&self, id: &str, url: impl Fn(u32) -> String) -> Option<Value> {
        let (now, job) = (self.clock.now(), self.store.job(id)?);
        let mut described = describe(id, job, now);
        let variants = if job.state(now) == State::Completed { job.submission.variants } else { 0 };
        described["downloads"] =
            (1..=variants).map(|variant| json!({ "variant": variant, "url": url(variant) })).collect();
        described["prompt"] = json!(job.submission.prompt);
        Some(described)
    }
}

fn describe(id: &str, job: &Job, now: Duration) -> Value {
    let state = job.state(now);
    json!({
        "job_id": id, "status": state.name(), "output_type": job.submission.output_type.name(),
        "created_at_ms": millis(job.created), "pending_ms": millis(job.pending()),
        "duration_ms": millis(job.duration()), "failed_at_ms": job.failed_at().map(millis),
        "error": job.error(), "polls": job.polls, "variants": job.submission.variants,
        "slides": job.submission.slides, "credits": job.credits(now),
        "key": job.key.fingerprint(), "idempotency_key": job.idempotency_key,
        "prompt": job.submission.prompt.chars().take(200).collect::<String>(),
    })
}

/// A time in milliseconds, at most the largest 64-bit number.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
