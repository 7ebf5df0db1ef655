//! Everything that the sandbox can do to a client, against every operation that it can touch, through the shared
//! library: what the promise says must come of it, read off the sandbox's books and the disk.
//!
//! `table.rs` is the list, a line a case. The rest plays it (`play.rs`), judges it (`judge.rs`), mixes it at random
//! (`mixtures.rs`), and shows what a table can't: connections refused, wrong certificates, a full disk, secrets.
#![allow(
    missing_docs,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod books;
mod cases;
mod connections;
mod disk;
mod fetches;
mod judge;
mod mixtures;
mod play;
mod rows;
mod secrets;
mod service;
mod settle;
mod submissions;
mod table;
mod waits;
mod words;
