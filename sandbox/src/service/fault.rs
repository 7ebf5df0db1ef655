//! Faults: everything that can go wrong, and the words that describe where and when it does.
//!
//! [Scenarios](super::scenario) ask for faults by name. The names are in the [catalogue](super::catalogue).

use crate::http::Wire;

/// The part of the API that a request is for.
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

    /// Its name in scenarios.
    pub fn name(self) -> &'static str {
        Endpoint::ALL.iter().find(|(_, endpoint)| *endpoint == self).map_or("", |(name, _)| name)
    }

    /// The endpoint of this name.
    pub fn parse(text: &str) -> Option<Endpoint> {
        Endpoint::ALL.iter().find(|(name, _)| *name == text).map(|(_, endpoint)| *endpoint)
    }
}

/// The step of answering that a fault changes. At most one scenario of each layer applies to a request, the
/// strongest; scenarios of several layers go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Before the request is read.
    Before,
    /// Which keys have access.
    Access,
    /// How idempotency keys are kept.
    Idempotency,
    /// A canned response in the place of the service's own.
    Response,
    /// How long the job takes.
    Pace,
    /// How the job ends, and what its status says.
    Job,
    /// The body of the response.
    Body,
    /// The file that is downloaded.
    File,
    /// How the response is written to the connection.
    Wire,
}

impl Layer {
    /// Its name in the catalogue.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Before => "before",
            Layer::Access => "access",
            Layer::Idempotency => "idempotency",
            Layer::Response => "answer",
            Layer::Pace => "pace",
            Layer::Job => "job",
            Layer::Body => "body",
            Layer::File => "file",
            Layer::Wire => "wire",
        }
    }
}

/// The form of a `Retry-After` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// Whole seconds.
    Seconds,
    /// A date in so many seconds.
    Date,
    /// A fraction of a second, which HTTP does not have.
    Fraction,
    /// A negative number.
    Negative,
    /// A date an hour ago.
    Past,
    /// A number beyond 64 bits.
    Huge,
    /// No header.
    Missing,
    /// Any text.
    Text,
}

/// The fault that a scenario asks for.
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
    // Response
    Http(u16, &'static str),
    Limited(RetryAfter),
    MadeThen(u16),
    NotFoundAtFirst,
    Redirect(u16),
    RateLimit,
    NoCredits,
    // Job
    Takes,
    FailAfter(ErrorShape),
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

/// The form in which a failed job reports its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorShape {
    /// An object with a code and a message.
    Both,
    /// An object with a code.
    Code,
    /// An object with a message.
    Message,
    /// A text.
    Text,
    /// Null.
    Null,
    /// An error inside another object.
    Nested,
}
