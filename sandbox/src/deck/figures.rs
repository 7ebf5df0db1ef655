//! Figures: the numbers in a text, with what each of them counts.

use super::model::Unit;
use super::words::{cut, split};

/// The number of figures that are read from a prompt.
pub const MAX_FIGURES: usize = 24;
const MAX_LABEL_CHARS: usize = 36;

/// A figure: a number and its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The label.
    pub label: String,
    /// The number as it is written: "1.2 million" is 1.2.
    pub value: f64,
    /// Its unit.
    pub unit: Unit,
    /// The number of its digits after the point.
    pub decimals: usize,
    /// The text before a colon in front of it.
    pub series: Option<String>,
}

/// The units that can follow a number.
const UNITS: [&str; 30] = [
    "%", "‰", "€", "$", "£", "¥", "k", "K", "m", "M", "bn", "B", "x", "×", "percent", "thousand", "million",
    "billion", "trillion", "days", "hours", "minutes", "seconds", "ms", "MB", "GB", "TB", "kg", "km", "pp",
];
/// A number after one of these words is no figure: "Step 2".
const ORDINALS: [&str; 16] = [
    "chapter", "detail", "figure", "item", "level", "no", "no.", "number", "option", "page", "part", "phase",
    "point", "slide", "step", "version",
];
/// Words between a figure and its label.
const JOINTS: [&str; 30] = [
    "a", "an", "and", "are", "about", "at", "by", "for", "from", "have", "has", "in", "is", "of", "on", "or",
    "over", "than", "the", "then", "to", "was", "were", "with", "=", "-", "–", "—", "(", "→",
];

/// All figures of a line of text.
pub fn in_line(line: &str) -> Vec<Figure> {
    let mut found: Vec<Figure> = Vec::new();
    let mut series = None;
    for part in split(line, |c| matches!(c, ',' | ';' | '.' | '!' | '?' | '，' | '、' | '；' | '。')) {
        let mut rest = part.as_str();
        if let Some((before, after)) = rest.split_once([':', '：'])
            && number_in(before).is_none_or(|number| number.is_year)
            && number_in(after).is_some()
            && !before.ends_with(|c: char| c.is_ascii_digit() && before.len() < 3)
        {
            let words = trimmed(before);
            if number_in(after).is_some_and(|number| !number.is_year && trimmed(number.before).is_empty()) {
                // 2024 is the label of "2024: 15".
                rest = after;
                push_all(&mut found, rest, Some(&words), series.as_deref());
                continue;
            }
            series = Some(words);
            rest = after;
        }
        push_all(&mut found, rest, None, series.as_deref());
    }
    found
}

/// Adds the figures of a text without colons or sentences. `label` is the label of the first one.
fn push_all(found: &mut Vec<Figure>, text: &str, label: Option<&str>, series: Option<&str>) {
    let mut rest = text;
    let mut label = label.map(str::to_owned);
    let mut skipped = String::new();
    while let Some(number) = number_in(rest) {
        if number.is_year {
            // A year is the label of a figure.
            skipped = format!("{skipped}{}{} ", number.before, number.text);
            rest = number.after;
            continue;
        }
        let before = trimmed(&format!("{skipped}{}", number.before));
        skipped.clear();
        rest = number.after;
        let next = number_in(rest).filter(|next| !next.is_year);
        let after = next.as_ref().map_or(rest, |next| next.before);
        let label = label.take().unwrap_or(if before.is_empty() { trimmed(after) } else { before });
        found.push(Figure {
            label: cut(&label, MAX_LABEL_CHARS),
            value: number.value,
            unit: number.unit,
            decimals: number.decimals,
            series: series.map(str::to_owned),
        });
    }
}

/// A number in a text, and what is around it.
struct Number<'a> {
    before: &'a str,
    text: &'a str,
    after: &'a str,
    value: f64,
    unit: Unit,
    decimals: usize,
    is_year: bool,
}

