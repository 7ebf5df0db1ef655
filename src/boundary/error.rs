//! Errors: the handle, and the exported functions that read it.

use std::ffi::{CStr, CString, c_char};

use perceptis_core::Error;

use crate::boundary::arguments;
use crate::boundary::code::{self, PERCEPTIS_OK, perceptis_code};
use crate::boundary::guard;
use crate::boundary::handle::{Handle, Kind};
use crate::boundary::text::c_text;

/// An error: a code, a message for people, and details for programs. It never changes. Any thread
/// may read it, and it may be moved from one thread to another. Since 0.1.
pub struct perceptis_error {
    code: perceptis_code,
    message: CString,
    details: CString,
}

impl Handle for perceptis_error {
    const KIND: Kind = Kind::Error;

    fn reads(kind: Kind) -> bool {
        matches!(kind, Kind::Error | Kind::EventError)
    }
}

impl From<&Error> for perceptis_error {
    fn from(error: &Error) -> perceptis_error {
        let details = serde_json::to_string(error.details()).unwrap_or_else(|_| "{}".into());
        perceptis_error {
            code: code::of(error.kind()),
            message: c_text(error.message()),
            details: c_text(&details),
        }
    }
}

/// The name of a code without its prefix, such as "TIMEOUT"; "UNKNOWN" for a number that is no code.
///
/// Static, not to be freed. Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_code_name(code: perceptis_code) -> *const c_char {
    code::name(code).as_ptr()
}

/// The code of an error.
///
/// Of NULL: `PERCEPTIS_OK`. Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_error_code(error: *const perceptis_error) -> perceptis_code {
    arguments::readable(error).map_or(PERCEPTIS_OK, |error| error.code)
}

/// One sentence for people: what happened, whether it was billed, and what to do. UTF-8, without
/// line breaks. It has neither the API key nor the query of a URL.
///
/// Borrowed from the error; of NULL: "". Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_error_message(error: *const perceptis_error) -> *const c_char {
    text_of(error, |error| &error.message)
}

/// What a program can branch on, as a JSON object: `{"http_status", "api_code", "request_id",
/// "job_id", "idempotency_key", "retry_after_ms", "retryable", "billed", "attempts": [{"at_ms",
/// "outcome", "http_status"}], "attempts_omitted"}`. `retryable` (whether the same call, unchanged,
/// can succeed later and costs nothing twice) and `billed` ("no", "yes", "unknown") are always
/// there, the other keys where they apply. `api_code` is the service's own code. `attempts` lists
/// the newest attempts, the oldest of them first: `at_ms` since the call began, `outcome` in a word
/// or two. `attempts_omitted` says how many attempts came before those.
///
/// Borrowed from the error; of NULL: "". Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_error_details(error: *const perceptis_error) -> *const c_char {
    text_of(error, |error| &error.details)
}

fn text_of(error: *const perceptis_error, part: fn(&perceptis_error) -> &CStr) -> *const c_char {
    arguments::readable(error).map_or(c"", part).as_ptr()
}

/// Frees an error, and the texts borrowed from it. NULL is accepted.
///
/// Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_error_free(error: *mut perceptis_error) {
    guard::free(error, drop);
}
