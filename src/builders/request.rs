//! Requests.

use std::ffi::{c_char, c_void};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use perceptis_core::{EncodedRequest, Error, Kind, Request};

use crate::boundary::arguments::{self, MAX_NAME_BYTES, MAX_TEXT_BYTES, MAX_VALUE_BYTES};
use crate::boundary::code::perceptis_code;
use crate::boundary::error::perceptis_error;
use crate::boundary::guard;
use crate::boundary::handle::{self, Handle};
use crate::boundary::returns;
use crate::boundary::text::c_text;

/// A request: what the service is asked to make. It has one owner: two threads must not use it at
/// once. Since 0.1.
pub struct perceptis_request {
    request: Request,
    /// What the calls of this request share, until the program changes it.
    wanted: OnceLock<Arc<EncodedRequest>>,
}

impl Handle for perceptis_request {
    const KIND: handle::Kind = handle::Kind::Request;
}

impl perceptis_request {
    fn new(request: Request) -> *mut perceptis_request {
        handle::new(perceptis_request { request, wanted: OnceLock::new() })
    }

    /// The request as a call needs it.
    pub(crate) fn wanted(&self) -> Arc<EncodedRequest> {
        Arc::clone(self.wanted.get_or_init(|| Arc::new(self.request.wanted())))
    }

    /// The request, to change it: the next call makes its own copy.
    fn change(&mut self) -> &mut Request {
        self.wanted.take();
        &mut self.request
    }
}

/// Makes a request for `output_type` "single_slide" or "deck" from a prompt.
///
/// On success the caller owns `*request` and frees it with `perceptis_request_free`. Errors:
/// `INVALID_ARGUMENT` (NULL, too long, not UTF-8, another type, an empty prompt). Any thread; does
/// not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_request_new(
    output_type: *const c_char,
    prompt: *const c_char,
    request: *mut *mut perceptis_request,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::clear(request);
    returns::call(error, || {
        arguments::out("request", request)?;
        let output_type = arguments::text("output_type", output_type, MAX_NAME_BYTES)?;
        let made = Request::new(output_type, arguments::text("prompt", prompt, MAX_TEXT_BYTES)?)?;
        returns::put(request, || perceptis_request::new(made));
        Ok(())
    })
}

/// Sets a documented field from text: `output_type`, `prompt`, `template_name`, `variant_count` (a
/// decimal number, with `single_slide` only), `use_web_search` and `use_knowledge_base` (`true` or
/// `false`).
///
/// Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, another field, a bad value: the message
/// lists what is accepted). The texts are copied. Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_request_set(
    request: *mut perceptis_request,
    field: *const c_char,
    value: *const c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        let request = arguments::handle_mut("request", request)?;
        let field = arguments::text("field", field, MAX_NAME_BYTES)?;
        let value = arguments::text("value", value, MAX_TEXT_BYTES)?;
        Ok(request.change().set(field, value)?)
    })
}

/// Sets any field from JSON, also a field that this library does not know; `null` removes a field.
/// The documented fields are checked for their type.
///
/// The value is kept in its canonical form, as `perceptis_request_to_json` shows it. A value without
/// a canonical form is refused: a name that occurs twice in one object, an escape that is half of a
/// surrogate pair, more than 128 arrays and objects within one another.
///
/// Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, not JSON, without a canonical form, a
/// value of the wrong type, more than 64 MiB in all). The texts are copied. Any thread; does not
/// block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_request_set_json(
    request: *mut perceptis_request,
    field: *const c_char,
    json: *const c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        let request = arguments::handle_mut("request", request)?;
        let field = arguments::text("field", field, MAX_NAME_BYTES)?;
        let json = arguments::text("json", json, MAX_TEXT_BYTES)?;
        Ok(request.change().set_json(field, json)?)
    })
}

/// Adds a reference image of `size` bytes (with `single_slide` only): PNG, JPEG, GIF, WebP, BMP or
/// TIFF, at most 20 MB. `mime_type` is its type, such as "image/png", and is checked against the
/// first bytes.
///
/// Errors: `INVALID_ARGUMENT` (NULL, too long or large, not UTF-8, no image, another type). The
/// bytes are copied. Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_request_add_image(
    request: *mut perceptis_request,
    data: *const c_void,
    size: usize,
    mime_type: *const c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        let request = arguments::handle_mut("request", request)?;
        let data = arguments::bytes("data", data.cast(), size, Request::MAX_IMAGE_BYTES)?;
        let mime_type = arguments::text("mime_type", mime_type, MAX_NAME_BYTES)?;
        Ok(request.change().add_image(data, mime_type)?)
    })
}

/// Adds a reference image from a file; its type is found by its first bytes. Otherwise as
/// `perceptis_request_add_image`.
///
/// Errors: `INVALID_ARGUMENT` as there, `FILE` (it can't be read). Any thread; blocks on the disk.
/// Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_request_add_image_file(
    request: *mut perceptis_request,
    path: *const c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        let request = arguments::handle_mut("request", request)?;
        let path = arguments::text("path", path, MAX_VALUE_BYTES)?;
        Ok(request.change().add_image_file(Path::new(path))?)
    })
}

/// Makes a request from a JSON object with the service's own field names, known and unknown. Values
/// are accepted as `perceptis_request_set_json` accepts them.
///
/// On success the caller owns `*request` and frees it with `perceptis_request_free`. Errors:
/// `INVALID_ARGUMENT` (NULL, not UTF-8, not an object, without a canonical form, a value of the
/// wrong type, fields that do not go together, more than 64 MiB). Any thread; does not block. Since
/// 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_request_from_json(
    json: *const c_char,
    request: *mut *mut perceptis_request,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::clear(request);
    returns::call(error, || {
        arguments::out("request", request)?;
        let made = Request::from_json(arguments::text("json", json, MAX_TEXT_BYTES)?)?;
        returns::put(request, || perceptis_request::new(made));
        Ok(())
    })
}

/// The body as it is sent and recorded: a JSON object in the canonical form of RFC 8785, but with
/// numbers as they were given. At any depth, names are in the order of their UTF-16 code units.
/// There is no white space. Of the ways to write a character the RFC's is used. So the same request
/// is the same bytes, however the program made it.
///
/// On success the caller owns `*json` and frees it with `perceptis_string_free`. Errors:
/// `INVALID_ARGUMENT` (NULL, fields that do not go together, more than 64 MiB). Any thread; does not
/// block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_request_to_json(
    request: *const perceptis_request,
    json: *mut *mut c_char,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::clear(json);
    returns::call(error, || {
        arguments::out("json", json)?;
        let body = arguments::handle("request", request)?.request.body()?;
        let text = std::str::from_utf8(&body)
            .map_err(|_| Error::new(Kind::Internal, "the request's JSON is not UTF-8"))?;
        returns::put(json, || c_text(text).into_raw());
        Ok(())
    })
}

/// Frees a request. NULL is accepted.
///
/// Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_request_free(request: *mut perceptis_request) {
    guard::free(request, drop);
}
