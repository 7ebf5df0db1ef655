//! Scenarios: what can be made to go wrong, as it is asked for. Which there are is in the
//! [`table`].
//!
//! A scenario is written `NAME[=VALUE][@ENDPOINT][*TIMES][+SKIP]`: `http_503@status*2+1` lets one poll pass
//! and fails the next two.

use super::table::{self, TABLE};
use crate::http::Wire;

/// Connections are refused no longer than this at once: the program that asked must be able to ask again.
pub const LONGEST_REFUSAL_MS: u64 = 60_000;

/// Where a scenario strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /api/v1/generate`.
    Generate,
    /// `GET /api/v1/status/{job_id}`.
    Status,
    /// A download URL.
    Download,
}

impl Endpoint {
    const ALL: [(&'static str, Endpoint); 3] =
        [("generate", Endpoint::Generate), ("status", Endpoint::Status), ("download", Endpoint::Download)];

    /// As scenarios name it.
    pub fn name(self) -> &'static str {
        Endpoint::ALL.iter().find(|(_, endpoint)| *endpoint == self).map_or("", |(name, _)| name)
    }

    fn parse(text: &str) -> Option<Endpoint> {
        Endpoint::ALL.iter().find(|(name, _)| *name == text).map(|(_, endpoint)| *endpoint)
    }
}

/// Of each layer at most one scenario strikes a request, the strongest; those of several layers go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// What is done before the request is read.
    Before,
    /// Who may ask.
    Access,
    /// How idempotency keys are kept.
    Idempotency,
    /// What is answered in the place of the service's answer.
    Request,
    /// How long the job takes.
    Pace,
    /// What becomes of the job.
    Job,
    /// What is done to the body.
    Body,
    /// What is done to the file.
    File,
    /// What is done on the wire.
    Wire,
}

impl Layer {
    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Before => "before",
            Layer::Access => "access",
            Layer::Idempotency => "idempotency",
            Layer::Request => "answer",
            Layer::Pace => "pace",
            Layer::Job => "job",
            Layer::Body => "body",
            Layer::File => "file",
            Layer::Wire => "wire",
        }
    }
}

/// What a `Retry-After` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// Seconds.
    Seconds,
    /// A date so many seconds ahead.
    Date,
    /// A fraction of seconds, which HTTP does not have.
    Fraction,
    /// A negative number.
    Negative,
    /// A date an hour ago.
    Past,
    /// Longer than any client waits.
    Huge,
    /// No word.
    Missing,
    /// What the value says, whatever that is.
    Text,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Fault {
    // Access
    Revoked,
    Trial,
    UnknownKey,
    // Idempotency
    KeysForgotten,
    KeysPerOrganization,
    ConflictInWork,
    ErrorsKept,
    // Request
    Http(u16, &'static str),
    Limited(RetryAfter),
    MadeThen(u16),
    NotFoundAtFirst,
    Redirect(u16),
    RateLimit,
    NoCredits,
    // Job
    Takes,
    FailAfter(Why),
    NeverEnds,
    UnknownStatus,
    StepBack,
    NoDownloads,
    LateDownloads,
    DownloadsNull,
    FewerVariants,
    OtherFormat,
    UnknownFields,
    NumbersForText,
    // Body
    Html,
    Empty,
    CutJson,
    NotUtf8,
    Bom,
    Deep,
    DuplicateKeys,
    Large,
    Gzip,
    GzipBomb,
    WrongContentType,
    LoneSurrogate,
    NotANumber,
    LongText,
    ContentEncoding,
    // File
    SignatureRefused,
    Expired,
    RangesIgnored,
    EtagChanges,
    CutAt,
    WrongLength,
    ZipCut,
    ZipBadCrc,
    NotAZip,
    ZipWithoutPresentation,
    Gigabyte,
    ZeroBytes,
    RedirectOnce,
    RedirectLoop,
    RedirectTo,
    RedirectOtherHost,
    RedirectToHttp,
    ResumeWithoutEtag,
    ResumeWeakEtag,
    ResumeOverlaps,
    ResumeWithoutRange,
    // Wire
    OnTheWire(Wire),
}

/// In which shape a failed job says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A code and a message.
    Both,
    /// A code alone.
    Code,
    /// A message alone.
    Message,
    /// A text.
    Text,
    /// Nothing.
    Null,
    /// An error within an error.
    Nested,
}

/// A scenario as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// As it was written.
    pub text: String,
    /// What goes wrong.
    pub fault: Fault,
    /// On which layer.
    pub layer: Layer,
    /// Where.
    pub on: Vec<Endpoint>,
    /// The value, given or not.
    pub value: String,
    /// How often at most.
    pub times: Option<u64>,
    /// How many requests pass first.
    pub skip: u64,
}

