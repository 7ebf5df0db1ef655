//! PowerPoint files: a small writer of PresentationML (ECMA-376) on the `zip` crate.
//!
//! Every relationship target exists, every part has a content type, and the same deck is the same bytes.

mod chart;
mod master;
mod package;
mod properties;
mod slide;
mod table;
mod text;
mod xml;

use std::fmt;

use crate::deck::Deck;
use package::Package;
pub use xml::escaped;

/// What a file is besides its slides.
pub struct Properties<'a> {
    /// The document's identifier.
    pub id: &'a str,
    /// When it was made, in seconds since 1970.
    pub created: u64,
}

/// The zip could not be written.
#[derive(Debug)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<zip::result::ZipError> for Error {
    fn from(error: zip::result::ZipError) -> Error {
        Error(error.to_string())
    }
}

impl From<rust_xlsxwriter::XlsxError> for Error {
    fn from(error: rust_xlsxwriter::XlsxError) -> Error {
        Error(error.to_string())
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error(error.to_string())
    }
}

/// Writes a deck as a `.pptx`.
pub fn write(deck: &Deck, properties: &Properties<'_>) -> Result<Vec<u8>, Error> {
    let mut package = Package::default();
    properties::add(&mut package, deck, properties);
    master::add(&mut package, &deck.design);
    let mut counts = slide::Counts::default();
    for (at, slide) in deck.slides.iter().enumerate() {
        slide::add(&mut package, at + 1, slide, &mut counts)?;
    }
    slide::add_presentation(&mut package, deck.slides.len());
    package.write()
}

/// A sound zip that is no presentation.
pub fn other_zip() -> Result<Vec<u8>, Error> {
    let mut package = Package::default();
    package.part("readme.xml", "application/xml", "<readme>no presentation</readme>");
    package.write()
}
