//! `promise.md`, 16, 17, 19 and 20: a ledger among other programs. They open and copy its files, lock it,
//! mount, link and move it, and fork. Each test uses the shared library in real processes on real files.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../files/workshop.rs"]
#[allow(dead_code)]
mod workshop;

mod forks;
mod home;
mod locked;
mod names;
mod sharing;
