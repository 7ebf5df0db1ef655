//! `promise.md`, 4, 13 and 20: a call with a known key finds its files wherever they are by now, a job id is
//! not taken for an idempotency key, what is sent again does not leave too late, and a disk that hangs keeps no call.
#![allow(
    missing_docs,
    clippy::undocumented_unsafe_blocks,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

#[path = "../ledger_hosts/home.rs"]
#[allow(dead_code)]
mod home;
#[path = "../support/mod.rs"]
mod support;
#[path = "../files/workshop.rs"]
#[allow(dead_code)]
mod workshop;

mod hanging;
mod names;
mod places;
mod resending;
