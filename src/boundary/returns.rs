//! What an exported function hands back: its code, its error and its result.

use std::ffi::c_char;

use perceptis_core::{Failure, Outcome};

use crate::boundary::code::{self, PERCEPTIS_OK, perceptis_code};
use crate::boundary::error::perceptis_error;
use crate::boundary::guard::guarded;
use crate::boundary::handle;
use crate::boundary::text::c_text;

/// Runs the body of a function. Sets `error` to NULL first, and to an error if the body fails.
pub(crate) fn call(
    error: *mut *mut perceptis_error,
    body: impl FnOnce() -> Result<(), Failure>,
) -> perceptis_code {
    clear(error);
    match guarded(body) {
        Ok(()) => PERCEPTIS_OK,
        Err(failure) => {
            let code = code::of(failure.error.kind());
            put(error, || handle::new(perceptis_error::from(&failure.error)));
            code
        }
    }
}

/// Sets the result of an operation where it has one: on success, and with `INCOMPLETE` beside the error.
pub(crate) fn hand_out(outcome: Outcome, result: *mut *mut c_char) -> Result<(), Failure> {
    let (json, end) = match outcome {
        Ok(json) => (Some(json), Ok(())),
        Err(mut failure) => (failure.result.take(), Err(failure)),
    };
    if let Some(json) = json {
        put(result, || c_text(&json).into_raw());
    }
    end
}

/// Sets an out-parameter to NULL, without reading it.
pub(crate) fn clear<T>(out: *mut *mut T) {
    put(out, std::ptr::null_mut);
}

/// Sets an out-parameter, unless it is NULL.
pub(crate) fn put<T>(out: *mut *mut T, value: impl FnOnce() -> *mut T) {
    if !out.is_null() {
        // SAFETY: not NULL, so the caller says that a pointer can be written there.
        unsafe { out.write(value()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_text() {
        let mut error = std::ptr::null_mut();
        let code = call(&raw mut error, || panic!("by {}", "design"));
        assert_eq!(code, code::PERCEPTIS_INTERNAL);
        let message = crate::boundary::error::perceptis_error_message(error);
        // SAFETY: a message of a live error.
        let message = unsafe { std::ffi::CStr::from_ptr(message) }.to_str().unwrap();
        assert!(message.contains("by design"), "{message}");
        crate::boundary::error::perceptis_error_free(error);
    }
}
