//! Drawings of slides (SVG 1.1) for the page, from the same model as the files.

use std::fmt::Write as _;

use base64::Engine as _;

use crate::deck::{
    Anchor, Block, Chart, Colour, Deck, Design, Format, HEIGHT, Kind, Layout, Mark, Paragraph, Picture, Rect,
    Slide, Table, Text, WIDTH, formatted, measure,
};
use crate::ooxml::escaped;

const FONTS: &str = "system-ui, sans-serif";

/// One slide of a deck, in points.
pub fn draw(deck: &Deck, slide: &Slide) -> String {
    let mut out = Drawing { design: &deck.design, text: String::new() };
    let (width, height) = (points(WIDTH), points(HEIGHT));
    let _ = write!(
        out.text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"{FONTS}\">\
         <title>{}</title>",
        escaped(&slide.title.text)
    );
    out.rectangle(Rect { x: 0, y: 0, width: WIDTH, height: HEIGHT }, Colour::White);
    out.rectangle(Rect::inches(0.0, 0.0, 0.25, 7.5), Colour::Accent(1));
    let is_panel = |block: &Block| matches!(block, Block::Panel(_));
    for shape in slide.shapes.iter().filter(|shape| is_panel(&shape.block)) {
        if let Block::Panel(colour) = shape.block {
            out.rectangle(shape.rect, colour);
        }
    }
    out.title(slide);
    for shape in &slide.shapes {
        match &shape.block {
            Block::Panel(_) => {}
            Block::Text(text) => out.body(shape.rect, text),
            Block::Chart(chart) => out.chart(shape.rect, chart),
            Block::Table(table) => out.table(shape.rect, table),
            Block::Picture(picture) => out.picture(shape.rect, picture),
        }
    }
    out.text + "</svg>"
}

struct Drawing<'a> {
    design: &'a Design,
    text: String,
}

