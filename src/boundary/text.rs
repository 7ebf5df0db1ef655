//! Text for C, which ends with a NUL.

use std::ffi::CString;

/// Text for C. Errors and JSON have no control characters; should one slip in, the text ends there.
pub(crate) fn c_text(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}
