//! The pace of polls through the library, against the sandbox: how late an end is seen, and what the next client knows.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::Value;
use support::api::{Client, Request};
use support::{Sandbox, admin};

/// Asks for a slide that takes so many seconds of the service's time, and waits until it is done.
fn wait_for_slide(client: &Client, prompt: &str, takes: u32) -> String {
    let prompt = format!("{prompt} [[sandbox: takes={takes}]]");
    let request = Request::new("single_slide", &prompt).unwrap();
    let job_id = client.generate(&request, &[]).unwrap()["job_id"].as_str().unwrap().to_owned();
    client.wait(&job_id, &[]).unwrap();
    job_id
}

fn ask(sandbox: &Sandbox, path: &str) -> Value {
    admin::ask(&sandbox.base_url, "GET", &format!("/_sandbox/{path}"), "", None)
}

/// When a job was asked about, in milliseconds of the service's time since it was made; and how long it took.
fn polls(sandbox: &Sandbox, job_id: &str) -> (Vec<u64>, u64) {
    let jobs = ask(sandbox, "jobs");
    let job = jobs["jobs"].as_array().unwrap().iter().find(|job| job["job_id"] == job_id).unwrap();
    let (created, took) = (job["created_at_ms"].as_u64().unwrap(), job["duration_ms"].as_u64().unwrap());
    let journal = ask(sandbox, "journal?after=0&limit=1000");
    let polls = journal["entries"].as_array().unwrap().iter().filter(|entry| entry["method"] == "GET");
    let mut at: Vec<u64> = polls.map(|entry| entry["at_ms"].as_u64().unwrap() - created).collect();
    at.sort_unstable();
    (at, took)
}

/// A slide that is done long before the documented time. On a loaded machine a poll can go out late, and the service's time
/// runs on meanwhile: then it is tried again at a lower speed.
#[test]
fn end_before_the_documented_time_is_seen_soon() {
    let seen = [100, 20, 5].into_iter().find_map(|speed| {
        let sandbox = Sandbox::start(speed);
        let job_id = wait_for_slide(&sandbox.client(), "quick", 100);
        let (polls, took) = polls(&sandbox, &job_id);
        assert_eq!(took, 100_000);
        // The job was seen done once, by the last poll; none is too early, however fast the machine is.
        assert!(polls.iter().rev().skip(1).all(|at| *at < took), "{polls:?}");
        assert!(polls.windows(2).all(|pair| pair[1] - pair[0] >= 1_000), "{polls:?}");
        assert!((10..=40).contains(&polls.len()), "{polls:?}");
        let delay = polls.last().unwrap() - took;
        (delay <= took * 15 / 100).then_some(delay)
    });
    assert!(seen.is_some(), "at no speed is the end seen within 15 % of the job's duration");
}

/// What a client shows while it waits for a slide: on how many jobs its estimate stood, each time that it was known.
fn eta_jobs(client: &Client, prompt: &str) -> Vec<u64> {
    let mut known = Vec::new();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| wait_for_slide(client, prompt, 60));
        while !waits.is_finished() {
            let activity = client.activity().unwrap();
            let now = activity["operations"].as_array().unwrap().first().cloned().unwrap_or_default();
            known.extend(now["eta_jobs"].as_u64());
            assert_eq!(now["eta_jobs"].is_null(), now["eta_ms"].is_null(), "{now}");
        }
    });
    known.dedup();
    known
}

#[test]
fn next_client_knows_what_earlier_ones_have_seen() {
    let sandbox = Sandbox::start(100);
    let first = sandbox.client();
    let alone = eta_jobs(&first, "first");
    assert!(!alone.is_empty() && alone.iter().all(|jobs| *jobs == 0), "by the documentation: {alone:?}");
    std::thread::scope(|scope| {
        for number in 0..14 {
            let first = &first;
            scope.spawn(move || wait_for_slide(first, &format!("slide {number}"), 60));
        }
    });
    first.close(5_000).unwrap();
    drop(first);

    // Another client with the same ledger learns of them soon after its first wait began, if not before its first poll.
    let mut known = Vec::new();
    for number in 0..20 {
        let next = sandbox.client();
        known = eta_jobs(&next, &format!("next {number}"));
        if known.iter().any(|jobs| *jobs >= 10) {
            break;
        }
    }
    assert!(known.iter().any(|jobs| *jobs >= 10), "{known:?}");

    // One without that ledger does not.
    let off = sandbox.client_with(&[("ledger", "off")]);
    let unlearned = eta_jobs(&off, "off");
    assert!(unlearned.iter().all(|jobs| *jobs == 0), "{unlearned:?}");
}
