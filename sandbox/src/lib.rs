//! The Perceptis service played locally: real HTTP, real state, real `.pptx` files, without a key, a network
//! or a bill.
//!
//! [`Sandbox::start`] runs one inside a test; the program `perceptis-sandbox` runs one for any program.
#![forbid(unsafe_code)]

mod clock;
mod deck;
mod hash;
mod http;
mod ooxml;
mod page;
mod server;
mod service;
mod temporary;
mod tls;

pub use server::{Limits, NamespaceClock, Running, Sandbox, Settings};
pub use service::listing as scenarios;
pub use temporary::Temporary;
pub use tls::Certificate;