/// The first number that stands alone: not "Q3", "v2.0", "10:30" or a date.
fn number_in(text: &str) -> Option<Number<'_>> {
    let mut from = 0;
    while let Some(at) = text[from..].find(|c: char| c.is_ascii_digit()).map(|at| from + at) {
        let end = text[at..]
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',')))
            .map_or(text.len(), |length| at + length);
        let end = at + text[at..end].trim_end_matches(['.', ',']).len();
        from = end;
        let digits = &text[at..end];
        let (start, sign, prefix) = prefix_before(text, at);
        if is_joined(&text[..start]) || (is_ordinal(&text[..start]) && !digits.contains(['.', ','])) {
            continue;
        }
        let Some((value, decimals)) = read(digits) else { continue };
        let (suffix, after) = suffix_of(&text[end..]);
        if suffix.is_empty()
            && let Some(skipped) = goes_on(after)
        {
            from = end + skipped;
            continue;
        }
        let is_bare = prefix.is_empty() && suffix.is_empty() && decimals == 0;
        return Some(Number {
            before: &text[..start],
            text: &text[start..end],
            after,
            value: sign * value,
            unit: Unit { prefix, suffix },
            decimals,
            is_year: is_bare && end - at == 4 && (1900.0..=2100.0).contains(&value),
        });
    }
    None
}

/// The sign and the currency before the digits at `at`, and where they begin.
fn prefix_before(text: &str, at: usize) -> (usize, f64, String) {
    let mut start = at;
    let mut prefix = String::new();
    let before = text[..start].chars().next_back();
    if let Some(currency) = before.filter(|c| matches!(c, '$' | '€' | '£' | '¥')) {
        prefix = currency.to_string();
        start -= currency.len_utf8();
    }
    let mut before = text[..start].chars();
    let sign = before.next_back().filter(|c| matches!(c, '-' | '−' | '+'));
    match sign.filter(|_| before.next_back().is_none_or(char::is_whitespace)) {
        Some(sign) => (start - sign.len_utf8(), if sign == '+' { 1.0 } else { -1.0 }, prefix),
        None => (start, 1.0, prefix),
    }
}

/// Whether the digits after this text belong to its last word.
fn is_joined(before: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '#' | '.' | '-' | '/' | ':' | '@');
    before.ends_with(joins) && !before.ends_with(": ")
}

/// Whether the last word before a number makes it an ordinal.
fn is_ordinal(before: &str) -> bool {
    let word = before.split_whitespace().next_back().unwrap_or_default().to_lowercase();
    ORDINALS.contains(&word.as_str())
}

/// The unit after a number, with the space before it, and the rest of the text.
fn suffix_of(rest: &str) -> (String, &str) {
    let word = rest.trim_start_matches([' ', '\u{a0}', '\u{202f}']);
    let units = UNITS.iter().filter(|unit| word.starts_with(**unit));
    if let Some(unit) = units.max_by_key(|unit| unit.len()) {
        let beyond = &word[unit.len()..];
        let is_word = unit.ends_with(char::is_alphanumeric);
        if !(is_word && beyond.starts_with(char::is_alphanumeric)) {
            let is_spaced = word.len() < rest.len();
            let suffix = if is_spaced && *unit != "%" { format!(" {unit}") } else { (*unit).to_owned() };
            return (suffix, beyond);
        }
    }
    (String::new(), rest)
}

/// Whether the text after a number without a unit goes on with it, as a word, a time, a date or a range do.
/// Returns how many bytes to skip.
fn goes_on(rest: &str) -> Option<usize> {
    let mut next = rest.chars();
    match (next.next(), next.next()) {
        (Some(c), _) if c.is_alphanumeric() || c == '_' => Some(0),
        (Some(':' | '/' | '-' | '–'), Some(c)) if c.is_ascii_digit() => {
            let is_inside = |c: char| c.is_ascii_digit() || matches!(c, ':' | '/' | '-' | '–' | '.');
            Some(rest.find(|c: char| !is_inside(c)).unwrap_or(rest.len()))
        }
        _ => None,
    }
}

