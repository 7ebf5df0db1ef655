//! The slide model: what is on a slide and where, independent of files and drawings.

use bytes::Bytes;

use super::colour::Colour;
use super::design::Design;

/// The width of a slide (16:9), in English Metric Units: 914,400 are an inch.
pub const WIDTH: u32 = 12_192_000;
/// The height of a slide, in English Metric Units.
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

/// The layout of a slide, in the master.
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
    /// The shapes besides the title, from the back to the front. Panels are behind the title, too.
    pub shapes: Vec<Shape>,
    /// The notes for the speaker.
    pub notes: String,
}

/// A slide's title.
#[derive(Debug, PartialEq)]
pub struct Title {
    /// Its text.
    pub text: String,
    /// Its rectangle, size and colour, if they differ from the layout's.
    pub style: Option<(Rect, Size, Colour)>,
}

/// A rectangle of a slide, in English Metric Units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// The distance from the left edge.
    pub x: u32,
    /// The distance from the top.
    pub y: u32,
    /// The width.
    pub width: u32,
    /// The height.
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

    /// Two parts side by side, with a gap. The left one has this share of the width.
    pub fn columns(self, share: f64, gap: u32) -> (Rect, Rect) {
        let left = (f64::from(self.width.saturating_sub(gap)) * share) as u32;
        let right = Rect { x: self.x + left + gap, width: self.width - left - gap, ..self };
        (Rect { width: left, ..self }, right)
    }

    /// Two parts one above the other, with a gap. The upper one has this share of the height.
    pub fn rows(self, share: f64, gap: u32) -> (Rect, Rect) {
        let upper = (f64::from(self.height.saturating_sub(gap)) * share) as u32;
        let lower = Rect { y: self.y + upper + gap, height: self.height - upper - gap, ..self };
        (Rect { height: upper, ..self }, lower)
    }

    /// So many columns of the same width, with gaps.
    pub fn split(self, count: usize, gap: u32) -> Vec<Rect> {
        let count = u32::try_from(count).unwrap_or(1).max(1);
        let width = self.width.saturating_sub(gap * (count - 1)) / count;
        (0..count).map(|at| Rect { x: self.x + at * (width + gap), width, ..self }).collect()
    }
}

/// The size of type, in hundredths of a point.
pub type Size = u32;

/// A shape on a slide.
#[derive(Debug, PartialEq)]
pub struct Shape {
    /// Its rectangle.
    pub rect: Rect,
    /// Its content.
    pub block: Block,
}

/// The content of a shape.
#[derive(Debug, PartialEq)]
pub enum Block {
    /// A background in one colour.
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

/// The role of a text on its slide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The line under the title of a title slide.
    Subtitle,
    /// The main text.
    Body,
    /// A text beside the main text.
    Note,
}

/// The vertical position of a text in its rectangle.
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
    /// Its role.
    pub role: Role,
    /// Its paragraphs.
    pub paragraphs: Vec<Paragraph>,
    /// Its background.
    pub fill: Option<Colour>,
    /// Its vertical position.
    pub anchor: Anchor,
    /// The number of its columns.
    pub columns: u8,
}

/// The mark before a paragraph.
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
    /// Its text.
    pub text: String,
    /// How far it is indented: 0 or 1.
    pub level: u8,
    /// Its mark.
    pub mark: Mark,
    /// Its size.
    pub size: Size,
    /// Whether it is bold.
    pub bold: bool,
    /// Its colour.
    pub colour: Colour,
}

/// The kind of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Vertical bars.
    Column,
    /// Horizontal bars.
    Bar,
    /// A line.
    Line,
    /// A ring of shares.
    Ring,
}

/// A unit of figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// The text before the number: the sign of a currency.
    pub prefix: String,
    /// The text after the number, with the space between them if there is one.
    pub suffix: String,
}

/// A chart of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Its heading, and the name of its series.
    pub title: String,
    /// Its kind.
    pub kind: Kind,
    /// The labels of the values.
    pub categories: Vec<String>,
    /// The values, one for each label.
    pub values: Vec<f64>,
    /// The unit of the values.
    pub unit: Unit,
    /// The number of their digits after the point.
    pub decimals: usize,
    /// The size of its type. The heading is larger by a sixth.
    pub size: Size,
}

/// A table. Its first row is the head. Its last column is aligned right.
#[derive(Debug, PartialEq)]
pub struct Table {
    /// The widths of the columns, as shares of the table's width.
    pub widths: Vec<f64>,
    /// The rows. Each has a cell for every column.
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

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its bytes.
    pub data: Bytes,
    /// The format of the bytes.
    pub format: Format,
    /// Its width and height, in pixels.
    pub pixels: (u32, u32),
    /// A description, for readers who can't see it.
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
