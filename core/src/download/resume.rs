//! What an answer to a request for the rest of a file means for what has arrived of it. A pure function of
//! the head of the answer and of what is there (RFC 9110, 14: range requests).

use hyper::StatusCode;
use hyper::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, TRANSFER_ENCODING,
};

/// What has arrived of a file before the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    /// So many bytes; the request asked for what comes after them.
    pub(super) length: u64,
    /// The validator of the file that was begun, where its answer had a strong one.
    pub(super) etag: Option<&'a HeaderValue>,
    /// Whether a whole file can be told from a part of it: a presentation can.
    pub(super) is_presentation: bool,
}

/// What is done with the answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing is missing: verification will judge what is there.
    Done,
    /// The answer is of another file: what is there is put aside, and the next request begins anew.
    Restart,
    /// The body is taken.
    Receive(Rest),
}

/// How the body of an answer goes on with what is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// Whether the body is another beginning, which goes into another file.
    pub(super) begins_anew: bool,
    /// So many bytes at the beginning of the body are there already.
    pub(super) known: u64,
    /// Whether the body begins with the first byte of the file.
    pub(super) from_first_byte: bool,
    /// The length of the whole file in bytes, where the answer names it.
    pub(super) total: Option<u64>,
    /// Whether the end of the body is that of the file, where no length is named.
    pub(super) ends: bool,
}

/// Judges the head of an answer with the status 200, 206 or 416.
pub(super) fn plan(status: StatusCode, headers: &HeaderMap, arrived: Received<'_>) -> Plan {
    if status == StatusCode::RANGE_NOT_SATISFIABLE && unsatisfied_length(headers) == Some(arrived.length) {
        return Plan::Done;
    }
    if status == StatusCode::OK {
        let ends = headers.contains_key(TRANSFER_ENCODING) || headers.contains_key(CONTENT_LENGTH);
        let begins_anew = arrived.length > 0;
        let total = content_length(headers);
        return Plan::Receive(Rest { begins_anew, known: 0, from_first_byte: true, total, ends });
    }
    if status != StatusCode::PARTIAL_CONTENT || !is_same_file(headers, arrived) {
        return Plan::Restart;
    }
    if !headers.contains_key(CONTENT_RANGE) {
        // Of what was asked for it is likely the answer. Whether it was, a presentation tells.
        let is_one = headers.get(CONTENT_TYPE).is_none_or(|kind| !kind.as_bytes().starts_with(b"multipart/"));
        if !arrived.is_presentation || !is_one {
            return Plan::Restart;
        }
        let from_first_byte = arrived.length == 0;
        return Plan::Receive(Rest {
            begins_anew: false,
            known: 0,
            from_first_byte,
            total: None,
            ends: false,
        });
    }
    match content_range(headers) {
        Some((first, total)) if first <= arrived.length => Plan::Receive(Rest {
            begins_anew: false,
            known: arrived.length - first,
            from_first_byte: first == 0,
            total,
            ends: true,
        }),
        _ => Plan::Restart,
    }
}

/// The validator of an answer, where it is strong.
pub(super) fn strong_etag(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(ETAG).filter(|etag| !etag.as_bytes().starts_with(b"W/"))
}

/// Whether a part is of the file that was begun, as far as its answer says: a proxy may drop the validator or
/// make it weak.
fn is_same_file(headers: &HeaderMap, arrived: Received<'_>) -> bool {
    let opaque = |etag: &HeaderValue| {
        let etag = etag.as_bytes();
        etag.strip_prefix(b"W/").unwrap_or(etag).to_owned()
    };
    match (arrived.etag, headers.get(ETAG)) {
        (Some(begun), Some(now)) if arrived.length > 0 => opaque(begun) == opaque(now),
        _ => true,
    }
}

/// The length of the body in bytes, where it is named.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Where a part of a file begins, and the whole file's length (RFC 9110, 14.4).
pub(crate) fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (span, total) = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let first = span.split_once('-')?.0.parse().ok()?;
    Some((first, total.parse().ok()))
}

