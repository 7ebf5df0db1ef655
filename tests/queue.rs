//! Calls that end in a queue: exactly one final event each, however they end.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::undocumented_unsafe_blocks
)]

mod support;

use std::collections::BTreeMap;
use std::fs;

use support::api::{Client, Request};
use support::queue::{FINISHED, PROGRESS, Queue};
use support::script::{Answer, Server, accepted, status};
use support::{Sandbox, in_time, listing};

const STATUS: &str = "/api/v1/status/j1";

/// A server whose job `j1` never ends.
fn endless() -> Server {
    let server = Server::start();
    server.on("/api/v1/generate", accepted()).on(STATUS, status("processing", "[]"));
    server
}

/// Waits for something that another thread brings about.
fn until(mut there: impl FnMut() -> bool) {
    while !there() {
        std::thread::yield_now();
    }
}

fn running(client: &Client) -> usize {
    client.activity().unwrap()["operations"].as_array().unwrap().len()
}

#[test]
fn a_run_ends_in_the_queue_with_its_file() {
    let sandbox = Sandbox::start(200);
    let (client, queue, out) = (sandbox.client(), Queue::new(), tempfile::tempdir().unwrap());
    let pairs = [("directory", out.path().to_str().unwrap()), ("name", "deck")];
    queue.run(&client, &Request::deck(), &pairs, 42).unwrap();
    let event = queue.next();
    assert_eq!((event.tag, event.kind, event.code()), (42, FINISHED, "OK"));
    assert_eq!(event.value()["files"][0]["path"], out.path().join("deck.pptx").to_str().unwrap());
    let job = event.value()["job_id"].as_str().unwrap().to_owned();

    // Every other operation as well, all on one queue.
    queue.get_status(&client, &job, 1).unwrap();
    queue.wait(&client, &job, &[], 2).unwrap();
    queue
        .download(&client, &job, &[("directory", out.path().to_str().unwrap()), ("name", "again")], 3)
        .unwrap();
    queue.generate(&client, &Request::deck(), &[], 4).unwrap();
    let ends: BTreeMap<u64, _> = (0..4).map(|_| queue.next()).map(|event| (event.tag, event)).collect();
    assert_eq!(ends[&1].value()["status"], "completed");
    assert_eq!(ends[&2].value()["status"], "completed");
    assert_eq!(ends[&3].value()["files"].as_array().unwrap().len(), 1);
    assert!(ends[&4].value()["job_id"].is_string());
    assert_eq!(listing(out.path()), ["again.pptx", "deck.pptx"]);
    assert!(queue.take(8, 0).unwrap().is_empty());
}

#[test]
fn a_failure_says_in_its_event_what_the_blocking_form_says() {
    let server = Server::start();
    server
        .on("/api/v1/status/none", Answer::error(404, "not_found"))
        .job(&["/f"])
        .on("/f", Answer::file(b"no zip"));
    let (client, queue, out) = (server.client(), Queue::new(), tempfile::tempdir().unwrap());
    queue.get_status(&client, "none", 1).unwrap();
    let event = queue.next();
    assert_eq!((event.code(), event.json.as_str()), ("NOT_FOUND", ""));
    let blocking = client.get_status("none", &[]).unwrap_err();
    assert_eq!(event.error().message, blocking.message);
    // But for the moments of the attempts.
    let [here, there] = [&event.error().details, &blocking.details].map(|details| {
        let mut details = details.clone();
        assert_eq!(
            details["attempts"].as_array_mut().map(|attempts| attempts.remove(0)["http_status"].take()),
            Some(404.into())
        );
        details
    });
    assert_eq!(here, there);

    // An incomplete one hands out what came, too.
    queue.run(&client, &Request::deck(), &[("directory", out.path().to_str().unwrap())], 1).unwrap();
    let event = queue.next();
    assert_eq!(event.code(), "INCOMPLETE");
    assert_eq!(event.value()["unverified"].as_array().unwrap().len(), 1);
    assert_eq!(event.error().detail("billed"), "yes");
}

