//! The shapes that slides of all kinds are made of.

use super::charts::of_line;
use super::colour::Colour;
use super::figures::{self, Figure};
use super::measure;
use super::model::{
    Anchor, Block, Chart, Kind, Mark, Paragraph, Picture, Rect, Role, Shape, Size, Table, Text,
};
use super::picture;
use super::prompt::Point;
use super::words::{cut, printable};

/// The length to which titles are cut.
pub const MAX_TITLE_CHARS: usize = 120;
/// The length to which lines are cut.
pub const MAX_LINE_CHARS: usize = 240;
const MAX_NOTES_CHARS: usize = 4000;

/// A background in one colour.
pub fn panel(rect: Rect, colour: Colour) -> Shape {
    Shape { rect, block: Block::Panel(colour) }
}

/// A text that is made to fit its rectangle.
pub fn text(rect: Rect, role: Role, mut paragraphs: Vec<Paragraph>, anchor: Anchor, columns: u8) -> Shape {
    measure::fit(&mut paragraphs, rect, columns, 900);
    Shape { rect, block: Block::Text(Text { role, paragraphs, fill: None, anchor, columns }) }
}

/// One line on a background.
pub fn bar(rect: Rect, words: &str, size: Size, ground: Colour, colour: Colour) -> Shape {
    let mut shape = text(rect, Role::Note, vec![line(words, size, colour).bold()], Anchor::Middle, 1);
    if let Block::Text(text) = &mut shape.block {
        text.fill = Some(ground);
    }
    shape
}

/// A figure in large type with its label, on a light background.
pub fn callout(rect: Rect, figure: &Figure) -> [Shape; 3] {
    let (upper, lower) = rect.rows(0.6, 0);
    let value = figures::formatted(figure.value, &figure.unit, figure.decimals);
    [
        panel(rect, Colour::Light),
        text(upper, Role::Note, vec![line(&value, 3200, Colour::Accent(1)).bold()], Anchor::Middle, 1),
        text(lower, Role::Note, vec![line(&figure.label, 1200, Colour::Muted)], Anchor::Top, 1),
    ]
}

/// A chart.
pub fn chart(rect: Rect, chart: &Chart) -> Shape {
    Shape { rect, block: Block::Chart(chart.clone()) }
}

/// Charts side by side. Those with more figures are wider.
pub fn charts(rect: Rect, all: &[Chart]) -> Vec<Shape> {
    const GAP: u32 = 152_400;
    let weight = |chart: &Chart| chart.values.len().clamp(4, 7) as f64;
    let mut rest = rect;
    let mut shapes = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let share = weight(one) / all[at..].iter().map(weight).sum::<f64>();
        let (left, right) = if at + 1 == all.len() { (rest, rest) } else { rest.columns(share, GAP) };
        // Beside other charts the labels of bars take two lines. Programs leave out labels that overlap.
        let room = left.height / u32::try_from(one.values.len() + 1).unwrap_or(u32::MAX);
        let size = match all.len() {
            1 => one.size,
            _ if one.kind == Kind::Bar && room < 330_000 => 800,
            _ => 1000,
        };
        shapes.push(chart(left, &Chart { size, ..one.clone() }));
        rest = right;
    }
    shapes
}

/// Pictures side by side, each whole.
pub fn pictures(rect: Rect, all: &[Picture]) -> impl Iterator<Item = Shape> {
    rect.split(all.len(), 152_400).into_iter().zip(all).map(|(rect, one)| Shape {
        rect: picture::within(rect, one.pixels),
        block: Block::Picture(one.clone()),
    })
}

/// A line of text.
pub fn line(text: &str, size: Size, colour: Colour) -> Paragraph {
    Paragraph { text: cut(text, MAX_LINE_CHARS), level: 0, mark: Mark::None, size, bold: false, colour }
}

impl Paragraph {
    /// The same paragraph with a bullet.
    pub fn bullet(mut self) -> Paragraph {
        self.mark = Mark::Bullet;
        self
    }

    /// The same paragraph in bold type.
    pub fn bold(mut self) -> Paragraph {
        self.bold = true;
        self
    }

    /// The same paragraph on the second level.
    pub fn nested(mut self) -> Paragraph {
        self.level = 1;
        self
    }
}

/// The text of a point, or its name alone where its figures are drawn.
pub fn headline(point: &Point) -> String {
    let charted = if point.details.is_empty() { of_line(&point.text) } else { None };
    charted.map_or_else(|| point.text.clone(), |(name, _)| name)
}

/// Points and their details, as bullets.
pub fn points(all: &[Point], size: Size, colour: Colour, details: usize) -> Vec<Paragraph> {
    let mut paragraphs = Vec::new();
    for point in all {
        paragraphs.push(line(&point.text, size, colour).bullet());
        let below = point.details.iter().take(details);
        paragraphs.extend(below.map(|text| line(text, size * 85 / 100 / 50 * 50, colour).bullet().nested()));
    }
    paragraphs
}

const WIDTHS: [f64; 4] = [0.07, 0.41, 0.36, 0.16];

/// A table of points: number, point, details and first figure. It has as many points as fit. Also returns
/// their number.
pub fn table(rect: Rect, all: &[Point], size: Size) -> (Shape, usize) {
    let points = f64::from(size) / 100.0;
    // At most two lines of a cell.
    let shown = |text: &str, column: usize| {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let wide = (f64::from(rect.width) * WIDTHS[column] / measure::POINT - 12.0) * 0.92 / points;
        let lines = measure::wrap(&text, wide);
        let kept: usize = lines.iter().take(2).map(|line| line.chars().count()).sum();
        (if lines.len() > 2 { cut(&text, kept.max(2)) } else { text }, lines.len().min(2))
    };
    let figure = |point: &Point| -> Option<Figure> {
        std::iter::once(&point.text)
            .chain(&point.details)
            .find_map(|line| figures::in_line(line).into_iter().next())
    };
    let mut rows = vec![["No.", "Point", "What it covers", "Figure"].map(String::from).to_vec()];
    let row_of = |lines: usize| lines as f64 * points * measure::LINE + 6.0;
    let mut left = f64::from(rect.height) / measure::POINT - row_of(1);
    for (at, point) in all.iter().enumerate() {
        let name = headline(point);
        let (text, one) = shown(&name, 1);
        let covers = match point.details.as_slice() {
            // The rest of the point, without its name.
            [] => point
                .text
                .get(name.len()..)
                .unwrap_or_default()
                .trim_start_matches([':', '：', ' '])
                .to_owned(),
            details => details.join("; "),
        };
        let (covers, other) = if covers.is_empty() { ("–".to_owned(), 1) } else { shown(&covers, 2) };
        left -= row_of(one.max(other));
        if left < 0.0 && at > 0 {
            break;
        }
        let figure = figure(point)
            .map_or("–".into(), |figure| figures::formatted(figure.value, &figure.unit, figure.decimals));
        rows.push(vec![(at + 1).to_string(), text, covers, figure]);
    }
    let count = rows.len() - 1;
    (Shape { rect, block: Block::Table(Table { widths: WIDTHS.to_vec(), rows, size }) }, count)
}

/// The notes for the speaker.
pub fn notes(text: &str) -> String {
    let flat: Vec<&str> = text.split_whitespace().collect();
    let clean = printable(&flat.join(" "));
    let clean = clean.trim();
    if clean.is_empty() { "Notes".into() } else { cut(clean, MAX_NOTES_CHARS) }
}
