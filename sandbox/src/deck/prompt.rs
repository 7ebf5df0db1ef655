//! Reading a prompt. Its lines and sentences become the points of the deck, unchanged, so that a test knows
//! what must be in the file.

use super::figures::{self, Figure, MAX_FIGURES};
use super::words::{printable, split};

/// The number of points that a deck shows. More are left out.
pub const MAX_POINTS: usize = 20;
/// The title of a prompt without words.
const UNTITLED: &str = "Untitled";

/// What a prompt says.
#[derive(Debug, PartialEq)]
pub struct Brief {
    /// Its first line or sentence.
    pub title: String,
    /// Its other lines or sentences, at least one.
    pub points: Vec<Point>,
    /// The figures in the whole prompt.
    pub figures: Vec<Figure>,
    /// The whole prompt without directives to the sandbox.
    pub text: String,
}

/// A point of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its line.
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

/// The title and points of a prompt: its lines where it has several, else its sentences.
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

/// A prompt without directives to the sandbox.
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
    // "-5 % churn" and "#1 in Europe" have no bullet.
    let text = if text.starts_with(|c: char| c.is_ascii_digit()) { line } else { text.trim_start() };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let text = match text.as_bytes().get(digits) {
        Some(b'.' | b')') if digits > 0 && text[digits + 1..].starts_with(' ') => {
            text[digits + 1..].trim_start()
        }
        _ => text,
    };
    // A line of marks alone stays as it is.
    if text.is_empty() { line } else { text }
}
