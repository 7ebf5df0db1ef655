//! The canonical form of a request's JSON, by which equal requests are equal bytes.
//!
//! The service compares the bytes of two submissions under one key, and the ledger compares their hashes. The
//! same request can be written in many ways: its names in another order, with white space, with `\u00fc` for
//! `ü`. RFC 8785 (JSON Canonicalization Scheme) has one form for all of them. Numbers alone stay as they were
//! given: the RFC makes doubles of them, and 12345678901234567890 would become another number.
//!
//! The text is scanned once, which finds the members of its objects and puts them in order, and is written
//! once. No tree of copies is made: an image of 20 MB is copied from the text into the result, and nowhere
//! else.

use std::cmp::Ordering;
use std::fmt;

use serde_json::value::RawValue;

use super::json_string::{Piece, Pieces, push};
use crate::common::text;

/// The version of the canonical form: another one may write the same request in other bytes.
pub const CANONICAL_VERSION: u32 = 1;

/// How deep arrays and objects may be nested, the request's own object included.
const MAX_DEPTH: usize = 128;
/// How long the path in a message may be before its beginning is left out.
const MAX_PATH_BYTES: usize = 300;

/// Why a JSON text has no canonical form, and where in it.
#[derive(Debug)]
pub(super) struct Refused {
    why: String,
    /// As in JSONPath (RFC 9535), without the root.
    path: String,
    cut: bool,
}

impl Refused {
    fn new(why: String) -> Refused {
        Refused { why, path: String::new(), cut: false }
    }

    /// The same, seen from the object that has it under this name.
    pub(super) fn within(self, name: &str) -> Refused {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if plain && !name.is_empty() && name.len() <= 80 {
            self.below(&format!(".{name}"))
        } else {
            self.below(&format!("[{}]", text::quoted(name)))
        }
    }

    fn below(mut self, step: &str) -> Refused {
        if self.path.len() + step.len() <= MAX_PATH_BYTES && !self.cut {
            self.path.insert_str(0, step);
        } else {
            self.cut = true;
        }
        self
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at ${}{}: {}", if self.cut { "..." } else { "" }, self.path, self.why)
    }
}

/// A member of an object: where its name and its value begin, and where its value ends. All positions are
/// bytes of the text.
#[derive(Clone, Copy)]
struct Member {
    name: u32,
    value: u32,
    end: u32,
}

/// An object of the text.
struct Object {
    at: u32,
    end: u32,
    /// Its members, in the order of their names: where they begin in the list, and how many they are.
    first: u32,
    count: u32,
}

/// A JSON text that has a canonical form.
pub(super) struct Document<'a> {
    text: &'a str,
    /// In the order in which they begin.
    objects: Vec<Object>,
    members: Vec<Member>,
}

impl<'a> Document<'a> {
    /// Scans a text, which is to be used inside so many arrays and objects.
    pub(super) fn scan(json: &'a RawValue, depth: usize) -> Result<Document<'a>, Refused> {
        let text = json.get();
        if u32::try_from(text.len()).is_err() {
            return Err(Refused::new("4 GiB or more".into()));
        }
        let document = Document { text, objects: Vec::new(), members: Vec::new() };
        let mut scan = Scan { document, at: 0, depth, open: Vec::new() };
        scan.value()?;
        Ok(scan.document)
    }

    /// The canonical form.
    pub(super) fn canonical(&self) -> Box<str> {
        self.part(0, self.text.len())
    }

    /// The members of an object, each as its name and its value's canonical form. `None`: it is no object.
    pub(super) fn fields(&self) -> Option<impl Iterator<Item = (String, Box<str>)>> {
        let object = self.objects.first().filter(|object| object.at == 0)?;
        let field = |member: &Member| {
            let name = Pieces::of(self.text, member.name as usize).text();
            (name, self.part(member.value as usize, member.end as usize))
        };
        Some(self.members_of(object).iter().map(field))
    }

    fn part(&self, from: usize, to: usize) -> Box<str> {
        // The canonical form is never the longer one.
        let mut out = String::with_capacity(to - from);
        self.write(from, &mut out);
        out.into_boxed_str()
    }

    /// Writes the value that begins here; where it ends.
    fn write(&self, at: usize, out: &mut String) -> usize {
        match byte(self.text, at) {
            b'{' => self.write_object(at, out),
            b'[' => self.write_array(at, out),
            b'"' => {
                let mut pieces = Pieces::of(self.text, at);
                out.push('"');
                for piece in &mut pieces {
                    match piece {
                        Piece::Run(run) => out.push_str(run),
                        Piece::Char(char) => push(out, char),
                        Piece::Lone(_) => out.push(char::REPLACEMENT_CHARACTER),
                    }
                }
                out.push('"');
                pieces.end()
            }
            _ => {
                let end = end_of_literal(self.text, at);
                out.push_str(&self.text[at..end]);
                end
            }
        }
    }

    fn write_object(&self, at: usize, out: &mut String) -> usize {
        let found = self.objects.binary_search_by_key(&at, |object| object.at as usize);
        let Some(object) = found.ok().and_then(|found| self.objects.get(found)) else {
            return self.text.len();
        };
        out.push('{');
        for (index, member) in self.members_of(object).iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            self.write(member.name as usize, out);
            out.push(':');
            self.write(member.value as usize, out);
        }
        out.push('}');
        object.end as usize
    }

