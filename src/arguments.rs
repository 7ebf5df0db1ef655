//! Reading what C hands in. Whatever can be told about a bad argument is told with its name.

use std::ffi::{CStr, c_char};

use perceptis_core::Error;

use crate::handle::{self, Handle};

/// A text that must be there.
pub(crate) fn text<'a>(name: &str, text: *const c_char) -> Result<&'a str, Error> {
    if text.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL, so the caller says that it is a text that ends with a NUL and stays for this call.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|error| {
        Error::invalid(format!("argument {name} is not UTF-8: see byte {}", error.valid_up_to()))
    })
}

/// Bytes that must be there, unless there are none.
pub(crate) fn bytes<'a>(name: &str, data: *const u8, size: usize) -> Result<&'a [u8], Error> {
    if size == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(null(name));
    }
    if size > isize::MAX as usize {
        return Err(Error::invalid(format!("argument size is {size}, which no object has")));
    }
    // SAFETY: neither NULL nor larger than an object can be, so the caller says that it has this many bytes.
    Ok(unsafe { std::slice::from_raw_parts(data, size) })
}

/// A handle that must be there.
pub(crate) fn handle<'a, T: Handle>(name: &str, handle: *const T) -> Result<&'a T, Error> {
    let found = handle::find(handle).map_err(|wrong| wrong.argument::<T>(name))?;
    // SAFETY: a live handle's, which the caller does not free during this call.
    Ok(unsafe { found.as_ref() })
}

/// A handle that may be NULL.
pub(crate) fn optional<'a, T: Handle>(name: &str, handle: *const T) -> Result<Option<&'a T>, Error> {
    if handle.is_null() { Ok(None) } else { self::handle(name, handle).map(Some) }
}

/// A handle that must be there and that this call changes; such handles have one owner.
pub(crate) fn handle_mut<'a, T: Handle>(name: &str, handle: *mut T) -> Result<&'a mut T, Error> {
    let mut found = handle::find(handle).map_err(|wrong| wrong.argument::<T>(name))?;
    // SAFETY: a live handle's, which the caller neither frees nor uses elsewhere during this call.
    Ok(unsafe { found.as_mut() })
}

/// A handle of a function that has no place for an error: what is none of these is nothing.
pub(crate) fn readable<'a, T: Handle>(handle: *const T) -> Option<&'a T> {
    // SAFETY: a live handle's, which the caller does not free during this call.
    handle::find(handle).ok().map(|found| unsafe { found.as_ref() })
}

/// A place for a result that must be there.
pub(crate) fn place<T>(name: &str, place: *mut *mut T) -> Result<(), Error> {
    if place.is_null() { Err(null(name)) } else { Ok(()) }
}

fn null(name: &str) -> Error {
    Error::invalid(format!("argument {name} is NULL"))
}
