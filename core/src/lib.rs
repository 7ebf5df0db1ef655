//! The Perceptis client: a prompt in, a `.pptx` on disk, and no deck lost or bought twice on the way.
//!
//! This crate knows nothing of C. Its operations are futures that can be dropped at any await: where an
//! operation stands is always in its [`Tracker`], which makes the error when it is ended from outside.
//!
//! A folder imports only folders on lower floors: `ARCHITECTURE.md` has the picture, `tests/style.rs` holds
//! it.
//!
//! Time enters in `common/clock.rs`, chance in `common/jitter.rs`, and nowhere else.
#![forbid(unsafe_code)]

mod activity;
mod api;
mod client;
mod common;
mod config;
mod download;
mod error;
mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod ledger;
mod model;
mod operations;
mod polling;
mod request;
mod results;
mod retry;
mod submission;
mod transport;

pub use activity::log::Sink;
pub use activity::stop::StopReason;
pub use activity::tracker::{Activity, Phase, Tracker};
pub use client::{Client, ClientHooks};
pub use common::blocking::STACK_BYTES;
pub use common::runtime::Spawn;
pub use common::sync;
pub use config::keys;
pub use config::log_level::Level;
pub use config::options::Options;
pub use config::{Config, Settings};
pub use error::{Billed, Details, Error, Failure, Kind};
pub use ledger::{fork, write_all_before_exit};
pub use model::figure::{Figure, Product};
pub use model::job_id::JobId;
pub use model::operation::Operation;
pub use operations::result::{End, Outcome};
pub use perceptis_descriptors::{Process, notice as notice_process};
pub use polling::{estimate, schedule};
pub use request::{CANONICAL_VERSION, EncodedRequest, Request};
pub use submission::receipt::{Hearing, Receipt};
