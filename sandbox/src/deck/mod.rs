//! Decks: what is on the slides, apart from how a file says it.

mod from_prompt;
mod model;

pub use from_prompt::{deck, single_slide};
pub use model::{Block, Bullet, Deck, Layout, Slide};
