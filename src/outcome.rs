//! Handing an operation's end to C.

use std::ffi::c_char;

use perceptis_core::{Failure, Outcome};

use crate::error::c_text;
use crate::guard;

/// Sets the result where there is one: on success, and with `INCOMPLETE` beside the error.
pub(crate) fn hand_out(outcome: Outcome, result: *mut *mut c_char) -> Result<(), Failure> {
    let (json, end) = match outcome {
        Ok(json) => (Some(json), Ok(())),
        Err(mut failure) => (failure.result.take(), Err(failure)),
    };
    if let Some(json) = json {
        guard::put(result, || c_text(&json).into_raw());
    }
    end
}
