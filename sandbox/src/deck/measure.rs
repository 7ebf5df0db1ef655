//! The space that text takes. There is no font here: the widths are those of a common sans-serif font,
//! rounded up, so that a text that fits by this measure also fits on the slide.

use super::model::{Mark, Paragraph, Rect, Size};

/// English Metric Units in a point.
pub const POINT: f64 = 12_700.0;
/// The distance between lines, in ems.
pub const LINE: f64 = 1.2;
/// The inner margin of a text frame at the sides and above, in points: 0.1 and 0.05 inches, the defaults of
/// PresentationML.
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

/// Wraps a text into lines of at most this width, in ems, between words if possible.
pub fn wrap(text: &str, max: f64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut taken = 0.0;
    for word in text.split_inclusive([' ', '-', '/']) {
        let wide = width(word.trim_end());
        if taken + wide > max && !line.is_empty() {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            taken = 0.0;
        }
        // Words that are wider than a line, and scripts without spaces, wrap between characters.
        for c in word.chars() {
            let wide = width_of(c);
            if taken + wide > max && !line.is_empty() && c != ' ' {
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

/// The distance from a mark to its text, in ems.
pub fn hanging(mark: Mark) -> f64 {
    match mark {
        Mark::None => 0.0,
        Mark::Bullet => 0.9,
        // Two digits and a point.
        Mark::Number => 1.8,
    }
}

/// The distance from the left of the frame to the text of a paragraph, in points.
pub fn indent(paragraph: &Paragraph) -> f64 {
    let step = f64::from(paragraph.size) / 100.0;
    match paragraph.mark {
        Mark::None => 0.0,
        mark => step * (hanging(mark) + 1.1 * f64::from(paragraph.level)),
    }
}

/// The lines of a paragraph in a frame of this width, in points.
pub fn lines(paragraph: &Paragraph, frame: f64) -> Vec<String> {
    let size = f64::from(paragraph.size) / 100.0;
    // Bold type is wider.
    let size = if paragraph.bold { size * 1.1 } else { size };
    wrap(&paragraph.text, ((frame - indent(paragraph)) / size).max(1.0))
}

/// The space above a paragraph, in points. The first paragraph of a text has none.
pub fn space_before(paragraph: &Paragraph) -> f64 {
    let size = f64::from(paragraph.size) / 100.0;
    if paragraph.level > 0 { size * 0.2 } else { size * 0.45 }
}

/// The height of paragraphs in a frame of this width, in points.
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

/// The inner width and height of a frame, in points.
pub fn inside(rect: Rect, columns: u8) -> (f64, f64) {
    let columns = f64::from(columns.max(1));
    let wide = f64::from(rect.width) / POINT - 2.0 * INSET.0;
    ((wide / columns).max(1.0), (f64::from(rect.height) / POINT - 2.0 * INSET.1) * columns)
}

/// Makes paragraphs smaller, all in proportion, until they fit or reach the size `min`. Then removes what
/// does not fit from the end.
pub fn fit(paragraphs: &mut Vec<Paragraph>, rect: Rect, columns: u8, min: Size) {
    let (wide, high) = inside(rect, columns);
    // A column that ends early loses a line.
    let high = if columns > 1 { high * 0.9 } else { high };
    while height(paragraphs, wide) > high {
        let smallest = paragraphs.iter().map(|paragraph| paragraph.size).min().unwrap_or(min);
        if smallest < min + 50 {
            break;
        }
        for paragraph in &mut *paragraphs {
            paragraph.size = (paragraph.size * 15 / 16 / 50 * 50).max(min);
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
    fn wrapped_lines_fit_and_lose_nothing() {
        let text = "Memory safety without a garbage-collector and averyveryverylongwordthatfitsnowhere \
            漢字かな交じり文";
        for max in [1.0, 3.0, 8.0, 40.0] {
            let lines = wrap(text, max);
            assert!(lines.iter().all(|line| width(line) <= max + 1.06), "{lines:?}");
            let joined: String = lines.concat().split_whitespace().collect();
            assert_eq!(joined, text.split_whitespace().collect::<String>());
        }
        assert_eq!(wrap("", 5.0), [""]);
        assert_eq!(wrap("one two", 2.2), ["one", "two"]);
    }

    #[test]
    fn text_that_does_not_fit_shrinks_and_is_then_cut() {
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