#[test]
fn a_tag_names_one_call_until_its_final_event_is_taken() {
    let server = endless();
    let (client, queue) = (server.client(), Queue::new());
    queue.wait(&client, "j1", &[], 5).unwrap();
    let error = queue.run(&client, &Request::deck(), &[], 5).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("INVALID_ARGUMENT", "no"));
    assert!(error.message.contains("tag is 5"), "{error:?}");
    assert_eq!(running(&client), 1, "the refused call is not one");
    // Another queue has its own.
    let other = Queue::new();
    other.wait(&client, "j1", &[], 5).unwrap();
    queue.cancel(5);
    // Ended, but not taken.
    until(|| running(&client) == 1);
    assert_eq!(queue.get_status(&client, "j1", 5).unwrap_err().code, "INVALID_ARGUMENT");
    assert_eq!(queue.next().code(), "CANCELLED");
    queue.get_status(&client, "j1", 5).unwrap();
    assert_eq!(queue.next().code(), "OK");
    assert!(server.seen_at("/api/v1/generate").is_empty());
}

#[test]
fn a_cancel_stops_the_waiting_and_keeps_the_job() {
    let server = endless();
    let (client, queue) = (server.client(), Queue::new());
    queue.run(&client, &Request::deck(), &[("idempotency_key", "order-1")], 1).unwrap();
    until(|| server.seen_at(STATUS).len() > 1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| queue.cancel(1));
        }
    });
    let event = queue.next();
    assert_eq!(event.code(), "CANCELLED");
    let error = event.error();
    assert_eq!((error.detail("job_id").as_str(), error.detail("billed").as_str()), ("j1", "unknown"));
    assert!(error.message.contains("perceptis_wait"), "{error:?}");
    // After the end, twice, and of a tag that never was.
    for tag in [1, 1, 99, 0, u64::MAX] {
        queue.cancel(tag);
    }
    assert!(queue.take(1, 0).unwrap().is_empty());
    assert_eq!(running(&client), 0);
}

#[test]
fn a_cancel_at_once_sends_nothing_or_says_what_is_known() {
    let server = Server::start();
    server.on("/api/v1/generate", Answer::Stall);
    let (client, out) = (server.client(), tempfile::tempdir().unwrap());
    let sent = |key: &str| server.seen().iter().any(|seen| seen.header("Idempotency-Key") == Some(key));
    let mut unsent = Vec::new();
    for tag in 0..100 {
        let (queue, name) = (Queue::new(), format!("deck{tag}"));
        let pairs =
            [("directory", out.path().to_str().unwrap()), ("name", &*name), ("idempotency_key", &*name)];
        queue.run(&client, &Request::deck(), &pairs, tag).unwrap();
        if tag % 2 == 1 {
            until(|| sent(&name));
        }
        queue.cancel(tag);
        let event = queue.next();
        assert_eq!(event.code(), "CANCELLED", "{event:?}");
        let billed = event.error().detail("billed");
        if tag % 2 == 1 || billed == "unknown" {
            assert_eq!((billed.as_str(), event.error().detail("idempotency_key")), ("unknown", name));
        } else {
            assert_eq!(billed, "no");
            unsent.push(name);
        }
    }
    // One that can't be sent: another has the only place.
    let one = server.client_with(&[("max_concurrent_submissions", "1")]);
    let queue = Queue::new();
    queue.generate(&one, &Request::deck(), &[("idempotency_key", "first")], 1).unwrap();
    until(|| sent("first"));
    queue.generate(&one, &Request::deck(), &[("idempotency_key", "second")], 2).unwrap();
    until(|| one.activity().unwrap()["operations"][1]["phase"] == "submitting");
    queue.cancel(2);
    let event = queue.next();
    assert_eq!((event.tag, event.code(), &*event.error().detail("billed")), (2, "CANCELLED", "no"));
    unsent.push("second".to_owned());
    assert!(unsent.iter().all(|key| !sent(key)), "{unsent:?}");
    // What a thread was just doing to the directory comes to its end there.
    until(|| listing(out.path()).is_empty());
}

#[test]
fn what_was_written_stays_when_a_download_is_cancelled() {
    let server = Server::start();
    let head = b"HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: 1000000\r\n\r\n";
    server.job(&["/f"]).on("/f", Answer::Raw([head.as_slice(), &[b'P'; 100_000]].concat()));
    // The rest never comes: the server's end of the connection waits for the client's.
    let (client, queue, out) = (server.client(), Queue::new(), tempfile::tempdir().unwrap());
    let pairs = [("directory", out.path().to_str().unwrap()), ("name", "deck")];
    queue.run(&client, &Request::deck(), &pairs, 1).unwrap();
    let part = out.path().join("deck.j1.part");
    until(|| fs::metadata(&part).is_ok_and(|part| part.len() > 0));
    queue.cancel(1);
    let event = queue.next();
    assert_eq!(event.code(), "CANCELLED", "{event:?}");
    assert_eq!(event.error().detail("billed"), "yes");
    assert!(event.error().message.contains("perceptis_download"), "{event:?}");
    assert!(fs::metadata(&part).unwrap().len() > 0);
}

