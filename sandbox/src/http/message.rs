//! One question and one answer, as plain values.

use bytes::Bytes;
use serde_json::{Value, json};

/// A request, whole.
#[derive(Debug, Default)]
pub struct Question {
    /// The method.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query, as it was sent.
    pub query: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Question {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.as_str())
    }

    /// A parameter of the query, without decoding.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// What is sent as the body.
#[derive(Clone, Debug)]
pub enum Body {
    /// These bytes.
    Bytes(Bytes),
    /// This many bytes, which are not kept.
    Filler(u64),
}

impl Body {
    /// How many bytes.
    pub fn length(&self) -> u64 {
        match self {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::Filler(length) => *length,
        }
    }
}

/// How an answer gets onto the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// As it should.
    Sound,
    /// The connection is reset before the request's body is read.
    ResetBefore,
    /// Everything is done, and then the connection is reset.
    ResetAfter,
    /// Everything is done, and then the connection is closed.
    CloseAfter,
    /// The first half of the answer, and then a reset.
    Half,
    /// One byte, then a pause of this many milliseconds.
    Drip(u64),
    /// Nothing, for ever.
    NoAnswer,
    /// Half of the head, and then nothing, for ever.
    StallHead,
    /// The head and half of the body, and then nothing, for ever.
    StallBody,
    /// A Content-Length above what comes.
    LengthLong,
    /// A Content-Length below what comes.
    LengthShort,
    /// No Content-Length: all that there is, and then a reset.
    EndsByReset,
    /// A sound answer that leaves the connection open, which is then reset.
    DiesBetween,
    /// A sound answer, written when the listener is gone for so many milliseconds.
    ThenRefused(u64),
    /// `100 Continue` before the answer, though the request did not ask for it.
    Continue,
    /// `103 Early Hints` before the answer.
    EarlyHints,
    /// So many kilobytes of further headers.
    HugeHeaders(u64),
    /// So many further header lines.
    ManyHeaders(u64),
    /// A header line that goes on in the next one, as HTTP once allowed.
    FoldedHeaders,
    /// Header lines that HTTP forbids.
    ForbiddenHeaders,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, but those of the connection.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
    /// How it gets onto the wire.
    pub wire: Wire,
    /// An endless stream of events follows instead of a body.
    pub events: Option<Events>,
}

/// A stream of a journal.
#[derive(Clone, Debug)]
pub struct Events {
    /// Whose journal.
    pub namespace: String,
    /// The number of the last entry that is not in it.
    pub after: u64,
}

impl Answer {
    /// Bytes of this type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Answer {
        Answer {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: Body::Bytes(body.into()),
            wire: Wire::Sound,
            events: None,
        }
    }

    /// JSON.
    pub fn json(status: u16, value: &Value) -> Answer {
        Answer::new(status, "application/json", value.to_string())
    }

    /// An error in the documented shape.
    pub fn error(status: u16, code: &str, message: impl Into<String>) -> Answer {
        Answer::json(status, &json!({ "error": { "code": code, "message": message.into() } }))
    }

    /// With another header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.set(name, value);
        self
    }

    /// Sets a header, in the place of one of the same name.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers.retain(|(key, _)| *key != name);
        self.headers.push((name, value.into()));
    }
}
