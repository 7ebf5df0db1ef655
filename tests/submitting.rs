//! `promise.md`, 1 to 5: a request is bought once, and what is not known is not denied.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::api::{Client, Request};
use support::heard::Heard;
use support::in_time;
use support::script::{Answer, Server, accepted};

const GENERATE: &str = "/api/v1/generate";

/// The idempotency keys and the bodies that came in, each kind once.
fn distinct(server: &Server) -> (usize, usize) {
    let seen = server.seen_at(GENERATE);
    let mut keys: Vec<_> =
        seen.iter().map(|seen| seen.header("idempotency-key").unwrap().to_owned()).collect();
    let mut bodies: Vec<_> = seen.into_iter().map(|seen| seen.body).collect();
    keys.sort();
    keys.dedup();
    bodies.sort();
    bodies.dedup();
    (keys.len(), bodies.len())
}

#[test]
fn a_submission_says_who_sends_it_what_and_under_which_key() {
    let server = Server::start();
    server.on(GENERATE, accepted());
    let client = server.client_with(&[("app_name", "Slide Mill/2")]);
    let request = Request::slides(2);
    request.set_json("future_field", r#"{"a":1.0}"#).unwrap();
    let result = client.generate(&request, &[]).unwrap();
    assert_eq!(result["job_id"], "j1");
    assert_eq!(result["output_type"], "single_slide");
    assert_eq!(result["answer"]["status"], "pending");

    let seen = &server.seen_at(GENERATE)[0];
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.header("authorization"), Some("Bearer sk-test-secret"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("idempotency-key").unwrap(), result["idempotency_key"].as_str().unwrap());
    assert!(seen.header("user-agent").unwrap().starts_with("Slide Mill/2 libperceptis/"));
    assert_eq!(
        seen.body,
        r#"{"future_field":{"a":1.0},"output_type":"single_slide","prompt":"One slide","variant_count":2}"#
    );
}

/// `promise.md`, 12: the same request in another form is the same request.
#[test]
fn requests_that_differ_in_form_alone_are_one_purchase() {
    let canonical = concat!(
        r#"{"future":{"a":1.0,"b":[{"x":"ü","y":null}]},"output_type":"deck","#,
        "\"prompt\":\"Für alle\",\"\u{1f600}\":1,\"\u{e000}\":2}"
    );
    let forms = [
        canonical.to_owned(),
        "{ \"\\ue000\" : 2, \"\\ud83d\\ude00\" : 1, \"prompt\":\"F\\u00fcr alle\", \"output_type\":\"deck\",\n\
         \"future\" : { \"b\" : [ { \"y\":null, \"x\":\"\\u00FC\" } ] , \"\\u0061\" : 1.0 }, \"gone\":null }"
            .to_owned(),
    ];
    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("ledger.db");
    for key in [None, Some("order-1")] {
        let server = Server::start();
        // In doubt, and then an end that leaves it there: the first call is told OUTCOME_UNKNOWN.
        server.on(GENERATE, Answer::error(500, "internal")).on(GENERATE, Answer::error(401, "unauthorized"));
        server.on(GENERATE, accepted());
        let options: Vec<_> = key.map(|key| ("idempotency_key", key)).into_iter().collect();
        let mut keys = Vec::new();
        for json in &forms {
            let client = server.client_with(&[("ledger", ledger.to_str().unwrap())]);
            let request = Request::from_json(json).unwrap();
            assert_eq!(request.to_text().unwrap(), canonical);
            let told = match client.generate(&request, &options) {
                Ok(result) => result["idempotency_key"].clone(),
                Err(error) => error.details["idempotency_key"].clone(),
            };
            keys.push(told);
        }
        assert_eq!(keys[0], keys[1], "{key:?}");
        assert_eq!((server.seen_at(GENERATE).len(), distinct(&server)), (3, (1, 1)), "{key:?}");
        assert!(server.seen_at(GENERATE).iter().all(|seen| seen.body == canonical), "{key:?}");
    }
}

#[test]
fn every_call_has_its_own_key_unless_the_caller_gives_one() {
    let server = Server::start();
    server.on(GENERATE, accepted());
    let client = server.client();
    for _ in 0..5 {
        client.generate(&Request::deck(), &[]).unwrap();
    }
    assert_eq!(distinct(&server).0, 5);
    let given = client.generate(&Request::deck(), &[("idempotency_key", "order-7")]).unwrap();
    assert_eq!(given["idempotency_key"], "order-7");
    assert_eq!(server.seen().last().unwrap().header("idempotency-key"), Some("order-7"));
}

#[test]
fn an_unknown_outcome_is_settled_with_the_same_key_and_the_same_bytes() {
    let html = Answer::Full(200, vec![("Content-Type".into(), "text/html".into())], b"<html>".to_vec());
    let cut = Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"job_id\":\"j1\"".to_vec());
    for unknown in [
        Answer::Drop,
        Answer::Stall,
        html,
        cut,
        Answer::json(200, r#"{"job_id":"../x"}"#),
        Answer::json(202, "{}"),
        Answer::json(202, ""),
        Answer::error(500, "internal"),
        Answer::error(503, "unavailable"),
        Answer::error(408, "timeout"),
    ] {
        let server = Server::start();
        server.on(GENERATE, unknown.clone());
        // While the first is in work, a service may answer the second so.
        server.on(GENERATE, Answer::error(409, "idempotency_conflict"));
        server.on(GENERATE, Answer::error(429, "rate_limit_exceeded"));
        server.on(GENERATE, accepted());
        // What does not come is given up after 300 ms; on a loaded machine that can happen to what comes, too.
        let stalls = matches!(unknown, Answer::Stall);
        let client =
            if stalls { server.client_with(&[("submit_timeout_ms", "60000")]) } else { server.client() };
        assert_eq!(client.generate(&Request::deck(), &[]).unwrap()["job_id"], "j1", "{unknown:?}");
        let sent = server.seen_at(GENERATE).len();
        assert!(sent == 4 || stalls && sent > 4, "{unknown:?}: {sent}");
        assert_eq!(distinct(&server), (1, 1), "{unknown:?}");
    }
}

#[test]
fn after_an_unknown_outcome_no_end_but_acceptance_says_that_nothing_happened() {
    for (end, times) in [
        (Answer::error(401, "unauthorized"), 2),
        (Answer::error(400, "invalid_request"), 2),
        (Answer::Full(302, vec![("Location".into(), "/elsewhere".into())], Vec::new()), 2),
    ] {
        let server = Server::start();
        server.on(GENERATE, Answer::Drop).on(GENERATE, end.clone());
        let error = server.client().generate(&Request::deck(), &[]).unwrap_err();
        assert_eq!(error.code, "OUTCOME_UNKNOWN", "{end:?}: {error:?}");
        assert_eq!(error.detail("billed"), "unknown");
        assert_eq!(error.details["retryable"], false);
        let key = server.seen()[0].header("idempotency-key").unwrap().to_owned();
        assert_eq!(error.detail("idempotency_key"), key);
        assert!(error.message.contains(&key), "{error:?}");
        assert_eq!(server.seen().len(), times, "{end:?}");
    }
    for never in [Answer::Drop, Answer::error(409, "idempotency_conflict"), Answer::error(503, "x")] {
        let (server, error) = in_time(|timeout_ms| {
            let server = Server::start();
            server.on(GENERATE, Answer::Drop).on(GENERATE, never.clone());
            let error =
                server.client().generate(&Request::deck(), &[("timeout_ms", timeout_ms)]).unwrap_err();
            (server.seen().len() >= 2).then_some((server, error))
        });
        assert_eq!(error.code, "OUTCOME_UNKNOWN", "{never:?}: {error:?}");
        assert_eq!(distinct(&server), (1, 1));
    }
}

/// `promise.md`, 2 and 3: a service may answer so while another host's submission under the key is in work.
#[test]
fn a_conflict_that_can_mean_anything_leaves_the_outcome_unknown() {
    let page = Answer::Full(409, vec![("Content-Type".into(), "text/html".into())], b"<html>".to_vec());
    for conflict in [
        Answer::error(409, "request_in_progress"),
        Answer::error(409, "conflict"),
        Answer::json(409, r#"{"error":{"code":409,"message":"in work"}}"#),
        Answer::json(409, r#"{"error":"idempotency_conflict"}"#),
        Answer::Full(409, Vec::new(), Vec::new()),
        page,
    ] {
        let server = Server::start();
        server.on(GENERATE, conflict.clone()).on(GENERATE, conflict.clone()).on(GENERATE, accepted());
        let result = server.client().generate(&Request::deck(), &[]);
        assert_eq!(result.unwrap()["job_id"], "j1", "{conflict:?}");
        assert_eq!((server.seen().len(), distinct(&server)), (3, (1, 1)), "{conflict:?}");

        let (server, error) = in_time(|timeout_ms| {
            let server = Server::start();
            server.on(GENERATE, conflict.clone());
            let error =
                server.client().generate(&Request::deck(), &[("timeout_ms", timeout_ms)]).unwrap_err();
            (server.seen().len() >= 2).then_some((server, error))
        });
        assert_eq!(error.code, "OUTCOME_UNKNOWN", "{conflict:?}: {error:?}");
        assert_eq!(error.detail("billed"), "unknown", "{error:?}");
        let key = server.seen()[0].header("idempotency-key").unwrap().to_owned();
        assert_eq!(error.detail("idempotency_key"), key, "{error:?}");
        assert!(error.message.contains(&key), "{error:?}");
        assert!(!error.message.contains("another") && !error.message.contains("of its own"), "{error:?}");
        assert_eq!(distinct(&server), (1, 1), "{conflict:?}");
    }
}

/// The advice sends a request that may have been bought under its key to no other key.
#[test]
fn a_key_of_another_request_is_told_with_safe_advice() {
    let server = Server::start();
    server.on(GENERATE, Answer::error(409, "idempotency_conflict"));
    let line = [("idempotency_key", "order-1")];
    let error = server.client().generate(&Request::deck(), &line).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("CONFLICT", "no"), "{error:?}");
    assert_eq!(server.seen().len(), 1);
    for said in
        ["said idempotency_conflict", "that one, unchanged, gets its job", "only a request that differs"]
    {
        assert!(error.message.contains(said), "{said}: {error:?}");
    }
    assert!(!error.message.contains("perceptis_") && !error.message.contains("use another"), "{error:?}");
}

#[test]
fn a_refusal_as_the_sole_answer_is_final_and_free() {
    for (status, api_code, code) in [
        (400, "invalid_request", "REJECTED"),
        (401, "unauthorized", "UNAUTHENTICATED"),
        (403, "not_eligible", "NOT_ELIGIBLE"),
        (404, "not_found", "NOT_FOUND"),
        (409, "ambiguous_template_name", "CONFLICT"),
        (422, "unprocessable", "REJECTED"),
    ] {
        let server = Server::start();
        server.on(GENERATE, Answer::error(status, api_code).with("X-Request-Id", "req-9"));
        let error = server.client().generate(&Request::deck(), &[]).unwrap_err();
        assert_eq!(error.code, code);
        assert_eq!(error.detail("api_code"), api_code);
        assert_eq!(error.detail("http_status"), status.to_string());
        assert_eq!(error.detail("request_id"), "req-9");
        assert_eq!(error.detail("billed"), "no");
        assert!(error.message.contains(&format!("said {api_code}")), "{error:?}");
        assert_eq!(server.seen().len(), 1, "{status} is not repeated");
    }
}

#[test]
fn what_was_never_sent_is_not_billed() {
    let (_taken, port) = support::refusing_port();
    let client = support::api::Client::new(&[
        ("api_key", "sk-1"),
        ("api_base_url", &format!("http://127.0.0.1:{port}")),
        ("time_scale", "1000"),
    ])
    .unwrap();
    // The attempts end before the deadline, which could strike while one connects.
    let error = client.generate(&Request::deck(), &[]).unwrap_err();
    assert_eq!(error.code, "TRANSPORT", "{error:?}");
    assert_eq!(error.detail("billed"), "no");
    assert_eq!(error.details["retryable"], true);
    assert!(error.message.contains("refused"), "{error:?}");
}

#[test]
fn a_limit_is_waited_out_within_the_deadline_and_told_beyond_it() {
    let server = Server::start();
    server.on(GENERATE, Answer::error(429, "rate_limit_exceeded").with("Retry-After", "20"));
    server.on(GENERATE, accepted());
    server.client().generate(&Request::deck(), &[]).unwrap();
    assert_eq!(server.seen().len(), 2);

    let server = Server::start();
    server.on(GENERATE, Answer::error(429, "rate_limit_exceeded").with("Retry-After", "720000"));
    let client = server.client();
    let error = client.generate(&Request::deck(), &[]).unwrap_err();
    assert_eq!(error.code, "RATE_LIMITED", "{error:?}");
    assert_eq!(error.detail("billed"), "no");
    assert_eq!(error.details["retry_after_ms"], 720_000_000);
    assert_eq!(server.seen().len(), 1);
    // The limit is the key's: the next submission does not even ask.
    let error = client.generate(&Request::deck(), &[]).unwrap_err();
    assert_eq!(error.code, "RATE_LIMITED", "{error:?}");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn the_key_goes_nowhere_but_to_the_service() {
    let server = Server::start();
    let other = Server::start();
    server.on(
        GENERATE,
        Answer::Full(307, vec![("Location".into(), other.base_url.clone() + GENERATE)], vec![]),
    );
    let error = server.client().generate(&Request::deck(), &[]).unwrap_err();
    assert_eq!(error.code, "OUTCOME_UNKNOWN");
    assert!(other.seen().is_empty(), "a submission followed a redirect");

    // Not even when the service says it.
    let server = Server::start();
    server.on(
        GENERATE,
        Answer::json(401, r#"{"error":{"code":"sk-test-secret","message":"sk-test-secret?"}}"#),
    );
    let error = server.client().generate(&Request::deck(), &[]).unwrap_err();
    assert!(!format!("{error:?}").contains("sk-test-secret"), "{error:?}");
}

#[test]
fn a_limit_on_one_submission_holds_back_the_others() {
    let server = Server::start();
    server.on(GENERATE, Answer::error(429, "rate_limit_exceeded").with("Retry-After", "60"));
    server.on(GENERATE, accepted());
    let heard = Heard::default();
    let client = heard.client(&server.pairs(&[]));
    std::thread::scope(|scope| {
        scope.spawn(|| client.generate(&Request::deck(), &[]).unwrap());
        // What is sent before the answer has come is no fault.
        heard.wait_for("retrying", 1);
        client.generate(&Request::deck(), &[]).unwrap();
    });
    client.close(60_000).unwrap();
    let seen = server.seen();
    let minute = std::time::Duration::from_secs(60) / 200;
    assert!(seen.len() == 3 && seen[1..].iter().all(|later| later.at - seen[0].at >= minute), "{seen:?}");
}

#[test]
fn so_many_submissions_go_out_at_once_and_no_more() {
    const CALLS: usize = 5;
    for most in [1, 2] {
        let server = Server::start();
        server.on(GENERATE, accepted().held());
        let client = server.client_with(&[("max_concurrent_submissions", &most.to_string())]);
        std::thread::scope(|scope| {
            let _free = server.free_at_last();
            for _ in 0..CALLS {
                scope.spawn(|| client.generate(&Request::deck(), &[]).unwrap());
            }
            // All of them would go out now.
            while submitting(&client) < CALLS {
                std::thread::yield_now();
            }
            for answered in 0..CALLS {
                let sent = (answered + most).min(CALLS);
                server.until_seen(sent);
                assert_eq!(server.seen().len(), sent, "{most} at once, and {answered} answered");
                server.let_go(GENERATE);
                while submitting(&client) == CALLS - answered {
                    std::thread::yield_now();
                }
            }
        });
    }
}

/// How many calls are about to submit, or do.
fn submitting(client: &Client) -> usize {
    let activity = client.activity().unwrap();
    let operations = activity["operations"].as_array().unwrap();
    operations.iter().filter(|operation| operation["phase"] == "submitting").count()
}

/// The window counts from the first attempt, however long the wait for a place is.
#[test]
fn in_doubt_a_submission_that_waited_too_long_for_a_place_is_not_sent() {
    let server = Server::start();
    server.on(GENERATE, Answer::error(503, "unavailable").held()).on(GENERATE, accepted().held());
    let client = server.client_with(&[("max_concurrent_submissions", "1"), ("resubmit_window_ms", "60000")]);
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        let _free = server.free_at_last();
        let doubted =
            scope.spawn(|| client.generate(&Request::deck(), &[("idempotency_key", "doubted")]).unwrap_err());
        server.until_seen(1);
        // The other one is next, and has the only place until the window is over.
        let other =
            scope.spawn(|| client.generate(&Request::deck(), &[("idempotency_key", "other")]).unwrap());
        while submitting(&client) < 2 {
            std::thread::yield_now();
        }
        server.let_go(GENERATE);
        server.until_seen(2);
        let window = std::time::Duration::from_secs(60) / 200;
        std::thread::sleep(window.saturating_sub(began.elapsed()) + window);
        server.let_go(GENERATE);
        other.join().unwrap();
        let error = doubted.join().unwrap();
        assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("OUTCOME_UNKNOWN", "unknown"));
        assert!(error.message.contains("resubmit_window_ms"), "{error:?}");
    });
    let keys: Vec<_> =
        server.seen().iter().map(|seen| seen.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys, ["doubted", "other"]);
}

#[test]
fn in_doubt_a_submission_is_repeated_while_the_service_is_sure_to_know_its_key() {
    let server = Server::start();
    server.on(GENERATE, Answer::Drop);
    let client = server.client_with(&[("resubmit_window_ms", "0")]);
    let error = client.generate(&Request::deck(), &[]).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("OUTCOME_UNKNOWN", "unknown"));
    assert!(error.message.contains("resubmit"), "{error:?}");
    assert_eq!(server.seen().len(), 1, "not sent again without being asked to");

    let server = Server::start();
    server.on(GENERATE, Answer::Drop).on(GENERATE, accepted());
    let client = server.client_with(&[("resubmit_window_ms", "0")]);
    client.generate(&Request::deck(), &[("resubmit", "true")]).unwrap();
    assert_eq!(distinct(&server), (1, 1));

    // What is not in doubt is not concerned.
    let server = Server::start();
    server.on(GENERATE, Answer::error(429, "rate_limit_exceeded")).on(GENERATE, accepted());
    let client = server.client_with(&[("resubmit_window_ms", "0")]);
    client.generate(&Request::deck(), &[]).unwrap();
}