#[test]
fn a_client_that_closes_ends_its_calls_before_it_returns() {
    let server = endless();
    let (client, other, queue) = (server.client(), server.client(), Queue::new());
    for tag in 0..50 {
        queue.wait(&client, "j1", &[], tag).unwrap();
    }
    queue.wait(&other, "j1", &[], 99).unwrap();
    client.close(60_000).unwrap();
    let events = queue.take(100, 0).unwrap();
    let tags: Vec<u64> = events.iter().map(|event| event.tag).collect();
    assert_eq!(events.len(), 50, "{tags:?}");
    assert!(events.iter().all(|event| event.code() == "CLOSED" && event.error().detail("job_id") == "j1"));
    assert_eq!(queue.wait(&client, "j1", &[], 1).unwrap_err().code, "CLOSED");
    client.close(0).unwrap();
    // The other client's call goes on.
    assert_eq!(running(&other), 1);
    queue.cancel(99);
    assert_eq!(queue.next().code(), "CANCELLED");
}

#[test]
fn a_client_that_is_freed_ends_its_calls() {
    let server = endless();
    let queue = Queue::new();
    let client = server.client();
    for tag in 0..50 {
        queue.wait(&client, "j1", &[], tag).unwrap();
    }
    drop(client);
    for _ in 0..50 {
        let event = queue.next();
        assert_eq!((event.code(), event.error().detail("job_id").as_str()), ("CLOSED", "j1"));
    }
    assert!(queue.take(1, 0).unwrap().is_empty());
}

#[test]
fn a_deadline_is_told_as_the_blocking_form_tells_it() {
    let event = in_time(|timeout_ms| {
        let server = endless();
        let (client, queue) = (server.client(), Queue::new());
        queue.run(&client, &Request::deck(), &[("timeout_ms", timeout_ms)], 1).unwrap();
        let event = queue.next();
        (!server.seen_at(STATUS).is_empty()).then_some(event)
    });
    assert_eq!((event.code(), event.error().detail("job_id").as_str()), ("TIMEOUT", "j1"));
}

#[test]
fn closing_a_queue_wakes_whoever_takes_and_loses_nothing() {
    let server = endless();
    let (client, queue) = (server.client(), Queue::new());
    queue.wait(&client, "j1", &[], 1).unwrap();
    std::thread::scope(|scope| {
        let takers: Vec<_> = (0..4).map(|_| scope.spawn(|| queue.take(8, -1).unwrap_err().code)).collect();
        queue.close();
        for taker in takers {
            assert_eq!(taker.join().unwrap(), "CLOSED");
        }
    });
    assert_eq!(queue.take(8, -1).unwrap_err().code, "CLOSED");
    let sent = server.seen_at("/api/v1/generate").len();
    assert_eq!(queue.generate(&client, &Request::deck(), &[], 2).unwrap_err().code, "CLOSED");
    assert_eq!(server.seen_at("/api/v1/generate").len(), sent);
    // What ran goes on, and its end can be taken.
    assert_eq!(running(&client), 1);
    queue.cancel(1);
    until(|| running(&client) == 0);
    let event = std::iter::repeat_with(|| queue.take(8, 0)).find_map(Result::ok).unwrap().pop().unwrap();
    assert_eq!((event.tag, event.code()), (1, "CANCELLED"));
    queue.close();
}

#[test]
fn a_freed_queue_hears_nothing_and_its_files_still_come() {
    let sandbox = Sandbox::start(200);
    let (client, out) = (sandbox.client(), tempfile::tempdir().unwrap());
    let queue = Queue::new();
    for tag in 0..3 {
        let name = format!("deck{tag}");
        let pairs = [("directory", out.path().to_str().unwrap()), ("name", name.as_str())];
        queue.run(&client, &Request::deck(), &pairs, tag).unwrap();
    }
    drop(queue);
    assert_eq!(running(&client), 3, "they go on, and show");
    until(|| running(&client) == 0);
    assert_eq!(listing(out.path()), ["deck0.pptx", "deck1.pptx", "deck2.pptx"]);
}

