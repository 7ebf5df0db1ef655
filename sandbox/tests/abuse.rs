//! What no client should send, and far too much of it: each gets its error, and all others their answers.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use perceptis_sandbox::{Limits, Running, Sandbox, Settings};
use serde_json::Value;
use support::child::{Program, need_descriptors};
use support::{Answer, KEY, accepted, ask, generate, get};

const SLIDE: &str = r#"{"prompt":"One slide","output_type":"single_slide"}"#;

fn start(limits: Limits) -> Running {
    Sandbox::start(Settings { limits, ..Settings::default() }).unwrap()
}

/// So many places, which no time limit frees.
fn places(connections: usize) -> Limits {
    let hour = Duration::from_secs(3600);
    Limits { connections, head: hour, body: hour, idle: hour, ..Limits::default() }
}

fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    // What is not answered fails a test, and hangs none.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// A request with a key, and with these lines and this body behind it.
fn request(url: &str, first: &str, rest: &str) -> String {
    let host = url.strip_prefix("http://").unwrap();
    format!("{first}\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n{rest}")
}

fn submission(url: &str, rest: &str) -> String {
    request(url, "POST /api/v1/generate HTTP/1.1", &format!("Content-Type: application/json\r\n{rest}"))
}

/// Sends all of it, says that there is no more, and reads the answer.
fn whole(url: &str, bytes: &[u8]) -> Answer {
    let mut stream = connect(url);
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    read(stream)
}

fn read(mut stream: TcpStream) -> Answer {
    let mut answer = Vec::new();
    // To the end, and not to a reset: an error that is lost is none.
    stream.read_to_end(&mut answer).unwrap();
    support::parse(&answer)
}

/// The journal's entries after this number.
fn journal(url: &str, after: u64) -> Vec<Value> {
    let answer = ask(url, "GET", &format!("/_sandbox/journal?after={after}&limit=1000"), &[], b"").json();
    answer["entries"].as_array().unwrap().clone()
}

/// Whether a sound client is served.
fn serves(url: &str) {
    assert_eq!(get(url, KEY, &format!("/api/v1/status/{}", accepted(url, SLIDE))).status, 200);
}

/// Whether the other end has closed this; nothing else was said on it.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    match read {
        Ok(count) => {
            assert_eq!(count, 0, "nobody asked");
            true
        }
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Waits until something is so, much longer than it can take.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not within a minute: {what}");
}

/// Bytes by chance, the same ones each time (xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.next() % most).map(|_| (self.next() >> 32) as u8).collect()
    }
}

#[test]
fn a_malformed_request_of_any_kind_gets_its_error_and_an_entry() {
    let sandbox = start(Limits::default());
    let url = sandbox.base_url();
    let get = |rest: &str| request(url, "GET /api/v1/status/none HTTP/1.1", rest);
    let post = |rest: &str| submission(url, rest);
    let long = "x".repeat(70 << 10);
    let many = "X-Header: 1\r\n".repeat(101);
    let chunked = "Transfer-Encoding: chunked\r\n";
    let slash = |path: &str| request(url, &format!("GET {path} HTTP/1.1"), "\r\n");
    let mut after = 0;
    for (bytes, status, code) in [
        // No HTTP.
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
        // Cut.
        ("G".to_owned(), 400, "invalid_request"),
        (get(""), 400, "invalid_request"),
        (post("Content-Length: 10\r\n\r\n{"), 400, "invalid_request"),
        (post(&format!("{chunked}\r\n5\r\n{{")), 400, "invalid_request"),
        (post(&format!("{chunked}\r\n0\r\n")), 400, "invalid_request"),
        // Sound HTTP with nothing sound in it.
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
    ] {
        let shown = bytes.chars().take(300).collect::<String>();
        let answer = whole(url, bytes.as_bytes());
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{shown:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{shown:?}");
        assert_eq!(answer.json().as_object().unwrap().len(), 1, "{shown:?}");
        let entries = journal(url, after);
        assert_eq!(entries.len(), 1, "{shown:?}: {entries:?}");
        assert_eq!(entries[0]["status"], status, "{shown:?}");
        assert!(entries[0]["sent_bytes"].as_u64() > entries[0]["answer_bytes"].as_u64(), "{shown:?}");
        assert!(entries[0].to_string().len() < 8000, "{shown:?}: the journal keeps the beginning");
        assert!(!entries[0].to_string().contains(KEY), "{shown:?}");
        after = entries[0]["number"].as_u64().unwrap();
    }
    let jobs = ask(url, "GET", "/_sandbox/jobs", &[], b"").json();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 0, "none of it made a job: {jobs}");
    serves(url);
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let sandbox = start(Limits::default());
    let url = sandbox.base_url();
    let mut stream = connect(url);
    stream.write_all(submission(url, "Content-Length: 200000000\r\n\r\n").as_bytes()).unwrap();
    // More than all buffers hold: the other end reads it, and throws it away.
    for _ in 0..320 {
        stream.write_all(&[b' '; 64 << 10]).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read(stream).status, 413);
}

