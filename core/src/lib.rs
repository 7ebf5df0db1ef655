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
mod claim;
mod client;
mod clock;
mod common;
mod config;
mod connections;
mod download;
mod error;
pub mod estimate;
mod fetch;
mod files;
mod first_byte;
mod jitter;
mod job;
mod jobs;
mod key;
mod ledger;
mod log;
mod options;
mod origin;
mod pace;
mod policy;
mod poll;
mod poller;
mod record;
mod recover;
mod request;
mod run;
pub mod schedule;
mod secret;
mod stream;
mod submit;
pub mod sync;
mod table;
mod tls;
mod tracker;
mod transport;
mod wait;

pub use client::{Client, Outcome, Spawn, Surroundings};
pub use config::{Config, Settings};
pub use error::{Billed, Details, Error, Failure, Kind};
pub use job::JobId;
pub use ledger::fork;
pub use log::{Level, Sink};
pub use options::Options;
pub use request::{CANONICAL_VERSION, Request, Wanted};
pub use tracker::{Activity, Phase, Tracker};
