//! The deck of a prompt: title, agenda, a slide for each point, the figures, a table, a picture, and a close.

use super::charts;
use super::colour::Colour;
use super::design::Design;
use super::figures::{self, Figure};
use super::model::{Anchor, Deck, Layout, Mark, Paragraph, Rect, Role, Shape, Slide, Title};
use super::picture;
use super::prompt::{self, Brief, Point};
use super::shapes::{self, MAX_LINE_CHARS, MAX_TITLE_CHARS, headline, line, notes};
use super::words::{cut, split};

const MAX_BULLETS: usize = 7;
const MAX_CALLOUTS: usize = 3;
/// The number of slides besides those of the points.
const FRAME_SLIDES: usize = 6;

/// The rectangle of the body in the layout.
pub fn body() -> Rect {
    Rect::inches(0.9167, 2.0833, 11.5, 4.5833)
}

/// The rectangle of charts, tables and pictures: the body without the inner margin of a text.
fn evidence() -> Rect {
    let rect = body();
    Rect { x: rect.x + 91_440, width: rect.width - 182_880, ..rect }
}

/// The number of slides in the deck of a prompt.
pub fn slides_of(prompt: &str) -> usize {
    prompt::read(prompt).points.len() + FRAME_SLIDES
}

/// The deck of a prompt.
pub fn deck(prompt: &str, design: Design) -> Deck {
    let brief = prompt::read(prompt);
    let title = cut(&brief.title, MAX_TITLE_CHARS);
    let mut slides = vec![opening(&title, &brief), agenda(&brief)];
    slides.extend(brief.points.iter().map(|point| content(point, &title)));
    slides.extend([chart(&brief), table(&brief), drawing(&brief, &design), closing(&title)]);
    Deck { title, design, slides }
}

fn opening(title: &str, brief: &Brief) -> Slide {
    let count = match brief.points.len() {
        1 => "One point".into(),
        count => format!("{count} points"),
    };
    title_slide(title, &count, &brief.title)
}

fn closing(title: &str) -> Slide {
    title_slide(
        "Thank you",
        &format!("{}: questions and next steps", cut(title, 80)),
        "Thanks, questions, next steps",
    )
}

fn title_slide(title: &str, subtitle: &str, spoken: &str) -> Slide {
    let rect = Rect::inches(0.9167, 4.5, 11.5, 1.1667);
    let subtitle =
        shapes::text(rect, Role::Subtitle, vec![line(subtitle, 2400, Colour::Muted)], Anchor::Top, 1);
    Slide {
        layout: Layout::Title,
        title: Title { text: cut(title, MAX_TITLE_CHARS), style: None },
        shapes: vec![subtitle],
        notes: notes(spoken),
    }
}

fn agenda(brief: &Brief) -> Slide {
    let max = if brief.points.len() > 10 { 48 } else { 90 };
    let numbered = |point: &Point| Paragraph {
        mark: Mark::Number,
        ..line(&cut(&headline(point), max), 2400, Colour::Text)
    };
    let paragraphs: Vec<Paragraph> = brief.points.iter().map(numbered).collect();
    let columns = if paragraphs.len() > 7 { 2 } else { 1 };
    let shape = shapes::text(body(), Role::Body, paragraphs, Anchor::Top, columns);
    slide("Agenda", vec![shape], "What comes, in this order")
}

fn content(point: &Point, title: &str) -> Slide {
    if let (true, Some((name, chart))) = (point.details.is_empty(), charts::of_line(&point.text)) {
        let (left, right) = evidence().columns(0.66, 304_800);
        let said = charts::insights(&chart, true).into_iter();
        let paragraphs = said.map(|text| line(&text, 2400, Colour::Text).bullet()).collect();
        let shapes =
            vec![shapes::chart(left, &chart), shapes::text(right, Role::Body, paragraphs, Anchor::Middle, 1)];
        return slide(&name, shapes, &point.text);
    }
    let mut texts: Vec<String> = point.details.clone();
    if texts.is_empty() {
        texts = split(&point.text, |c| matches!(c, ',' | ';' | ':' | '，' | '、' | '；' | '：' | '؛' | '،'));
        if texts.len() < 2 {
            texts = vec![
                format!("What it means for {}", cut(title, 60)),
                "What it takes, and who takes part".into(),
                "How to tell that it works".into(),
            ];
        }
    }
    let bullet = |text: &String| line(&cut(text, MAX_LINE_CHARS), 2400, Colour::Text).bullet();
    let paragraphs = texts.iter().take(MAX_BULLETS).map(bullet).collect();
    let lines = std::iter::once(&point.text).chain(&point.details);
    let figures: Vec<Figure> = lines.flat_map(|line| figures::in_line(line)).take(MAX_CALLOUTS).collect();
    if figures.is_empty() {
        return slide(
            &point.text,
            vec![shapes::text(body(), Role::Body, paragraphs, Anchor::Top, 1)],
            &point.text,
        );
    }
    let (left, right) = body().columns(0.66, 304_800);
    let mut shapes = vec![shapes::text(left, Role::Body, paragraphs, Anchor::Top, 1)];
    for (at, figure) in (0..).zip(&figures) {
        let height = 1_234_440;
        let rect = Rect { y: right.y + at * (height + 152_400), height, ..right };
        shapes.extend(shapes::callout(rect, figure));
    }
    slide(&point.text, shapes, &point.text)
}

