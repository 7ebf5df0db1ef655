//! The panic guard: it stands around the body of every exported function.
//!
//! A panic becomes an error, since it must not unwind into C. The calling thread can't be cancelled
//! meanwhile, since a cancellation would unwind through Rust.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use perceptis_core::{Error, Failure, Kind};

use crate::boundary::handle::{self, Handle};
use crate::platform::threads::Uncancelled;

/// Runs the body of a function. A panic becomes an `INTERNAL` error with its text, and no call in the body is
/// a cancellation point.
pub(crate) fn guarded<T>(body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let _uncancelled = Uncancelled::new();
    silence();
    // A panic leaves no broken state: a body changes shared state in its last step.
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

/// Frees a handle and passes its object to `end`. Does nothing with NULL, with a freed handle and with any
/// other pointer.
pub(crate) fn free<T: Handle>(handle: *mut T, end: impl FnOnce(Box<T>)) {
    let _ = guarded(|| {
        handle::take(handle).map(end);
        Ok(())
    });
}

/// Removes the hook that prints the text of a panic, which the error has. The hook is the library's own, as
/// its copy of the standard library is.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}
