//! The journal: requests and their responses, bounded in number, without API keys.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::http::{Body, Request, Response};

const MAX_ENTRIES: usize = 2000;
/// The length to which texts are cut: a path can be 64 KiB long.
const MAX_TEXT_BYTES: usize = 2048;

/// One request and its response.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its number, from 1, over all namespaces.
    pub number: u64,
    /// When, in milliseconds of virtual time.
    pub at_ms: u64,
    /// When, in milliseconds since 1970.
    pub real_ms: u64,
    /// The method. It is empty where the request could not be read.
    pub method: String,
    /// The path.
    pub path: String,
    /// The fingerprint of the API key.
    pub key: Option<String>,
    /// Its idempotency key.
    pub idempotency_key: Option<String>,
    /// Its `Range`.
    pub range: Option<String>,
    /// The job that it is about.
    pub job_id: Option<String>,
    /// The beginning of its body.
    pub body: String,
    /// The status. A fault of the wire may have kept it from the client.
    pub status: u16,
    /// The beginning of the response's body if it is text, without the signatures of URLs.
    pub response: String,
    /// The scenarios that applied.
    pub faults: Vec<String>,
    /// The length of the response's body.
    pub answer_bytes: u64,
    /// How many bytes were sent, with the head. `None` until that is known.
    pub sent_bytes: Option<u64>,
}

impl Entry {
    /// An entry of a request, before it has a response.
    pub fn of(request: &Request) -> Entry {
        Entry {
            method: beginning(request.method.as_bytes()),
            path: beginning(request.path.as_bytes()),
            idempotency_key: request.header("idempotency-key").map(|text| beginning(text.as_bytes())),
            range: request.header("range").map(|text| beginning(text.as_bytes())),
            body: beginning(&request.body),
            ..Entry::default()
        }
    }

    /// Adds the response.
    pub fn set_response(&mut self, response: &Response) {
        self.status = response.status;
        self.answer_bytes = response.body.length();
        let content_type = response.header("content-type").unwrap_or_default();
        let is_text = content_type.starts_with("text/") || content_type == "application/json";
        if let (true, Body::Bytes(body)) = (is_text, &response.body) {
            self.response = unsigned(&beginning(body));
        }
    }

    /// The entry as JSON.
    pub fn describe(&self) -> Value {
        json!({
            "number": self.number, "at_ms": self.at_ms, "real_ms": self.real_ms, "method": self.method,
            "path": self.path, "key": self.key, "idempotency_key": self.idempotency_key, "range": self.range,
            "job_id": self.job_id, "body": self.body, "status": self.status, "answer": self.response,
            "faults": self.faults,
            "answer_bytes": self.answer_bytes, "sent_bytes": self.sent_bytes,
        })
    }
}

/// A text without the signatures of download URLs, so that a reader of the journal can't use them.
fn unsigned(text: &str) -> String {
    const MARK: &str = "signature=";
    let mut parts = text.split(MARK);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean += MARK;
        clean += "...";
        clean += part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
    }
    clean
}

fn beginning(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(MAX_TEXT_BYTES)]).into_owned()
}

/// The newest entries.
#[derive(Debug, Default)]
pub struct Journal(VecDeque<Entry>);

impl Journal {
    /// Writes an entry. The oldest one goes when there are too many.
    pub fn write(&mut self, mut entry: Entry) {
        for text in entry.faults.iter_mut().chain(&mut entry.job_id) {
            if text.len() > MAX_TEXT_BYTES {
                *text = beginning(text.as_bytes());
            }
        }
        if self.0.len() == MAX_ENTRIES {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    /// Writes to an entry how many bytes were sent. Returns it if it is still there.
    pub fn sent(&mut self, number: u64, bytes: u64) -> Option<&Entry> {
        let entry = self.0.iter_mut().rev().find(|entry| entry.number == number)?;
        entry.sent_bytes = Some(bytes);
        Some(entry)
    }

    /// The number after which a reader begins: after entry `after`, and with the `newest` entries at most.
    pub fn begins(&self, after: Option<u64>, newest: Option<u64>) -> u64 {
        let newest = newest.and_then(|count| usize::try_from(count).ok());
        let before = newest.and_then(|count| self.0.iter().rev().nth(count)).map_or(0, |entry| entry.number);
        after.unwrap_or(0).max(before)
    }

    /// At most `max` entries after this number, the oldest first.
    pub fn after(&self, number: u64, max: usize) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(move |entry| entry.number > number).take(max)
    }
}
