//! The sandbox's books: what was bought, how often, and at what pace it was asked.

use std::collections::{BTreeSet, HashMap};

use crate::service::{Entry, Namespace};
use crate::support::api::Error;

/// What a namespace has made and billed.
#[derive(Debug)]
pub struct Books {
    pub jobs: Vec<String>,
    pub billed: Vec<String>,
}

impl Books {
    pub fn read(namespace: &Namespace<'_>) -> Books {
        let id = |one: &serde_json::Value| one["job_id"].as_str().unwrap().to_owned();
        let jobs = namespace.get("jobs")["jobs"].as_array().unwrap().iter().map(id).collect();
        let credits = namespace.get("credits");
        let keys = credits["keys"].as_array().unwrap();
        let billed = keys.iter().flat_map(|key| key["jobs"].as_array().unwrap().iter().map(id)).collect();
        Books { jobs, billed }
    }

    /// What is wrong with them where one request was made.
    pub fn complaints(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.jobs.len() > 1 {
            found.push(format!("one request made {} jobs", self.jobs.len()));
        }
        if self.billed.len() > 1 {
            found.push(format!("one request was billed {} times", self.billed.len()));
        }
        found
    }
}

/// Whether what an error says about the bill is true: `now` are the books when it was said, `later` those of when
/// every job that goes on is done.
pub fn is_true(error: &Error, now: &Books, later: &Books) -> Result<(), String> {
    let wrong = match error.details["billed"].as_str() {
        Some("no") if !later.billed.is_empty() => "a job is billed",
        Some("yes") if now.billed.is_empty() => "nothing is billed",
        Some("no" | "yes" | "unknown") => return Ok(()),
        _ => "that is none of no, yes, unknown",
    };
    Err(format!("billed is {}, but {wrong}", error.details["billed"]))
}

/// What the sandbox itself has to say about the pace.
pub fn violations(namespace: &Namespace<'_>) -> Vec<String> {
    let told = namespace.get("violations");
    told["violations"].as_array().unwrap().iter().map(|one| format!("polled too fast: {one}")).collect()
}

/// What is wrong with the requests of a call, whatever struck them.
pub fn complaints(entries: &[Entry]) -> Vec<String> {
    let mut found = pace(entries);
    found.extend(sameness(entries));
    found
}

/// The same of a call after one that was cut off: a poll of that one can arrive among its own.
pub fn complaints_after_a_cut(entries: &[Entry]) -> Vec<String> {
    let but_one = (0..entries.len()).any(|late| {
        let others = entries.iter().enumerate().filter(|(at, _)| *at != late).map(|(_, entry)| entry);
        pace(others).is_empty()
    });
    let mut found = if but_one { Vec::new() } else { pace(entries) };
    found.extend(sameness(entries));
    found
}

/// Polls of a job that are too close.
fn pace<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<String> {
    let mut found = Vec::new();
    let mut last: HashMap<&str, u64> = HashMap::new();
    for poll in entries.into_iter().filter(|entry| entry.endpoint() == "status") {
        let job = poll.job_id.as_deref().unwrap_or_default();
        // Times are cut to milliseconds.
        if let Some(before) = last.insert(job, poll.at_ms)
            && poll.at_ms + 1 < before + 1000
        {
            found.push(format!("two polls of {job} within {} ms", poll.at_ms - before));
        }
    }
    found
}

/// A submission is the same each time, and nothing goes where nobody sent it. This holds also where timeouts are so short
/// that a starved machine makes them: what was given up then arrives late, and all at once.
pub fn sameness(entries: &[Entry]) -> Vec<String> {
    let mut found = Vec::new();
    let submissions = || entries.iter().filter(|entry| entry.endpoint() == "generate");
    let keys: BTreeSet<_> = submissions().map(|entry| &entry.idempotency_key).collect();
    // A request that was reset before its body was read has none.
    let bodies: BTreeSet<_> =
        submissions().map(|entry| &entry.body).filter(|body| !body.is_empty()).collect();
    if keys.len() > 1 || keys.contains(&None) || bodies.len() > 1 {
        found.push(format!(
            "one submission went out under {} keys and with {} bodies",
            keys.len(),
            bodies.len()
        ));
    }
    for entry in entries.iter().filter(|entry| entry.endpoint().is_empty()) {
        found.push(format!("asked for {:?}", entry.path));
    }
    found
}

/// What is wrong with the distances after answers that asked for time: `floor_ms` of virtual time, which is told by
/// those that this scenario struck.
pub fn undercuts(entries: &[Entry], at: &str, scenario: &str, floor_ms: u64) -> Vec<String> {
    let of_endpoint: Vec<&Entry> = entries.iter().filter(|entry| entry.endpoint() == at).collect();
    let mut found = Vec::new();
    for pair in of_endpoint.windows(2) {
        let asked = pair[0].faults.iter().any(|fault| fault.starts_with(scenario));
        let distance = pair[1].at_ms - pair[0].at_ms;
        if asked && distance.saturating_add(1) < floor_ms {
            found.push(format!("{distance} ms after an answer that asked for {floor_ms} ms"));
        }
    }
    found
}
