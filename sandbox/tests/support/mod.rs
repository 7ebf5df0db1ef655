//! A small client of the sandbox: one request for each connection, without hidden headers.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::panic)]

pub mod child;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

pub const KEY: &str = "sk-test-1";

/// A response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
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
    // A missing response fails a test, and does not let it hang.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // The sandbox may reset the connection before all is sent.
    let _ = stream.write_all(bytes);
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    response
}

/// Sends texts over one connection, and reads `count` responses. After the first text, each one is sent when
/// a response has come.
pub fn ask_each(base_url: &str, texts: &[String], count: usize) -> Vec<Response> {
    let mut stream = TcpStream::connect(base_url.strip_prefix("http://").unwrap()).unwrap();
    let mut texts = texts.iter();
    let mut buffer = Vec::new();
    let mut responses = Vec::new();
    while responses.len() < count {
        if let Some(text) = texts.next() {
            stream.write_all(text.as_bytes()).unwrap();
        }
        let response = loop {
            if buffer.windows(4).any(|window| window == b"\r\n\r\n") {
                let response = parse(&buffer);
                let length = response.header("content-length").unwrap().parse().unwrap();
                if response.body.len() >= length {
                    break Response { body: response.body[..length].to_vec(), ..response };
                }
            }
            let mut block = [0; 4096];
            let read = stream.read(&mut block).unwrap();
            assert!(read > 0, "the connection ended: {:?}", String::from_utf8_lossy(&buffer));
            buffer.extend_from_slice(&block[..read]);
        };
        let head = buffer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        buffer.drain(..head + response.body.len());
        responses.push(response);
    }
    responses
}

/// Sends a request with these headers, and with `Host` if it is not among them.
pub fn ask(base_url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    try_ask(base_url, method, path, headers, body).unwrap_or_else(|| panic!("{method} {path}: no response"))
}

/// Sends a request that may get no response.
pub fn try_ask(
    base_url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Response> {
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
    let response = raw(base_url, &[head.as_bytes(), body].concat());
    response.windows(4).any(|window| window == b"\r\n\r\n").then(|| parse(&response))
}

pub fn parse(bytes: &[u8]) -> Response {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("no response: {:?}", String::from_utf8_lossy(bytes));
    });
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Response { status, headers, body: bytes[end + 4..].to_vec() }
}

/// Sends a GET with an API key.
pub fn get(base_url: &str, key: &str, path: &str) -> Response {
    ask(base_url, "GET", path, &[("Authorization", &format!("Bearer {key}"))], b"")
}

/// Submits a body with an API key, and with an idempotency key if there is one.
pub fn generate(base_url: &str, key: &str, idempotency_key: Option<&str>, body: &str) -> Response {
    let bearer = format!("Bearer {key}");
    let mut headers = vec![("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    headers.extend(idempotency_key.map(|key| ("Idempotency-Key", key)));
    ask(base_url, "POST", "/api/v1/generate", &headers, body.as_bytes())
}

/// Submits a job that has to be accepted. Returns its id.
pub fn accepted(base_url: &str, body: &str) -> String {
    let response = generate(base_url, KEY, None, body);
    assert_eq!(response.status, 202, "{response:?}");
    response.json()["job_id"].as_str().unwrap().to_owned()
}

/// Polls a job until it is completed. Returns its status.
pub fn completed(base_url: &str, job_id: &str) -> Value {
    loop {
        let response = get(base_url, KEY, &format!("/api/v1/status/{job_id}"));
        assert_eq!(response.status, 200);
        let job = response.json();
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