fn chart(brief: &Brief) -> Slide {
    let charts = charts::of_figures(&brief.figures, 3, &brief.text);
    let has_figures = !brief.figures.is_empty();
    let said = charts::remarks(&charts, has_figures).into_iter();
    let paragraphs: Vec<Paragraph> = said.map(|text| line(&text, 2000, Colour::Text).bullet()).collect();
    let (left, right) = evidence().columns(if charts.len() > 1 { 0.72 } else { 0.64 }, 304_800);
    let mut shapes = shapes::charts(left, &charts);
    shapes.push(shapes::text(right, Role::Body, paragraphs, Anchor::Middle, 1));
    slide("What the figures say", shapes, "The chart can be edited: its data are in it")
}

fn table(brief: &Brief) -> Slide {
    let (upper, lower) = evidence().rows(0.86, 152_400);
    let (table, count) = shapes::table(upper, &brief.points, 1400);
    let described = if count == brief.points.len() {
        "All points of this deck, with their details".to_owned()
    } else {
        format!("The first {count} points of {}", brief.points.len())
    };
    let caption =
        shapes::text(lower, Role::Body, vec![line(&described, 1400, Colour::Muted)], Anchor::Top, 1);
    slide("The points side by side", vec![table, caption], &described)
}

fn drawing(brief: &Brief, design: &Design) -> Slide {
    let (left, right) = evidence().columns(0.6, 304_800);
    let first = brief
        .points
        .iter()
        .take(3)
        .map(|point| line(&cut(&headline(point), 90), 2000, Colour::Text).bullet());
    let mut shapes: Vec<Shape> = Vec::new();
    if let Some(picture) = picture::drawn(design, &brief.text) {
        shapes.extend(shapes::pictures(left, &[picture]));
    }
    shapes.push(shapes::text(right, Role::Body, first.collect(), Anchor::Middle, 1));
    slide("In one picture", shapes, "A drawing; a single slide shows the reference images that were sent")
}

