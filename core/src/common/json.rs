//! The JSON of the service's answers: what is read is read leniently, and all else is skipped as it stands.
//!
//! A paid job must not be lost over a field that is not read: half of a surrogate pair, a number beyond all
//! bounds and deep nesting are skipped without being decoded.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Result;
use serde_json::value::RawValue;

/// Fields of an object, as they stand there; none where one is missing or null.
pub(crate) type Fields<const N: usize> = [Option<Box<RawValue>>; N];

/// The fields of these names. Of several with one name the last one counts. The object is checked to its end.
pub(crate) fn fields<const N: usize>(text: &str, names: [&str; N]) -> Result<Fields<N>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let fields = reader.deserialize_map(Named(names))?;
    reader.end()?;
    Ok(fields)
}

/// Whether this is one whole object, so that nothing of it is missing.
pub(crate) fn is_whole_object(bytes: &[u8]) -> bool {
    let Some(text) = readable(bytes) else { return false };
    fields(text, []).is_ok() || with_numbers(text).is_some_and(|text| fields(&text, []).is_ok())
}

/// The text of an answer, without a byte order mark; none where it is no UTF-8.
pub(crate) fn readable(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).ok().map(str::trim)
}

/// The items of an array; none where it is none.
pub(crate) fn items(value: &RawValue) -> Vec<Box<RawValue>> {
    serde_json::from_str(value.get()).unwrap_or_default()
}

/// A string's text, or a number as it stands there. Half of a surrogate pair is U+FFFD.
pub(crate) fn text(value: &RawValue) -> Option<String> {
    let json = value.get();
    match json.as_bytes().first()? {
        b'"' => serde_json::Deserializer::from_str(json).deserialize_bytes(Text).ok(),
        b'-' | b'0'..=b'9' => Some(json.to_owned()),
        _ => None,
    }
}

/// The same JSON with null for each number that JSON does not have, as Python writes it: NaN, Infinity,
/// -Infinity. None where there is no such number.
pub(crate) fn with_numbers(text: &str) -> Option<String> {
    const NO_NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    let mut mended = String::new();
    // Up to where the text has been taken over.
    let mut taken = 0;
    let (mut in_string, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'-' | b'I' | b'N' if !in_string && at >= taken => {
                if let Some(word) = NO_NUMBERS.iter().find(|word| text[at..].starts_with(**word)) {
                    mended += &text[taken..at];
                    mended += "null";
                    taken = at + word.len();
                }
            }
            _ => {}
        }
    }
    (taken > 0).then(|| mended + &text[taken..])
}

/// Reads the fields of these names.
struct Named<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for Named<'_, N> {
    type Value = Fields<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> std::result::Result<Fields<N>, A::Error> {
        let mut fields = [const { None }; N];
        while let Some(at) = object.next_key_seed(FieldSlot(&self.0))? {
            match at {
                Some(at) => {
                    let value: Box<RawValue> = object.next_value()?;
                    fields[at] = Some(value).filter(|value| value.get() != "null");
                }
                None => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(fields)
    }
}

/// The position of a name in this list.
struct FieldSlot<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for FieldSlot<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> std::result::Result<Option<usize>, D::Error> {
        // Bytes can hold half of a surrogate pair, and a name of this kind is none that is read.
        name.deserialize_bytes(self)
    }
}

impl Visitor<'_> for FieldSlot<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> std::result::Result<Option<usize>, E> {
        Ok(self.0.iter().position(|known| known.as_bytes() == name))
    }
}

/// Reads a string.
struct Text;

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, text: &[u8]) -> std::result::Result<String, E> {
        let mut text = text.to_owned();
        // The reader gives half of a pair as three bytes that begin so; U+FFFD has three bytes as well.
        for at in 0..text.len().saturating_sub(2) {
            if text[at] == 0xed && text[at + 1] >= 0xa0 {
                text[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
            }
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Option<String> {
        let [value] = fields(json, ["a"]).unwrap();
        text(&value?)
    }

    #[test]
    fn what_is_not_read_is_skipped_and_what_is_read_is_readable() {
        let deep = format!(r#"{{"deep":{}{},"a":"x"}}"#, "[".repeat(100_000), "]".repeat(100_000));
        for (json, expected) in [
            (r#"{"title":"cut \ud83d","a":"x"}"#, Some("x")),
            (r#"{"\udc00":1,"a":"x"}"#, Some("x")),
            (r#"{"big":1e400,"a":"x"}"#, Some("x")),
            (&deep, Some("x")),
            (r#"{"a":"cut \ud83d, \ude00\ud83d\ude00"}"#, Some("cut \u{fffd}, \u{fffd}\u{1f600}")),
            (r#"{"\u0061":1e400}"#, Some("1e400")),
            (r#"{"a":null}"#, None),
            (r#"{"a":[1]}"#, None),
            (r#"{"a":1,"a":2}"#, Some("2")),
        ] {
            assert_eq!(read(json).as_deref(), expected, "{:.60}", json);
        }
        for bad in ["", "[]", "null", r#"{"a":1} 2"#, r#"{"a":1"#, r#"{"a":1,}"#, r#"{"a":NaN}"#] {
            assert!(fields(bad, ["a"]).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_that_json_does_not_have_are_null() {
        for (json, mended) in [
            (r#"{"a":NaN,"b":[-Infinity,Infinity]}"#, Some(r#"{"a":null,"b":[null,null]}"#)),
            (r#"{"a":"NaN \" NaN","b":-1}"#, None),
            (r#"{"a":"\\","b":NaN}"#, Some(r#"{"a":"\\","b":null}"#)),
        ] {
            assert_eq!(with_numbers(json).as_deref(), mended, "{json}");
        }
        assert!(is_whole_object(br#"{"a":NaN}"#) && !is_whole_object(br#"{"a":NaN"#));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(json in r#"[{}\[\]"\\aN:,ud0-9-]{0,60}"#, bytes: Vec<u8>) {
            for json in [Some(&*json), readable(&bytes)].into_iter().flatten() {
                if let Ok([Some(value)]) = fields(json, ["a"]) {
                    let _ = (text(&value), items(&value));
                }
                let _ = with_numbers(json);
            }
        }
    }
}
