//! The Perceptis service played locally: real HTTP, real state, real `.pptx` files, without a key, a network
//! or a bill.
//!
//! [`Sandbox::start`] runs one inside a test; the program `perceptis-sandbox` runs one for any program.
#![forbid(unsafe_code)]

mod clock;
mod deck;
mod hash;
mod http;
mod namespace_clock;
mod ooxml;
mod page;
mod sandbox;
mod service;
mod svg;
mod temporary;
mod tls;

pub use http::Limits;
pub use namespace_clock::NamespaceClock;
pub use sandbox::{Running, Sandbox, Settings};
pub use service::listing as scenarios;
pub use temporary::Temporary;
pub use tls::Certificate;
