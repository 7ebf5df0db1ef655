//! The library itself: its versions.

use std::ffi::c_char;

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

/// The version of the C ABI that this library has: `major << 16 | minor`. A program works with it
/// when the major is the `PERCEPTIS_ABI_MAJOR` that it was built with and the minor is at least its
/// `PERCEPTIS_ABI_MINOR`.
///
/// Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_abi_version() -> u32 {
    PERCEPTIS_ABI_MAJOR << 16 | PERCEPTIS_ABI_MINOR
}
