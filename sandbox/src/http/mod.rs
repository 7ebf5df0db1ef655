//! HTTP: questions in, answers out. What an answer is stays apart from how it gets onto the wire.

mod answer;
mod connection;
mod range;

pub use answer::{Answer, Question};
pub use connection::serve;
pub use range::{Part, part_of};
