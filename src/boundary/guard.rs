//! The panic guard: it stands around the body of every exported function.
//!
//! A panic becomes an error, since it must not unwind into C. The calling thread can't be cancelled meanwhile,
//! since a cancellation would unwind through Rust.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use perceptis_core::{Error, Failure, Kind};

use crate::boundary::handle::{self, Handle};
use crate::platform::threads::Uncancelled;

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

/// The library prints nothing, not even a panic's text: that goes into the error. Its copy of the standard
/// library, and so this hook, is its own.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}
