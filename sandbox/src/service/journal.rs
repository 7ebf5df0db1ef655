//! The journal: what was asked and answered, bounded, without keys.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::http::{Body, Request, Response};

const MAX_ENTRIES: usize = 2000;
/// What of any text is kept: a path can be 64 KiB long.
const MAX_TEXT_BYTES: usize = 2048;

/// One request and its answer.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its number, from 1, over all namespaces.
    pub number: u64,
    /// Virtual time, in milliseconds.
    pub at_ms: u64,
    /// Milliseconds since 1970.
    pub real_ms: u64,
    /// The method; empty where the request could not be read.
    pub method: String,
    /// The path.
    pub path: String,
    /// Which key asked: a fingerprint.
    pub key: Option<String>,
    /// Its idempotency key.
    pub idempotency_key: Option<String>,
    /// Its `Range`.
    pub range: Option<String>,
    /// The job that it is about.
    pub job_id: Option<String>,
    /// The beginning of its body.
    pub body: String,
    /// The status that was meant.
    pub status: u16,
    /// The beginning of the answer's body, where it is text, without the signatures of URLs.
    pub response: String,
    /// The scenarios that struck.
    pub faults: Vec<String>,
    /// The length of the answer's body.
    pub answer_bytes: u64,
    /// How many bytes went onto the wire, head and all; `None` until it is known.
    pub sent_bytes: Option<u64>,
}

impl Entry {
    /// What is asked, before anything is known of the answer.
    pub fn of(request: &Request) -> Entry {
        Entry {
            method: cut(request.method.as_bytes()),
            path: cut(request.path.as_bytes()),
            idempotency_key: request.header("idempotency-key").map(|text| cut(text.as_bytes())),
            range: request.header("range").map(|text| cut(text.as_bytes())),
            body: cut(&request.body),
            ..Entry::default()
        }
    }

    /// What is answered.
    pub fn answered(&mut self, response: &Response) {
        self.status = response.status;
        self.answer_bytes = response.body.length();
        let kind = response.headers.iter().find(|(name, _)| *name == "content-type");
        let is_text = kind.is_some_and(|(_, kind)| kind.starts_with("text/") || kind == "application/json");
        if let (true, Body::Bytes(body)) = (is_text, &response.body) {
            self.response = unsigned(&cut(body));
        }
    }

    /// As the admin API tells it.
    pub fn describe(&self) -> Value {
        json!({
            "number": self.number, "at_ms": self.at_ms, "real_ms": self.real_ms, "method": self.method,
            "path": self.path, "key": self.key, "idempotency_key": self.idempotency_key, "range": self.range,
            "job_id": self.job_id, "body": self.body, "status": self.status, "answer": self.response, "faults": self.faults,
            "answer_bytes": self.answer_bytes, "sent_bytes": self.sent_bytes,
        })
    }
}

/// Without what makes a download URL one that can be fetched.
fn unsigned(text: &str) -> String {
    const MARK: &str = "signature=";
    let mut parts = text.split(MARK);
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        told += MARK;
        told += "...";
        told += part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
    }
    told
}

fn cut(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(MAX_TEXT_BYTES)]).into_owned()
}

/// The newest entries.
#[derive(Debug, Default)]
pub struct Journal(VecDeque<Entry>);

impl Journal {
    /// Writes an entry; the oldest goes when there are too many.
    pub fn write(&mut self, mut entry: Entry) {
        for text in entry.faults.iter_mut().chain(&mut entry.job_id) {
            if text.len() > MAX_TEXT_BYTES {
                *text = cut(text.as_bytes());
            }
        }
        if self.0.len() == MAX_ENTRIES {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    /// What was really sent; returns the entry when it is still there.
    pub fn sent(&mut self, number: u64, bytes: u64) -> Option<&Entry> {
        let entry = self.0.iter_mut().rev().find(|entry| entry.number == number)?;
        entry.sent_bytes = Some(bytes);
        Some(entry)
    }

    /// The number after which a reader begins: `after`, and not before the `newest` so many.
    pub fn begins(&self, after: Option<u64>, newest: Option<u64>) -> u64 {
        let newest = newest.and_then(|count| usize::try_from(count).ok());
        let before = newest.and_then(|count| self.0.iter().rev().nth(count)).map_or(0, |entry| entry.number);
        after.unwrap_or(0).max(before)
    }

    /// The entries after this number, the oldest first, at most so many.
    pub fn after(&self, number: u64, most: usize) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(move |entry| entry.number > number).take(most)
    }
}
