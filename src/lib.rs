//! The C ABI of libperceptis. All `unsafe` code of the project is in this package, all HTTP in `core`.
//!
//! Every function goes through [`guard`], which turns a panic into `PERCEPTIS_INTERNAL`, and reads its
//! arguments with [`arguments`], which turns NULL and bad text into `PERCEPTIS_INVALID_ARGUMENT`.
//!
//! A call becomes a [`task`] of its client's [`runtime`]; how it ends, exactly once, is written at the head of
//! [`operation`]. Calls that do not block end in the [`inbox`] of a [`queue`].
//!
//! The comments of the exported items are the header's: `build.rs` copies them.
#![allow(non_camel_case_types)]
// The callers are C; what a pointer must be is in each function's comment.
#![allow(clippy::not_unsafe_ptr_arg_deref)]

mod arguments;
pub mod asynchronous;
mod calls;
pub mod client;
pub mod code;
pub mod config;
mod doorbell;
mod doorbells;
pub mod error;
pub mod event;
mod fork;
mod guard;
mod handle;
mod inbox;
pub mod json;
mod lane;
pub mod ledger;
pub mod library;
pub mod log;
mod log_thread;
mod operation;
pub mod operations;
pub mod options;
mod outcome;
mod process;
pub mod queue;
pub mod request;
mod resolver;
mod runtime;
mod runtimes;
mod signal;
mod sync;
mod task;
mod threads;
mod worker;
