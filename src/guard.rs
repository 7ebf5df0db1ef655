//! What stands around every exported function: panics stay inside, the calling thread is not cancelled
//! meanwhile, results and errors go to their places.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use perceptis_core::{Error, Failure, Kind};

use crate::code::{self, PERCEPTIS_OK, perceptis_code};
use crate::error::perceptis_error;
use crate::handle::{self, Handle};
use crate::threads::Uncancelled;

/// Runs a function's body. `error` is set to NULL first and to an error if there is one.
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

/// Runs this and makes a panic an `INTERNAL` error with its text. Whatever the body calls is no cancellation
/// point.
pub(crate) fn guarded<T>(body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let _uncancelled = Uncancelled::new();
    silence();
    // A panic leaves nothing half done that is looked at again: bodies change what they own at their end.
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(panicked(panic.as_ref()).into()))
}

/// The error of a panic.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text");
    Error::new(Kind::Internal, format!("a fault in libperceptis, please report it: {text}"))
}

/// Frees a handle, and does this with what it stood for. What is none, as NULL or a freed one, is nothing to
/// free.
pub(crate) fn free<T: Handle>(handle: *mut T, end: impl FnOnce(Box<T>)) {
    let _ = guarded(|| {
        handle::take(handle).map(end);
        Ok(())
    });
}

/// Sets an out-parameter to NULL; it is never read.
pub(crate) fn clear<T>(place: *mut *mut T) {
    put(place, std::ptr::null_mut);
}

/// Sets an out-parameter, where the caller wants it.
pub(crate) fn put<T>(place: *mut *mut T, value: impl FnOnce() -> *mut T) {
    if !place.is_null() {
        // SAFETY: not NULL, so the caller says that a pointer can be written there.
        unsafe { place.write(value()) };
    }
}

/// The library prints nothing, not even a panic's text: that goes into the error. Its copy of the standard
/// library, and so this hook, is its own.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_text() {
        let mut error = std::ptr::null_mut();
        let code = call(&raw mut error, || panic!("by {}", "design"));
        assert_eq!(code, code::PERCEPTIS_INTERNAL);
        let message = crate::error::perceptis_error_message(error);
        // SAFETY: a message of a live error.
        let message = unsafe { std::ffi::CStr::from_ptr(message) }.to_str().unwrap();
        assert!(message.contains("by design"), "{message}");
        crate::error::perceptis_error_free(error);
    }
}
