//! Ranges (RFC 9110, 14): one range of bytes, as a resumed download asks for it.

/// What of a body is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// These bytes, both ends included.
    Bytes(usize, usize),
    /// A range that the body does not have.
    Unsatisfiable,
}

/// Reads a `Range` header for a body of this length. Several ranges, other units and what can't be read are
/// answered with the whole, as the RFC allows.
pub fn part_of(header: Option<&str>, length: usize) -> Part {
    let Some((first, last)) =
        header.and_then(|text| text.strip_prefix("bytes=")).and_then(|range| range.trim().split_once('-'))
    else {
        return Part::Whole;
    };
    // parse() takes a sign, too.
    if !first.bytes().chain(last.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Part::Whole;
    }
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), _) if first >= length => Part::Unsatisfiable,
        (Ok(first), Ok(last)) if first <= last => Part::Bytes(first, last.min(length - 1)),
        (Ok(first), Err(_)) if last.is_empty() => Part::Bytes(first, length - 1),
        (Err(_), Ok(0)) if first.is_empty() => Part::Unsatisfiable,
        (Err(_), Ok(count)) if first.is_empty() && length > 0 => {
            Part::Bytes(length.saturating_sub(count), length - 1)
        }
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (header, part) in [
            (None, Part::Whole),
            (Some("bytes=0-"), Part::Bytes(0, 9)),
            (Some("bytes=4-"), Part::Bytes(4, 9)),
            (Some("bytes=4-5"), Part::Bytes(4, 5)),
            (Some("bytes=4-99"), Part::Bytes(4, 9)),
            (Some("bytes=-3"), Part::Bytes(7, 9)),
            (Some("bytes=-99"), Part::Bytes(0, 9)),
            (Some("bytes=10-"), Part::Unsatisfiable),
            (Some("bytes=-0"), Part::Unsatisfiable),
            (Some("bytes=5-4"), Part::Whole),
            (Some("bytes=+4-5"), Part::Whole),
            (Some("bytes=-+5"), Part::Whole),
            (Some("bytes=1-2,4-5"), Part::Whole),
            (Some("lines=1-2"), Part::Whole),
            (Some("bytes=x-y"), Part::Whole),
        ] {
            assert_eq!(part_of(header, 10), part, "{header:?}");
        }
    }
}