/// The whole file's length as a 416 tells it (RFC 9110, 14.4).
pub(crate) fn unsatisfied_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes */")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;
    use proptest::prelude::*;

    use super::*;

    fn range(text: &[u8]) -> Option<HeaderMap> {
        let value = HeaderValue::from_bytes(text).ok()?;
        Some(HeaderMap::from_iter([(CONTENT_RANGE, value)]))
    }

    fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, text)| (name.clone(), HeaderValue::from_static(text))).collect()
    }

    fn rest(known: u64, from_first_byte: bool, total: Option<u64>, ends: bool) -> Plan {
        Plan::Receive(Rest { begins_anew: false, known, from_first_byte, total, ends })
    }

    fn anew(total: Option<u64>, ends: bool) -> Plan {
        Plan::Receive(Rest { begins_anew: true, known: 0, from_first_byte: true, total, ends })
    }

    #[test]
    fn resume_plan_follows_the_table() {
        let etag = HeaderValue::from_static("\"v1\"");
        let (with_etag, without) = (Some(&etag), None);
        let (length, of) = (CONTENT_LENGTH, CONTENT_RANGE);
        // What is there, the etag of what is there, the answer, what is done.
        for (there, begun, status, fields, expected) in [
            // The first request.
            (0, without, 200, vec![(length.clone(), "9")], rest(0, true, Some(9), true)),
            (0, without, 200, vec![(TRANSFER_ENCODING, "chunked")], rest(0, true, None, true)),
            (0, without, 200, vec![], rest(0, true, None, false)),
            (0, without, 206, vec![(of.clone(), "bytes 0-8/9")], rest(0, true, Some(9), true)),
            (0, without, 206, vec![], rest(0, true, None, false)),
            (0, without, 416, vec![(of.clone(), "bytes */0")], Plan::Done),
            // A resume that is answered as asked.
            (
                5,
                with_etag,
                206,
                vec![(of.clone(), "bytes 5-8/9"), (ETAG, "\"v1\"")],
                rest(0, false, Some(9), true),
            ),
            (5, with_etag, 206, vec![(of.clone(), "bytes 5-8/*")], rest(0, false, None, true)),
            (
                5,
                with_etag,
                206,
                vec![(of.clone(), "bytes 5-8/9"), (ETAG, "W/\"v1\"")],
                rest(0, false, Some(9), true),
            ),
            // A part that begins earlier: what is there already is skipped.
            (5, with_etag, 206, vec![(of.clone(), "bytes 2-8/9")], rest(3, false, Some(9), true)),
            (5, with_etag, 206, vec![(of.clone(), "bytes 0-8/9")], rest(5, true, Some(9), true)),
            // A part that leaves a hole, or says nothing that can be read.
            (5, with_etag, 206, vec![(of.clone(), "bytes 6-8/9")], Plan::Restart),
            (5, with_etag, 206, vec![(of.clone(), "bytes five-8/9")], Plan::Restart),
            // A part without a range is likely what was asked for, unless it is many parts.
            (5, with_etag, 206, vec![], rest(0, false, None, false)),
            (5, with_etag, 206, vec![(CONTENT_TYPE, "multipart/byteranges; boundary=x")], Plan::Restart),
            // Another file.
            (5, with_etag, 206, vec![(of.clone(), "bytes 5-8/9"), (ETAG, "\"v2\"")], Plan::Restart),
            (
                5,
                without,
                206,
                vec![(of.clone(), "bytes 5-8/9"), (ETAG, "\"v2\"")],
                rest(0, false, Some(9), true),
            ),
            // The server does not resume: the whole file from its beginning.
            (5, with_etag, 200, vec![(length.clone(), "9"), (ETAG, "\"v2\"")], anew(Some(9), true)),
            (5, with_etag, 200, vec![], anew(None, false)),
            // Nothing is missing, or the file is another one.
            (5, with_etag, 416, vec![(of.clone(), "bytes */5")], Plan::Done),
            (5, with_etag, 416, vec![(of.clone(), "bytes */9")], Plan::Restart),
            (5, with_etag, 416, vec![], Plan::Restart),
        ] {
            let arrived = Received { length: there, etag: begun, is_presentation: true };
            let got = plan(StatusCode::from_u16(status).unwrap(), &headers(&fields), arrived);
            assert_eq!(got, expected, "{there} bytes, {status} {fields:?}");
        }
        // Of another format it can't be seen whether a part without a range is the right one.
        let arrived = Received { length: 5, etag: None, is_presentation: false };
        assert_eq!(plan(StatusCode::PARTIAL_CONTENT, &HeaderMap::new(), arrived), Plan::Restart);
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_writes_them() {
        for (text, begins, unsatisfied) in [
            ("bytes 5-9/10", Some((5, Some(10))), None),
            ("bytes 5-9/*", Some((5, None)), None),
            ("bytes */10", None, Some(10)),
            ("bytes 18446744073709551616-/1", None, None),
            ("items 5-9/10", None, None),
            ("bytes -9/10", None, None),
            ("bytes 5/10", None, None),
            ("", None, None),
        ] {
            let headers = range(text.as_bytes()).unwrap();
            assert_eq!(content_range(&headers), begins, "{text}");
            assert_eq!(unsatisfied_length(&headers), unsatisfied, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_range_is_read_or_refused(text in "(bytes )?[0-9*/ -]{0,60}", bytes: Vec<u8>, length: u64) {
            for headers in [range(text.as_bytes()), range(&bytes)].into_iter().flatten() {
                for status in [StatusCode::PARTIAL_CONTENT, StatusCode::RANGE_NOT_SATISFIABLE] {
                    let arrived = Received { length, etag: None, is_presentation: true };
                    if let Plan::Receive(rest) = plan(status, &headers, arrived) {
                        prop_assert!(rest.known <= length);
                    }
                }
            }
        }
    }
}
