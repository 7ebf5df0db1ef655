//! What went wrong, whether it was billed, and what a program can branch on.

pub(crate) mod message;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// The class of an error. The C ABI gives each a fixed number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// The call itself: NULL, not UTF-8, an unknown key, a bad value.
    InvalidArgument,
    /// No key, a base URL with a path, an unreadable CA file.
    Configuration,
    /// 401: the key is missing, invalid or revoked.
    Unauthenticated,
    /// 403: the organization's plan does not include the API.
    NotEligible,
    /// 404: no such job, or another key's; or nothing in the ledger has that name.
    NotFound,
    /// 409.
    Conflict,
    /// 400 and the other final 4xx.
    Rejected,
    /// 429 beyond the deadline.
    RateLimited,
    /// 5xx to the end of the retries.
    Server,
    /// No usable answer: DNS, connect, TLS, reset.
    Transport,
    /// An answer that can't be understood.
    Protocol,
    /// A submission whose fate could not be settled.
    OutcomeUnknown,
    /// The caller's deadline; the job goes on.
    Timeout,
    /// The caller's cancel; the job goes on.
    Cancelled,
    /// The service gave the job up; nothing is billed.
    JobFailed,
    /// Some variants or files are missing; the result holds what came.
    Incomplete,
    /// The disk or the target.
    File,
    /// The ledger can't be used.
    Ledger,
    /// The client was closed while the operation ran.
    Closed,
    /// The client comes from before a fork.
    Forked,
    /// A blocking call from one of the library's own threads.
    WouldDeadlock,
    /// A fault of this library.
    Internal,
}

/// What is known about the bill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Billed {
    /// Nothing was delivered, so nothing is billed.
    #[default]
    No,
    /// The job was delivered.
    Yes,
    /// A job may exist or may still be delivered.
    Unknown,
}

/// One attempt to reach the service, as errors list them.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptSummary {
    /// When its end was known, in milliseconds of the wall's since the call began, as `elapsed_ms` of an
    /// activity.
    pub at_ms: u64,
    /// What it came to, in a word or two: "accepted", "no answer", a job's new status.
    pub outcome: Cow<'static, str>,
    /// The HTTP status, where one came and was not a success.
    pub http_status: Option<u16>,
}

/// What a program reads from an error, as the JSON object of `perceptis_error_details`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Details {
    /// The HTTP status that decided, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The service's own error code, such as `ambiguous_template_name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_code: Option<String>,
    /// The service's name for the request, for its support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The job, once the service has accepted one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The key under which the submission can be repeated without a second bill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// How long the service asked to wait, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Whether the same call can succeed later, unchanged.
    pub retryable: bool,
    /// What is known about the bill.
    pub billed: Billed,
    /// The newest attempts of the operation, and what else came of it, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptSummary>,
    /// How many attempts came before those.
    #[serde(skip_serializing_if = "is_zero")]
    pub attempts_omitted: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What the sentence of an error says already, and `message::render` does not add.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Says {
    pub(crate) bill: bool,
    pub(crate) next_step: bool,
}

#[derive(Clone)]
struct Inner {
    kind: Kind,
    message: String,
    says: Says,
    details: Details,
}

/// An error: a kind, a sentence for people, details for programs. Holds no secret.
#[derive(Clone)]
pub struct Error(Box<Inner>);

impl Error {
    /// An error of this kind that says this; control characters are replaced by spaces.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        let mut message: String = message.into();
        if message.contains(char::is_control) {
            message = message.replace(char::is_control, " ");
        }
        Error(Box::new(Inner { kind, message, says: Says::default(), details: Details::default() }))
    }

    /// The call was wrong: which argument, and what is accepted.
    pub fn invalid(message: impl Into<String>) -> Error {
        Error::new(Kind::InvalidArgument, message)
    }

    /// The client can't be made or used so.
    pub fn configuration(message: impl Into<String>) -> Error {
        Error::new(Kind::Configuration, message)
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The details for programs.
    pub fn details(&self) -> &Details {
        &self.0.details
    }

    pub(crate) fn says(&self) -> Says {
        self.0.says
    }

    /// The same error; its sentence says what is known of the bill.
    pub(crate) fn says_bill(mut self) -> Error {
        self.0.says.bill = true;
        self
    }

    /// The same error; its sentence says what the caller should do next.
    pub(crate) fn says_next_step(mut self) -> Error {
        self.0.says.next_step = true;
        self
    }

    /// Changes the details.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Details)) -> Error {
        change(&mut self.0.details);
        self
    }

    /// The same details under another kind and sentence.
    #[must_use]
    pub(crate) fn restate(mut self, kind: Kind, message: String) -> Error {
        let details = std::mem::take(&mut self.0.details);
        Error::new(kind, message).with(|into| *into = details)
    }

    pub(crate) fn http_status(mut self, status: u16) -> Error {
        self.0.details.http_status = Some(status);
        self
    }

    pub(crate) fn retryable(mut self) -> Error {
        self.0.details.retryable = true;
        self
    }

    pub(crate) fn retry_after(mut self, wait: Option<Duration>) -> Error {
        self.0.details.retry_after_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        self
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {} {:?}", self.0.kind, self.0.message, self.0.details)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

/// How an operation fails: always an error, and with [`Kind::Incomplete`] also what came.
#[derive(Debug)]
pub struct Failure<R = String> {
    /// What went wrong.
    pub error: Error,
    /// The partial result, as JSON where the caller gets it, with [`Kind::Incomplete`] only.
    pub result: Option<R>,
}

impl<R> From<Error> for Failure<R> {
    fn from(error: Error) -> Failure<R> {
        Failure { error, result: None }
    }
}

/// A result that has no JSON, which only a fault of this library can bring about.
pub(crate) fn unwritable(error: serde_json::Error) -> Error {
    Error::new(Kind::Internal, format!("the result can't be written as JSON: {error}"))
}
