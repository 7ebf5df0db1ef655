//! How much room text takes. No font is at hand: widths are those of a common sans-serif, rounded up, so that
//! what is measured to fit does.

use super::model::{Mark, Paragraph, Rect, Size};

/// English Metric Units in a point.
pub const POINT: f64 = 12_700.0;
/// From one line to the next, in ems.
pub const LINE: f64 = 1.2;
/// What the frame of a text takes on each side, in points: 0.1 inches beside and 0.05 above, as
/// PresentationML has it.
pub const INSET: (f64, f64) = (7.2, 3.6);

/// A character's width, in ems.
fn width_of(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.28,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '-' | '/' => 0.36,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '—' | '…' => 0.88,
        'A'..='Z' => 0.66,
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' => 0.0,
        '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{ffef}' | '\u{1f000}'..='\u{3ffff}' => 1.05,
        _ => 0.58,
    }
}

/// A text's width on one line, in ems.
pub fn width(text: &str) -> f64 {
    text.chars().map(width_of).sum()
}

/// A text in lines of at most this width, in ems, cut between words where there are any.
pub fn wrap(text: &str, most: f64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut taken = 0.0;
    for word in text.split_inclusive([' ', '-', '/']) {
        let wide = width(word.trim_end());
        if taken + wide > most && !line.is_empty() {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            taken = 0.0;
        }
        // A word wider than a line, and scripts without spaces.
        for c in word.chars() {
            let wide = width_of(c);
            if taken + wide > most && !line.is_empty() && c != ' ' {
                lines.push(std::mem::take(&mut line));
                taken = 0.0;
            }
            line.push(c);
            taken += wide;
        }
    }
    if !line.trim().is_empty() || lines.is_empty() {
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// How far a mark stands before its text, in ems.
pub fn hanging(mark: Mark) -> f64 {
    match mark {
        Mark::None => 0.0,
        Mark::Bullet => 0.9,
        // Two digits and a point.
        Mark::Number => 1.8,
    }
}

/// Where a paragraph's text begins, in points from the left of its frame.
pub fn indent(paragraph: &Paragraph) -> f64 {
    let step = f64::from(paragraph.size) / 100.0;
    match paragraph.mark {
        Mark::None => 0.0,
        mark => step * (hanging(mark) + 1.1 * f64::from(paragraph.level)),
    }
}

/// A paragraph's lines in a frame this wide, in points.
pub fn lines(paragraph: &Paragraph, frame: f64) -> Vec<String> {
    let size = f64::from(paragraph.size) / 100.0;
    // Bold type is wider.
    let size = if paragraph.bold { size * 1.1 } else { size };
    wrap(&paragraph.text, ((frame - indent(paragraph)) / size).max(1.0))
}

/// The space above a paragraph, in points; the first of a text has none.
pub fn space_before(paragraph: &Paragraph) -> f64 {
    let size = f64::from(paragraph.size) / 100.0;
    if paragraph.level > 0 { size * 0.2 } else { size * 0.45 }
}

/// How high paragraphs are in a frame this wide, in points.
pub fn height(paragraphs: &[Paragraph], frame: f64) -> f64 {
    let mut total = 0.0;
    for (at, paragraph) in paragraphs.iter().enumerate() {
        if at > 0 {
            total += space_before(paragraph);
        }
        total += lines(paragraph, frame).len() as f64 * LINE * f64::from(paragraph.size) / 100.0;
    }
    total
}

/// A frame's width and height inside, in points.
pub fn inside(rect: Rect, columns: u8) -> (f64, f64) {
    let columns = f64::from(columns.max(1));
    let wide = f64::from(rect.width) / POINT - 2.0 * INSET.0;
    ((wide / columns).max(1.0), (f64::from(rect.height) / POINT - 2.0 * INSET.1) * columns)
}

/// Makes paragraphs smaller, all in proportion, until they fit or would be below this size; then takes away
/// from the end what does not fit.
pub fn fit(paragraphs: &mut Vec<Paragraph>, rect: Rect, columns: u8, least: Size) {
    let (wide, high) = inside(rect, columns);
    // A column that ends early costs a line.
    let high = if columns > 1 { high * 0.9 } else { high };
    while height(paragraphs, wide) > high {
        let smallest = paragraphs.iter().map(|paragraph| paragraph.size).min().unwrap_or(least);
        if smallest < least + 50 {
            break;
        }
        for paragraph in &mut *paragraphs {
            paragraph.size = (paragraph.size * 15 / 16 / 50 * 50).max(least);
        }
    }
    while paragraphs.len() > 1 && height(paragraphs, wide) > high {
        paragraphs.pop();
    }
    if let [paragraph] = paragraphs.as_mut_slice() {
        let room = (high / (LINE * f64::from(paragraph.size) / 100.0)).max(1.0) as usize;
        let all = lines(paragraph, wide);
        if all.len() > room {
            let kept: String = all[..room].join(" ");
            let mut kept: Vec<char> = kept.chars().collect();
            kept.truncate(kept.len().saturating_sub(2));
            paragraph.text = kept.into_iter().collect::<String>().trim_end().to_owned() + "…";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deck::colour::Colour;

    #[test]
    fn lines_are_no_wider_than_asked_and_lose_nothing() {
        let text = "Memory safety without a garbage-collector and averyveryverylongwordthatfitsnowhere 漢字かな交じり文";
        for most in [1.0, 3.0, 8.0, 40.0] {
            let lines = wrap(text, most);
            assert!(lines.iter().all(|line| width(line) <= most + 1.06), "{lines:?}");
            let joined: String = lines.concat().split_whitespace().collect();
            assert_eq!(joined, text.split_whitespace().collect::<String>());
        }
        assert_eq!(wrap("", 5.0), [""]);
        assert_eq!(wrap("one two", 2.2), ["one", "two"]);
    }

    #[test]
    fn what_does_not_fit_shrinks_and_is_then_cut() {
        let of = |count: usize| -> Vec<Paragraph> {
            let line = Paragraph {
                text: "word ".repeat(12),
                level: 0,
                mark: Mark::Bullet,
                size: 2400,
                bold: false,
                colour: Colour::Text,
            };
            vec![line; count]
        };
        let rect = Rect::inches(1.0, 1.0, 5.0, 2.0);
        for count in [1, 3, 8, 100] {
            let mut paragraphs = of(count);
            fit(&mut paragraphs, rect, 1, 1000);
            let (wide, high) = inside(rect, 1);
            assert!(height(&paragraphs, wide) <= high, "{count}");
            assert!(!paragraphs.is_empty() && paragraphs.iter().all(|paragraph| paragraph.size >= 1000));
        }
        let mut one = of(1);
        one[0].text = "x".repeat(10_000);
        fit(&mut one, rect, 1, 1000);
        assert!(one[0].text.ends_with('…'));
    }
}
