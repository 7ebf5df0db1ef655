//! HTTP/1.1 messages: requests are read, responses are written. It is written by hand because half of all
//! faults are faults of the wire: a library that keeps the protocol can't break it.

mod message;
mod range;
mod read;
mod write;

pub use message::{Body, EventStream, RefuseConnections, Request, Response, Wire};
pub use range::{ByteRange, requested_range};
pub use read::{ReadError, Reader};
pub use write::{AfterResponse, Writer, http_date};
