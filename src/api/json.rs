//! Values of a JSON text by their JSON pointers, so that a C program reads a result without a JSON library.

use std::ffi::{CStr, CString, c_char};
use std::{fmt, ptr};

use perceptis_core::Error;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::boundary::arguments::{self, MAX_TEXT_BYTES, MAX_VALUE_BYTES};
use crate::boundary::guard;

/// The value at a JSON pointer (RFC 6901), such as `/files/0/path`: a string's text, else the
/// value's JSON as it stands there. A string that contains U+0000 or half of a surrogate pair,
/// which no C text can hold, comes as its JSON. The JSON value null and the string "null" both come
/// as the text `null`: `perceptis_json_type` tells them apart.
///
/// NULL when there is no such value, or when an argument is NULL, too long, not UTF-8, or no JSON
/// or pointer. The caller owns the text and frees it with `perceptis_string_free`. Any thread; does
/// not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_json_get(json: *const c_char, pointer: *const c_char) -> *mut c_char {
    let found = guard::guarded(|| Ok(value_at(json, pointer)?.and_then(text_of)));
    found.ok().flatten().map_or(ptr::null_mut(), CString::into_raw)
}

/// The type of the value at a JSON pointer: "null", "boolean", "number", "string", "array" or
/// "object". The pointer is that of `perceptis_json_get`.
///
/// NULL where `perceptis_json_get` answers NULL. Static, not to be freed. Any thread; does not
/// block. Since 0.3.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_json_type(json: *const c_char, pointer: *const c_char) -> *const c_char {
    let found = guard::guarded(|| Ok(value_at(json, pointer)?.map(type_of)));
    found.ok().flatten().map_or(ptr::null(), CStr::as_ptr)
}

/// Frees a text that the library returned as `char *`. NULL is accepted.
///
/// Any thread; does not block. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_string_free(text: *mut c_char) {
    if text.is_null() {
        return;
    }
    let _ = guard::guarded(|| {
        // SAFETY: not NULL, so it came from this library's CString::into_raw and is freed once, as
        // documented.
        drop(unsafe { CString::from_raw(text) });
        Ok(())
    });
}

/// The value that C asks for.
fn value_at<'a>(json: *const c_char, pointer: *const c_char) -> Result<Option<&'a RawValue>, Error> {
    let json = arguments::text("json", json, MAX_TEXT_BYTES)?;
    find(json, arguments::text("pointer", pointer, MAX_VALUE_BYTES)?)
}

fn find<'a>(json: &'a str, pointer: &str) -> Result<Option<&'a RawValue>, Error> {
    let unreadable = |error: serde_json::Error| Error::invalid(format!("argument json: {error}"));
    let mut value: &'a RawValue = serde_json::from_str(json).map_err(unreadable)?;
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err(Error::invalid("argument pointer does not start with '/'"));
    }
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        // One level at a time, so that every value stays the text that it was: 1.0 stays 1.0.
        let next = match value.get().as_bytes().first() {
            Some(b'{' | b'[') => {
                let mut reader = serde_json::Deserializer::from_str(value.get());
                reader.deserialize_any(Child(&token)).map_err(unreadable)?
            }
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// A string's text, else the value's JSON.
fn text_of(value: &RawValue) -> Option<CString> {
    let text: Option<String> = serde_json::from_str(value.get()).ok();
    text.and_then(|text| CString::new(text).ok()).or_else(|| CString::new(value.get()).ok())
}

/// The type of a value. Its first byte decides: it was read as JSON before, without white space around it.
fn type_of(value: &RawValue) -> &'static CStr {
    match value.get().as_bytes().first() {
        Some(b'{') => c"object",
        Some(b'[') => c"array",
        Some(b'"') => c"string",
        Some(b't' | b'f') => c"boolean",
        Some(b'n') => c"null",
        _ => c"number",
    }
}

/// Finds the field or the item that a pointer's token names, and keeps nothing of the others: a small text
/// can have millions of them. Of several fields with that name it is the last.
struct Child<'t>(&'t str);

impl<'de> Visitor<'de> for Child<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = fields.next_key_seed(IsName(self.0))? {
            if is_it {
                found = Some(fields.next_value()?);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let wanted = if is_index(self.0) { self.0.parse().ok() } else { None };
        let mut found = None;
        for at in 0_usize.. {
            if wanted == Some(at) {
                found = items.next_element()?;
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

/// Whether a field has this name.
struct IsName<'t>(&'t str);

impl<'de> DeserializeSeed<'de> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        // Bytes can hold half of a surrogate pair, as a service may send it.
        reader.deserialize_bytes(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<bool, E> {
        Ok(name == self.0.as_bytes())
    }
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
        let json = r#"{"a":{"b/c":[1.0,{"~":"x\ny"}]},"":0,"n":null,"big":12345678901234567890123,
            "z":"a\u0000b","twice":1,"tw\u0069ce":2}"#;
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
            ("/twice", Some("2")),
            ("/a/b~1c/18446744073709551616", None),
            ("/nope/deeper", None),
            ("/n/x", None),
        ] {
            let found = find(json, pointer).unwrap().and_then(text_of);
            assert_eq!(found.as_deref().map(|text| text.to_str().unwrap()), value, "{pointer}");
        }
        assert_eq!(find(json, "").unwrap().unwrap().get(), json);
        assert!(find(json, "a").is_err());
        assert!(find("{", "").is_err());
    }

    #[test]
    fn types_are_those_of_json() {
        let json = r#" { "a": [null, true, false, -1.5e3, 0, "null", [], {}, "" ] } "#;
        let types = ["null", "boolean", "boolean", "number", "number", "string", "array", "object", "string"];
        for (at, expected) in types.iter().enumerate() {
            let value = find(json, &format!("/a/{at}")).unwrap().unwrap();
            assert_eq!(type_of(value).to_str().unwrap(), *expected, "{value}");
        }
        assert_eq!(type_of(find(json, "").unwrap().unwrap()), c"object");
        assert!(find(json, "/b").unwrap().is_none());
    }
}
