//! The arguments that C passes: each is checked, and the error of a bad one has its name.
//!
//! A text is read up to its limit and no further. A longer text is refused before it is checked or copied, so
//! that no text takes more memory or time than an accepted one.

use std::ffi::c_char;

use perceptis_core::{Error, Request};

use crate::boundary::handle::{self, Handle};

/// The longest key, field name, type, or name of a job.
pub(crate) const MAX_NAME_BYTES: usize = 512;
/// The longest path, value of a key, or JSON pointer: PATH_MAX without its NUL.
pub(crate) const MAX_VALUE_BYTES: usize = 4095;
/// The longest JSON with options.
pub(crate) const MAX_OPTIONS_BYTES: usize = 1 << 20;
/// The longest prompt, value of a field, or other JSON: as long as the largest request.
pub(crate) const MAX_TEXT_BYTES: usize = Request::MAX_BYTES;

/// Reads a text of at most `max` bytes, which must be there.
pub(crate) fn text<'a>(name: &str, text: *const c_char, max: usize) -> Result<&'a str, Error> {
    if text.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL, so the caller says that it is a text that ends with a NUL; no byte after that is
    // read.
    let length = unsafe { libc::strnlen(text, max + 1) };
    if length > max {
        return Err(too_long(name, max));
    }
    // SAFETY: so many bytes come before the NUL, and they stay for this call.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    std::str::from_utf8(bytes).map_err(|error| {
        Error::invalid(format!("argument {name} is not UTF-8: see byte {}", error.valid_up_to()))
    })
}

/// Reads at most `max` bytes, which must be there unless `size` is 0.
pub(crate) fn bytes<'a>(name: &str, data: *const u8, size: usize, max: usize) -> Result<&'a [u8], Error> {
    if size == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(null(name));
    }
    if size > max {
        return Err(too_long(name, max));
    }
    // SAFETY: neither NULL nor larger than an object can be, so the caller says that it has this many bytes.
    Ok(unsafe { std::slice::from_raw_parts(data, size) })
}

fn too_long(name: &str, max: usize) -> Error {
    let round = match max {
        20_000_000 => " (20 MB)".to_owned(),
        max if max % (1 << 20) == 0 => format!(" ({} MiB)", max >> 20),
        _ => String::new(),
    };
    Error::invalid(format!("argument {name} is longer than {max} bytes{round}, the most that is accepted"))
}

/// Reads a handle, which must be there.
pub(crate) fn handle<'a, T: Handle>(name: &str, handle: *const T) -> Result<&'a T, Error> {
    let found = handle::find(handle).map_err(|wrong| wrong.argument::<T>(name))?;
    // SAFETY: a live handle's, which the caller does not free during this call.
    Ok(unsafe { found.as_ref() })
}

/// Reads a handle that may be NULL.
pub(crate) fn optional<'a, T: Handle>(name: &str, handle: *const T) -> Result<Option<&'a T>, Error> {
    if handle.is_null() { Ok(None) } else { self::handle(name, handle).map(Some) }
}

/// Reads a handle that must be there and that this call changes. Such handles have one owner.
pub(crate) fn handle_mut<'a, T: Handle>(name: &str, handle: *mut T) -> Result<&'a mut T, Error> {
    let mut found = handle::find(handle).map_err(|wrong| wrong.argument::<T>(name))?;
    // SAFETY: a live handle's, which the caller neither frees nor uses elsewhere during this call.
    Ok(unsafe { found.as_mut() })
}

/// Reads a handle for a function without an error argument. `None` of NULL and of what is no such handle.
pub(crate) fn readable<'a, T: Handle>(handle: *const T) -> Option<&'a T> {
    // SAFETY: a live handle's, which the caller does not free during this call.
    handle::find(handle).ok().map(|found| unsafe { found.as_ref() })
}

/// Checks an out-parameter for a result, which must be there.
pub(crate) fn out<T>(name: &str, out: *mut *mut T) -> Result<(), Error> {
    if out.is_null() { Err(null(name)) } else { Ok(()) }
}

fn null(name: &str) -> Error {
    Error::invalid(format!("argument {name} is NULL"))
}