#[test]
fn what_takes_too_long_is_told_so() {
    let soon = Duration::from_millis(100);
    // Who has said nothing yet has all the time that a loaded machine needs.
    let sandbox = start(Limits { head: soon, body: soon, ..Limits::default() });
    let url = sandbox.base_url();
    for cut in ["GET / HT".to_owned(), submission(url, "Content-Length: 10\r\n\r\n{\"pro")] {
        let mut stream = connect(url);
        stream.write_all(cut.as_bytes()).unwrap();
        let answer = read(stream);
        assert_eq!((answer.status, answer.code().as_str()), (408, "timeout"), "{cut:?}");
        assert_eq!(journal(url, 0).last().unwrap()["status"], 408, "{cut:?}");
    }
    let sandbox = start(Limits { idle: soon, ..Limits::default() });
    let mut silent = connect(sandbox.base_url());
    assert_eq!(silent.read(&mut [0]).unwrap(), 0, "nothing was asked, nothing is said");
}

#[test]
fn thousands_that_say_nothing_or_half_leave_it_serving_others() {
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
    assert!(open.iter_mut().all(|stream| !is_closed(stream)), "there is room for them");
    // Measured: 24 MB in a debug build. What a client can claim costs nothing until it is sent.
    assert!(program.memory() < 200 << 10, "{} KiB", program.memory());
    drop(open);
    serves(&program.url);
    assert_eq!(program.end(), "");
}

#[test]
fn whoever_has_been_quiet_longest_leaves_when_all_places_are_taken() {
    let sandbox = start(places(20));
    let url = sandbox.base_url();
    let job = accepted(url, SLIDE);
    // A slow answer, byte by byte, of about a second.
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
    let answer = support::parse(&[&first[..], &rest].concat());
    assert_eq!((answer.status, &answer.json()["job_id"]), (200, &Value::from(job)), "an answer is not cut");
    let (old, new) = silent.split_at_mut(190);
    assert!(new.iter_mut().rev().take(5).all(|stream| !is_closed(stream)), "the last that came are there");
    for stream in &mut old[..170] {
        until("the first that came are gone", || is_closed(stream));
    }
}

#[test]
fn a_client_that_has_just_asked_stays_when_others_are_quiet_longer() {
    let sandbox = start(places(8));
    let url = sandbox.base_url();
    let mut kept = connect(url);
    let text = request(url, "GET /api/v1/status/none HTTP/1.1", "\r\n");
    let mut ask_kept = || {
        kept.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}}") {
            let mut block = [0; 4096];
            let count = kept.read(&mut block).unwrap();
            assert!(count > 0, "it was closed");
            answer.extend_from_slice(&block[..count]);
        }
    };
    let mut silent = Vec::new();
    for _ in 0..50 {
        // Fewer than there are places, between two requests.
        for _ in 0..4 {
            silent.push(connect(url));
        }
        serves(url);
        ask_kept();
    }
}

#[test]
fn answers_that_nobody_reads_keep_nobody_out() {
    let response = Duration::from_secs(1);
    let sandbox = start(Limits { response, ..places(10) });
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
fn without_descriptors_it_neither_spins_nor_stops() {
    let program = Program::with_descriptors(40);
    let url = &program.url;
    let silent: Vec<TcpStream> = (0..200).map(|_| connect(url)).collect();
    serves(url);
    drop(silent);
    serves(url);
    // In the middle of an answer each, so that nobody has to leave yet.
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
    // Measured: nothing. A loaded machine makes it less.
    assert!(busy < Duration::from_millis(300), "{busy:?} of a second");
    drop(stalled);
    serves(url);
    assert_eq!(program.end(), "");
}

#[test]
fn slow_clients_hold_nobody_up_and_are_answered() {
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
fn random_bytes_end_no_more_than_their_connection() {
    let program = Program::start();
    let url = &program.url;
    let mut chance = Chance(0x5eed);
    let sound = submission(url, &format!("Content-Length: {}\r\n\r\n{SLIDE}", SLIDE.len())).into_bytes();
    let chunked = submission(url, "Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for number in 0..1000 {
        let mut bytes = match number % 4 {
            0 => Vec::new(),
            // A head that is cut somewhere, or whole.
            1 => sound[..usize::try_from(chance.next()).unwrap() % sound.len()].to_vec(),
            2 => chunked.clone(),
            // A request in which a few bytes are others.
            _ => {
                let mut changed = sound.clone();
                for _ in 0..3 {
                    let at = usize::try_from(chance.next()).unwrap() % changed.len();
                    changed[at] = (chance.next() >> 32) as u8;
                }
                changed
            }
        };
        bytes.extend(chance.bytes(2000));
        let mut stream = connect(url);
        // It may be answered, and closed, before all is said.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        if !answer.is_empty() {
            assert!(answer.starts_with(b"HTTP/1.1 "), "{:?}", String::from_utf8_lossy(&answer));
        }
        if number % 100 == 0 {
            serves(url);
        }
    }
    assert_eq!(generate(url, KEY, None, SLIDE).status, 202);
    assert_eq!(program.end(), "", "a panic would be told here");
}
