//! One question and one answer, as plain values.

use bytes::Bytes;
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

/// A request, whole.
pub struct Question {
    /// The method.
    pub method: Method,
    /// The path, as it was sent.
    pub path: String,
    /// The query, as it was sent.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Question {
    /// A header's text, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers, but those of the connection.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// JSON.
    pub fn json(status: StatusCode, value: &Value) -> Answer {
        Answer {
            status,
            headers: vec![("content-type", "application/json".into())],
            body: value.to_string().into(),
        }
    }

    /// An error in the documented shape.
    pub fn error(status: StatusCode, code: &str, message: impl Into<String>) -> Answer {
        Answer::json(status, &json!({ "error": { "code": code, "message": message.into() } }))
    }

    /// With another header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}
