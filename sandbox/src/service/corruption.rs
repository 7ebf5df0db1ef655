//! Corruption: how scenarios damage bodies, files and the delivery of files.

use bytes::Bytes;
use serde_json::Value;

use super::fault::Fault;
use super::scenario::Scenario;
use crate::http::{Body, Response, Wire};

/// The sign-in page of a proxy, as networks of hotels and offices send it.
const PAGE: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to the network\
</h1>\
    <form action=\"https://portal.test/login?session=f00d\"></form></body></html>";

/// Damages the body of a response.
pub fn corrupt_body(response: &mut Response, scenario: &Scenario) {
    let Body::Bytes(bytes) = &response.body else { return };
    let bytes = bytes.clone();
    let size = scenario.number() as u64;
    let new: Vec<u8> = match scenario.fault {
        Fault::Html => {
            response.status = 200;
            response.set("content-type", "text/html; charset=utf-8");
            PAGE.into()
        }
        Fault::Empty => Vec::new(),
        Fault::CutJson => bytes[..bytes.len() / 2].to_vec(),
        Fault::NotUtf8 => {
            let mut bytes = bytes.to_vec();
            bytes.insert(bytes.len().min(2), 0xff);
            bytes
        }
        Fault::Bom => [b"\xef\xbb\xbf", &bytes[..]].concat(),
        Fault::Deep => {
            let depth = usize::try_from(size.min(4 << 20)).unwrap_or(0);
            format!("{{\"job_id\":{}{}}}", "[".repeat(depth), "]".repeat(depth)).into()
        }
        Fault::DuplicateKeys => duplicated(&bytes),
        Fault::Large => {
            response.body = Body::Filler(size);
            return;
        }
        Fault::Gzip => {
            response.set("content-encoding", "gzip");
            gzip(&bytes)
        }
        Fault::GzipBomb => {
            response.set("content-encoding", "gzip");
            bomb()
        }
        Fault::WrongContentType => {
            response.set("content-type", "text/plain");
            bytes.to_vec()
        }
        Fault::LoneSurrogate => with_fields(&bytes, r#""title":"A deck about \ud83d""#),
        Fault::NotANumber => with_fields(&bytes, r#""score":NaN,"least":-Infinity"#),
        Fault::LongText => {
            with_fields(&bytes, &format!("\"request\":\"{}\"", "x".repeat(size.min(64 << 20) as usize)))
        }
        Fault::ContentEncoding => {
            response.set("content-encoding", scenario.value.clone());
            bytes.to_vec()
        }
        _ => return,
    };
    response.body = Body::Bytes(new.into());
}

/// A JSON object with these fields before its own.
fn with_fields(bytes: &Bytes, fields: &str) -> Vec<u8> {
    match bytes.strip_prefix(b"{") {
        Some(rest) => [b"{", fields.as_bytes(), b",", rest].concat(),
        None => bytes.to_vec(),
    }
}

/// A JSON object with every key twice, first with null. Parsers take the last value.
fn duplicated(bytes: &Bytes) -> Vec<u8> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(bytes) else { return bytes.to_vec() };
    let first: Vec<String> = fields.keys().map(|key| format!("{}:null", Value::from(key.as_str()))).collect();
    let second: Vec<String> =
        fields.iter().map(|(key, value)| format!("{}:{value}", Value::from(key.as_str()))).collect();
    format!("{{{},{}}}", first.join(","), second.join(",")).into()
}

/// Gzip (RFC 1952) with stored blocks, which does not make the bytes fewer.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let mut blocks = bytes.chunks(0xffff).peekable();
    if bytes.is_empty() {
        out.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
    out
}

/// Gzip of 100 MB of zeros in 650 kB: one byte, then matches of length 258 at distance 1, in the fixed
/// Huffman code (RFC 1951, 3.2.6).
fn bomb() -> Vec<u8> {
    const MATCHES: usize = 400_000;
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let (mut bits, mut count) = (0_u64, 0);
    let mut push = |value: u64, width: u32, out: &mut Vec<u8>| {
        bits |= value << count;
        count += width;
        while count >= 8 {
            out.push(u8::try_from(bits & 0xff).unwrap_or(0));
            bits >>= 8;
            count -= 8;
        }
    };
    push(0b011, 3, &mut out); // last block, fixed codes
    push(0b0000_1100, 8, &mut out); // literal 0: code 00110000, its first bit first
    for _ in 0..MATCHES {
        push(0b1010_0011, 8, &mut out); // length 258: code 11000101
        push(0, 5, &mut out); // distance 1
    }
    push(0, 7, &mut out); // end of block
    push(0, 7, &mut out); // fill the last byte
    let length = MATCHES * 258 + 1;
    out.extend_from_slice(&crc32_of_zeros(length).to_le_bytes());
    out.extend_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
    out
}

fn crc32_of_zeros(count: usize) -> u32 {
    let zeros = [0; 4096];
    let mut hasher = crc32fast::Hasher::new();
    let mut left = count;
    while left > 0 {
        let block = left.min(zeros.len());
        hasher.update(&zeros[..block]);
        left -= block;
    }
    hasher.finalize()
}

/// The damaged bytes of a file. `None`: the scenario does not change the bytes.
pub fn corrupt_file(bytes: &[u8], scenario: &Scenario) -> Option<Vec<u8>> {
    Some(match scenario.fault {
        Fault::ZipCut => bytes[..bytes.len() * 2 / 3].to_vec(),
        Fault::ZipBadCrc => {
            let mut bytes = bytes.to_vec();
            // The CRC in the central record of the first entry (APPNOTE 4.3.12), and its copy before the
            // data. The end of the archive (4.3.16) leads to the record: a workbook inside has records of its
            // own.
            let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06");
            let start = end.and_then(|end| bytes.get(end + 16..end + 20)?.try_into().ok());
            if let Some(crc) = start.and_then(|start| bytes.get_mut(u32::from_le_bytes(start) as usize + 16))
            {
                *crc ^= 1;
            }
            bytes[14] ^= 1;
            bytes
        }
        Fault::NotAZip => b"These bytes are not a presentation.\n".repeat(100),
        Fault::ZipWithoutPresentation => crate::ooxml::other_zip().ok()?,
        Fault::ZeroBytes => Vec::new(),
        _ => return None,
    })
}

/// Damages the response that delivers a file.
pub fn corrupt_delivery(response: &mut Response, scenario: &Scenario) {
    let length = response.body.length();
    match scenario.fault {
        // Content-Length stays the length of the whole file, and fewer bytes are sent.
        Fault::CutAt | Fault::EtagChanges => {
            let whole = scenario.fault == Fault::EtagChanges && scenario.number() == 0.0;
            if let (false, Body::Bytes(bytes)) = (whole, &response.body) {
                let end = usize::try_from((scenario.number() as u64).min(length)).unwrap_or(0);
                let first = bytes.slice(..end);
                response.set("content-length", length.to_string());
                response.body = Body::Bytes(first);
                response.wire = Wire::LengthLong;
            }
        }
        Fault::WrongLength => {
            response.remove("content-length");
            response.wire = Wire::LengthShort;
        }
        Fault::ResumeWithoutEtag | Fault::ResumeWeakEtag if response.status == 206 => {
            let etag =
                response.headers.iter().find(|(name, _)| *name == "etag").map(|(_, etag)| etag.clone());
            response.remove("etag");
            if let (Some(etag), Fault::ResumeWeakEtag) = (etag, scenario.fault) {
                response.set("etag", format!("W/{etag}"));
            }
        }
        Fault::ResumeWithoutRange => response.remove("content-range"),
        Fault::Gigabyte => {
            response.status = 200;
            response.remove("content-range");
            response.body = Body::Filler(scenario.number() as u64);
            response.remove("content-length");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_keys_end_with_the_right_value() {
        let twice = duplicated(&Bytes::from_static(br#"{"a":1,"b":"x"}"#));
        assert_eq!(twice, br#"{"a":null,"b":null,"a":1,"b":"x"}"#);
        assert_eq!(serde_json::from_slice::<Value>(&twice).unwrap()["a"], 1);
    }
}
