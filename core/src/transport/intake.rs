//! What is kept of an answer's body while it comes: all of it, or of a long one what can be of use.
//!
//! An answer may repeat what was sent, images and all. Then it is far longer than what is read of it.

use bytes::{Bytes, BytesMut};
use hyper::header::{CONTENT_ENCODING, HeaderMap};

use crate::common::json;

/// The most that is kept of a success.
pub(crate) const MAX_KEPT_BYTES: usize = 1 << 20;
/// The most that is kept of a refusal.
const MAX_ERROR_BYTES: usize = 64 << 10;
/// In an answer that is longer than what is kept, texts above this length are left out.
const MAX_TEXT_BYTES: usize = 64 << 10;
/// What stands in the place of such a text.
const LEFT_OUT: &[u8] = b"(left out: a text above 64 KiB in an answer above 1 MiB)";
/// The codings that change bytes (RFC 9110, 8.4.1, and IANA's list). All other labels are none, whatever they
/// say.
const CODINGS: [&str; 9] =
    ["gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb", "dcz"];

/// Whether an answer says that its bytes are those of a coding.
pub(crate) fn is_coded(headers: &HeaderMap) -> bool {
    let labels = headers.get_all(CONTENT_ENCODING).iter().filter_map(|labels| labels.to_str().ok());
    let mut labels = labels.flat_map(|labels| labels.split(','));
    labels.any(|label| CODINGS.iter().any(|coding| label.trim().eq_ignore_ascii_case(coding)))
}

/// The body of one answer.
pub(crate) struct Intake {
    success: bool,
    kept: Bytes,
    /// How much has come.
    came: usize,
    /// How much may come.
    most: usize,
    sieve: Option<Sieve>,
}

impl Intake {
    /// Of a success `most` bytes may come, of a refusal any number.
    pub(crate) fn new(success: bool, most: usize) -> Intake {
        Intake { success, kept: Bytes::new(), came: 0, most, sieve: None }
    }

    /// Takes a piece of it, or says what is wrong with the answer.
    pub(crate) fn add(&mut self, piece: Bytes) -> Result<(), String> {
        self.came += piece.len();
        if !self.success {
            let room = MAX_ERROR_BYTES - self.kept.len();
            self.kept = joined(std::mem::take(&mut self.kept), piece.slice(..piece.len().min(room)));
            return Ok(());
        }
        if self.came > self.most {
            return Err(format!("is above {} bytes", self.most));
        }
        if self.came <= MAX_KEPT_BYTES {
            self.kept = joined(std::mem::take(&mut self.kept), piece);
            return Ok(());
        }
        let before = std::mem::take(&mut self.kept);
        let sieve = self.sieve.get_or_insert_with(|| Sieve::begun(&before));
        sieve.take(&piece);
        if sieve.kept.len() > MAX_KEPT_BYTES {
            return Err("is above 1 MiB, also without its long texts".into());
        }
        Ok(())
    }

    /// Whether no more is needed: of an explanation there is enough.
    pub(crate) fn is_full(&self) -> bool {
        !self.success && self.kept.len() >= MAX_ERROR_BYTES
    }

    /// Whether what has come looks like the end of an object. Costs nothing.
    pub(crate) fn may_be_whole(&self) -> bool {
        self.success && self.bytes().trim_ascii_end().ends_with(b"}")
    }

    /// Whether what has come is one whole object: whatever becomes of the connection, nothing is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.may_be_whole() && json::is_whole_object(self.bytes())
    }

    fn bytes(&self) -> &[u8] {
        self.sieve.as_ref().map_or(&self.kept, |sieve| &sieve.kept)
    }

    /// What is kept.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.sieve.map_or(self.kept, |sieve| sieve.kept.into())
    }
}

/// Leaves long texts out.
struct Sieve {
    kept: Vec<u8>,
    in_string: bool,
    escaped: bool,
    /// Where the string began that is being read.
    begun: usize,
    is_long: bool,
}

impl Sieve {
    fn begun(before: &[u8]) -> Sieve {
        let mut sieve =
            Sieve { kept: Vec::new(), in_string: false, escaped: false, begun: 0, is_long: false };
        sieve.take(before);
        sieve
    }

    fn take(&mut self, piece: &[u8]) {
        for &byte in piece {
            if !self.in_string {
                self.kept.push(byte);
                self.in_string = byte == b'"';
                self.begun = self.kept.len();
                self.is_long = false;
                continue;
            }
            let ends = !self.escaped && byte == b'"';
            self.escaped = !self.escaped && byte == b'\\';
            if ends || !self.is_long {
                self.kept.push(byte);
            }
            if ends {
                self.in_string = false;
            } else if !self.is_long && self.kept.len() - self.begun > MAX_TEXT_BYTES {
                self.kept.truncate(self.begun);
                self.kept.extend_from_slice(LEFT_OUT);
                self.is_long = true;
            }
        }
    }
}

/// Both, without copying where one is empty, as it is with most answers.
fn joined(before: Bytes, next: Bytes) -> Bytes {
    if before.is_empty() {
        return next;
    }
    let mut both = before.try_into_mut().unwrap_or_else(|before| BytesMut::from(&before[..]));
    both.extend_from_slice(&next);
    both.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(body: &str, piece: usize) -> Result<String, String> {
        let mut intake = Intake::new(true, 100 << 20);
        for piece in body.as_bytes().chunks(piece) {
            intake.add(Bytes::copy_from_slice(piece))?;
        }
        assert!(intake.is_whole());
        Ok(String::from_utf8(intake.into_bytes().to_vec()).unwrap())
    }

    #[test]
    fn long_texts_are_left_out_of_long_answers_alone() {
        let image = r#"\"\\"#.repeat(2 * MAX_TEXT_BYTES);
        let short = format!(r#"{{"a":"{}","b":"\"x"}}"#, &image[..MAX_TEXT_BYTES * 2]);
        let long = format!(r#"{{"a":"{image}","deep":["{image}", "\\"],"{image}":"","job_id":"j\"1"}}"#);
        for piece in [1000, 4096, 1 << 20, 10 << 20] {
            assert!(taken(&short, piece).unwrap() == short);
            let left_out = std::str::from_utf8(LEFT_OUT).unwrap();
            assert!(taken(&long, piece).unwrap() == long.replace(&image, left_out));
        }
        let many = format!("{{{}\"a\":1}}", "\"a\":1,".repeat(200_000));
        assert!(taken(&many, 4096).unwrap_err().contains("without its long texts"));
    }

    #[test]
    fn only_what_changes_bytes_is_a_coding() {
        let coded =
            |labels: &str| is_coded(&HeaderMap::from_iter([(CONTENT_ENCODING, labels.parse().unwrap())]));
        for label in ["", "identity", "Identity", "none", "utf-8", "aws-chunked", "UTF-8, identity"] {
            assert!(!coded(label), "{label}");
        }
        for label in ["gzip", "GZIP", "identity, br", "aws-chunked,zstd"] {
            assert!(coded(label), "{label}");
        }
    }
}
