//! What the service says in the place of an answer: how long to wait, in the forms that services write, and
//! no credits.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::api::Request;
use support::heard::Heard;
use support::script::{Answer, Server, accepted, status};

const GENERATE: &str = "/api/v1/generate";
const STATUS: &str = "/api/v1/status/j1";
/// A deadline beyond an hour.
const LATE: (&str, &str) = ("timeout_ms", "86400000");

fn limited(lines: &[(&str, &str)]) -> Answer {
    lines
        .iter()
        .fold(Answer::error(429, "rate_limit_exceeded"), |answer, (name, text)| answer.with(name, text))
}

#[test]
fn retry_after_is_read_in_the_forms_that_services_write() {
    let date = ("Date", "Tue, 24 Nov 2026 12:00:00 GMT");
    for lines in [
        vec![("Retry-After", "20, 20")],
        vec![("Retry-After", "20s")],
        vec![("Retry-After", "20 seconds")],
        vec![("Retry-After", "\"20\"")],
        vec![("Retry-After", "5"), ("Retry-After", "20")],
        vec![date, ("Retry-After", "Tue, 24 Nov 2026 12:00:20 UTC")],
        vec![date, ("Retry-After", "2026-11-24T12:00:20Z")],
        vec![date, ("Retry-After", "2026-11-24T14:00:20.5+02:00")],
        vec![("Retry-After-Ms", "20000")],
        vec![("Retry-After-Ms", "20000"), ("Retry-After", "60")],
    ] {
        let (server, heard) = (Server::start(), Heard::default());
        server.on(GENERATE, limited(&lines)).on(GENERATE, accepted());
        let client = heard.client(&server.pairs(&[]));
        client.generate(&Request::deck(), &[]).unwrap();
        client.close(10_000).unwrap();
        let wait = heard.wait_for("retrying", 1)[0]["wait_ms"].as_u64().unwrap();
        // With a tenth at most that chance adds.
        assert!((20_000..=22_000).contains(&wait), "{lines:?}: {wait}");
    }
}

/// The job that is polled is paid for: a word that is no time must not keep its deck for ever.
#[test]
fn a_header_has_polls_wait_for_an_hour_at_most() {
    for text in ["inf", "1795521600", "99999999999999999999"] {
        let (server, heard) = (Server::start(), Heard::default());
        server.on(STATUS, limited(&[("Retry-After", text)]));
        server.on(STATUS, status("completed", r#"[{"url":"/f","format":"pptx","variant":1}]"#));
        let client = heard.client(&server.pairs(&[("time_scale", "10000")]));
        // What it asked is told as it was.
        let error = client.get_status("j1", &[("timeout_ms", "60000")]).unwrap_err();
        assert_eq!(error.code, "RATE_LIMITED", "{error:?}");
        assert!(error.details["retry_after_ms"].as_u64().unwrap() > 1_000_000_000_000, "{error:?}");
        client.wait("j1", &[LATE]).unwrap();
        client.close(10_000).unwrap();
        let told = &heard.wait_for("wait bounded", 1)[0];
        assert_eq!((told["job_id"].as_str(), told["wait_ms"].as_u64()), (Some("j1"), Some(3_600_000)));
        assert!(told["asked_ms"].as_u64().unwrap() > 1_000_000_000_000, "{told}");
        let seen = server.seen_at(STATUS);
        assert_eq!(seen.len(), 2, "{text}");
        assert!(seen[1].at - seen[0].at >= std::time::Duration::from_millis(360), "{text}");
    }
    // Nothing is bounded for a submission.
    let server = Server::start();
    server.on(GENERATE, limited(&[("Retry-After", "1795521600")]));
    let error = server.client().generate(&Request::deck(), &[]).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("RATE_LIMITED", "no"));
    assert_eq!(error.details["retry_after_ms"].as_u64(), Some(1_795_521_600_000));
}

#[test]
fn credits_that_are_used_up_are_told_as_such() {
    for (http, body) in [
        (402, r#"{"error":{"code":"insufficient_credits","message":"balance too low"}}"#),
        (403, r#"{"error":{"code":"insufficient_credits"}}"#),
    ] {
        let server = Server::start();
        server.on(GENERATE, Answer::json(http, body));
        let error = server.client().generate(&Request::deck(), &[]).unwrap_err();
        assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("REJECTED", "no"), "{error:?}");
        assert_eq!(error.detail("api_code"), "insufficient_credits");
        assert_eq!(error.details["http_status"], http);
        assert_eq!(error.details["retryable"], false);
        let says = format!("the organization's credits are used up ({http} insufficient_credits)");
        assert!(error.message.starts_with(&says), "{error:?}");
        assert!(error.message.contains("nothing was billed; buy credits, then call again"), "{error:?}");
        assert!(!error.message.contains("API key") && !error.message.contains("plan"), "{error:?}");
        assert_eq!(server.seen_at(GENERATE).len(), 1, "it is final");
    }
}
