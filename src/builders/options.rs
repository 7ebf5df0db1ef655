//! The options of a call.
// Defaults stand in brackets, which rustdoc takes for links.
#![allow(rustdoc::broken_intra_doc_links)]

use std::ffi::c_char;
use std::sync::Arc;

use perceptis_core::Options;

use crate::boundary::arguments::{self, MAX_NAME_BYTES, MAX_OPTIONS_BYTES, MAX_VALUE_BYTES};
use crate::boundary::code::perceptis_code;
use crate::boundary::error::perceptis_error;
use crate::boundary::guard;
use crate::boundary::handle::{self, Handle};
use crate::boundary::returns;

/// The options of a call. They have one owner: two threads must not use them at once. Since 0.1.
pub struct perceptis_options {
    /// Shared with the calls made with it; a change makes a copy first.
    pub(crate) options: Arc<Options>,
}

impl Handle for perceptis_options {
    const KIND: handle::Kind = handle::Kind::Options;
}

/// Makes options in which nothing is set.
///
/// Never NULL. The caller owns them and frees them with `perceptis_options_free`. Any thread; does
/// not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_options_new() -> *mut perceptis_options {
    handle::new(perceptis_options { options: Arc::default() })
}

/// Sets an option from text; the last value wins. A call ignores the options that do not concern it.
///
/// - (the table `OPTIONS` of `core/src/config/keys.rs`)
///
/// Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, an unknown option, a bad value: the
/// message lists what is accepted). The texts are copied. Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_options_set(
    options: *mut perceptis_options,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        let options = arguments::handle_mut("options", options)?;
        let key = arguments::text("key", key, MAX_NAME_BYTES)?;
        let value = arguments::text("value", value, MAX_VALUE_BYTES)?;
        Ok(Arc::make_mut(&mut options.options).set(key, value)?)
    })
}

/// Makes options from a JSON object, such as `{"directory": "out", "timeout_ms": 60000}`. The keys
/// are those of `perceptis_options_set`, the values text, numbers or booleans; `null` leaves an
/// option unset.
///
/// On success the caller owns `*options` and frees it with `perceptis_options_free`. Errors:
/// `INVALID_ARGUMENT`. Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_options_from_json(
    json: *const c_char,
    options: *mut *mut perceptis_options,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::clear(options);
    returns::call(error, || {
        arguments::out("options", options)?;
        let made = Arc::new(Options::from_json(arguments::text("json", json, MAX_OPTIONS_BYTES)?)?);
        returns::put(options, || handle::new(perceptis_options { options: made }));
        Ok(())
    })
}

/// Frees options. NULL is accepted.
///
/// Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_options_free(options: *mut perceptis_options) {
    guard::free(options, drop);
}