fn slide(title: &str, shapes: Vec<Shape>, spoken: &str) -> Slide {
    Slide {
        layout: Layout::Content,
        title: Title { text: cut(title, MAX_TITLE_CHARS), style: None },
        shapes,
        notes: notes(spoken),
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Block;
    use super::*;

    fn made(prompt: &str) -> Deck {
        deck(prompt, super::super::design::of(0))
    }

    /// The titles of a deck, without those that every deck has.
    fn titles(prompt: &str) -> Vec<String> {
        let deck = made(prompt);
        assert_eq!(deck.slides.len(), slides_of(prompt));
        let mut titles: Vec<String> = deck.slides.into_iter().map(|slide| slide.title.text).collect();
        let end = titles.split_off(titles.len() - 4);
        assert_eq!(end, ["What the figures say", "The points side by side", "In one picture", "Thank you"]);
        assert_eq!(titles.remove(1), "Agenda");
        titles
    }

    fn bullets(prompt: &str, at: usize) -> Vec<String> {
        let deck = made(prompt);
        let text = deck.slides[at].text_of(Role::Body).unwrap();
        text.paragraphs.iter().map(|paragraph| paragraph.text.clone()).collect()
    }

    #[test]
    fn lines_become_slides_and_indented_lines_bullets() {
        let prompt = "# Plan\n- First\n  - a\n\t* b\n2. Second, with x, y\n\n• Third";
        assert_eq!(titles(prompt), ["Plan", "First", "Second, with x, y", "Third"]);
        assert_eq!(bullets(prompt, 1), ["First", "Second, with x, y", "Third"], "the agenda");
        assert_eq!(bullets(prompt, 2), ["a", "b"]);
        assert_eq!(bullets(prompt, 3), ["Second", "with x", "y"]);
        assert_eq!(bullets(prompt, 4).len(), 3);
    }

    #[test]
    fn sentences_become_slides_where_there_is_one_line() {
        assert_eq!(titles("Why Rust? It is fast. It is safe."), ["Why Rust", "It is fast", "It is safe"]);
        assert_eq!(titles("Why Rust").len(), 5);
    }

    #[test]
    fn figures_and_names_are_not_cut() {
        let prompt = "Sales grew 12.5% to 1,200.75 M. See example.com, v2.0 and 10:30! Done";
        assert_eq!(
            titles(prompt),
            ["Sales grew 12.5% to 1,200.75 M", "See example.com, v2.0 and 10:30", "Done"]
        );
        assert_eq!(titles("What?! 好。行！"), ["What", "好", "行"]);
        assert_eq!(
            titles("Results\n-5% churn\n#1 in Europe\n- 3 more\n4) Last"),
            ["Results", "-5% churn", "#1 in Europe", "3 more", "Last"]
        );
        assert_eq!(bullets("T\n1,200 users, 3 teams", 2), ["1,200 users", "3 teams"]);
    }

    #[test]
    fn last_point_has_its_own_details_only() {
        let lines: String = (1..=25).map(|number| format!("P{number}\n  of {number}\n")).collect();
        let prompt = format!("T\n{lines}");
        assert_eq!(titles(&prompt).len(), 1 + prompt::MAX_POINTS);
        assert_eq!(bullets(&prompt, 1 + prompt::MAX_POINTS), ["of 20"]);
    }

    #[test]
    fn figures_of_the_prompt_are_in_the_chart() {
        let deck = made("Results\n- Revenue: Q1 120, Q2 150, Q3 180.5\n- Share: North 40%, South 60%");
        let slide = deck.slides.iter().find(|slide| slide.title.text == "What the figures say").unwrap();
        let charts: Vec<_> = slide
            .shapes
            .iter()
            .filter_map(|shape| match &shape.block {
                Block::Chart(chart) => Some((chart.title.as_str(), chart.values.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(charts, [("Revenue", vec![120.0, 150.0, 180.5]), ("Share, in %", vec![40.0, 60.0])]);
    }

    #[test]
    fn point_of_figures_only_is_their_chart() {
        let prompt =
            "Results\n- Revenue: Q1 120, Q2 150\n- Costs: 12, and rising\n- Share: North 40%\n  - South 60%";
        assert_eq!(titles(prompt), ["Results", "Revenue", "Costs: 12, and rising", "Share: North 40%"]);
        assert_eq!(bullets(prompt, 1)[0], "Revenue", "the agenda");
        let deck = made(prompt);
        let shown = |at: usize| {
            deck.slides[at].shapes.iter().find_map(|shape| match &shape.block {
                Block::Chart(chart) => Some((chart.title.clone(), chart.values.clone())),
                _ => None,
            })
        };
        assert_eq!(shown(2), Some(("Revenue".into(), vec![120.0, 150.0])));
        assert_eq!((shown(3), shown(4)), (None, None));
        assert!(bullets(prompt, 2).contains(&"Q1 to Q2: +25 %".to_owned()));
        assert!(deck.slides[2].notes.contains("Q2 150"), "the notes have the whole line");
    }

    #[test]
    fn directives_are_not_on_the_slides() {
        assert_eq!(titles("Plan [[sandbox: takes=5]]\n- One")[..2], ["Plan", "One"]);
        assert!(prompt::read("Plan [[sandbox: takes=5]]").figures.is_empty());
    }

    #[test]
    fn every_prompt_has_slides_but_not_too_many() {
        for prompt in ["\u{1}\u{2}", "\n\n", "...", "---", "\u{ffff}", "😀", "\u{301}"] {
            let deck = made(prompt);
            assert!(deck.slides.len() > FRAME_SLIDES, "{prompt:?}");
            assert!(deck.slides.iter().all(|slide| !slide.title.text.is_empty()), "{prompt:?}");
        }
        assert_eq!(titles(&"line\n".repeat(1000)).len(), 1 + prompt::MAX_POINTS);
        assert!(titles(&"x".repeat(100_000))[0].chars().count() <= MAX_TITLE_CHARS);
    }
}
