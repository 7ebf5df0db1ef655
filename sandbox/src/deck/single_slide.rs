//! The single slide of a prompt: a claim, a chart, points, a table and a conclusion on one slide. Variants
//! have the same content, and differ in arrangement and colours.

use super::charts;
use super::colour::Colour;
use super::design::{self, Design};
use super::figures::Figure;
use super::model::{Anchor, Block, Chart, Deck, Layout, Picture, Rect, Role, Shape, Slide, Title};
use super::picture;
use super::prompt::{self, Brief, Point};
use super::shapes::{self, MAX_TITLE_CHARS, line, notes};
use super::words::cut;

const GAP: u32 = 228_600;
const MAX_POINTS: usize = 6;

/// The content of the slide, for every arrangement.
struct Content<'a> {
    brief: &'a Brief,
    charts: Vec<Chart>,
    said: Vec<String>,
    pictures: Vec<Picture>,
}

/// The slide of a prompt in one of its variants, from 1. `template` is the design that the request names.
pub fn single_slide(prompt: &str, variant: u32, template: Option<Design>, sent: &[Picture]) -> Deck {
    let brief = prompt::read(prompt);
    let number = variant.saturating_sub(1) as usize;
    // There are four arrangements. They come again in other colours.
    let design = template.unwrap_or_else(|| design::of(number)).turned(number / 4);
    let charts = charts::of_figures(&brief.figures, 3, &brief.text);
    let has_figures = !brief.figures.is_empty();
    let said = charts::remarks(&charts, has_figures);
    let content = Content { charts, said, pictures: sent.to_vec(), brief: &brief };
    let title = cut(&brief.title, MAX_TITLE_CHARS);
    let (style, mut shapes) = match number % 4 {
        0 => argument(&content),
        1 => columns(&content),
        2 => numbers(&content),
        _ => beside(&content, &design),
    };
    // The line begins to the right of the dark panel.
    let x = if number % 4 == 3 { 4.65 } else { 0.5 };
    shapes.push(shapes::text(
        Rect::inches(x, 7.08, 8.0, 0.32),
        Role::Note,
        vec![line(source(has_figures), 1000, Colour::Muted)],
        Anchor::Middle,
        1,
    ));
    let slide = Slide {
        layout: Layout::Content,
        title: Title { text: title.clone(), style: Some(style) },
        shapes,
        notes: notes(&brief.text),
    };
    Deck { title, design, slides: vec![slide] }
}

fn source(has_figures: bool) -> &'static str {
    if has_figures {
        "Source: figures as named in the prompt"
    } else {
        "Illustration; the prompt names no figures"
    }
}

/// The title over the whole width, and the line below it.
fn head(content: &Content<'_>) -> ((Rect, u32, Colour), Shape) {
    let rect = Rect::inches(0.5, 0.3, 12.33, 0.85);
    let mut title = vec![line(&content.brief.title, 2600, Colour::Dark).bold()];
    super::measure::fit(&mut title, rect, 1, 1800);
    let size = title.first().map_or(1800, |title| title.size);
    (
        (rect, size, Colour::Dark),
        shapes::text(
            Rect::inches(0.5, 1.12, 12.33, 0.42),
            Role::Note,
            vec![line(&lead(content), 1400, Colour::Muted)],
            Anchor::Middle,
            1,
        ),
    )
}

fn lead(content: &Content<'_>) -> String {
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let points = count(content.brief.points.len(), "point");
    match content.brief.figures.len() {
        0 => points,
        figures => format!("{points}, {}", count(figures, "figure")),
    }
}

/// The conclusion: one line on the colour of the deck.
fn conclusion(content: &Content<'_>, rect: Rect) -> Shape {
    let last = content.brief.points.last().map(|point| point.text.as_str()).unwrap_or_default();
    shapes::bar(rect, &format!("So what: {}", cut(last, 130)), 1600, Colour::Accent(1), Colour::White)
}

fn points<'a>(content: &Content<'a>, most: usize) -> &'a [Point] {
    &content.brief.points[..content.brief.points.len().min(most)]
}

fn body(content: &Content<'_>, rect: Rect, colour: Colour) -> Shape {
    shapes::text(
        rect,
        Role::Body,
        shapes::points(points(content, MAX_POINTS), 1600, colour, 2),
        Anchor::Top,
        1,
    )
}

