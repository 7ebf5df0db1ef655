//! Errors: the handle, and the exported functions that read it.

use std::ffi::{CStr, CString, c_char};

use perceptis_core::Error;

use crate::boundary::arguments;
use crate::boundary::code::{self, PERCEPTIS_OK, perceptis_code};
use crate::boundary::guard;
use crate::boundary::handle::{Handle, Kind};
use crate::boundary::text::c_text;

/// What went wrong: a code, a message for people, details for programs. Immutable; may be read from any
/// thread, and moved from one to another. Since 0.1.
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

/// The code of an error.
///
/// Of NULL: `PERCEPTIS_OK`. Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_error_code(error: *const perceptis_error) -> perceptis_code {
    arguments::readable(error).map_or(PERCEPTIS_OK, |error| error.code)
}

/// One sentence for people: what happened, whether it was billed, what to do. UTF-8, without line breaks;
/// holds neither the API key nor a URL's query.
///
/// Borrowed from the error; of NULL: "". Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_error_message(error: *const perceptis_error) -> *const c_char {
    text_of(error, |error| &error.message)
}

/// What a program can branch on, as a JSON object: `http_status`, `api_code` (the service's own code),
/// `request_id`, `job_id`, `idempotency_key`, `retry_after_ms` where they apply, and always `retryable`
/// (whether the same call, unchanged, can succeed later and costs nothing twice) and `billed` ("no", "yes",
/// "unknown"). `attempts` lists the newest of what was tried, oldest first: `at_ms` since the call began,
/// `outcome` in a word or two, `http_status`; `attempts_omitted` says how many came before those.
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
