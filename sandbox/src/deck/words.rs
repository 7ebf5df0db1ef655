//! Text helpers: splitting at marks, cutting to a length, and removing what no slide can show.

/// Splits a text at these marks. An ASCII mark counts only before white space or the end, so that "12.5 %",
/// "1,200", "example.com" and "10:30" stay whole.
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

/// At most `max` characters of a text. The last one is an ellipsis if some were cut.
pub fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(max - 1).collect();
            format!("{}…", kept.trim_end())
        }
    }
}

/// The part of a text that XML 1.0 (2.2) can hold and a slide can show. Every line break becomes a newline;
/// control characters and noncharacters are removed.
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