/// A number and its digits after the point: "1,200.75", "1.200,75", "12,5".
fn read(text: &str) -> Option<(f64, usize)> {
    let separators: Vec<(usize, u8)> =
        text.bytes().enumerate().filter(|(_, byte)| !byte.is_ascii_digit()).collect();
    let grouped = |mark: u8| {
        let parts: Vec<&str> = text.split(char::from(mark)).collect();
        parts[0].len() <= 3 && parts[1..].iter().all(|part| part.len() == 3)
    };
    let point = match separators.as_slice() {
        [] => None,
        [(_, b',')] if grouped(b',') => None,
        [(at, _)] => Some(*at),
        [.., (at, last)] => {
            let others_same =
                separators[..separators.len() - 1].iter().all(|(_, mark)| mark == &separators[0].1);
            if separators[0].1 != *last && others_same {
                Some(*at)
            } else if others_same && grouped(*last) {
                None
            } else {
                return None;
            }
        }
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let (whole, fraction) = match point {
        Some(at) => (digits(&text[..at]), digits(&text[at + 1..])),
        None => (digits(text), String::new()),
    };
    let value: f64 = format!("{whole}.{fraction}0").parse().ok()?;
    (whole.len() <= 15).then_some((value, fraction.len().min(4)))
}

/// A text without the words that join it to a figure.
fn trimmed(text: &str) -> String {
    let marks = |c: char| {
        c.is_whitespace() || matches!(c, ':' | '：' | '(' | ')' | ',' | '"' | '\'' | '*' | '|' | '=')
    };
    let mut text = text.trim_matches(marks);
    loop {
        let before = text;
        let is_joint = |word: &str| JOINTS.contains(&word.to_lowercase().as_str());
        if let Some(word) = text.split_whitespace().next_back().filter(|word| is_joint(word)) {
            text = text[..text.len() - word.len()].trim_matches(marks);
        }
        if let Some(word) = text.split_whitespace().next().filter(|word| is_joint(word)) {
            text = text[word.len()..].trim_matches(marks);
        }
        if text == before {
            return text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
    }
}

/// A value as a slide shows it.
pub fn formatted(value: f64, unit: &Unit, decimals: usize) -> String {
    let mut text = format!("{:.decimals$}", value.abs());
    if unit.prefix.is_empty() && unit.suffix.is_empty() && text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if value < 0.0 { "−" } else { "" };
    format!("{sign}{}{grouped}{point}{fraction}{}", unit.prefix, unit.suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_with_their_labels() {
        for (line, expected) in [
            ("Revenue: Q1 120, Q2 150, Q3 180", &[("Q1", "120"), ("Q2", "150"), ("Q3", "180")][..]),
            ("2023: 12.5 M, 2024: 15 M", &[("2023", "12.5 M"), ("2024", "15 M")]),
            ("Sales grew 12.5% to €1,200.75 million", &[("Sales grew", "12.5%"), ("", "€1,200.75 million")]),
            ("Churn -5 %; margin +3.2 %", &[("Churn", "−5%"), ("margin", "3.2%")]),
            ("Revenue grew from 12 to 18 in 2025", &[("Revenue grew", "12"), ("2025", "18")]),
            ("1,200 users, 3 teams", &[("users", "1,200"), ("teams", "3")]),
            ("Kosten 12,5 %, Umsatz 1.234.567,5 €", &[("Kosten", "12.5%"), ("Umsatz", "1,234,567.5 €")]),
            ("North 40%, South 35%, West 25%", &[("North", "40%"), ("South", "35%"), ("West", "25%")]),
            ("In 2024 we had 40 people", &[("2024 we had", "40")]),
            ("Defects by half: 2021 84, 2022 70", &[("2021", "84"), ("2022", "70")]),
        ] {
            let found = in_line(line).into_iter();
            let found: Vec<(String, String)> = found
                .map(|figure| (figure.label, formatted(figure.value, &figure.unit, figure.decimals)))
                .collect();
            let expected: Vec<(String, String)> =
                expected.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn figures_are_not_versions_times_or_dates() {
        for line in [
            "Q3 and v2.0",
            "at 10:30",
            "2026-11-24",
            "3D and 5G",
            "1.2.3",
            "#1",
            "in 2025",
            "",
            "a-4",
            "3–5",
            "Step 2 of it",
        ] {
            assert_eq!(in_line(line), [], "{line}");
        }
    }
}
