//! PowerPoint files: a small writer of PresentationML (ECMA-376) on the `zip` crate.
//!
//! Every relationship has its target, every part has a content type, and the same deck makes the same bytes.

mod chart;
mod error;
mod master;
mod package;
mod properties;
mod slide;
mod table;
mod text;
mod xml;

use crate::deck::Deck;
pub use error::Error;
use package::Package;
pub use properties::Properties;
pub use xml::escaped;

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

/// A correct zip that is not a presentation.
pub fn other_zip() -> Result<Vec<u8>, Error> {
    let mut package = Package::default();
    package.part("readme.xml", "application/xml", "<readme>not a presentation</readme>");
    package.write()
}
