//! Job ids: opaque, from the service or from a caller, and never another path.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::common::sha256;
use crate::common::text;
use crate::error::Error;

/// RFC 3986's unreserved characters stay; all else is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const MAX_FILE_BYTES: usize = 96;

/// A job id that can be put into a URL and a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Arc<str>);

impl JobId {
    /// The longest id.
    pub const MAX_BYTES: usize = 200;
    /// What an id may be.
    pub(crate) const ACCEPTED: &str = "1 to 200 bytes without '/', '\\' or control characters, not only dots";

    /// What stands for it where a number does, the same in every process.
    pub(crate) fn number(&self) -> u64 {
        sha256::of(self.as_str().as_bytes()).first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head))
    }

    /// An id that a caller names.
    ///
    /// # Errors
    /// `InvalidArgument` when it is empty, longer than 200 bytes, has control characters or a separator, or
    /// consists of dots.
    pub fn from_caller(text: &str) -> Result<JobId, Error> {
        JobId::sound(text).ok_or_else(|| {
            Error::invalid(text::refused(
                "argument",
                "job_id",
                text,
                &format!("an id as the service gave it: {}", JobId::ACCEPTED),
            ))
        })
    }

    /// The id in an answer of the service, where it can be used.
    pub(crate) fn from_service(text: &str) -> Option<JobId> {
        JobId::sound(text)
    }

    fn sound(text: &str) -> Option<JobId> {
        let sound = (1..=JobId::MAX_BYTES).contains(&text.len())
            && !text.contains(|c: char| c.is_control() || matches!(c, '/' | '\\'))
            // Not even encoded: URLs treat %2e%2e as the folder above.
            && text.bytes().any(|byte| byte != b'.');
        sound.then(|| JobId(text.into()))
    }

    /// The id as the service gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as one segment of a URL's path.
    pub(crate) fn path_segment(&self) -> Cow<'_, str> {
        utf8_percent_encode(&self.0, ENCODED).into()
    }

    /// The id as a part of a file name: no separator, no hidden file, at most 96 bytes, and never the same
    /// for two ids.
    pub(crate) fn file_stem(&self) -> String {
        let mut name = self.path_segment().into_owned();
        if name.starts_with('.') {
            name.replace_range(..1, "%2E");
        }
        if name.len() > MAX_FILE_BYTES {
            let digest = sha256::hex(&sha256::of(self.0.as_bytes()));
            name.truncate(MAX_FILE_BYTES - 17);
            name.push('-');
            name.push_str(&digest[..16]);
        }
        name
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_be_another_path_are_refused() {
        for bad in ["", ".", "..", "...", "a/b", "a\\b", "a\nb", "a\u{0}b", "../x", &"x".repeat(201)] {
            assert!(JobId::from_caller(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn file_stems_are_short_plain_and_distinct() {
        let long = |last: &str| JobId::from_caller(&("%".repeat(150) + last)).unwrap().file_stem();
        assert_ne!(long("a"), long("b"));
        assert!(long("a").len() <= MAX_FILE_BYTES);
        assert_eq!(JobId::from_caller(".job").unwrap().file_stem(), "%2Ejob");
        assert_eq!(JobId::from_caller("job_1-a").unwrap().file_stem(), "job_1-a");
    }
}