#[test]
fn what_ends_a_submission_under_way_says_that_its_fate_is_unknown() {
    let (server, error) = in_time(|timeout_ms| {
        let server = Server::start();
        server.on(GENERATE, Answer::Stall);
        let error = server.client().run(&Request::deck(), &[("timeout_ms", timeout_ms)]).unwrap_err();
        (!server.seen().is_empty()).then_some((server, error))
    });
    assert_eq!(error.code, "OUTCOME_UNKNOWN", "the deadline: {error:?}");
    assert_eq!(error.detail("billed"), "unknown");
    assert_eq!(error.detail("idempotency_key"), server.seen()[0].header("idempotency-key").unwrap());

    let server = Server::start();
    server.on(GENERATE, Answer::Stall);
    let client = server.client_with(&[("time_scale", "1")]);
    let error = std::thread::scope(|scope| {
        let call = scope.spawn(|| client.generate(&Request::deck(), &[]).unwrap_err());
        while server.seen().is_empty() {
            std::thread::yield_now();
        }
        let activity = client.activity().unwrap();
        assert_eq!(activity["operations"][0]["phase"], "submitting");
        client.close(10_000).unwrap();
        call.join().unwrap()
    });
    assert_eq!(error.code, "CLOSED");
    assert_eq!(error.detail("billed"), "unknown");
    assert_eq!(error.detail("idempotency_key"), server.seen()[0].header("idempotency-key").unwrap());
}

#[test]
fn what_goes_wrong_after_acceptance_does_not_say_that_nothing_is_billed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gone");
    std::fs::create_dir(&path).unwrap();
    let server = Server::start();
    server.on(GENERATE, accepted().held());
    let client = server.client();
    let error = std::thread::scope(|scope| {
        let options = [("directory", path.to_str().unwrap())];
        let _free = server.free_at_last();
        let call = scope.spawn(move || client.run(&Request::deck(), &options).unwrap_err());
        server.until_seen(1);
        std::fs::remove_dir(&path).unwrap();
        server.let_go(GENERATE);
        call.join().unwrap()
    });
    assert_eq!(error.code, "FILE", "{error:?}");
    assert_eq!((error.detail("job_id").as_str(), error.detail("billed").as_str()), ("j1", "unknown"));
}
