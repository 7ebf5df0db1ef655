//! A client of the sandbox as small as can be: one request a connection, nothing hidden.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::panic)]

pub mod child;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

pub const KEY: &str = "sk-test-1";

/// An answer, as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of an error in the documented shape.
    pub fn code(&self) -> String {
        let json = self.json();
        assert!(json["error"]["message"].is_string(), "{json}");
        json["error"]["code"].as_str().unwrap().to_owned()
    }
}

/// Sends these bytes and reads until the other end closes.
pub fn raw(base_url: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(base_url.strip_prefix("http://").unwrap()).unwrap();
    // A sandbox that does not answer fails a test, and hangs none.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // It may be reset before all is said.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// Sends these bytes over one connection, and reads so many answers; where there are several texts, the next is sent
/// when an answer has come.
pub fn ask_each(base_url: &str, texts: &[String], count: usize) -> Vec<Answer> {
    let mut stream = TcpStream::connect(base_url.strip_prefix("http://").unwrap()).unwrap();
    let mut texts = texts.iter();
    let mut buffer = Vec::new();
    let mut answers = Vec::new();
    while answers.len() < count {
        if let Some(text) = texts.next() {
            stream.write_all(text.as_bytes()).unwrap();
        }
        let answer = loop {
            if buffer.windows(4).any(|window| window == b"\r\n\r\n") {
                let answer = parse(&buffer);
                let length = answer.header("content-length").unwrap().parse().unwrap();
                if answer.body.len() >= length {
                    break Answer { body: answer.body[..length].to_vec(), ..answer };
                }
            }
            let mut block = [0; 4096];
            let read = stream.read(&mut block).unwrap();
            assert!(read > 0, "the connection ended: {:?}", String::from_utf8_lossy(&buffer));
            buffer.extend_from_slice(&block[..read]);
        };
        let head = buffer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        buffer.drain(..head + answer.body.len());
        answers.push(answer);
    }
    answers
}

/// One request with these headers; `Host` and `Connection: close` are added where they are not there.
pub fn ask(base_url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    try_ask(base_url, method, path, headers, body).unwrap_or_else(|| panic!("{method} {path}: no answer"))
}

/// The same, where there may be no answer.
pub fn try_ask(
    base_url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Answer> {
    let host = base_url.strip_prefix("http://").unwrap();
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head += &format!("Host: {host}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    let answer = raw(base_url, &[head.as_bytes(), body].concat());
    answer.windows(4).any(|window| window == b"\r\n\r\n").then(|| parse(&answer))
}

pub fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("no answer: {:?}", String::from_utf8_lossy(bytes));
    });
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Answer { status, headers, body: bytes[end + 4..].to_vec() }
}

/// A request with a key.
pub fn get(base_url: &str, key: &str, path: &str) -> Answer {
    ask(base_url, "GET", path, &[("Authorization", &format!("Bearer {key}"))], b"")
}

/// A submission with a key and perhaps an idempotency key.
pub fn generate(base_url: &str, key: &str, idempotency_key: Option<&str>, body: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    let mut headers = vec![("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    headers.extend(idempotency_key.map(|key| ("Idempotency-Key", key)));
    ask(base_url, "POST", "/api/v1/generate", &headers, body.as_bytes())
}

/// A job that the service has accepted.
pub fn accepted(base_url: &str, body: &str) -> String {
    let answer = generate(base_url, KEY, None, body);
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["job_id"].as_str().unwrap().to_owned()
}

/// The state of a completed job; asks until it is.
pub fn completed(base_url: &str, job_id: &str) -> Value {
    loop {
        let answer = get(base_url, KEY, &format!("/api/v1/status/{job_id}"));
        assert_eq!(answer.status, 200);
        let job = answer.json();
        if job["status"] == "completed" {
            return job;
        }
        assert_eq!(job["downloads"], Value::Array(vec![]));
    }
}

/// The path and query of a download URL.
pub fn path_of(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}
