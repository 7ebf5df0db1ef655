//! The exported functions, a file for each section of the header.
//!
//! Each function checks its arguments, and leaves the work to a lower floor.

pub mod blocking;
pub mod client;
pub mod config;
pub mod event;
pub mod json;
pub mod ledger;
pub mod library;
pub mod nonblocking;
pub mod queue;
