//! Byte ranges (RFC 9110, 14): one range, as a resumed download asks for it.

/// The part of a body that a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// All of it.
    Whole,
    /// These bytes, both ends included.
    Bytes(usize, usize),
    /// A range beyond the body's end.
    Unsatisfiable,
}

/// Reads a `Range` header for a body of this length. Several ranges, other units and text that can't be read
/// ask for the whole body, as the RFC allows.
pub fn requested_range(header: Option<&str>, length: usize) -> ByteRange {
    let Some((first, last)) =
        header.and_then(|text| text.strip_prefix("bytes=")).and_then(|range| range.trim().split_once('-'))
    else {
        return ByteRange::Whole;
    };
    // parse() also accepts a sign.
    if !first.bytes().chain(last.bytes()).all(|byte| byte.is_ascii_digit()) {
        return ByteRange::Whole;
    }
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), _) if first >= length => ByteRange::Unsatisfiable,
        (Ok(first), Ok(last)) if first <= last => ByteRange::Bytes(first, last.min(length - 1)),
        (Ok(first), Err(_)) if last.is_empty() => ByteRange::Bytes(first, length - 1),
        (Err(_), Ok(0)) if first.is_empty() => ByteRange::Unsatisfiable,
        (Err(_), Ok(count)) if first.is_empty() && length > 0 => {
            ByteRange::Bytes(length.saturating_sub(count), length - 1)
        }
        _ => ByteRange::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_header_is_read_as_the_rfc_says() {
        for (header, range) in [
            (None, ByteRange::Whole),
            (Some("bytes=0-"), ByteRange::Bytes(0, 9)),
            (Some("bytes=4-"), ByteRange::Bytes(4, 9)),
            (Some("bytes=4-5"), ByteRange::Bytes(4, 5)),
            (Some("bytes=4-99"), ByteRange::Bytes(4, 9)),
            (Some("bytes=-3"), ByteRange::Bytes(7, 9)),
            (Some("bytes=-99"), ByteRange::Bytes(0, 9)),
            (Some("bytes=10-"), ByteRange::Unsatisfiable),
            (Some("bytes=-0"), ByteRange::Unsatisfiable),
            (Some("bytes=5-4"), ByteRange::Whole),
            (Some("bytes=+4-5"), ByteRange::Whole),
            (Some("bytes=-+5"), ByteRange::Whole),
            (Some("bytes=1-2,4-5"), ByteRange::Whole),
            (Some("lines=1-2"), ByteRange::Whole),
            (Some("bytes=x-y"), ByteRange::Whole),
        ] {
            assert_eq!(requested_range(header, 10), range, "{header:?}");
        }
    }
}
