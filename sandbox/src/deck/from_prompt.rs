//! A deck out of a prompt. No intelligence: the prompt's own lines and sentences become the slides, so that
//! a test can tell what must be in the file.

use super::model::{Block, Bullet, Deck, Layout, Slide};

/// More points than this are left out.
const MOST_POINTS: usize = 20;
const MOST_BULLETS: usize = 7;
const MOST_TITLE: usize = 120;
const MOST_LINE: usize = 240;
const MOST_NOTES: usize = 4000;
/// What a prompt can have without a word in it still makes a slide.
const UNTITLED: &str = "Untitled";

/// One point of a prompt, and what is said of it.
struct Point {
    text: String,
    details: Vec<String>,
}

/// A title slide, then a slide with bullets for each point.
pub fn deck(prompt: &str) -> Deck {
    let (title, points) = read(prompt);
    let mut slides = vec![Slide {
        layout: Layout::Title,
        title: cut(&title, MOST_TITLE),
        blocks: vec![Block::Subtitle(match points.len() {
            1 => "One point".into(),
            count => format!("{count} points"),
        })],
        notes: notes(&title),
    }];
    slides.extend(points.iter().map(|point| content(point, &title)));
    Deck { title: cut(&title, MOST_TITLE), slides }
}

/// One slide with everything on it. Variants differ in their design, which is not the model's affair, and
/// in the order of what they say.
pub fn single_slide(prompt: &str, variant: u32) -> Deck {
    let (title, mut points) = read(prompt);
    let shift = (variant.saturating_sub(1) as usize) % points.len().max(1);
    points.rotate_left(shift);
    let mut bullets = Vec::new();
    for point in &points {
        bullets.push(Bullet { level: 0, text: cut(&point.text, MOST_LINE) });
        bullets
            .extend(point.details.iter().take(2).map(|text| Bullet { level: 1, text: cut(text, MOST_LINE) }));
    }
    bullets.truncate(MOST_BULLETS);
    let slide = Slide {
        layout: Layout::Content,
        title: cut(&title, MOST_TITLE),
        blocks: vec![Block::Bullets(bullets)],
        notes: notes(&without_directives(prompt)),
    };
    Deck { title: cut(&title, MOST_TITLE), slides: vec![slide] }
}

fn content(point: &Point, title: &str) -> Slide {
    let heading = cut(&point.text, MOST_TITLE);
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
    let bullets =
        texts.iter().take(MOST_BULLETS).map(|text| Bullet { level: 0, text: cut(text, MOST_LINE) }).collect();
    Slide {
        layout: Layout::Content,
        title: heading,
        blocks: vec![Block::Bullets(bullets)],
        notes: notes(&point.text),
    }
}

/// A prompt's title and points: its lines where it has several, its sentences otherwise.
fn read(prompt: &str) -> (String, Vec<Point>) {
    let clean = printable(&without_directives(prompt));
    let mut lines = clean.lines().filter(|line| !line.trim().is_empty());
    let title = lines.next().map_or(UNTITLED.to_owned(), |line| unmarked(line).to_owned());
    let mut points: Vec<Point> = Vec::new();
    for line in lines {
        let nested = line.starts_with("  ") || line.starts_with('\t');
        let text = unmarked(line).to_owned();
        let full = points.len() == MOST_POINTS;
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
    (title, texts.into_iter().take(MOST_POINTS).map(|text| Point { text, details: Vec::new() }).collect())
}

/// A prompt without what it says to the sandbox.
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
    // "-5 % churn" and "#1 in Europe" are what they say.
    let text = if text.starts_with(|c: char| c.is_ascii_digit()) { line } else { text.trim_start() };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let text = match text.as_bytes().get(digits) {
        Some(b'.' | b')') if digits > 0 && text[digits + 1..].starts_with(' ') => {
            text[digits + 1..].trim_start()
        }
        _ => text,
    };
    // A line of marks alone is a line all the same.
    if text.is_empty() { line } else { text }
}

/// Cuts at these marks. One of ASCII's counts only before white space or the end: "12.5 %", "1,200", "example.com" and
/// "10:30" are whole.
fn split(text: &str, at: impl Fn(char) -> bool) -> Vec<String> {
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

fn notes(text: &str) -> String {
    let flat: Vec<&str> = text.split_whitespace().collect();
    let clean = printable(&flat.join(" "));
    let clean = clean.trim();
    if clean.is_empty() { "Notes".into() } else { cut(clean, MOST_NOTES) }
}

/// At most so many characters, the last an ellipsis where some were cut.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(most - 1).collect();
            format!("{}…", kept.trim_end())
        }
    }
}

/// What XML 1.0 (2.2) can hold and a slide can show: every line break a newline, no control characters, no
/// noncharacters.
fn printable(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(prompt: &str) -> Vec<String> {
        deck(prompt).slides.into_iter().map(|slide| slide.title).collect()
    }

    #[test]
    fn lines_become_slides_and_indented_ones_bullets() {
        let prompt = "# Plan\n- First\n  - a\n\t* b\n2. Second, with x, y\n\n• Third";
        assert_eq!(titles(prompt), ["Plan", "First", "Second, with x, y", "Third"]);
        let bullets = |at: usize| match &deck(prompt).slides[at].blocks[0] {
            Block::Bullets(bullets) => bullets.iter().map(|bullet| bullet.text.clone()).collect::<Vec<_>>(),
            Block::Subtitle(_) => panic!("no bullets"),
        };
        assert_eq!(bullets(1), ["a", "b"]);
        assert_eq!(bullets(2), ["Second", "with x", "y"]);
        assert_eq!(bullets(3).len(), 3);
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
        let deck = deck("T\n1,200 users, 3 teams");
        let bullets = ["1,200 users", "3 teams"].map(|text| Bullet { level: 0, text: text.into() });
        assert_eq!(deck.slides[1].blocks, [Block::Bullets(bullets.into())]);
    }

    #[test]
    fn the_last_point_has_its_details_and_no_one_elses() {
        let lines: String = (1..=25).map(|number| format!("P{number}\n  of {number}\n")).collect();
        let deck = deck(&format!("T\n{lines}"));
        assert_eq!(deck.slides.len(), 1 + MOST_POINTS);
        let of_last = Block::Bullets(vec![Bullet { level: 0, text: "of 20".into() }]);
        assert_eq!(deck.slides[MOST_POINTS].blocks, [of_last]);
    }

    #[test]
    fn directives_are_not_on_the_slides() {
        assert_eq!(titles("Plan [[sandbox: takes=5]]\n- One")[..2], ["Plan", "One"]);
    }

    #[test]
    fn no_prompt_is_without_a_slide_or_with_too_many() {
        for prompt in ["\u{1}\u{2}", "\n\n", "...", "---", "\u{ffff}", "😀", "\u{301}"] {
            let deck = deck(prompt);
            assert!(deck.slides.len() >= 2, "{prompt:?}");
            assert!(deck.slides.iter().all(|slide| !slide.title.is_empty()), "{prompt:?}");
        }
        assert_eq!(titles(&"line\n".repeat(1000)).len(), 1 + MOST_POINTS);
        assert!(titles(&"x".repeat(100_000))[0].chars().count() <= MOST_TITLE);
    }
}
