//! `promise.md`, 6 and 7: a failed poll is not a failed job.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::api::{Client, Request};
use support::in_time;
use support::script::{Answer, Server, accepted, status};

const STATUS: &str = "/api/v1/status/j1";
const FILE: &str = r#"[{"url":"http://127.0.0.1:1/f?signature=hidden","format":"pptx","variant":1}]"#;

#[test]
fn an_answer_reaches_the_caller_unchanged() {
    let server = Server::start();
    let body = " {\"status\":\"half-baked\",  \"job_id\":\"j1\",\"downloads\":null,\"n\":1.0,\"big\":12345678901234567890} ";
    server.on(STATUS, Answer::json(200, body));
    assert_eq!(server.client().get_status("j1", &[]).unwrap(), body.trim());
}

#[test]
fn nothing_that_passes_ends_a_wait() {
    let server = Server::start();
    let html = Answer::Full(200, vec![("Content-Type".into(), "text/html".into())], b"<html>".to_vec());
    for passing in [
        Answer::Drop,
        Answer::error(500, "internal"),
        Answer::error(503, "unavailable").with("Retry-After", "3"),
        Answer::error(429, "rate_limit_exceeded").with("Retry-After", "5"),
        Answer::error(400, "invalid_request"),
        html,
        Answer::json(200, ""),
        Answer::json(200, "[]"),
        Answer::json(200, &"[".repeat(100_000)),
        Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"status\":".to_vec()),
        Answer::json(200, r#"{"job_id":"another","status":"completed"}"#),
        Answer::Full(200, vec![("Content-Encoding".into(), "gzip".into())], b"x".to_vec()),
        status("dreaming", "null"),
        status("processing", "[]"),
        status("pending", "[]"),
        status("completed", FILE),
    ] {
        server.on(STATUS, passing);
    }
    let answer = server.client().wait("j1", &[]).unwrap();
    assert!(answer.contains(r#""new":1.0"#), "{answer}");
    assert_eq!(server.seen().len(), 16);
}

#[test]
fn what_is_final_ends_a_wait_at_once() {
    for (answer, code) in [
        (Answer::error(401, "x"), "UNAUTHENTICATED"),
        (Answer::error(403, "x"), "NOT_ELIGIBLE"),
        (Answer::error(404, "not_found"), "NOT_FOUND"),
        (
            Answer::json(200, r#"{"status":"failed","error":{"code":"too_hard","message":"no"}}"#),
            "JOB_FAILED",
        ),
    ] {
        let server = Server::start();
        server.on(STATUS, answer);
        let error = server.client().wait("j1", &[]).unwrap_err();
        assert_eq!(error.code, code);
        assert_eq!(error.detail("job_id"), "j1");
        assert_eq!(server.seen().len(), 1);
        if code == "JOB_FAILED" {
            assert_eq!(error.detail("billed"), "no");
            assert!(error.message.contains("too_hard: no"), "{error:?}");
        }
    }
}

#[test]
fn not_found_right_after_the_submission_means_not_yet() {
    let server = Server::start();
    server.on("/api/v1/generate", accepted());
    server.on(STATUS, Answer::error(404, "not_found")).on(STATUS, status("completed", FILE));
    // At a scale at which thirty seconds are long for any machine.
    let client = server.client_with(&[("time_scale", "2")]);
    client.generate(&Request::deck(), &[]).unwrap();
    client.wait("j1", &[]).unwrap();
    assert_eq!(server.seen_at(STATUS).len(), 2);
}

#[test]
fn completed_without_files_is_asked_five_more_times() {
    let server = Server::start();
    server.on(STATUS, status("completed", "[]"));
    server.client().wait("j1", &[]).unwrap();
    assert_eq!(server.seen().len(), 6);

    let server = Server::start();
    server.on("/api/v1/generate", accepted());
    server.on(STATUS, status("completed", FILE));
    let client = server.client();
    client.generate(&Request::slides(3), &[]).unwrap();
    client.wait("j1", &[]).unwrap();
    assert_eq!(server.seen_at(STATUS).len(), 6, "fewer files than asked for");
}

#[test]
fn a_deadline_tells_the_job_and_how_to_go_on() {
    let server = Server::start();
    server.on(STATUS, status("processing", "[]"));
    let error = server.client().wait("j1", &[("timeout_ms", "60000")]).unwrap_err();
    assert_eq!(error.code, "TIMEOUT", "{error:?}");
    assert_eq!(error.detail("job_id"), "j1");
    assert_eq!(error.detail("billed"), "unknown");
    assert_eq!(error.details["retryable"], true);
    assert!(error.message.contains("perceptis_wait"), "{error:?}");

    let (server, error) = in_time(|timeout_ms| {
        let server = Server::start();
        server.on(STATUS, Answer::error(429, "rate_limit_exceeded").with("Retry-After", "999999999"));
        let error = server.client().wait("j1", &[("timeout_ms", timeout_ms)]).unwrap_err();
        (!error.details["retry_after_ms"].is_null()).then_some((server, error))
    });
    assert_eq!(error.code, "TIMEOUT", "{error:?}");
    assert_eq!(error.details["retry_after_ms"], 999_999_999_000_u64);
    assert_eq!(server.seen().len(), 1, "a floor is never undercut");
}

#[test]
fn get_status_retries_what_passes_and_tells_what_does_not() {
    let server = Server::start();
    server.on(STATUS, Answer::Drop).on(STATUS, Answer::error(502, "x")).on(STATUS, status("pending", "[]"));
    server.client().get_status("j1", &[]).unwrap();
    assert_eq!(server.seen().len(), 3);

    for (answer, code, says) in [
        (
            Answer::Full(
                200,
                vec![("Content-Type".into(), "text/html".into())],
                b"<html>Sign in at https://x.test/?token=t0ps3cret</html>".to_vec(),
            ),
            "PROTOCOL",
            "text/html",
        ),
        (Answer::json(200, r#"{"status":"pend"#), "PROTOCOL", "cut short"),
        (Answer::json(200, "null"), "PROTOCOL", "not a JSON object"),
        (Answer::json(200, "\u{feff}"), "PROTOCOL", "not JSON"),
        (Answer::Full(200, vec![], b"\xff".to_vec()), "PROTOCOL", "UTF-8"),
        (Answer::json(200, &" ".repeat((1 << 20) + 1)), "PROTOCOL", "1 MiB"),
        (Answer::error(404, "not_found"), "NOT_FOUND", "said not_found"),
        (Answer::Full(404, vec![], b"<h1>nope</h1>".to_vec()), "NOT_FOUND", "<h1>nope</h1>"),
        (Answer::error(503, "down").with("Retry-After", "999999999"), "SERVER", "said down"),
        (Answer::error(429, "slow").with("Retry-After", "999999999"), "RATE_LIMITED", "said slow"),
        (Answer::Full(302, vec![("Location".into(), "/x".into())], vec![]), "PROTOCOL", "redirect"),
    ] {
        let server = Server::start();
        server.on(STATUS, answer.clone());
        let error = server.client().get_status("j1", &[]).unwrap_err();
        assert_eq!(error.code, code, "{answer:?}: {error:?}");
        assert!(error.message.contains(says), "{answer:?}: {error:?}");
        assert!(!error.message.contains("t0ps3cret"), "{error:?}");
    }
    // What never passes is told for what it is, too, once an attempt has come to its end.
    for (answer, code, says) in [
        (Answer::error(503, "down"), "SERVER", "said down"),
        (Answer::error(429, "slow"), "RATE_LIMITED", "said slow"),
        (Answer::Drop, "TRANSPORT", "connection"),
    ] {
        let error = in_time(|timeout_ms| {
            let server = Server::start();
            server.on(STATUS, answer.clone());
            let error = server.client().get_status("j1", &[("timeout_ms", timeout_ms)]).unwrap_err();
            (server.seen().len() > 1).then_some(error)
        });
        assert_eq!(error.code, code, "{answer:?}: {error:?}");
        assert!(error.message.contains(says), "{answer:?}: {error:?}");
    }
}

#[test]
fn a_job_is_asked_about_once_a_second_however_many_ask() {
    let server = Server::start();
    server.on(STATUS, status("pending", "[]").held()).on(STATUS, status("pending", "[]"));
    // At the wall's own time, so that a second is a second.
    let client = server.client_with(&[("time_scale", "1")]);
    std::thread::scope(|scope| {
        let _free = server.free_at_last();
        for _ in 0..8 {
            scope.spawn(|| client.get_status("j1", &[]).unwrap());
        }
        // The first poll is under way when the last of them comes.
        until_running(&client, 8);
        server.let_go(STATUS);
    });
    let shared = server.seen().len();
    assert!(shared <= 2, "{shared} polls for callers that could have shared one or two");
    client.get_status("j1", &[]).unwrap();
    client.get_status("j1", &[]).unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), shared + 2, "one after the other each asks anew");
    for pair in seen.windows(2) {
        assert!(pair[1].at - pair[0].at >= std::time::Duration::from_secs(1), "{seen:?}");
    }
}

#[test]
fn a_job_has_one_poller_however_many_wait() {
    let server = Server::start();
    server.on("/api/v1/generate", accepted());
    server.on(STATUS, status("processing", "[]").held());
    for _ in 0..5 {
        server.on(STATUS, status("processing", "[]"));
    }
    server.on(STATUS, status("completed", FILE));
    let client = server.client();
    client.generate(&Request::deck(), &[]).unwrap();
    std::thread::scope(|scope| {
        let _free = server.free_at_last();
        for _ in 0..5 {
            scope.spawn(|| client.wait("j1", &[]).unwrap());
        }
        until_running(&client, 5);
        // One more gives up early, which disturbs nobody.
        assert_eq!(client.wait("j1", &[("timeout_ms", "3000")]).unwrap_err().code, "TIMEOUT");
        server.let_go(STATUS);
    });
    assert_eq!(server.seen_at(STATUS).len(), 7);
}

/// Waits until so many calls are under way.
fn until_running(client: &Client, count: usize) {
    while client.activity().unwrap()["operations"].as_array().unwrap().len() < count {
        std::thread::yield_now();
    }
}

#[test]
fn a_limit_on_one_job_slows_the_polls_of_all() {
    let server = Server::start();
    let limited = Answer::error(429, "rate_limit_exceeded").with("Retry-After", "60");
    server.on(STATUS, limited).on(STATUS, status("pending", "[]"));
    server.on("/api/v1/status/j2", Answer::json(200, r#"{"status":"pending"}"#));
    let client = server.client();
    std::thread::scope(|scope| {
        scope.spawn(|| client.get_status("j1", &[]).unwrap());
        server.until_seen(1);
        // Whatever its answer to that poll does meanwhile, this one finds the hold or waits behind it.
        client.get_status("j1", &[]).unwrap();
        client.get_status("j2", &[]).unwrap();
    });
    let seen = server.seen();
    let minute = std::time::Duration::from_secs(60) / 200;
    assert!(seen[1..].iter().all(|later| later.at - seen[0].at >= minute), "{seen:?}");
    let error = client.get_status("nope", &[]).unwrap_err();
    assert_eq!(error.code, "NOT_FOUND", "other calls go on: {error:?}");
}

#[test]
fn errors_list_the_attempts() {
    let server = Server::start();
    server.on(STATUS, Answer::Drop).on(STATUS, status("pending", "[]"));
    for _ in 0..15 {
        server.on(STATUS, Answer::error(503, "down"));
    }
    server.on(STATUS, Answer::error(401, "unauthorized"));
    let error = server.client().wait("j1", &[]).unwrap_err();
    assert_eq!(error.code, "UNAUTHENTICATED", "{error:?}");
    let attempts = error.details["attempts"].as_array().unwrap();
    assert_eq!((attempts.len(), &error.details["attempts_omitted"]), (12, &6.into()), "{error:?}");
    for (attempt, outcome, status) in [(10, "failed", 503), (11, "refused", 401)] {
        let attempt = &attempts[attempt];
        assert_eq!((&attempt["outcome"], &attempt["http_status"]), (&outcome.into(), &status.into()));
    }
    let times: Vec<_> = attempts.iter().map(|attempt| attempt["at_ms"].as_u64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");

    let error = server.client().wait("j1", &[("timeout_ms", "1")]).unwrap_err();
    assert_eq!(error.details.get("attempts_omitted"), None, "{error:?}");
}

#[test]
fn job_ids_never_become_another_path() {
    let server = Server::start();
    server.on("*", Answer::json(200, r#"{"status":"pending"}"#));
    let client = server.client();
    for bad in ["", "..", ".", "a/b", "../generate", "a\\b", "a\nb", "a\u{7f}"] {
        let error = client.get_status(bad, &[]).unwrap_err();
        assert_eq!(error.code, "INVALID_ARGUMENT", "{bad:?}");
        assert!(error.message.contains("job_id"), "{error:?}");
    }
    assert!(server.seen().is_empty());
    for (id, path) in
        [("a b", "a%20b"), ("%2e%2e", "%252e%252e"), ("a?b", "a%3Fb"), ("a#b", "a%23b"), ("ü", "%C3%BC")]
    {
        client.get_status(id, &[]).unwrap();
        assert_eq!(server.seen().last().unwrap().path, format!("/api/v1/status/{path}"));
    }
}
