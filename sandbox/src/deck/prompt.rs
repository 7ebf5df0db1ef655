//! What a prompt says. No intelligence: its own lines and sentences are the points, so that a test can tell
//! what must be in the file.

use super::figures::{self, Figure};

/// More points than this are left out.
pub const MAX_POINTS: usize = 20;
/// And more figures.
pub const MAX_FIGURES: usize = 24;
/// What a prompt can have without a word in it still makes a slide.
const UNTITLED: &str = "Untitled";

/// A prompt, read.
#[derive(Debug, PartialEq)]
pub struct Brief {
    /// Its first line or sentence.
    pub title: String,
    /// The others, at least one.
    pub points: Vec<Point>,
    /// The figures in all of it.
    pub figures: Vec<Figure>,
    /// All of it, without what it says to the sandbox.
    pub text: String,
}

/// One point of a prompt, and what is said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The point.
    pub text: String,
    /// The indented lines under it.
    pub details: Vec<String>,
}

/// Reads a prompt.
pub fn read(prompt: &str) -> Brief {
    let text = printable(&without_directives(prompt));
    let (title, points) = points(&text);
    let mut figures: Vec<Figure> = text.lines().flat_map(|line| figures::in_line(unmarked(line))).collect();
    figures.truncate(MAX_FIGURES);
    Brief { title, points, figures, text }
}

/// A prompt's title and points: its lines where it has several, its sentences otherwise.
fn points(clean: &str) -> (String, Vec<Point>) {
    let mut lines = clean.lines().filter(|line| !line.trim().is_empty());
    let title = lines.next().map_or(UNTITLED.to_owned(), |line| unmarked(line).to_owned());
    let mut points: Vec<Point> = Vec::new();
    for line in lines {
        let nested = line.starts_with("  ") || line.starts_with('\t');
        let text = unmarked(line).to_owned();
        let full = points.len() == MAX_POINTS;
        match points.last_mut() {
            Some(point) if nested => point.details.push(text),
            _ if full => break,
            _ => points.push(Point { text, details: Vec::new() }),
        }
    }
    if !points.is_empty() {
        return (title, points);
    }
    let sentences = split(&title, |c| matches!(c, '.' | '!' | '?' | '。' | '！' | '？' | '؟' | '।'));
    let texts = match sentences.as_slice() {
        [_, rest @ ..] if !rest.is_empty() => rest.to_vec(),
        _ => {
            ["Where things stand", "What changes", "What it brings", "Next steps"].map(String::from).to_vec()
        }
    };
    let title = if sentences.len() > 1 { sentences.into_iter().next().unwrap_or(title) } else { title };
    (title, texts.into_iter().take(MAX_POINTS).map(|text| Point { text, details: Vec::new() }).collect())
}

/// A prompt without what it says to the sandbox.
fn without_directives(prompt: &str) -> String {
    let mut clean = String::with_capacity(prompt.len());
    let mut rest = prompt;
    while let Some((before, after)) = rest.split_once("[[sandbox:") {
        clean.push_str(before.trim_end_matches(' '));
        rest = after.split_once("]]").map_or("", |(_, after)| after);
    }
    clean + rest
}

/// A line without its bullet or number.
fn unmarked(line: &str) -> &str {
    let line = line.trim();
    let text = line.trim_start_matches(['-', '*', '•', '–', '#', '>']);
    // "-5 % churn" and "#1 in Europe" are what they say.
    let text = if text.starts_with(|c: char| c.is_ascii_digit()) { line } else { text.trim_start() };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let text = match text.as_bytes().get(digits) {
        Some(b'.' | b')') if digits > 0 && text[digits + 1..].starts_with(' ') => {
            text[digits + 1..].trim_start()
        }
        _ => text,
    };
    // A line of marks alone is a line all the same.
    if text.is_empty() { line } else { text }
}

/// Cuts at these marks. One of ASCII's counts only before white space or the end: "12.5 %", "1,200",
/// "example.com" and "10:30" are whole.
pub fn split(text: &str, at: impl Fn(char) -> bool) -> Vec<String> {
    let mut rest = text.char_indices().peekable();
    let (mut parts, mut start) = (Vec::new(), 0);
    while let Some((index, c)) = rest.next() {
        if at(c) && (!c.is_ascii() || rest.peek().is_none_or(|(_, next)| next.is_whitespace() || at(*next))) {
            parts.push(&text[start..index]);
            start = index + c.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// At most so many characters, the last an ellipsis where some were cut.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(most - 1).collect();
            format!("{}…", kept.trim_end())
        }
    }
}

/// What XML 1.0 (2.2) can hold and a slide can show: every line break a newline, no control characters, no
/// noncharacters.
pub fn printable(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars()
        .filter_map(|c| match c {
            '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' | '\u{b}' | '\u{c}' => Some('\n'),
            '\n' | '\t' => Some(c),
            '\u{fffe}' | '\u{ffff}' => None,
            _ if c.is_control() => None,
            _ => Some(c),
        })
        .collect()
}
