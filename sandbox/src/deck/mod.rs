//! Decks: what is on the slides, independent of the file format.

mod charts;
mod colour;
mod compose;
mod design;
mod figures;
pub mod measure;
mod model;
mod picture;
mod prompt;
mod shapes;
mod single_slide;
mod words;

pub use colour::Colour;
pub use compose::{deck, slides_of};
pub use design::{AMBIGUOUS, Design, TEXT, named as template, names as templates, of as design};
pub use figures::formatted;
pub use model::*;
pub use picture::sent as picture;
pub use single_slide::single_slide;
