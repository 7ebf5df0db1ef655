//! Errors for three in the morning: what happened, to which job, whether it is billed, what to do, and what was tried.

use std::path::Path;

use serde_json::Value;

use crate::play::at_once;
use crate::rows::Kind;
use crate::service::{Namespace, SPEED, directory};
use crate::settle::FOREVER;
use crate::support::api::Error;
use crate::support::in_time;

/// A short list.
const MAX_ATTEMPTS: usize = 20;

/// What goes wrong for ever, in which operation, and what status its attempts see; `None`: no answer at all.
const FAILURES: [(&str, &str, Option<u64>); 12] = [
    ("http_503@generate", "generate", Some(503)),
    ("reset_after@generate", "generate", None),
    ("http_400@generate", "generate", Some(400)),
    ("http_429=20@generate", "run", Some(429)),
    ("http_503@status", "get_status", Some(503)),
    ("half_answer@status", "get_status", None),
    ("http_404@status", "get_status", Some(404)),
    ("http_503@status", "wait", Some(503)),
    ("reset_before@status", "wait", None),
    ("http_500@download", "run", Some(500)),
    ("expired=410@download", "download", Some(410)),
    ("close_after@download", "download", None),
];

/// How the operation ends. What is asked again and again has failed twice before the deadline strikes.
fn fail(fault: &str, operation: &str, directory: &Path) -> Error {
    if fault.starts_with("http_400") || fault.starts_with("http_404") {
        return fail_within(FOREVER, fault, operation, directory).0;
    }
    in_time(|timeout_ms| {
        let (error, struck) = fail_within(timeout_ms, fault, operation, directory);
        (struck >= 2).then_some(error)
    })
}

/// How it ends with this deadline, and how often the fault struck.
fn fail_within(timeout_ms: &str, fault: &str, operation: &str, directory: &Path) -> (Error, u64) {
    let namespace = Namespace::new(SPEED);
    let client = namespace.client(&[]);
    let job = matches!(operation, "get_status" | "wait" | "download").then(|| {
        let job = namespace.submit(&Kind::Slides(1).body(1));
        namespace.advance(60);
        job
    });
    let rule = namespace.rule(fault);
    let job = job.unwrap_or_default();
    let deadline = ("timeout_ms", timeout_ms);
    let files = [deadline, ("directory", directory.to_str().unwrap())];
    let request = Kind::Slides(1).request(1);
    let end = match operation {
        "generate" => client.generate(&request, &[deadline]).map(drop),
        "run" => client.run(&request, &files).map(drop),
        "get_status" => client.get_status(&job, &[deadline]).map(drop),
        "wait" => client.wait(&job, &[deadline]).map(drop),
        _ => client.download(&job, &files).map(drop),
    };
    (end.unwrap_err(), namespace.fired(rule))
}

fn every_failure(check: impl Fn(&str, &Error, Option<u64>) -> Result<(), String> + Sync) {
    let failed = at_once(FAILURES.to_vec(), 12, |(fault, operation, status)| {
        let directory = directory();
        let error = fail(fault, operation, directory.path());
        let said = format!("{operation} under {fault}: {} {}", error.message, error.details);
        check(operation, &error, *status).err().map(|wrong| format!("{wrong}: {said}"))
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn errors_tell_what_was_tried() {
    every_failure(|_, error, status| {
        let attempts = error.details["attempts"].as_array().ok_or("no attempts are listed")?;
        if attempts.is_empty() || attempts.len() > MAX_ATTEMPTS {
            return Err(format!("{} attempts are listed", attempts.len()));
        }
        let mut before = 0;
        for attempt in attempts {
            let at = attempt["at_ms"].as_u64().ok_or("an attempt without a time")?;
            if at < before {
                return Err("the attempts are not in their order".into());
            }
            before = at;
            if attempt["outcome"].as_str().is_none_or(str::is_empty) {
                return Err("an attempt without an outcome".into());
            }
            if !attempt["http_status"].is_u64() && !attempt["http_status"].is_null() {
                return Err("an attempt whose status is neither a number nor null".into());
            }
        }
        // The last one may be one that the deadline cut off.
        let seen = attempts.iter().any(|attempt| attempt["http_status"].as_u64() == status);
        if seen { Ok(()) } else { Err(format!("no attempt ended with {status:?}")) }
    });
}

#[test]
fn errors_say_which_job_whether_it_is_billed_and_what_to_do() {
    every_failure(|operation, error, _| {
        let says = |text: &str| error.message.contains(text);
        let Value::Object(details) = &error.details else { return Err("no details".into()) };
        if let Some(job_id) = details.get("job_id").and_then(Value::as_str)
            && !says(job_id)
        {
            return Err("does not name its job".into());
        }
        // Who only asks about a job's state did not ask for its bill.
        if operation != "get_status" && !says("bill") {
            return Err("does not say whether it is billed".into());
        }
        // What is left to do for whoever has, or may have, a job.
        let to_do = ["perceptis_", "idempotency key", "again"].into_iter().any(says);
        if details["billed"] != "no" && !to_do {
            return Err("does not say what to do".into());
        }
        if error.message.contains(['\n', '\t']) {
            return Err("is more than a sentence".into());
        }
        Ok(())
    });
}

#[test]
fn a_limit_beyond_the_deadline_says_for_how_long() {
    let (namespace, job, error) = in_time(|timeout_ms| {
        let namespace = Namespace::new(SPEED);
        namespace.rule("http_429=720000@status");
        let job = namespace.submit(&Kind::Slides(1).body(1));
        let error = namespace.client(&[]).wait(&job, &[("timeout_ms", timeout_ms)]).unwrap_err();
        error.details["retry_after_ms"].is_u64().then_some((namespace, job, error))
    });
    assert_eq!(
        (error.code.as_str(), error.detail("job_id").as_str()),
        ("TIMEOUT", job.as_str()),
        "{error:?}"
    );
    assert_eq!(error.details["retry_after_ms"], 720_000_000, "{error:?}");
    namespace.clear();
    namespace.client(&[]).wait(&job, &[("timeout_ms", FOREVER)]).unwrap();
}
