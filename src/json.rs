//! One value out of a JSON text, so that a C program needs no JSON library to read a result.

use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::ptr;

use perceptis_core::Error;
use serde_json::value::RawValue;

use crate::arguments;
use crate::guard;

/// The value at a JSON pointer (RFC 6901), such as `/files/0/path`: a string's text, else the value's JSON
/// as it stands there. A string that contains U+0000, which no C text can hold, comes as its JSON.
///
/// NULL when there is no such value, or when an argument is NULL, is not UTF-8, or is no JSON or pointer.
/// The caller owns the text and frees it with `perceptis_string_free`. Any thread; does not block.
/// Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_json_get(json: *const c_char, pointer: *const c_char) -> *mut c_char {
    let found = guard::guarded(|| {
        let (json, pointer) = (arguments::text("json", json)?, arguments::text("pointer", pointer)?);
        Ok(get(json, pointer)?)
    });
    found.ok().flatten().map_or(ptr::null_mut(), CString::into_raw)
}

fn get(json: &str, pointer: &str) -> Result<Option<CString>, Error> {
    let unreadable = |error: serde_json::Error| Error::invalid(format!("argument json: {error}"));
    let mut value: &RawValue = serde_json::from_str(json).map_err(unreadable)?;
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err(Error::invalid("argument pointer does not start with '/'"));
    }
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        // One level at a time, so that every value stays the text that it was: 1.0 stays 1.0.
        let next = match value.get().as_bytes().first() {
            Some(b'{') => {
                let mut fields: HashMap<String, &RawValue> =
                    serde_json::from_str(value.get()).map_err(unreadable)?;
                fields.remove(&token)
            }
            Some(b'[') if is_index(&token) => {
                let items: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(unreadable)?;
                token.parse().ok().and_then(|at: usize| items.get(at).copied())
            }
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    let text: Option<String> = serde_json::from_str(value.get()).ok();
    Ok(text.and_then(|text| CString::new(text).ok()).or_else(|| CString::new(value.get()).ok()))
}

/// RFC 6901, 4: no sign, no leading zero.
fn is_index(token: &str) -> bool {
    token == "0" || !token.starts_with('0') && !token.is_empty() && token.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_as_they_stand() {
        let json =
            r#"{"a":{"b/c":[1.0,{"~":"x\ny"}]},"":0,"n":null,"big":12345678901234567890123,"z":"a\u0000b"}"#;
        for (pointer, value) in [
            ("/a/b~1c/0", Some("1.0")),
            ("/a/b~1c/1/~0", Some("x\ny")),
            ("/a/b~1c/00", None),
            ("/a/b~1c/-", None),
            ("/a/b~1c/2", None),
            ("/", Some("0")),
            ("/n", Some("null")),
            ("/big", Some("12345678901234567890123")),
            ("/z", Some(r#""a\u0000b""#)),
            ("/nope/deeper", None),
            ("/n/x", None),
        ] {
            let found = get(json, pointer).unwrap();
            assert_eq!(found.as_deref().map(|text| text.to_str().unwrap()), value, "{pointer}");
        }
        assert_eq!(get(json, "").unwrap().unwrap().to_str().unwrap(), json);
        assert!(get(json, "a").is_err());
        assert!(get("{", "").is_err());
    }
}
