//! Abuse: malformed requests, silent and slow clients, too many connections. Each gets its error, and the
//! other clients get their responses.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use perceptis_sandbox::{Limits, Running, Sandbox, Settings};
use serde_json::Value;
use support::child::{Program, need_descriptors};
use support::{KEY, Response, accepted, ask, generate, get};

const SLIDE: &str = r#"{"prompt":"One slide","output_type":"single_slide"}"#;

fn start(limits: Limits) -> Running {
    Sandbox::start(Settings { limits, ..Settings::default() }).unwrap()
}

/// Limits of so many connections, without limits of time.
fn limits(connections: usize) -> Limits {
    let hour = Duration::from_secs(3600);
    Limits { connections, head: hour, body: hour, idle: hour, ..Limits::default() }
}

fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    // A missing response fails a test, and does not let it hang.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// A request with an API key. `rest` has its other headers and its body.
fn request(url: &str, first: &str, rest: &str) -> String {
    let host = url.strip_prefix("http://").unwrap();
    format!("{first}\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n{rest}")
}

fn submission(url: &str, rest: &str) -> String {
    request(url, "POST /api/v1/generate HTTP/1.1", &format!("Content-Type: application/json\r\n{rest}"))
}

/// Sends these bytes, closes the sending side, and reads the response.
fn whole(url: &str, bytes: &[u8]) -> Response {
    let mut stream = connect(url);
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    read(stream)
}

fn read(mut stream: TcpStream) -> Response {
    let mut response = Vec::new();
    // It ends in order: a reset could lose the response.
    stream.read_to_end(&mut response).unwrap();
    support::parse(&response)
}

/// The journal's entries after this number.
fn journal(url: &str, after: u64) -> Vec<Value> {
    let response = ask(url, "GET", &format!("/_sandbox/journal?after={after}&limit=1000"), &[], b"").json();
    response["entries"].as_array().unwrap().clone()
}

/// Checks that the sandbox serves another client.
fn serves(url: &str) {
    assert_eq!(get(url, KEY, &format!("/api/v1/status/{}", accepted(url, SLIDE))).status, 200);
}

/// Whether the sandbox has closed this connection, on which nothing was sent.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    match read {
        Ok(count) => {
            assert_eq!(count, 0, "no byte comes without a request");
            true
        }
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Waits until a condition holds, up to a bound that is never reached.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not within a minute: {what}");
}

/// Random bytes, the same each time (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, max: u64) -> Vec<u8> {
        (0..self.next() % max).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// Bytes that are no correct request, with the status and code of their error.
