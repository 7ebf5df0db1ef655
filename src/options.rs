//! Options as C sees them.

use std::ffi::c_char;
use std::sync::Arc;

use perceptis_core::Options;

use crate::arguments::{self, MAX_NAME_BYTES, MAX_OPTIONS_BYTES, MAX_VALUE_BYTES};
use crate::code::perceptis_code;
use crate::error::perceptis_error;
use crate::guard;
use crate::handle::{self, Handle};

/// How one call is made. Has one owner: not to be used from two threads at once. Since 0.1.
pub struct perceptis_options {
    /// Shared with the calls made with it; a change makes a copy first.
    pub(crate) options: Arc<Options>,
}

impl Handle for perceptis_options {
    const KIND: handle::Kind = handle::Kind::Options;
}

/// Options with nothing set.
///
/// Never NULL. The caller owns them and frees them with `perceptis_options_free`. Any thread; does not
/// block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_options_new() -> *mut perceptis_options {
    handle::new(perceptis_options { options: Arc::default() })
}

/// Sets an option from text; the last value wins. A call ignores the options that do not concern it.
///
/// - `timeout_ms`: the deadline of the whole call in milliseconds, 1 to a week [get_status: 1 minute;
///   generate: 10; run: 30 for a slide, 45 for a deck; wait: 45; download: 60]
/// - `directory`: where files go; must exist [the working directory]
/// - `name`: the files' name without its ending, without separators [the job's id]
/// - `overwrite`: `true` to replace the presentation that has that name when the call begins [false: such a file
///   is an error before anything is submitted]; one that is written meanwhile stays, and the new file goes beside
///   it, as `<name>-<job_id>.pptx`
/// - `idempotency_key`: 1 to 255 visible ASCII characters [a random one]; the same key with the same request
///   is the same job, however often it is submitted
/// - `resubmit`: `true` to repeat a submission whose fate is unknown even after `resubmit_window_ms`, when the
///   service may have forgotten its key and may bill a second job [false]
/// - `adopt`: `off` to buy anew even where an equal call (operation, request, directory, name) is over, or its process
///   gone, and its program was not told OK [on: that call's submission is continued]
/// - `on_other_key`: `submit` to buy anew where the idempotency key is known under another API key, or an equal call
///   under another API key is not settled [refuse]
/// - `job`, `state`, `unsettled`, `max_age_ms`, `limit` [1000], `history`: see `perceptis_jobs`, `perceptis_recover`
/// - `progress`: `true` to get an event whenever the call has come further [false]; for calls that end in
///   a queue, since 0.2
///
/// Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, an unknown option, a bad value: the message lists
/// what is accepted). The texts are copied. Any thread; does not block. Since 0.1.
// What is in brackets is a default, not a link: this text is for the header.
#[allow(rustdoc::broken_intra_doc_links)]
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_options_set(
    options: *mut perceptis_options,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    guard::call(error, || {
        let options = arguments::handle_mut("options", options)?;
        let key = arguments::text("key", key, MAX_NAME_BYTES)?;
        let value = arguments::text("value", value, MAX_VALUE_BYTES)?;
        Ok(Arc::make_mut(&mut options.options).set(key, value)?)
    })
}

/// Options from a JSON object, such as `{"directory": "out", "timeout_ms": 60000}`; the keys are those of
/// `perceptis_options_set`, the values text, numbers or booleans; `null` leaves an option unset.
///
/// On success the caller owns `*options` and frees it with `perceptis_options_free`. Errors:
/// `INVALID_ARGUMENT`. Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_options_from_json(
    json: *const c_char,
    options: *mut *mut perceptis_options,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    guard::clear(options);
    guard::call(error, || {
        arguments::place("options", options)?;
        let made = Arc::new(Options::from_json(arguments::text("json", json, MAX_OPTIONS_BYTES)?)?);
        guard::put(options, || handle::new(perceptis_options { options: made }));
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
