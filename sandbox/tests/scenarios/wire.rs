//! Scenarios of the wire: resets, stalls, false lengths, odd headers, refused connections.

use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::untested::Untested;
use crate::world::{DECK, World};

/// The bytes of a response as text, whether a reset ended it, and the connection.
type Read = (String, bool, TcpStream);

/// Polls a job, with a scenario. Reads until `is_there` or the end, and then what comes in a moment more,
/// where nothing should come.
fn poll(world: &World, job: &str, scenario: &str, is_there: &dyn Fn(&str) -> bool) -> Read {
    let address = world.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /api/v1/status/{job} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         X-Perceptis-Sandbox: {scenario}\r\n\r\n",
        world.key
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (mut bytes, mut block) = (Vec::new(), [0; 4096]);
    let mut end = Ok(0);
    while !is_there(&String::from_utf8_lossy(&bytes)) {
        end = stream.read(&mut block);
        match end {
            Ok(count) if count > 0 => bytes.extend_from_slice(&block[..count]),
            _ => break,
        }
    }
    if matches!(end, Ok(count) if count > 0 || bytes.is_empty()) {
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        end = stream.read_to_end(&mut bytes);
    }
    let is_reset = end.is_err_and(|error: Error| error.kind() == ErrorKind::ConnectionReset);
    (String::from_utf8_lossy(&bytes).into_owned(), is_reset, stream)
}

/// A world with a job, and the body of its status.
fn polled() -> (World, String, String) {
    let world = World::new();
    let job = world.job(DECK);
    let body = String::from_utf8(world.poll(&job).unwrap().body).unwrap();
    (world, job, body)
}

fn never(_: &str) -> bool {
    false
}

pub fn connections_that_end(untested: &mut Untested) {
    let (world, job, body) = polled();
    for (name, made) in [("reset_before", 0), ("reset_after", 1), ("close_after", 1)] {
        let before = world.jobs();
        world.rule(&format!("{}@generate*1", untested.take(name)));
        assert!(world.request("POST", "/api/v1/generate", &[], DECK).is_none(), "{name}: no response");
        assert_eq!(world.jobs(), before + made, "{name}");
        assert_eq!(world.last()["faults"], json!([format!("{name}@generate*1")]));
        assert_eq!(world.generate(DECK).status, 202, "once");
    }
    let is_whole = |text: &str| text.ends_with(&body);
    let (all, is_reset, _) = poll(&world, &job, untested.take("ends_by_reset"), &never);
    assert!(is_reset && is_whole(&all) && !all.contains("content-length"), "{all}");
    let (half, is_reset, _) = poll(&world, &job, untested.take("half_answer"), &never);
    assert!(half.starts_with("HTTP/1.1 200") && !half.contains(&body) && is_reset, "{half}");
    let (first, _, mut stream) = poll(&world, &job, untested.take("dies_between"), &is_whole);
    assert!(is_whole(&first), "{first}");
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut more = Vec::new();
    let end = stream.read_to_end(&mut more);
    assert!(end.is_err() && more.is_empty(), "the connection is reset at the next request");
}

pub fn responses_that_differ(untested: &mut Untested) {
    let (world, job, body) = polled();
    let is_whole = |text: &str| text.ends_with(&body);
    let mut poll = |scenario: &'static str, is_there: &dyn Fn(&str) -> bool| {
        poll(&world, &job, untested.take(scenario), is_there).0
    };
    let many = poll("many_headers=150", &is_whole);
    assert!(is_whole(&many) && many.matches("x-line-").count() == 150, "{many}");
    let folded = poll("folded_headers", &is_whole);
    assert!(is_whole(&folded) && folded.contains("x-folded: one\r\n  two\r\n"), "{folded}");
    let dripped = poll("drip=60000", &|text| !text.is_empty());
    assert!(dripped.len() < 20 && "HTTP/1.1 200".starts_with(&dripped[..dripped.len().min(12)]), "{dripped}");
    assert_eq!(poll("no_answer", &|_| true), "");
    let begun = poll("stall_head", &|text| text.starts_with("HTTP/1.1 200 "));
    assert!(begun.starts_with("HTTP/1.1 200 ") && !begun.contains("\r\n\r\n"), "{begun}");
    let stalled = poll("stall_body", &|text| text.contains("\r\n\r\n"));
    assert!(stalled.contains("\r\n\r\n") && !stalled.contains(&body), "{stalled}");
    let long = poll("length_long", &is_whole);
    assert!(is_whole(&long) && long.contains(&format!("content-length: {}", body.len() + 100)), "{long}");
    let short = poll("length_short", &is_whole);
    assert!(is_whole(&short) && !short.contains(&format!("content-length: {}\r", body.len())), "{short}");
    let continued = poll("continue_100", &is_whole);
    assert!(continued.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), "{continued}");
    let hinted = poll("early_hints_103", &is_whole);
    assert!(hinted.starts_with("HTTP/1.1 103") && hinted.contains("HTTP/1.1 200"), "{hinted}");
    assert!(poll("huge_headers=64", &is_whole).len() > 64_000);
    assert!(poll("forbidden_headers", &is_whole).contains("\r\nno colon at all\r\n"));
}

pub fn refused_connections(untested: &mut Untested) {
    let (world, job, body) = polled();
    let address = world.url().strip_prefix("http://").unwrap();
    let mut kept = TcpStream::connect(address).unwrap();
    // The listener refuses connections from before the response on.
    let response = poll(&world, &job, untested.take("connection_refused=60000"), &never).0;
    assert!(response.ends_with(&body) && response.contains("connection: close"), "{response}");
    assert!(is_refused(address));
    refuse(&mut kept, 0);
    until_accepted(address);
    assert_eq!(world.last()["faults"], json!(["connection_refused=60000"]));
}

/// Has connections refused for so long, by a request on an open connection, which ends with that.
fn refuse(kept: &mut TcpStream, ms: u32) {
    let (host, body) = (kept.peer_addr().unwrap(), format!("{{\"ms\":{ms}}}"));
    let head = format!("POST /_sandbox/refuse HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}", body.len());
    kept.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut response = String::new();
    kept.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

fn is_refused(address: &str) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Connects until that works, up to a bound that is never reached.
fn until_accepted(address: &str) {
    let begin = Instant::now();
    while is_refused(address) {
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn connections_are_refused_for_a_time() {
    let world = World::new();
    let address = world.url().strip_prefix("http://").unwrap();
    let begin = Instant::now();
    world.admin("POST", "refuse", &json!({ "ms": 300 }));
    until_accepted(address);
    assert!(begin.elapsed() >= Duration::from_millis(290));

    // Open connections stay usable. They can prolong the refusal and end it.
    let [mut first, mut second, mut third] = [0; 3].map(|_| TcpStream::connect(address).unwrap());
    // A later connection is served, so that none of these still waits to be accepted.
    world.admin("GET", "clock", &Value::Null);
    refuse(&mut first, 60_000);
    assert!(is_refused(address), "from the response on");
    refuse(&mut second, 1);
    std::thread::sleep(Duration::from_millis(20));
    assert!(is_refused(address), "the longer time counts");
    refuse(&mut third, 0);
    until_accepted(address);
    // Without a refusal there is nothing to end.
    world.admin("POST", "refuse", &json!({ "ms": 0 }));
    assert_eq!(world.generate(DECK).status, 202);
}