impl Drawing<'_> {
    fn rectangle(&mut self, rect: Rect, colour: Colour) {
        self.bar(points(rect.x), points(rect.y), points(rect.width), points(rect.height), colour);
    }

    fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, colour: Colour) {
        let fill = self.design.digits(colour);
        let _ = write!(
            self.text,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"#{fill}\"/>"
        );
    }

    /// A line of text at its base line.
    fn line(&mut self, (x, y): (f64, f64), looks: Looks, text: &str) {
        let Looks { size, bold, colour, anchor } = looks;
        let fill = self.design.digits(colour);
        let weight = if bold { " font-weight=\"700\"" } else { "" };
        let _ = write!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size:.1}\"{weight} fill=\"#{fill}\" \
             text-anchor=\"{anchor}\">{}</text>",
            escaped(text)
        );
    }

    fn title(&mut self, slide: &Slide) {
        let (rect, size, colour) = slide.title.style.unwrap_or_else(|| match slide.layout {
            Layout::Title => (Rect::inches(0.9167, 1.5833, 11.5, 2.5), 3600, Colour::Dark),
            Layout::Content => (Rect::inches(0.9167, 0.5, 11.5, 1.3333), 3600, Colour::Dark),
        });
        let paragraph = Paragraph {
            text: slide.title.text.clone(),
            level: 0,
            mark: Mark::None,
            size,
            bold: true,
            colour,
        };
        let (wide, high) = measure::inside(rect, 1);
        let tall = measure::height(std::slice::from_ref(&paragraph), wide);
        // The layouts have the title at the bottom of its rectangle; a title with its own style is in the
        // middle.
        let above = if slide.title.style.is_some() { (high - tall) / 2.0 } else { high - tall };
        let mut y = points(rect.y) + measure::INSET.1 + above.max(0.0);
        self.paragraph(&paragraph, points(rect.x) + measure::INSET.0, wide, &mut y, 0);
        if slide.layout == Layout::Title {
            self.rectangle(Rect::inches(1.0167, 4.25, 2.0, 0.0833), Colour::Accent(1));
        }
    }

    fn body(&mut self, rect: Rect, text: &Text) {
        if let Some(ground) = text.fill {
            self.rectangle(rect, ground);
        }
        let (wide, high) = measure::inside(rect, text.columns);
        let column = high / f64::from(text.columns.max(1));
        let tall = measure::height(&text.paragraphs, wide);
        let above = if text.anchor == Anchor::Middle && text.columns < 2 {
            (column - tall).max(0.0) / 2.0
        } else {
            0.0
        };
        let top = points(rect.y) + measure::INSET.1;
        let mut x = points(rect.x) + measure::INSET.0;
        let mut y = top + above;
        for (at, paragraph) in text.paragraphs.iter().enumerate() {
            let tall = measure::height(std::slice::from_ref(paragraph), wide);
            if text.columns > 1 && y > top && y + tall > top + column {
                (x, y) = (x + wide, top);
            } else if at > 0 {
                y += measure::space_before(paragraph);
            }
            self.paragraph(paragraph, x, wide, &mut y, at + 1);
        }
    }

    /// Moves `y` to the paragraph's end.
    fn paragraph(&mut self, paragraph: &Paragraph, x: f64, wide: f64, y: &mut f64, number: usize) {
        let size = f64::from(paragraph.size) / 100.0;
        let indent = measure::indent(paragraph);
        let at = x + indent;
        let first = *y + size * 0.95;
        let tint = if paragraph.colour == Colour::White { Colour::White } else { Colour::Accent(1) };
        let mark = at - measure::hanging(paragraph.mark) * size;
        match paragraph.mark {
            Mark::None => {}
            Mark::Bullet => {
                self.line((mark, first), Looks { size, bold: false, colour: tint, anchor: "start" }, "•")
            }
            Mark::Number => self.line(
                (mark, first),
                Looks { size, bold: false, colour: tint, anchor: "start" },
                &format!("{number}."),
            ),
        }
        for line in measure::lines(paragraph, wide) {
            self.line(
                (at, *y + size * 0.95),
                Looks { size, bold: paragraph.bold, colour: paragraph.colour, anchor: "start" },
                &line,
            );
            *y += size * measure::LINE;
        }
    }

    fn table(&mut self, rect: Rect, table: &Table) {
        let size = f64::from(table.size) / 100.0;
        let widths: Vec<f64> = table.widths.iter().map(|share| share * points(rect.width)).collect();
        let least = points(rect.height) / table.rows.len().max(1) as f64;
        let mut y = points(rect.y);
        for (at, row) in table.rows.iter().enumerate() {
            let wrapped: Vec<Vec<String>> = row
                .iter()
                .zip(&widths)
                .map(|(text, wide)| measure::wrap(text, ((wide - 12.0) / size).max(1.0)))
                .collect();
            let lines = wrapped.iter().map(Vec::len).max().unwrap_or(1);
            let height = (lines as f64 * size * measure::LINE + 5.0).max(least.min(38.0));
            let (ground, colour) = match (at, at % 2) {
                (0, _) => (Colour::Dark, Colour::White),
                (_, 0) => (Colour::Light, Colour::Text),
                _ => (Colour::White, Colour::Text),
            };
            self.bar(points(rect.x), y, points(rect.width), height, ground);
            let mut x = points(rect.x);
            for (column, (lines, wide)) in wrapped.iter().zip(&widths).enumerate() {
                let is_last = column + 1 == widths.len();
                let above = (height - lines.len() as f64 * size * measure::LINE) / 2.0;
                for (number, line) in lines.iter().enumerate() {
                    let base = y + above + size * (0.95 + measure::LINE * number as f64);
                    let (at_x, anchor) = if is_last { (x + wide - 6.0, "end") } else { (x + 6.0, "start") };
                    self.line((at_x, base), Looks { size, bold: at == 0, colour, anchor }, line);
                }
                x += wide;
            }
            y += height;
            self.bar(points(rect.x), y - 0.5, points(rect.width), 0.5, Colour::Muted);
        }
    }

    fn picture(&mut self, rect: Rect, picture: &Picture) {
        let kind = match picture.format {
            Format::Png => "png",
            Format::Jpeg => "jpeg",
            Format::Gif => "gif",
        };
        let data = base64::engine::general_purpose::STANDARD.encode(&picture.data);
        let _ = write!(
            self.text,
            "<image x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
             href=\"data:image/{kind};base64,{data}\"><title>{}</title></image>",
            points(rect.x),
            points(rect.y),
            points(rect.width),
            points(rect.height),
            escaped(&picture.description)
        );
    }

    fn chart(&mut self, rect: Rect, chart: &Chart) {
        let (x, y, wide, high) = (points(rect.x), points(rect.y), points(rect.width), points(rect.height));
        let size = f64::from(chart.size) / 100.0;
        let title = Paragraph {
            text: chart.title.clone(),
            level: 0,
            mark: Mark::None,
            size: chart.size * 7 / 6,
            bold: true,
            colour: Colour::Text,
        };
        let lines = measure::lines(&title, wide);
        let mut below = y;
        for line in lines.iter().take(2) {
            below += size * 1.4;
            let looks = Looks { size: size * 7.0 / 6.0, bold: true, colour: Colour::Text, anchor: "middle" };
            self.line((x + wide / 2.0, below), looks, line);
        }
        let top = below + 8.0;
        let area =
            Area { x: x + 6.0, y: top, wide: wide - 12.0, high: (y + high - 4.0 - top).max(1.0), size };
        match chart.kind {
            Kind::Column => self.columns(&area, chart, false),
            Kind::Line => self.columns(&area, chart, true),
            Kind::Bar => self.bars(&area, chart),
            Kind::Ring => self.ring(&area, chart),
        }
    }

    fn columns(&mut self, area: &Area, chart: &Chart, is_line: bool) {
        let (low, span) = range(&chart.values);
        let room = area.high - 44.0;
        let step = area.wide / chart.values.len().max(1) as f64;
        let level = |value: f64| area.y + 14.0 + room * (1.0 - (value - low) / span);
        let mut path = String::new();
        for (at, (name, value)) in chart.categories.iter().zip(&chart.values).enumerate() {
            let middle = area.x + step * (at as f64 + 0.5);
            let (from, to) = (level(0.0_f64.max(low)), level(*value));
            if is_line {
                let _ = write!(path, "{}{middle:.1} {to:.1}", if at == 0 { "M" } else { "L" });
                self.bar(middle - 3.5, to - 3.5, 7.0, 7.0, Colour::Accent(1));
            } else {
                let thick = (step * 0.62).min(90.0);
                self.bar(middle - thick / 2.0, from.min(to), thick, (from - to).abs(), Colour::Accent(1));
            }
            let label = formatted(*value, &chart.unit, chart.decimals);
            let above = if *value < 0.0 { to + 13.0 } else { to - 6.0 };
            self.line(
                (middle, above),
                Looks { size: area.size, bold: false, colour: Colour::Text, anchor: "middle" },
                &label,
            );
            for (number, line) in measure::wrap(name, (step / 11.0).max(1.0)).iter().take(2).enumerate() {
                let base = area.y + area.high - 14.0 + 12.0 * number as f64;
                self.line(
                    (middle, base),
                    Looks { size: area.size * 0.92, bold: false, colour: Colour::Text, anchor: "middle" },
                    line,
                );
            }
        }
        if is_line {
            let stroke = self.design.digits(Colour::Accent(1));
            let _ = write!(
                self.text,
                "<path d=\"{path}\" fill=\"none\" stroke=\"#{stroke}\" stroke-width=\"2.5\"/>"
            );
        }
        self.bar(area.x, level(0.0_f64.max(low)), area.wide, 0.75, Colour::Muted);
    }

    fn bars(&mut self, area: &Area, chart: &Chart) {
        let (low, span) = range(&chart.values);
        let names = area.wide * 0.36;
        let room = area.wide - names - 50.0;
        let step = area.high / chart.values.len().max(1) as f64;
        let level = |value: f64| area.x + names + room * (value - low) / span;
        for (at, (name, value)) in chart.categories.iter().zip(&chart.values).enumerate() {
            let middle = area.y + step * (at as f64 + 0.5);
            let (from, to) = (level(0.0_f64.max(low)), level(*value));
            let thick = (step * 0.62).min(40.0);
            self.bar(from.min(to), middle - thick / 2.0, (to - from).abs(), thick, Colour::Accent(1));
            let label = formatted(*value, &chart.unit, chart.decimals);
            self.line(
                (from.max(to) + 4.0, middle + 4.0),
                Looks { size: area.size, bold: false, colour: Colour::Text, anchor: "start" },
                &label,
            );
            let lines = measure::wrap(name, (names / 12.0).max(1.0));
            for (number, line) in lines.iter().take(2).enumerate() {
                let base = middle + 4.0 + 12.0 * (number as f64 - (lines.len().min(2) as f64 - 1.0) / 2.0);
                self.line(
                    (area.x + names - 6.0, base),
                    Looks { size: area.size * 0.92, bold: false, colour: Colour::Text, anchor: "end" },
                    line,
                );
            }
        }
        self.bar(level(0.0_f64.max(low)), area.y, 0.75, area.high, Colour::Muted);
    }

    fn ring(&mut self, area: &Area, chart: &Chart) {
        let total: f64 = chart.values.iter().sum();
        // The legend is below the ring, where there is more space than beside it.
        let row = area.size * 1.35;
        let room = (area.high - row * chart.values.len() as f64 - 8.0).max(20.0);
        let radius = (room / 2.0).min(area.wide * 0.4);
        let (x, y) = (area.x + area.wide / 2.0, area.y + radius);
        let mut turned = 0.0;
        for (at, (name, value)) in chart.categories.iter().zip(&chart.values).enumerate() {
            let share = if total > 0.0 { value / total } else { 0.0 };
            let point = |turn: f64, radius: f64| {
                let angle = turn * std::f64::consts::TAU;
                (x + radius * angle.sin(), y - radius * angle.cos())
            };
            let (start, end) = (turned, turned + share.min(0.9999));
            let (outer, inner) = (radius, radius * 0.55);
            let [(x1, y1), (x2, y2), (x3, y3), (x4, y4)] =
                [point(start, outer), point(end, outer), point(end, inner), point(start, inner)];
            let large = u8::from(share > 0.5);
            let colour = Colour::Accent(u8::try_from(at % 6).unwrap_or(0) + 1);
            let fill = self.design.digits(colour);
            let _ = write!(
                self.text,
                "<path d=\"M{x1:.1} {y1:.1}A{outer:.1} {outer:.1} 0 {large} 1 {x2:.1} {y2:.1}L{x3:.1} \
                 {y3:.1}A{inner:.1} {inner:.1} 0 {large} 0 {x4:.1} {y4:.1}Z\" fill=\"#{fill}\"/>"
            );
            turned += share;
            let down = area.y + radius * 2.0 + 8.0 + row * at as f64;
            let legend = area.x + area.wide * 0.2;
            self.bar(legend, down, area.size * 0.75, area.size * 0.75, colour);
            let label = format!("{name} {}", formatted(*value, &chart.unit, chart.decimals));
            let looks = Looks { size: area.size * 0.92, bold: false, colour: Colour::Text, anchor: "start" };
            self.line((legend + area.size * 1.1, down + area.size * 0.72), looks, &label);
        }
    }
}

