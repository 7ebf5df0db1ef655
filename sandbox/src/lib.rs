//! A local Perceptis service: real HTTP, real state and real `.pptx` files, without an API key, a network or
//! costs.
//!
//! [`Sandbox::start`] runs one inside a test. The program `perceptis-sandbox` runs one for other programs.
//!
//! The floors, from the highest to the lowest; `tests/style.rs` holds them:
//!
//! ```text
//! server     the listener, connections and their limit; the Sandbox
//! service    what each request is answered with: API, admin API, scenarios, jobs, journal
//! page       the page for browsers, and drawings of slides
//! ooxml      .pptx files
//! deck       what is on the slides of a prompt
//! tls        certificates, TLS streams
//! http       requests and responses
//! clock, hash, temporary
//! ```
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
