//! JSON strings: read piece by piece where they lie, and written in their canonical form.

use std::cmp::Ordering;
use std::fmt::Write as _;

use memchr::memchr2;

/// What a JSON string consists of.
pub(super) enum Piece<'a> {
    /// Characters as they are.
    Run(&'a str),
    /// A character that is escaped.
    Char(char),
    /// An escape that is half of a surrogate pair, without its other half.
    Lone(u16),
}

/// The pieces of the JSON string that begins at a quote.
pub(super) struct Pieces<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(text: &'a str, quote: usize) -> Pieces<'a> {
        Pieces { text, at: quote + 1 }
    }

    /// Behind the closing quote, once there are no more pieces.
    pub(super) fn end(&self) -> usize {
        self.at + 1
    }

    /// What the string says.
    pub(super) fn text(self) -> String {
        let mut text = String::new();
        for piece in self {
            match piece {
                Piece::Run(run) => text.push_str(run),
                Piece::Char(char) => text.push(char),
                Piece::Lone(_) => text.push(char::REPLACEMENT_CHARACTER),
            }
        }
        text
    }

    pub(super) fn units(self) -> impl Iterator<Item = u16> + 'a {
        self.flat_map(|piece| {
            let (run, char) = match piece {
                Piece::Run(run) => (run, None),
                Piece::Char(char) => ("", Some(char)),
                Piece::Lone(_) => ("", Some(char::REPLACEMENT_CHARACTER)),
            };
            run.chars().chain(char).flat_map(|char| {
                let mut units = [0; 2];
                let count = char.encode_utf16(&mut units).len();
                units.into_iter().take(count)
            })
        })
    }

    /// The UTF-16 code unit of the `\uXXXX` that begins here, where one does.
    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.text.get(self.at..)?;
        let mut bytes = rest.bytes();
        match bytes.next()? {
            b'"' => None,
            b'\\' => {
                let short = match bytes.next()? {
                    b'b' => '\u{8}',
                    b'f' => '\u{c}',
                    b'n' => '\n',
                    b'r' => '\r',
                    b't' => '\t',
                    b'u' => {
                        let first = self.unit(self.at)?;
                        self.at += 6;
                        if let Some(alone) = char::from_u32(first.into()) {
                            return Some(Piece::Char(alone));
                        }
                        let pair = self.unit(self.at).map(|second| [first, second]);
                        let both = pair.and_then(|pair| char::decode_utf16(pair).next()?.ok());
                        let Some(both) = both else { return Some(Piece::Lone(first)) };
                        self.at += 6;
                        return Some(Piece::Char(both));
                    }
                    itself => char::from(itself),
                };
                self.at += 2;
                Some(Piece::Char(short))
            }
            _ => {
                let end = memchr2(b'"', b'\\', rest.as_bytes()).unwrap_or(rest.len());
                self.at += end;
                Some(Piece::Run(&rest[..end]))
            }
        }
    }
}

/// A text as a canonical JSON string.
pub(super) fn canonical(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        out.push_str(&rest[..at]);
        push(&mut out, char::from(rest.as_bytes()[at]));
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
    out
}

/// The order of names (RFC 8785, 3.2.3): by UTF-16 code units.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    one.encode_utf16().cmp(other.encode_utf16())
}

/// Adds a character of a string, escaped where the RFC (3.2.2.2) wants it.
pub(super) fn push(out: &mut String, char: char) {
    match char {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        '\0'..='\u{1f}' => {
            // A string takes any text.
            let _ = write!(out, "\\u{:04x}", u32::from(char));
        }
        _ => out.push(char),
    }
}
