//! The codes of the C ABI. Their numbers never change.

use perceptis_core::Kind;

/// What a function returns: `PERCEPTIS_OK` or one of the other `PERCEPTIS_*` codes. The numbers
/// never change. New codes get new numbers, so a program must accept codes that it does not know.
/// Since 0.1.
pub type perceptis_code = i32;

/// The call succeeded.
pub const PERCEPTIS_OK: perceptis_code = 0;
/// The call is wrong: NULL, text that is not UTF-8, an unknown key, a value that is not accepted.
pub const PERCEPTIS_INVALID_ARGUMENT: perceptis_code = 1;
/// The configuration is wrong: no API key, a base URL with a path, a CA file that can't be read.
pub const PERCEPTIS_CONFIGURATION: perceptis_code = 2;
/// 401: the API key is missing, invalid or revoked.
pub const PERCEPTIS_UNAUTHENTICATED: perceptis_code = 3;
/// 403: the organization's plan does not include the API.
pub const PERCEPTIS_NOT_ELIGIBLE: perceptis_code = 4;
/// 404: the service shows no such job to this API key. Or the ledger has no submission with that
/// name.
pub const PERCEPTIS_NOT_FOUND: perceptis_code = 5;
/// 409: the request conflicts with another; `api_code` in the details says how. Without an answer of
/// the service: an idempotency key that is known for another request or under another API key, or a
/// name that can mean two.
pub const PERCEPTIS_CONFLICT: perceptis_code = 6;
/// 400 and the other final refusals: the service does not accept the request.
pub const PERCEPTIS_REJECTED: perceptis_code = 7;
/// 429 until the deadline; `retry_after_ms` in the details says when to try again.
pub const PERCEPTIS_RATE_LIMITED: perceptis_code = 8;
/// 5xx until the end of the retries.
pub const PERCEPTIS_SERVER: perceptis_code = 9;
/// No usable answer: name resolution, connect, TLS or a reset failed.
pub const PERCEPTIS_TRANSPORT: perceptis_code = 10;
/// The library can't understand the answer of the service.
pub const PERCEPTIS_PROTOCOL: perceptis_code = 11;
/// A submission is in doubt: a job may exist. The same request with the `idempotency_key` of the
/// details settles it and is not billed twice.
pub const PERCEPTIS_OUTCOME_UNKNOWN: perceptis_code = 12;
/// The caller's deadline has passed; the job goes on.
pub const PERCEPTIS_TIMEOUT: perceptis_code = 13;
/// The program cancelled the call; the job goes on.
pub const PERCEPTIS_CANCELLED: perceptis_code = 14;
/// The service could not do the job; nothing is billed.
pub const PERCEPTIS_JOB_FAILED: perceptis_code = 15;
/// Some variants or files are missing. The result is set too, and has the files that came.
pub const PERCEPTIS_INCOMPLETE: perceptis_code = 16;
/// The disk or the destination: a missing directory, a name that is taken, no space.
pub const PERCEPTIS_FILE: perceptis_code = 17;
/// The ledger can't be used.
pub const PERCEPTIS_LEDGER: perceptis_code = 18;
/// The client or the queue was closed.
pub const PERCEPTIS_CLOSED: perceptis_code = 19;
/// The client or the queue comes from before a fork; make a new one.
pub const PERCEPTIS_FORKED: perceptis_code = 20;
/// A blocking call from one of the library's own threads, or from a callback.
pub const PERCEPTIS_WOULD_DEADLOCK: perceptis_code = 21;
/// A fault of the library; please report it with the message.
pub const PERCEPTIS_INTERNAL: perceptis_code = 22;

/// The names of the codes. A code's number is its index.
const NAMES: [&core::ffi::CStr; 23] = [
    c"OK",
    c"INVALID_ARGUMENT",
    c"CONFIGURATION",
    c"UNAUTHENTICATED",
    c"NOT_ELIGIBLE",
    c"NOT_FOUND",
    c"CONFLICT",
    c"REJECTED",
    c"RATE_LIMITED",
    c"SERVER",
    c"TRANSPORT",
    c"PROTOCOL",
    c"OUTCOME_UNKNOWN",
    c"TIMEOUT",
    c"CANCELLED",
    c"JOB_FAILED",
    c"INCOMPLETE",
    c"FILE",
    c"LEDGER",
    c"CLOSED",
    c"FORKED",
    c"WOULD_DEADLOCK",
    c"INTERNAL",
];

/// A code's name without its prefix; `UNKNOWN` for a number that this version does not know.
pub(crate) fn name(code: perceptis_code) -> &'static core::ffi::CStr {
    usize::try_from(code).ok().and_then(|at| NAMES.get(at)).copied().unwrap_or(c"UNKNOWN")
}

/// The code of a kind of error.
pub(crate) fn of(kind: Kind) -> perceptis_code {
    match kind {
        Kind::InvalidArgument => PERCEPTIS_INVALID_ARGUMENT,
        Kind::Configuration => PERCEPTIS_CONFIGURATION,
        Kind::Unauthenticated => PERCEPTIS_UNAUTHENTICATED,
        Kind::NotEligible => PERCEPTIS_NOT_ELIGIBLE,
        Kind::NotFound => PERCEPTIS_NOT_FOUND,
        Kind::Conflict => PERCEPTIS_CONFLICT,
        Kind::Rejected => PERCEPTIS_REJECTED,
        Kind::RateLimited => PERCEPTIS_RATE_LIMITED,
        Kind::Server => PERCEPTIS_SERVER,
        Kind::Transport => PERCEPTIS_TRANSPORT,
        Kind::Protocol => PERCEPTIS_PROTOCOL,
        Kind::OutcomeUnknown => PERCEPTIS_OUTCOME_UNKNOWN,
        Kind::Timeout => PERCEPTIS_TIMEOUT,
        Kind::Cancelled => PERCEPTIS_CANCELLED,
        Kind::JobFailed => PERCEPTIS_JOB_FAILED,
        Kind::Incomplete => PERCEPTIS_INCOMPLETE,
        Kind::File => PERCEPTIS_FILE,
        Kind::Ledger => PERCEPTIS_LEDGER,
        Kind::Closed => PERCEPTIS_CLOSED,
        Kind::Forked => PERCEPTIS_FORKED,
        Kind::WouldDeadlock => PERCEPTIS_WOULD_DEADLOCK,
        Kind::Internal => PERCEPTIS_INTERNAL,
    }
}