impl Scenario {
    /// Reads one scenario, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Scenario, String> {
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is not a whole number"));
        let (rest, skip) = match text.rsplit_once('+') {
            Some((rest, skip)) => (rest, number(skip)?),
            None => (text, 0),
        };
        let (rest, times) = match rest.rsplit_once('*') {
            Some((rest, times)) => (rest, Some(number(times)?)),
            None => (rest, None),
        };
        let (rest, endpoint) = match rest.rsplit_once('@') {
            Some((rest, endpoint)) => (rest, Some(endpoint)),
            None => (rest, None),
        };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (rest, None),
        };
        let Some(entry) = TABLE.iter().find(|entry| entry.name == name) else {
            let name: String = name.chars().take(60).collect();
            return Err(format!("unknown scenario {name:?}; known are {}", table::names()));
        };
        let on = match endpoint {
            None => entry.on.to_vec(),
            Some(word) => match Endpoint::parse(word).filter(|endpoint| entry.on.contains(endpoint)) {
                Some(endpoint) => vec![endpoint],
                None => {
                    let can: Vec<&str> = entry.on.iter().map(|endpoint| endpoint.name()).collect();
                    return Err(format!("{name} strikes at {}, not at {word:?}", can.join(", ")));
                }
            },
        };
        let value = match (entry.value, value) {
            (None, Some(_)) => return Err(format!("{name} takes no value")),
            (default, value) => value.or(default).unwrap_or_default().to_owned(),
        };
        let fault = match entry.fault {
            Fault::OnTheWire(Wire::Drip(_)) => Fault::OnTheWire(Wire::Drip(number(&value)?)),
            Fault::OnTheWire(Wire::ThenRefused(_)) => {
                Fault::OnTheWire(Wire::ThenRefused(number(&value)?.min(LONGEST_REFUSAL_MS)))
            }
            Fault::OnTheWire(Wire::HugeHeaders(_)) => {
                Fault::OnTheWire(Wire::HugeHeaders(number(&value)?.min(16 << 10)))
            }
            Fault::OnTheWire(Wire::ManyHeaders(_)) => {
                Fault::OnTheWire(Wire::ManyHeaders(number(&value)?.min(10_000)))
            }
            fault => fault,
        };
        let numeric = !matches!(
            fault,
            Fault::UnknownStatus
                | Fault::OtherFormat
                | Fault::Redirect(_)
                | Fault::RedirectTo
                | Fault::ContentEncoding
                | Fault::Limited(RetryAfter::Text)
        );
        if numeric
            && !value.is_empty()
            && !value.parse::<f64>().is_ok_and(|value| value.is_finite() && value >= 0.0)
        {
            return Err(format!("the value of {name} is a number that is not negative, not {value:?}"));
        }
        Ok(Scenario { text: text.to_owned(), fault, layer: entry.layer, on, value, times, skip })
    }

    /// Reads a list with commas.
    pub fn parse_list(text: &str) -> Result<Vec<Scenario>, String> {
        text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(Scenario::parse).collect()
    }

    /// The directives in a prompt: `[[sandbox: fail_after=3, html*1]]`.
    pub fn in_prompt(prompt: &str) -> Result<Vec<Scenario>, String> {
        let mut found = Vec::new();
        let mut rest = prompt;
        while let Some((_, after)) = rest.split_once("[[sandbox:") {
            let Some((list, after)) = after.split_once("]]") else {
                return Err("a [[sandbox: ...]] directive does not end".into());
            };
            found.extend(Scenario::parse_list(list)?);
            rest = after;
        }
        Ok(found)
    }

    /// The value as a number.
    pub fn number(&self) -> f64 {
        self.value.parse().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_read_with_all_their_parts() {
        let scenario = Scenario::parse("http_429=7@status*2+1").unwrap();
        assert_eq!(scenario.fault, Fault::Limited(RetryAfter::Seconds));
        assert_eq!((scenario.number(), scenario.times, scenario.skip), (7.0, Some(2), 1));
        assert_eq!(scenario.on, [Endpoint::Status]);
        let list = Scenario::in_prompt("x [[sandbox: fail_after=3]] y [[sandbox: html*1, bom]]").unwrap();
        assert_eq!(list.len(), 3);
        assert_eq!(Scenario::parse("drip=5").unwrap().fault, Fault::OnTheWire(Wire::Drip(5)));
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        for (bad, says) in [
            ("nonsense", "http_503"),
            ("http_503@download@x", "unknown scenario"),
            ("fail_after@download", "strikes at status"),
            ("html=3", "takes no value"),
            ("takes=soon", "is a number"),
            ("takes=-1", "is a number"),
            ("html*x", "whole number"),
        ] {
            let error = Scenario::parse(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
        assert!(Scenario::in_prompt("[[sandbox: html").is_err());
    }
}
