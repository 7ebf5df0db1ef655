//! How an attempt to reach the service or a file failed.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::error::Error;

/// Where a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before it stood.
    Connecting,
    /// While its first request waited for the head of the answer. With TLS 1.3 a host judges the client's
    /// certificate by then, and before it reads the request.
    FirstRequest,
    /// Later: a request was read on it.
    Used,
}

/// What came of an attempt in the place of a good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The attempt was withheld just before its first byte: nothing was sent.
    Withheld,
    /// What asking again would not change: this client can't ask, or must not take what is offered.
    Fault,
    /// No connection: only a failed connect proves that nothing was sent.
    NotSent,
    /// The handshake failed for a reason that does not pass by itself: the other end's certificate is not
    /// trusted, say. Nothing was sent.
    Untrusted,
    /// The host asks for a certificate of the client's, and takes no request without: nothing was taken.
    Barred,
    /// The request can have arrived, and no whole answer came back.
    Lost,
    /// A 2xx that can't be understood.
    Unreadable,
    /// A 409 whose code says that this request was not taken.
    Conflict,
    /// Another status than 2xx. A 409 here can mean anything, such as that the first request under the key is
    /// in work.
    Status(u16),
}

/// The codes of a 409 with which the service says that it did not take the request.
const CONFLICTS: [&str; 2] = ["ambiguous_template_name", "idempotency_conflict"];

impl FailureKind {
    /// A status that is no success, with the service's own code.
    pub(crate) fn status(status: u16, api_code: Option<&str>) -> FailureKind {
        match api_code {
            Some(code) if status == 409 && CONFLICTS.contains(&code) => FailureKind::Conflict,
            _ => FailureKind::Status(status),
        }
    }

    /// In a word or two, for the list of attempts.
    pub(crate) fn word(self) -> &'static str {
        match self {
            FailureKind::Withheld => "withheld",
            FailureKind::Fault => "not possible",
            FailureKind::NotSent => "not sent",
            FailureKind::Untrusted => "handshake failed",
            FailureKind::Barred => "client's certificate asked for",
            FailureKind::Lost => "no answer",
            FailureKind::Unreadable => "not understood",
            FailureKind::Status(409) => "conflict",
            FailureKind::Status(429) => "rate limited",
            FailureKind::Status(408 | 425 | 500..) => "failed",
            FailureKind::Status(300..=399) => "redirected",
            FailureKind::Conflict | FailureKind::Status(_) => "refused",
        }
    }
}

/// An attempt that did not bring what was asked for.
#[derive(Clone, Debug)]
pub(crate) struct AttemptError {
    pub(crate) came: FailureKind,
    pub(crate) error: Error,
    /// Whether it brought a part of it all the same.
    pub(crate) progressed: bool,
    /// The longest that the service's word can have the next attempt wait.
    pub(crate) longest_wait: Duration,
}

impl AttemptError {
    pub(crate) fn new(came: FailureKind, error: Error) -> AttemptError {
        AttemptError { came, error, progressed: false, longest_wait: Duration::MAX }
    }

    /// The shortest wait before the next attempt, by the service's word.
    pub(crate) fn floor(&self) -> Option<Duration> {
        self.asked().map(|asked| asked.min(self.longest_wait))
    }

    /// How long the service asked to wait, which is told as it was.
    pub(crate) fn asked(&self) -> Option<Duration> {
        self.error.details().retry_after_ms.map(Duration::from_millis)
    }
}

/// No connection came about within this time of the wall's.
#[derive(Debug)]
pub(crate) struct ConnectTimeout(pub(crate) Duration);

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {} ms", self.0.as_millis())
    }
}

impl StdError for ConnectTimeout {}
