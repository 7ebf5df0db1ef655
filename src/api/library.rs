//! The library itself: its versions, and what belongs to no handle.

use std::ffi::{CString, c_char};

use crate::boundary::code::{self, perceptis_code};
use crate::boundary::guard;

/// The major version of the C ABI: programs built against another one can't use this library.
pub const PERCEPTIS_ABI_MAJOR: u32 = 0;
/// The minor version of the C ABI: it grows when something is added.
pub const PERCEPTIS_ABI_MINOR: u32 = 3;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// The library's version, such as "0.1.0".
///
/// Static, not to be freed. Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// The version of the C ABI that this library has: `major << 16 | minor`. A program works with it when the
/// major is the `PERCEPTIS_ABI_MAJOR` that it was built with and the minor is at least its
/// `PERCEPTIS_ABI_MINOR`.
///
/// Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_abi_version() -> u32 {
    PERCEPTIS_ABI_MAJOR << 16 | PERCEPTIS_ABI_MINOR
}

/// A code's name without its prefix, such as "TIMEOUT"; "UNKNOWN" for a number that is none.
///
/// Static, not to be freed. Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_code_name(code: perceptis_code) -> *const c_char {
    code::name(code).as_ptr()
}

/// Frees a text that the library handed out as `char *`. NULL is accepted.
///
/// Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_string_free(text: *mut c_char) {
    if text.is_null() {
        return;
    }
    let _ = guard::guarded(|| {
        // SAFETY: not NULL, so it came from this library's CString::into_raw and is freed once, as documented.
        drop(unsafe { CString::from_raw(text) });
        Ok(())
    });
}
