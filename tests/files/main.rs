//! `promise.md`, 8 to 11, on disks as they are: with other users, links, odd file systems and dead processes.
//!
//! Each call is made by a process of its own (`programs/one_call.c`), some with an odd disk preloaded
//! (`programs/odd_disk.c`). `workshop.rs` builds the programs and starts them.
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

mod descriptors;
mod directories;
mod odd_disks;
mod overwriting;
mod parts;
mod reservations;
mod unverified;
mod workshop;
