//! String keys and values, as the builders of the C ABI take them: one way to read them and to refuse them.

use std::borrow::Cow;
use std::ops::RangeInclusive;

/// `true` or `false`.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false".into()),
    }
}

/// A decimal integer within the range.
pub(crate) fn integer(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(value) if digits && range.contains(&value) => Ok(value),
        _ => Err(format!("a whole number from {} to {}", range.start(), range.end())),
    }
}

/// One of a few words.
pub(crate) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Ok(*value),
        None => Err(words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")),
    }
}

/// How many characters of a text that can be anything a message has.
const MAX_QUOTED: usize = 80;

/// A value as it may be quoted in a message.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((at, _)) => format!("{:?}...", &text[..at]),
        None => format!("{text:?}"),
    }
}

/// A sentence that may quote a value, such as a JSON reader's.
pub(crate) fn cut(sentence: &str) -> Cow<'_, str> {
    match sentence.char_indices().nth(MAX_QUOTED) {
        Some((at, _)) => format!("{}...", &sentence[..at]).into(),
        None => sentence.into(),
    }
}

/// The sentence that refuses an unknown key and lists the known ones.
pub(crate) fn unknown(noun: &str, name: &str, known: &[&str]) -> String {
    format!("unknown {noun} {}; accepted are {}", quoted(name), known.join(", "))
}

/// The sentence that refuses a value and says what is accepted.
pub(crate) fn refused(noun: &str, name: &str, value: &str, accepts: &str) -> String {
    format!("{noun} {name} can't be {}; accepted is {accepts}", quoted(value))
}
