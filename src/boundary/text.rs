//! Text for C, which ends with a NUL.

use std::ffi::CString;

/// Makes a text for C. Errors and JSON contain no NUL; if one did, the text would end there.
pub(crate) fn c_text(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}
