//! Jobs: their states, their owner, their ids.

use perceptis_sandbox::{Sandbox, Settings};
use serde_json::json;

use crate::support::{KEY, accepted, ask, completed, generate, get};
use crate::{DECK, SLIDE, start};

#[test]
fn job_goes_from_pending_to_completed() {
    let sandbox = start(1.0);
    let response = generate(sandbox.base_url(), KEY, None, DECK);
    assert_eq!(response.status, 202);
    assert!(response.header("x-request-id").is_some() && response.header("date").is_some(), "{response:?}");
    let job_id = response.json()["job_id"].as_str().unwrap().to_owned();
    let described = get(sandbox.base_url(), KEY, &format!("/api/v1/status/{job_id}")).json();
    let expected = json!({
        "job_id": job_id, "status": "pending", "output_type": "deck", "downloads": [], "error": null
    });
    assert_eq!(described, expected, "at speed 1 it has only begun");

    let sandbox = start(10_000.0);
    let job_id = accepted(sandbox.base_url(), DECK);
    let job = completed(sandbox.base_url(), &job_id);
    assert_eq!(job["downloads"][0]["variant"], 1);
    assert_eq!(job["downloads"][0]["format"], "pptx");
    assert_eq!(job["downloads"].as_array().unwrap().len(), 1);
}

#[test]
fn job_passes_all_states_and_stays_completed() {
    let sandbox = start(1.0);
    let url = sandbox.base_url();
    let clock = |change: &str| {
        assert_eq!(ask(url, "POST", "/_sandbox/clock", &[], change.as_bytes()).status, 200);
    };
    clock(r#"{"frozen":true}"#);
    for (body, output_type, files) in [
        (DECK, "deck", 1),
        (SLIDE, "single_slide", 1),
        (r#"{"prompt":"p","output_type":"single_slide","variant_count":3}"#, "single_slide", 3),
    ] {
        let response = generate(url, KEY, None, body);
        assert_eq!((response.status, response.header("content-type")), (202, Some("application/json")));
        let job_id = response.json()["job_id"].as_str().unwrap().to_owned();
        assert!(!job_id.is_empty() && job_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        for (advance, status) in [(0, "pending"), (60, "processing"), (900, "completed"), (9000, "completed")]
        {
            clock(&format!(r#"{{"advance_ms":{}}}"#, advance * 1000));
            let mut job = get(url, KEY, &format!("/api/v1/status/{job_id}")).json();
            let downloads = job["downloads"].take();
            let expected = json!({
                "job_id": job_id, "status": status, "output_type": output_type,
                "downloads": null, "error": null
            });
            assert_eq!(job, expected);
            let downloads = downloads.as_array().unwrap();
            assert_eq!(downloads.len(), if status == "completed" { files } else { 0 }, "{status}");
            for (at, download) in downloads.iter().enumerate() {
                assert_eq!(download.as_object().unwrap().len(), 3, "{download}");
                assert_eq!((&download["variant"], &download["format"]), (&json!(at + 1), &json!("pptx")));
                assert!(download["url"].as_str().unwrap().starts_with(url), "{download}");
            }
        }
    }
}

#[test]
fn job_belongs_to_its_key() {
    let sandbox = start(1.0);
    let url = sandbox.base_url();
    let path = format!("/api/v1/status/{}", accepted(url, DECK));
    assert_eq!(get(url, KEY, &path).status, 200);
    let (other, none) = (get(url, "sk-test-2", &path), get(url, KEY, "/api/v1/status/job_none"));
    assert_eq!((other.status, none.status), (404, 404));
    assert_eq!(other.body, none.body, "a job of another key looks like no job");
    for header in [
        None,
        Some("sk-test-1"),
        Some("Bearer"),
        Some("Bearer nonsense"),
        Some("Basic sk-test-1"),
        Some("Bearer sk-"),
    ] {
        let headers: Vec<_> = header.map(|value| ("Authorization", value)).into_iter().collect();
        let response = ask(url, "GET", &path, &headers, b"");
        assert_eq!((response.status, response.code().as_str()), (401, "unauthorized"), "{header:?}");
        assert!(!String::from_utf8_lossy(&response.body).contains("nonsense"));
        assert_eq!(response.header("www-authenticate"), Some("Bearer"), "RFC 9110, 11.6.1");
        let mut headers = headers;
        headers.push(("Content-Type", "application/json"));
        let response = ask(url, "POST", "/api/v1/generate", &headers, DECK.as_bytes());
        assert_eq!((response.status, response.code().as_str()), (401, "unauthorized"), "{header:?}");
    }
    // The name of the scheme is case-insensitive (RFC 9110, 11.1).
    assert_eq!(ask(url, "GET", &path, &[("authorization", &format!("bearer {KEY}"))], b"").status, 200);
    let jobs = ask(url, "GET", "/_sandbox/jobs", &[], b"").json();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1, "a refused request makes no job: {jobs}");
}

#[test]
fn seed_repeats_the_jobs() {
    let ids = |seed| {
        let sandbox = Sandbox::start(Settings { seed: Some(seed), ..Settings::default() }).unwrap();
        [accepted(sandbox.base_url(), DECK), accepted(sandbox.base_url(), DECK)]
    };
    assert_eq!(ids(7), ids(7));
    assert_ne!(ids(7), ids(8));
    let free = |_| {
        let sandbox = start(1.0);
        accepted(sandbox.base_url(), DECK)
    };
    assert_ne!(free(()), free(()), "without a seed, no two sandboxes share a job id");
}
