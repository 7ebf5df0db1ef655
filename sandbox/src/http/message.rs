//! Requests and responses as plain values, and how a response is to be written.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// A request with its body.
#[derive(Debug, Default)]
pub struct Request {
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

impl Request {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.as_str())
    }

    /// The values of all headers of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// A parameter of the query, without decoding.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The body of a response.
#[derive(Clone, Debug)]
pub enum Body {
    /// These bytes.
    Bytes(Bytes),
    /// So many bytes of no meaning. They are made while they are sent.
    Filler(u64),
}

impl Body {
    /// The number of its bytes.
    pub fn length(&self) -> u64 {
        match self {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::Filler(length) => *length,
        }
    }
}

/// How a response is written to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// As HTTP says.
    Sound,
    /// The connection is reset before the request's body is read.
    ResetBefore,
    /// The service does its work. Then the connection is reset.
    ResetAfter,
    /// The service does its work. Then the connection is closed.
    CloseAfter,
    /// The first half of the response, and then a reset.
    Half,
    /// One byte at a time, with a pause of so many milliseconds after each.
    Drip(u64),
    /// No byte. The connection stays open.
    NoAnswer,
    /// Half of the head, and no more. The connection stays open.
    StallHead,
    /// The head and half of the body, and no more. The connection stays open.
    StallBody,
    /// A Content-Length above the length of the body.
    LengthLong,
    /// A Content-Length below the length of the body.
    LengthShort,
    /// The whole response without a Content-Length, and then a reset.
    EndsByReset,
    /// A correct response. The connection stays open, and is reset when the next request begins.
    DiesBetween,
    /// A correct response. Before it is written, the listener begins to refuse connections for so many
    /// milliseconds.
    ThenRefused(u64),
    /// `100 Continue` before the response, though the request did not ask for it.
    Continue,
    /// `103 Early Hints` before the response.
    EarlyHints,
    /// So many kilobytes of additional headers.
    HugeHeaders(u64),
    /// So many additional header lines.
    ManyHeaders(u64),
    /// A header that continues on the next line, as HTTP once allowed.
    FoldedHeaders,
    /// Header lines that HTTP forbids.
    ForbiddenHeaders,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, without those of the connection.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
    /// How it is written to the connection.
    pub wire: Wire,
    /// The stream of events that follows in the place of a body.
    pub events: Option<EventStream>,
}

/// A stream of a namespace's journal, and how far it has been sent.
#[derive(Clone, Debug)]
pub struct EventStream {
    /// The namespace.
    pub namespace: String,
    /// The number of the last entry that was sent.
    pub after: u64,
}

impl Response {
    /// A response with bytes of this type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response {
        Response {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: Body::Bytes(body.into()),
            wire: Wire::Sound,
            events: None,
        }
    }

    /// A response with JSON.
    pub fn json(status: u16, value: &Value) -> Response {
        Response::new(status, "application/json", value.to_string())
    }

    /// A response with an error in the documented shape.
    pub fn error(status: u16, code: &str, message: impl Into<String>) -> Response {
        Response::json(status, &json!({ "error": { "code": code, "message": message.into() } }))
    }

    /// The same response with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.set(name, value);
        self
    }

    /// Sets a header. It replaces one of the same name.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.remove(name);
        self.headers.push((name, value.into()));
    }

    /// Removes a header.
    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(key, _)| *key != name);
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }
}

/// An order to the listener: refuse connections for a time.
#[derive(Debug)]
pub struct RefuseConnections {
    /// For how long. Zero ends a refusal that is in force.
    pub time: Duration,
    /// The listener reports here that it accepts no connection any more.
    pub done: oneshot::Sender<()>,
}