type Case = (String, u16, &'static str);

fn bad_heads(url: &str) -> Vec<Case> {
    let get = |rest: &str| request(url, "GET /api/v1/status/none HTTP/1.1", rest);
    let long = "x".repeat(70 << 10);
    let many = "X-Header: 1\r\n".repeat(101);
    vec![
        // Bytes that are not HTTP.
        ("\0\u{1}\u{2} garbage\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}TLS".to_owned(), 400, "invalid_request"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("GET\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("GET / \u{e9} HTTP/1.1\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("{\"prompt\": \"p\"}".to_owned(), 400, "invalid_request"),
        (long.clone(), 431, "invalid_request"),
        // Headers.
        (get("no colon at all\r\n\r\n"), 400, "invalid_request"),
        (get("A name: with a space\r\n\r\n"), 400, "invalid_request"),
        (get("X-Nul: a\0b\r\n\r\n"), 400, "invalid_request"),
        (get("X: 1\r\n folded\r\n\r\n"), 400, "invalid_request"),
        (get(&format!("X: {long}\r\n\r\n")), 431, "invalid_request"),
        (get(&format!("{many}\r\n")), 431, "invalid_request"),
        (get("Host: 127.0.0.1\r\n\r\n"), 400, "invalid_request"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n".to_owned(), 421, "invalid_request"),
        (get("Origin: http://evil.test\r\n\r\n"), 403, "forbidden"),
        (get("X-Perceptis-Sandbox: nonsense\r\n\r\n"), 400, "invalid_request"),
    ]
}

fn bad_lengths(url: &str) -> Vec<Case> {
    let post = |rest: &str| submission(url, rest);
    let long = "x".repeat(70 << 10);
    let chunked = "Transfer-Encoding: chunked\r\n";
    vec![
        // Lengths.
        (post("Content-Length: -1\r\n\r\n"), 400, "invalid_request"),
        (post("Content-Length: +1\r\n\r\n{"), 400, "invalid_request"),
        (post("Content-Length: 0x1\r\n\r\n{"), 400, "invalid_request"),
        (post("Content-Length: 1, 1\r\n\r\n{"), 400, "invalid_request"),
        (post("Content-Length: 1\r\nContent-Length: 1\r\n\r\n{"), 400, "invalid_request"),
        (post("Content-Length: 99999999999999999999\r\n\r\n"), 400, "invalid_request"),
        (post("Content-Length: 100663297\r\n\r\n"), 413, "invalid_request"),
        (post("Expect: 100-continue\r\nContent-Length: 100663297\r\n\r\n"), 413, "invalid_request"),
        (post(&format!("{chunked}Content-Length: 1\r\n\r\n{{")), 400, "invalid_request"),
        (post(&format!("{chunked}{chunked}\r\n0\r\n\r\n")), 400, "invalid_request"),
        (post("Transfer-Encoding: gzip\r\n\r\n"), 400, "invalid_request"),
        (post(&format!("{chunked}\r\nzz\r\n")), 400, "invalid_request"),
        (post(&format!("{chunked}\r\n1\r\n{{}}\r\n")), 400, "invalid_request"),
        (post(&format!("{chunked}\r\n{}\r\n", "1".repeat(2000))), 400, "invalid_request"),
        (post(&format!("{chunked}\r\nffffffffffffffff\r\n")), 413, "invalid_request"),
        (post(&format!("{chunked}\r\n0\r\nX: {long}\r\n\r\n")), 431, "invalid_request"),
    ]
}

fn bad_contents(url: &str) -> Vec<Case> {
    let get = |rest: &str| request(url, "GET /api/v1/status/none HTTP/1.1", rest);
    let post = |rest: &str| submission(url, rest);
    let chunked = "Transfer-Encoding: chunked\r\n";
    let slash = |path: &str| request(url, &format!("GET {path} HTTP/1.1"), "\r\n");
    vec![
        // Requests that end too early.
        ("G".to_owned(), 400, "invalid_request"),
        (get(""), 400, "invalid_request"),
        (post("Content-Length: 10\r\n\r\n{"), 400, "invalid_request"),
        (post(&format!("{chunked}\r\n5\r\n{{")), 400, "invalid_request"),
        (post(&format!("{chunked}\r\n0\r\n")), 400, "invalid_request"),
        // Correct HTTP with a wrong content.
        (post("\r\n"), 400, "invalid_request"),
        (post("Content-Length: 2\r\n\r\n[]"), 400, "invalid_request"),
        (post(&format!("Content-Length: 1000\r\n\r\n{}", "[".repeat(1000))), 400, "invalid_request"),
        (post("Content-Length: 2\r\n\r\n\u{fb}"), 400, "invalid_request"),
        (slash("/nowhere"), 404, "not_found"),
        (slash("*"), 404, "not_found"),
        (slash("no-slash"), 404, "not_found"),
        (slash("/api/v1/status/%00"), 404, "not_found"),
        (slash("/api/v1/status/../../etc/passwd"), 404, "not_found"),
        (slash(&format!("/{}", "x".repeat(60 << 10))), 404, "not_found"),
        (slash("/files/none/1.pptx?expires=-1&signature=\u{e9}"), 403, "forbidden"),
        (request(url, "BREW /api/v1/generate HTTP/1.1", "\r\n"), 405, "invalid_request"),
        (request(url, "CONNECT example.test:443 HTTP/1.1", "\r\n"), 404, "not_found"),
    ]
}

#[test]
fn malformed_request_gets_its_error_and_an_entry() {
    let sandbox = start(Limits::default());
    let url = sandbox.base_url();
    let mut after = 0;
    for (bytes, status, code) in [bad_heads(url), bad_lengths(url), bad_contents(url)].concat() {
        let shown = bytes.chars().take(300).collect::<String>();
        let response = whole(url, bytes.as_bytes());
        assert_eq!((response.status, response.code().as_str()), (status, code), "{shown:?}");
        assert_eq!(response.header("content-type"), Some("application/json"), "{shown:?}");
        assert_eq!(response.json().as_object().unwrap().len(), 1, "{shown:?}");
        let entries = journal(url, after);
        assert_eq!(entries.len(), 1, "{shown:?}: {entries:?}");
        assert_eq!(entries[0]["status"], status, "{shown:?}");
        assert!(entries[0]["sent_bytes"].as_u64() > entries[0]["answer_bytes"].as_u64(), "{shown:?}");
        assert!(entries[0].to_string().len() < 8000, "{shown:?}: the journal cuts long texts");
        assert!(!entries[0].to_string().contains(KEY), "{shown:?}");
        after = entries[0]["number"].as_u64().unwrap();
    }
    let jobs = ask(url, "GET", "/_sandbox/jobs", &[], b"").json();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 0, "they made no job: {jobs}");
    serves(url);
}

#[test]
fn refusal_reaches_a_client_that_is_still_sending() {
    let sandbox = start(Limits::default());
    let url = sandbox.base_url();
    let mut stream = connect(url);
    stream.write_all(submission(url, "Content-Length: 200000000\r\n\r\n").as_bytes()).unwrap();
    // More than all buffers hold: the sandbox reads it and drops it.
    for _ in 0..320 {
        stream.write_all(&[b' '; 64 << 10]).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read(stream).status, 413);
}

#[test]
fn slow_request_gets_a_timeout_error() {
    let soon = Duration::from_millis(100);
    // The idle limit stays long, for a loaded machine.
    let sandbox = start(Limits { head: soon, body: soon, ..Limits::default() });
    let url = sandbox.base_url();
    for cut in ["GET / HT".to_owned(), submission(url, "Content-Length: 10\r\n\r\n{\"pro")] {
        let mut stream = connect(url);
        stream.write_all(cut.as_bytes()).unwrap();
        let response = read(stream);
        assert_eq!((response.status, response.code().as_str()), (408, "timeout"), "{cut:?}");
        assert_eq!(journal(url, 0).last().unwrap()["status"], 408, "{cut:?}");
    }
    let sandbox = start(Limits { idle: soon, ..Limits::default() });
    let mut silent = connect(sandbox.base_url());
    assert_eq!(silent.read(&mut [0]).unwrap(), 0, "without a request there is no response");
}

#[test]
fn thousands_of_silent_connections_do_not_stop_the_others() {
    need_descriptors(3500);
    let program = Program::start();
    let halves = [
        String::new(),
        "POST /api/v1/generate HTTP/1.1\r\nHost: ".to_owned(),
        submission(&program.url, "Content-Length: 60000000\r\n\r\n{\"prompt\":\""),
    ];
    let mut open = Vec::new();
    for number in 0..3000 {
        let mut stream = connect(&program.url);
        stream.write_all(halves[number % halves.len()].as_bytes()).unwrap();
        open.push(stream);
        if number % 100 == 0 {
            serves(&program.url);
        }
    }
    serves(&program.url);
    assert!(open.iter_mut().all(|stream| !is_closed(stream)), "there are free slots");
    // Measured: 24 MB in a debug build. A length that a client announces takes no memory before the bytes
    // come.
    assert!(program.memory() < 200 << 10, "{} KiB", program.memory());
    drop(open);
    serves(&program.url);
    assert_eq!(program.end(), "");
}

#[test]
fn connection_limit_closes_the_one_that_is_quiet_longest() {
    let sandbox = start(limits(20));
    let url = sandbox.base_url();
    let job = accepted(url, SLIDE);
    // A slow response, byte by byte, of about a second.
    let path = format!("GET /api/v1/status/{job} HTTP/1.1");
    let mut dripped = connect(url);
    let slow = request(url, &path, "X-Perceptis-Sandbox: drip=3\r\nConnection: close\r\n\r\n");
    dripped.write_all(slow.as_bytes()).unwrap();
    let mut first = [0];
    dripped.read_exact(&mut first).unwrap();

    let mut silent: Vec<TcpStream> = Vec::new();
    for number in 0..200 {
        let mut stream = connect(url);
        if number % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        }
        silent.push(stream);
        if number % 10 == 0 {
            serves(url);
        }
    }
    serves(url);
    let mut rest = Vec::new();
    dripped.read_to_end(&mut rest).unwrap();
    let response = support::parse(&[&first[..], &rest].concat());
    assert_eq!(
        (response.status, &response.json()["job_id"]),
        (200, &Value::from(job)),
        "a response is not cut"
    );
    let (old, new) = silent.split_at_mut(190);
    assert!(new.iter_mut().rev().take(5).all(|stream| !is_closed(stream)), "the last connections are open");
    for stream in &mut old[..170] {
        until("the first connections are closed", || is_closed(stream));
    }
}

#[test]
fn connection_limit_spares_a_client_that_has_just_asked() {
    let sandbox = start(limits(8));
    let url = sandbox.base_url();
    let mut kept = connect(url);
    let text = request(url, "GET /api/v1/status/none HTTP/1.1", "\r\n");
    let mut ask_kept = || {
        kept.write_all(text.as_bytes()).unwrap();
        let mut response = Vec::new();
        while !response.ends_with(b"}}") {
            let mut block = [0; 4096];
            let count = kept.read(&mut block).unwrap();
            assert!(count > 0, "it was closed");
            response.extend_from_slice(&block[..count]);
        }
    };
    let mut silent = Vec::new();
    for _ in 0..50 {
        // Fewer than there are slots, between two requests.
        for _ in 0..4 {
            silent.push(connect(url));
        }
        serves(url);
        ask_kept();
    }
}

#[test]
fn connection_limit_closes_responses_that_are_not_read() {
    let response = Duration::from_secs(1);
    let sandbox = start(Limits { response, ..limits(10) });
    let url = sandbox.base_url();
    let job = accepted(url, SLIDE);
    let path = format!("GET /api/v1/status/{job} HTTP/1.1");
    let mut open = Vec::new();
    for scenario in ["no_answer", "stall_body", "large_body=1000000000", "drip=1000"].repeat(10) {
        let mut stream = connect(url);
        let text = request(url, &path, &format!("X-Perceptis-Sandbox: {scenario}\r\n\r\n"));
        stream.write_all(text.as_bytes()).unwrap();
        open.push(stream);
    }
    for _ in 0..2 {
        let mut events = connect(url);
        events.write_all(request(url, "GET /_sandbox/events HTTP/1.1", "\r\n").as_bytes()).unwrap();
        open.push(events);
    }
    serves(url);
}

#[test]
fn sandbox_without_descriptors_neither_spins_nor_stops() {
    let program = Program::with_descriptors(40);
    let url = &program.url;
    let silent: Vec<TcpStream> = (0..200).map(|_| connect(url)).collect();
    serves(url);
    drop(silent);
    serves(url);
    // Each is in the middle of a response, so that none of them has to close yet.
    let job = accepted(url, SLIDE);
    let path = format!("GET /api/v1/status/{job} HTTP/1.1");
    let stalled: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = connect(url);
            let text = request(url, &path, "X-Perceptis-Sandbox: no_answer\r\n\r\n");
            stream.write_all(text.as_bytes()).unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(100));
    let before = program.busy();
    std::thread::sleep(Duration::from_millis(1000));
    let busy = program.busy() - before;
    // Measured: no time. A loaded machine makes it less.
    assert!(busy < Duration::from_millis(300), "{busy:?} of a second");
    drop(stalled);
    serves(url);
    assert_eq!(program.end(), "");
}

#[test]
fn slow_clients_get_responses_and_do_not_delay_others() {
    let sandbox = start(Limits::default());
    let url = sandbox.base_url();
    let text =
        submission(url, &format!("Connection: close\r\nContent-Length: {}\r\n\r\n{SLIDE}", SLIDE.len()));
    let mut slow: Vec<TcpStream> = (0..100).map(|_| connect(url)).collect();
    for stream in &slow {
        stream.set_nodelay(true).unwrap();
    }
    for (at, byte) in text.bytes().enumerate() {
        for stream in &mut slow {
            stream.write_all(&[byte]).unwrap();
        }
        if at % 20 == 0 {
            serves(url);
        }
    }
    for stream in slow {
        assert_eq!(read(stream).status, 202);
    }
}

#[test]
fn random_bytes_end_only_their_connection() {
    let program = Program::start();
    let url = &program.url;
    let mut random = Random(0x5eed);
    let correct = submission(url, &format!("Content-Length: {}\r\n\r\n{SLIDE}", SLIDE.len())).into_bytes();
    let chunked = submission(url, "Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for number in 0..1000 {
        let mut bytes = match number % 4 {
            0 => Vec::new(),
            // A head that is cut somewhere, or complete.
            1 => correct[..usize::try_from(random.next()).unwrap() % correct.len()].to_vec(),
            2 => chunked.clone(),
            // A request with a few changed bytes.
            _ => {
                let mut changed = correct.clone();
                for _ in 0..3 {
                    let at = usize::try_from(random.next()).unwrap() % changed.len();
                    changed[at] = (random.next() >> 32) as u8;
                }
                changed
            }
        };
        bytes.extend(random.bytes(2000));
        let mut stream = connect(url);
        // The sandbox may respond and close before all is sent.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response);
        if !response.is_empty() {
            assert!(response.starts_with(b"HTTP/1.1 "), "{:?}", String::from_utf8_lossy(&response));
        }
        if number % 100 == 0 {
            serves(url);
        }
    }
    assert_eq!(generate(url, KEY, None, SLIDE).status, 202);
    assert_eq!(program.end(), "", "a panic would be printed here");
}
