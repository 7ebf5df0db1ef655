//! Idempotency keys: what makes a repeated submission the same submission.

use std::fmt::{self, Write as _};
use std::ops::Deref;
use std::sync::Arc;

use crate::error::{Error, Kind};

/// A key as a call keeps it: one text, however many parts of the call hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(Arc<str>);

impl Key {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<Arc<str>>> From<T> for Key {
    fn from(text: T) -> Key {
        Key(text.into())
    }
}

impl Deref for Key {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A new key in the form of a random UUID (RFC 9562, version 4): one call to the operating system each, so
/// that no fork, cloned machine or seed can make two requests share one.
pub(crate) fn new_key() -> Result<String, Error> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(Kind::Internal, format!("the system gave no random bytes for an idempotency key: {error}"))
    })?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Whether a caller's key fits a header line and any sane service: 1 to 255 visible ASCII characters.
pub(crate) fn is_sound(key: &str) -> bool {
    (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    #[test]
    fn keys_are_uuids_and_differ() {
        let (one, two) = (super::new_key().unwrap(), super::new_key().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), 36);
        assert_eq!(&one[14..15], "4");
        assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"));
    }
}
