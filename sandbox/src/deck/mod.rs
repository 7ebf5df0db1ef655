//! Decks: what is on the slides, apart from how a file says it.

mod compose;
mod dense;
mod design;
mod figures;
pub mod measure;
mod model;
mod parts;
mod picture;
mod prompt;

pub use compose::{deck, slides_of};
pub use dense::single_slide;
pub use design::{AMBIGUOUS, Design, TEXT, named as template, names as templates, of as design};
pub use figures::shown;
pub use model::*;
pub use picture::sent as picture;
