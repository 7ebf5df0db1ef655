//! What is learned of how long jobs take.

use std::time::Duration;

use crate::model::output_type::OutputType;

/// So many jobs of each kind are remembered, those that were submitted last.
pub(crate) const MAX_REMEMBERED: usize = 80;

/// What is made, as far as it decides how long that takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Product {
    /// A single slide, in any number of variants.
    Slide,
    /// A deck.
    Deck,
}

impl Product {
    /// The product of an output type; one that is not known takes as long as a deck.
    pub(crate) fn of(output_type: &OutputType) -> Product {
        if *output_type == OutputType::SingleSlide { Product::Slide } else { Product::Deck }
    }
}

/// What one job says about how long its kind takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What stands for the job, in this process and in others.
    pub job: u64,
    /// Its kind.
    pub product: Product,
    /// It was done at this age, or was not and is not known to have been looked at later.
    pub age: Duration,
    /// Which of the two.
    pub done: bool,
}