/// Adds the pictures in the lower part of a rectangle, if there are any. Returns the part that is left.
fn with_pictures(content: &Content<'_>, rect: Rect, shapes: &mut Vec<Shape>) -> Rect {
    if content.pictures.is_empty() {
        return rect;
    }
    let (upper, lower) = rect.rows(0.55, GAP);
    shapes.extend(shapes::pictures(lower, &content.pictures));
    upper
}

type Arranged = ((Rect, u32, Colour), Vec<Shape>);

/// The chart at the left, the points at the right, the conclusion below both.
fn argument(content: &Content<'_>) -> Arranged {
    let (style, lead) = head(content);
    let (left, right) = Rect::inches(0.5, 1.7, 12.33, 4.45).columns(0.56, GAP);
    let mut shapes = vec![panel_behind(left), lead];
    let (chart, said) = inner(left).rows(0.8, 76_200);
    shapes.extend(shapes::charts(chart, &content.charts));
    shapes.push(remarks(content, said));
    let right = with_pictures(content, right, &mut shapes);
    shapes.push(body(content, right, Colour::Text));
    shapes.push(conclusion(content, Rect::inches(0.5, 6.35, 12.33, 0.6)));
    (style, shapes)
}

/// The points as cards, the chart and the points again below them.
fn columns(content: &Content<'_>) -> Arranged {
    let (style, lead) = head(content);
    let mut shapes = vec![lead];
    let cards = points(content, 4);
    for (at, (rect, point)) in
        Rect::inches(0.5, 1.65, 12.33, 1.95).split(cards.len(), GAP).into_iter().zip(cards).enumerate()
    {
        let stripe = Rect { height: 54_864, ..rect };
        shapes.push(shapes::panel(rect, Colour::Light));
        shapes.push(shapes::panel(stripe, Colour::Accent(u8::try_from(at % 5).unwrap_or(0) + 1)));
        let mut paragraphs =
            vec![line(&format!("{}  {}", at + 1, cut(&point.text, 90)), 1600, Colour::Dark).bold()];
        paragraphs.extend(point.details.iter().take(3).map(|text| line(text, 1200, Colour::Text)));
        let below = Rect { y: rect.y + stripe.height, height: rect.height - stripe.height, ..rect };
        shapes.push(shapes::text(below, Role::Note, paragraphs, Anchor::Top, 1));
    }
    let (left, right) = Rect::inches(0.5, 3.75, 12.33, 2.5).columns(0.5, GAP);
    shapes.extend(shapes::charts(left, &content.charts));
    let right = match content.pictures.as_slice() {
        [] => right,
        pictures => {
            let (text, picture) = right.columns(0.5, GAP);
            shapes.extend(shapes::pictures(picture, pictures));
            text
        }
    };
    shapes.push(body(content, right, Colour::Text));
    shapes.push(conclusion(content, Rect::inches(0.5, 6.4, 12.33, 0.55)));
    (style, shapes)
}

/// The figures in large type, then a table and the chart.
fn numbers(content: &Content<'_>) -> Arranged {
    let (style, lead) = head(content);
    let mut shapes = vec![lead];
    let mut figures: Vec<Figure> = content.brief.figures.iter().take(5).cloned().collect();
    if figures.is_empty() {
        figures = content.charts.iter().flat_map(charts::figures_of).take(5).collect();
    }
    for (rect, figure) in
        Rect::inches(0.5, 1.65, 12.33, 1.3).split(figures.len(), GAP).into_iter().zip(&figures)
    {
        shapes.extend(shapes::callout(rect, figure));
    }
    let (left, right) = Rect::inches(0.5, 3.1, 12.33, 2.35).columns(0.55, GAP);
    shapes.push(shapes::table(left, points(content, 5), 1100).0);
    shapes.extend(shapes::charts(right, &content.charts));
    let mut strip = Rect::inches(0.5, 5.68, 12.33, 1.35);
    if !content.pictures.is_empty() {
        // The pictures stand beside the points: beside the chart they would make it too small.
        let (text, picture) = strip.columns(0.74, GAP);
        shapes.extend(shapes::pictures(picture, &content.pictures));
        strip = text;
    }
    shapes.push(shapes::panel(Rect::inches(0.5, 5.6, 12.33, 0.03), Colour::Accent(1)));
    let paragraphs = shapes::points(points(content, MAX_POINTS), 1400, Colour::Text, 2);
    shapes.push(shapes::text(strip, Role::Body, paragraphs, Anchor::Top, 2));
    (style, shapes)
}

