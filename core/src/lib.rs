//! The Perceptis client: a prompt in, a `.pptx` on disk, and no deck lost or bought twice on the way.
//!
//! This crate knows nothing of C. Its operations are futures that can be dropped at any await: where an
//! operation stands is always in its [`Tracker`], which makes the error when it is ended from outside.
//!
//! Time enters in `clock.rs`, chance in `jitter.rs`, and nowhere else.
#![forbid(unsafe_code)]

mod advice;
mod answer;
mod arrival;
mod attempt;
mod client;
mod clock;
mod common;
mod config;
mod connections;
mod download;
mod error;
pub mod estimate;
mod fetch;
mod file_server;
mod file_url;
mod files;
mod first_byte;
mod found;
mod intake;
mod jitter;
mod job;
mod json;
mod key;
mod ledger;
mod log;
mod operations;
mod options;
mod origin;
mod pace;
mod policy;
mod poll;
mod poller;
mod proxy;
mod request;
mod retry_after;
pub mod schedule;
mod secret;
mod stream;
mod submission;
pub mod sync;
mod table;
mod tls;
mod tracker;
mod transport;
mod wait;

pub use client::{Client, Spawn, Surroundings};
pub use common::blocking::STACK_BYTES;
pub use config::{Config, Settings};
pub use error::{Billed, Details, Error, Failure, Kind};
pub use job::JobId;
pub use ledger::{fork, write_all_before_exit};
pub use log::{Level, Sink};
pub use operations::result::{End, Outcome};
pub use options::Options;
pub use perceptis_descriptors::{Process, notice as notice_process};
pub use request::{CANONICAL_VERSION, Request, Wanted};
pub use submission::receipt::{Hearing, Receipt};
pub use tracker::{Activity, Phase, StopReason, Tracker};
