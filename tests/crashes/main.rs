//! A crash costs nothing: programs on the release build's library are killed, at each call by which they change
//! something and at random moments, the machine's power goes, the disk fills up, several work over one ledger. Then the
//! same line runs again, and the books are read: jobs billed are requests made, files on disk are jobs completed, no
//! half file has a final name, and the ledger has nothing left to settle.
//!
//! `scene.rs` is the place of one such story, `judge.rs` its judge; `shim.c` kills the program `victim.c` at a call and
//! keeps the record from which `power.rs` plays a power loss. `broken.rs` shows that all this finds a ledger that is
//! broken. `TEST_LONG=1` plays more of it, `TEST_CALL=71` dies at that call of each run only, `TEST_SEED=17` draws that
//! seed's moments.
#![allow(
    missing_docs,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

#[path = "../faults/service.rs"]
#[allow(dead_code)]
mod service;
#[path = "../support/mod.rs"]
mod support;

mod broken;
mod forks;
mod full;
mod judge;
mod moments;
mod points;
mod power;
mod scene;
