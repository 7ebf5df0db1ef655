//! The slide model: what is on a slide, and where, apart from how a file or a drawing says it.

use bytes::Bytes;

use super::colour::Colour;
use super::design::Design;

/// A slide's width, in English Metric Units (914,400 an inch): 16:9.
pub const WIDTH: u32 = 12_192_000;
/// A slide's height, in the same.
pub const HEIGHT: u32 = 6_858_000;

/// A deck.
#[derive(Debug, PartialEq)]
pub struct Deck {
    /// The title in the document's properties.
    pub title: String,
    /// Its colours and fonts.
    pub design: Design,
    /// The slides, at least one.
    pub slides: Vec<Slide>,
}

/// Which layout of the master a slide has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A title and a subtitle.
    Title,
    /// A title and one body.
    Content,
}

/// A slide.
#[derive(Debug, PartialEq)]
pub struct Slide {
    /// Its layout.
    pub layout: Layout,
    /// Its title.
    pub title: Title,
    /// What is on it besides the title, the hindmost first. Panels are behind the title, too.
    pub shapes: Vec<Shape>,
    /// What the speaker reads.
    pub notes: String,
}

/// A slide's title.
#[derive(Debug, PartialEq)]
pub struct Title {
    /// What it says.
    pub text: String,
    /// Where, how large and in which colour, where that is not as the layout has it.
    pub style: Option<(Rect, Size, Colour)>,
}

/// A rectangle of a slide, in English Metric Units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// From the left edge.
    pub x: u32,
    /// From the top.
    pub y: u32,
    /// To the right.
    pub width: u32,
    /// Downwards.
    pub height: u32,
}

impl Rect {
    /// A rectangle in English Metric Units.
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect { x, y, width, height }
    }

    /// A rectangle in inches.
    pub fn inches(x: f64, y: f64, width: f64, height: f64) -> Rect {
        let emu = |inches: f64| (inches * 914_400.0).round() as u32;
        Rect { x: emu(x), y: emu(y), width: emu(width), height: emu(height) }
    }

    /// Cut in two, the left with this share of the width, with a gap between them.
    pub fn columns(self, share: f64, gap: u32) -> (Rect, Rect) {
        let left = (f64::from(self.width.saturating_sub(gap)) * share) as u32;
        let right = Rect { x: self.x + left + gap, width: self.width - left - gap, ..self };
        (Rect { width: left, ..self }, right)
    }

    /// Cut in two, the upper with this share of the height, with a gap between them.
    pub fn rows(self, share: f64, gap: u32) -> (Rect, Rect) {
        let upper = (f64::from(self.height.saturating_sub(gap)) * share) as u32;
        let lower = Rect { y: self.y + upper + gap, height: self.height - upper - gap, ..self };
        (Rect { height: upper, ..self }, lower)
    }

    /// Cut into so many columns of the same width.
    pub fn split(self, count: usize, gap: u32) -> Vec<Rect> {
        let count = u32::try_from(count).unwrap_or(1).max(1);
        let width = self.width.saturating_sub(gap * (count - 1)) / count;
        (0..count).map(|at| Rect { x: self.x + at * (width + gap), width, ..self }).collect()
    }
}

/// The size of type, in hundredths of a point.
pub type Size = u32;

/// One thing on a slide.
#[derive(Debug, PartialEq)]
pub struct Shape {
    /// Where.
    pub rect: Rect,
    /// What.
    pub block: Block,
}

/// What a shape is.
#[derive(Debug, PartialEq)]
pub enum Block {
    /// A ground in one colour.
    Panel(Colour),
    /// Text.
    Text(Text),
    /// A chart that can be edited.
    Chart(Chart),
    /// A table.
    Table(Table),
    /// A picture.
    Picture(Picture),
}

/// What a text is on its slide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The line under the title of a title slide.
    Subtitle,
    /// What the slide says.
    Body,
    /// Something beside it.
    Note,
}

/// Where a text is in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At the top.
    Top,
    /// In the middle.
    Middle,
}

/// A text in a rectangle.
#[derive(Debug, PartialEq)]
pub struct Text {
    /// What it is.
    pub role: Role,
    /// Its paragraphs.
    pub paragraphs: Vec<Paragraph>,
    /// Its ground.
    pub fill: Option<Colour>,
    /// Where in its place.
    pub anchor: Anchor,
    /// In so many columns.
    pub columns: u8,
}

/// What a paragraph begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    None,
    /// A bullet.
    Bullet,
    /// Its number.
    Number,
}

/// A paragraph.
#[derive(Clone, Debug, PartialEq)]
pub struct Paragraph {
    /// What it says.
    pub text: String,
    /// How far it is indented: 0 or 1.
    pub level: u8,
    /// What it begins with.
    pub mark: Mark,
    /// How large.
    pub size: Size,
    /// Whether it is bold.
    pub bold: bool,
    /// In which colour.
    pub colour: Colour,
}

/// How a chart is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Upright bars.
    Column,
    /// Bars from the left.
    Bar,
    /// A line.
    Line,
    /// A ring of shares.
    Ring,
}

/// What figures count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// What is before the number: a currency's sign.
    pub prefix: String,
    /// What is after it, with the space if there is one.
    pub suffix: String,
}

/// A chart of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Its heading, and the series' name.
    pub title: String,
    /// How it is drawn.
    pub kind: Kind,
    /// What each value is of.
    pub categories: Vec<String>,
    /// The values, as many.
    pub values: Vec<f64>,
    /// What they count.
    pub unit: Unit,
    /// How many digits they have after the point.
    pub decimals: usize,
    /// The size of its type; the heading's is a sixth larger.
    pub size: Size,
}

/// A table. Its first row is its head, its last column is aligned right.
#[derive(Debug, PartialEq)]
pub struct Table {
    /// The columns' widths, in shares of the table's.
    pub widths: Vec<f64>,
    /// The rows, each with a cell for every column.
    pub rows: Vec<Vec<String>>,
    /// The size of its type.
    pub size: Size,
}

/// The formats that every reader of presentations shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
}

/// A picture, in a place of its own proportions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its bytes.
    pub data: Bytes,
    /// What they are.
    pub format: Format,
    /// Its width and height, in pixels.
    pub pixels: (u32, u32),
    /// What is on it, for who can't see it.
    pub description: String,
}

impl Slide {
    /// The text that has this role.
    #[cfg(test)]
    pub fn text_of(&self, role: Role) -> Option<&Text> {
        self.shapes.iter().find_map(|shape| match &shape.block {
            Block::Text(text) if text.role == role => Some(text),
            _ => None,
        })
    }
}