    fn write_array(&self, at: usize, out: &mut String) -> usize {
        out.push('[');
        let mut at = skip_space(self.text, at + 1);
        while at < self.text.len() && byte(self.text, at) != b']' {
            at = skip_space(self.text, self.write(at, out));
            if byte(self.text, at) == b',' {
                out.push(',');
                at = skip_space(self.text, at + 1);
            }
        }
        out.push(']');
        at + 1
    }

    fn members_of(&self, object: &Object) -> &[Member] {
        let first = object.first as usize;
        self.members.get(first..first + object.count as usize).unwrap_or_default()
    }

    /// By the UTF-16 code units of their names, as the RFC has it.
    fn compare(&self, one: &Member, other: &Member) -> Ordering {
        let units = |member: &Member| Pieces::of(self.text, member.name as usize).units();
        units(one).cmp(units(other))
    }
}

/// A scan on its way through a text that is known to be JSON.
struct Scan<'a> {
    document: Document<'a>,
    at: usize,
    depth: usize,
    /// The members so far of the objects that have not ended.
    open: Vec<Member>,
}

impl Scan<'_> {
    fn value(&mut self) -> Result<(), Refused> {
        match self.next() {
            b'{' => self.nested(Scan::object),
            b'[' => self.nested(Scan::array),
            b'"' => self.string(),
            _ => {
                self.at = end_of_literal(self.document.text, self.at);
                Ok(())
            }
        }
    }

    /// The next byte that is not white space.
    fn next(&mut self) -> u8 {
        self.at = skip_space(self.document.text, self.at);
        byte(self.document.text, self.at)
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<(), Refused>) -> Result<(), Refused> {
        if self.depth >= MAX_DEPTH {
            return Err(Refused::new(format!("arrays and objects are nested more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<(), Refused> {
        let (own, mine) = (self.document.objects.len(), self.open.len());
        self.document.objects.push(Object { at: offset(self.at), end: 0, first: 0, count: 0 });
        self.at += 1;
        while self.next() == b'"' {
            let name = self.at;
            self.string()?;
            // The colon.
            self.next();
            self.at += 1;
            self.next();
            let value = self.at;
            if let Err(refused) = self.value() {
                return Err(refused.within(&Pieces::of(self.document.text, name).text()));
            }
            self.open.push(Member { name: offset(name), value: offset(value), end: offset(self.at) });
            if self.next() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        self.sort(mine)?;
        let document = &mut self.document;
        let (first, end) = (offset(document.members.len()), offset(self.at));
        document.members.extend(self.open.drain(mine..));
        if let Some(object) = document.objects.get_mut(own) {
            (object.first, object.end) = (first, end);
            object.count = offset(document.members.len()) - first;
        }
        Ok(())
    }

    /// Puts the members from this one on in the order of their names, which all differ.
    fn sort(&mut self, from: usize) -> Result<(), Refused> {
        let (document, members) = (&self.document, &mut self.open[from..]);
        if members.is_sorted_by(|one, next| document.compare(one, next) == Ordering::Less) {
            return Ok(());
        }
        members.sort_unstable_by(|one, other| document.compare(one, other));
        match members.windows(2).find(|pair| document.compare(&pair[0], &pair[1]) == Ordering::Equal) {
            Some(twice) => {
                let name = Pieces::of(document.text, twice[0].name as usize).text();
                Err(Refused::new(format!(
                    "the name {} stands twice; accepted is each name once",
                    text::quoted(&name)
                )))
            }
            None => Ok(()),
        }
    }

    fn array(&mut self) -> Result<(), Refused> {
        self.at += 1;
        let mut index = 0_usize;
        while !matches!(self.next(), b']' | 0) {
            self.value().map_err(|refused| refused.below(&format!("[{index}]")))?;
            index += 1;
            if self.next() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), Refused> {
        let mut pieces = Pieces::of(self.document.text, self.at);
        for piece in &mut pieces {
            if let Piece::Lone(unit) = piece {
                return Err(Refused::new(format!(
                    "the escape \\u{unit:04x} is half of a surrogate pair; accepted are whole pairs"
                )));
            }
        }
        self.at = pieces.end();
        Ok(())
    }
}

/// A position in a text of less than 4 GiB.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// 0 behind the end, which no JSON has.
fn byte(text: &str, at: usize) -> u8 {
    text.as_bytes().get(at).copied().unwrap_or(0)
}

fn skip_space(text: &str, mut at: usize) -> usize {
    while matches!(byte(text, at), b' ' | b'\t' | b'\n' | b'\r') {
        at += 1;
    }
    at
}

/// Where the number, `true`, `false` or `null` ends that begins here.
fn end_of_literal(text: &str, mut at: usize) -> usize {
    while !matches!(byte(text, at), b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r' | 0) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests;