/// The style of a line of text.
#[derive(Clone, Copy)]
struct Looks {
    size: f64,
    bold: bool,
    colour: Colour,
    /// `start`, `middle` or `end`.
    anchor: &'static str,
}

/// The area of a chart, and the size of its type.
struct Area {
    x: f64,
    y: f64,
    wide: f64,
    high: f64,
    size: f64,
}

/// The lowest value of the scale, which is zero or below, and the distance to the highest.
fn range(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(0.0, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    (low, if high > low { high - low } else { 1.0 })
}

fn points(emu: u32) -> f64 {
    f64::from(emu) / measure::POINT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deck;

    const PROMPTS: [&str; 4] = [
        "Plan <script>alert(1)</script> & \"more\"\n- Revenue: Q1 12, Q2 -3\n- North 40%, South 60%\n  - \
         detail",
        "Growth: 2021 1, 2022 2, 2023 3, 2024 4, 2025 5",
        "خطة\n- النمو 12%",
        "x",
    ];

    #[test]
    fn drawing_shows_what_the_slide_has() {
        for prompt in PROMPTS {
            let single = (1..=4).map(|number| deck::single_slide(prompt, number, None, &[]));
            for deck in single.chain([deck::deck(prompt, deck::design(1))]) {
                for slide in &deck.slides {
                    let drawing = draw(&deck, slide);
                    assert!(drawing.starts_with("<svg ") && drawing.ends_with("</svg>"));
                    assert!(
                        !drawing.contains("<script") && !drawing.contains("NaN") && !drawing.contains("inf")
                    );
                    let words = slide.title.text.split_whitespace().next().unwrap_or_default();
                    assert!(drawing.contains(&escaped(words)), "{words}");
                    assert_eq!(
                        drawing.matches("<image").count(),
                        slide.shapes.iter().filter(|shape| matches!(shape.block, Block::Picture(_))).count()
                    );
                }
            }
        }
    }
}