#[test]
fn progress_is_opt_in_and_only_the_latest_waits() {
    let sandbox = Sandbox::start(200);
    let (client, queue, out) = (sandbox.client(), Queue::new(), tempfile::tempdir().unwrap());
    let pairs = [("directory", out.path().to_str().unwrap()), ("progress", "true")];
    // It goes on once that it is processed was told.
    sandbox.rule("never_ends");
    queue.run(&client, &Request::deck(), &pairs, 1).unwrap();
    let mut seen = Vec::new();
    let end = loop {
        let event = queue.next();
        if event.kind != PROGRESS {
            break event;
        }
        assert_eq!((event.tag, event.code()), (1, "OK"));
        let value = event.value();
        assert_eq!(value["operation"], "run");
        assert!(value["elapsed_ms"].is_u64());
        if value["status"] == "processing" {
            sandbox.clear();
        }
        seen.push(value);
    };
    assert_eq!(end.code(), "OK");
    assert!(
        seen.iter().any(|value| value["status"] == "processing" && value["job_id"].is_string()),
        "{seen:?}"
    );
    assert!(seen.len() <= 12, "a poll that brings nothing new is no progress: {seen:?}");

    // Nobody takes: of all that has happened one event waits, and it tells the latest; then the end takes its place.
    let server = endless();
    let (client, queue) = (server.client(), Queue::new());
    queue.wait(&client, "j1", &[("progress", "true")], 1).unwrap();
    queue.wait(&client, "j1", &[], 2).unwrap();
    until(|| server.seen_at(STATUS).len() > 3);
    let events = queue.take(100, 0).unwrap();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((events[0].tag, events[0].value()["status"].as_str()), (1, Some("processing")));
    assert!(queue.take(100, 0).unwrap().is_empty());
    queue.wait(&client, "j1", &[("progress", "true")], 3).unwrap();
    until(|| server.seen_at(STATUS).len() > 8);
    client.close(60_000).unwrap();
    let events = queue.take(100, 0).unwrap();
    assert!(events.iter().all(|event| event.kind == FINISHED), "{events:?}");
    assert_eq!(events.len(), 3);
}

#[test]
fn ends_come_before_progress() {
    let server = endless();
    let (client, queue) = (server.client(), Queue::new());
    for tag in 0..20 {
        queue.wait(&client, "j1", &[("progress", "true")], tag).unwrap();
    }
    until(|| {
        let shown = client.activity().unwrap();
        shown["operations"].as_array().unwrap().iter().all(|operation| operation["status"] == "processing")
    });
    queue.wait(&client, "j1", &[("timeout_ms", "1")], 99).unwrap();
    until(|| running(&client) == 20);
    let event = queue.next();
    assert_eq!((event.tag, event.kind), (99, FINISHED));
    let news = queue.take(100, 0).unwrap();
    assert!(news.len() == 20 && news.iter().all(|event| event.kind == PROGRESS), "{news:?}");
}

#[test]
fn several_threads_take_each_event_once() {
    let server = endless();
    let (client, queue) = (server.client(), Queue::new());
    const CALLS: u64 = 400;
    let mut counts: Vec<u64> = Vec::new();
    std::thread::scope(|scope| {
        let takers: Vec<_> = (0..4)
            .map(|at| {
                let queue = &queue;
                scope.spawn(move || {
                    let mut tags = Vec::new();
                    loop {
                        match queue.take(1 + at, -1) {
                            Ok(events) => tags.extend(events.into_iter().map(|event| event.tag)),
                            Err(error) => {
                                assert_eq!(error.code, "CLOSED");
                                return tags;
                            }
                        }
                    }
                })
            })
            .collect();
        for tag in 0..CALLS {
            queue.wait(&client, "j1", &[], tag).unwrap();
            queue.cancel(tag);
        }
        client.close(60_000).unwrap();
        queue.close();
        for taker in takers {
            counts.extend(taker.join().unwrap());
        }
    });
    counts.sort_unstable();
    assert_eq!(counts, (0..CALLS).collect::<Vec<_>>());
}

#[test]
fn a_take_without_events_ends_with_its_time() {
    let queue = Queue::new();
    assert!(queue.take(1, 0).unwrap().is_empty());
    assert!(queue.take(1, 20).unwrap().is_empty());
}

#[test]
fn names_are_free_once_the_end_is_told() {
    let server = endless();
    let (client, queue, out) = (server.client(), Queue::new(), tempfile::tempdir().unwrap());
    let pairs = [("directory", out.path().to_str().unwrap()), ("name", "deck")];
    for tag in 0..20 {
        queue.run(&client, &Request::deck(), &pairs, tag).unwrap();
        until(|| listing(out.path()) == [".perceptis.lock"]);
        queue.cancel(tag);
        assert_eq!(queue.next().code(), "CANCELLED");
        assert!(listing(out.path()).is_empty());
    }
}
