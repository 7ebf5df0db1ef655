//! HTTP/1.1: questions in, answers out. What an answer is stays apart from how it gets onto the wire, since
//! the wire is where half of all faults are: a library that keeps the protocol would not let us break it.

mod connection;
mod message;
mod range;
mod read;
mod room;
mod write;

pub use connection::{Limits, Refuse, bind, serve};
pub use message::{Answer, Body, Events, Question, Wire};
pub use range::{Part, part_of};
pub use write::http_date;
