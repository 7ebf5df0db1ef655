//! The slide model.

/// A deck.
#[derive(Debug, PartialEq, Eq)]
pub struct Deck {
    /// The title in the document's properties.
    pub title: String,
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
#[derive(Debug, PartialEq, Eq)]
pub struct Slide {
    /// Its layout.
    pub layout: Layout,
    /// Its title.
    pub title: String,
    /// What is under the title.
    pub blocks: Vec<Block>,
    /// What the speaker reads.
    pub notes: String,
}

/// One thing on a slide.
#[derive(Debug, PartialEq, Eq)]
pub enum Block {
    /// A line under the title of a title slide.
    Subtitle(String),
    /// A list, in the body placeholder.
    Bullets(Vec<Bullet>),
}

/// A line of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Bullet {
    /// How far it is indented: 0 or 1.
    pub level: u8,
    /// What it says.
    pub text: String,
}