/// The claim and the points on a dark panel at the left; charts, pictures and a table at the right.
fn beside(content: &Content<'_>, design: &Design) -> Arranged {
    let panel = Rect::inches(0.0, 0.0, 4.45, 7.5);
    let rect = Rect::inches(0.4, 0.45, 3.75, 1.9);
    let mut title = vec![line(&content.brief.title, 2600, Colour::White).bold()];
    super::measure::fit(&mut title, rect, 1, 1400);
    let size = title.first().map_or(1400, |title| title.size);
    let mut shapes = vec![shapes::panel(panel, Colour::Dark)];
    shapes.push(shapes::panel(Rect::inches(0.5, 2.5, 0.9, 0.05), Colour::Accent(1)));
    shapes.push(body(content, Rect::inches(0.4, 2.7, 3.75, 4.2), Colour::White));
    let right = Rect::inches(4.75, 0.45, 8.1, 6.5);
    let (upper, lower) = right.rows(0.52, GAP);
    let (chart, shown) = upper.columns(0.62, GAP);
    shapes.extend(shapes::charts(chart, &content.charts));
    match content.pictures.as_slice() {
        [] => {
            shapes.extend(picture::drawn(design, &content.brief.text).map(|drawn| Shape {
                rect: picture::within(shown, drawn.pixels),
                block: Block::Picture(drawn),
            }))
        }
        pictures => shapes.extend(shapes::pictures(shown, pictures)),
    }
    let (table, said) = lower.rows(0.78, 76_200);
    shapes.push(shapes::table(table, points(content, 5), 1100).0);
    shapes.push(remarks(content, said));
    ((rect, size, Colour::White), shapes)
}

/// What the charts show, in small type.
fn remarks(content: &Content<'_>, rect: Rect) -> Shape {
    let paragraphs =
        content.said.iter().take(4).map(|text| line(text, 1200, Colour::Muted).bullet()).collect();
    shapes::text(rect, Role::Note, paragraphs, Anchor::Middle, 2)
}

fn panel_behind(rect: Rect) -> Shape {
    shapes::panel(rect, Colour::Light)
}

fn inner(rect: Rect) -> Rect {
    const MARGIN: u32 = 91_440;
    Rect {
        x: rect.x + MARGIN,
        y: rect.y + MARGIN,
        width: rect.width - 2 * MARGIN,
        height: rect.height - 2 * MARGIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMPT: &str =
        "Rust pays\n- Defects: 2022 70, 2023 50, 2024 30\n  - memory\n- Speed\n- Hiring\n- Cost 12 %";

    #[test]
    fn variants_differ_in_design_and_have_the_same_content() {
        for template in [None, design::named("Plum")] {
            let all: Vec<Deck> = (1..=10).map(|number| single_slide(PROMPT, number, template, &[])).collect();
            for (at, deck) in all.iter().enumerate() {
                assert!(all[at + 1..].iter().all(|other| other != deck), "{at}");
                let slide = &deck.slides[0];
                assert_eq!(slide.title.text, "Rust pays");
                let has = |wanted: fn(&Block) -> bool| slide.shapes.iter().any(|shape| wanted(&shape.block));
                assert!(has(|block| matches!(block, Block::Chart(_))));
                let said = slide.text_of(Role::Body).unwrap();
                assert!(said.paragraphs.iter().any(|paragraph| paragraph.text == "Hiring"), "{at}");
                if let Some(template) = template {
                    assert_eq!(deck.design.name, template.name);
                }
            }
        }
    }

    #[test]
    fn variants_show_the_pictures_of_the_request() {
        let sent = picture::drawn(&design::of(0), "x").unwrap();
        for number in 1..=4 {
            let deck = single_slide(PROMPT, number, None, std::slice::from_ref(&sent));
            let shown =
                deck.slides[0].shapes.iter().filter(|shape| shape.block == Block::Picture(sent.clone()));
            assert_eq!(shown.count(), 1, "{number}");
        }
    }

    #[test]
    fn shapes_are_inside_the_slide() {
        let long = format!(
            "{}\n{}",
            "Title ".repeat(40),
            "- A point with many words in it, 5 %\n  - a detail\n".repeat(30)
        );
        for prompt in [PROMPT, "Rust", &long, "四半期計画\n- 成長、品質"] {
            for number in 1..=4 {
                for shape in &single_slide(prompt, number, None, &[]).slides[0].shapes {
                    let Rect { x, y, width, height } = shape.rect;
                    assert!(
                        x + width <= super::super::WIDTH && y + height <= super::super::HEIGHT,
                        "{shape:?}"
                    );
                    assert!(width > 0 && height > 0);
                }
            }
        }
    }
}
