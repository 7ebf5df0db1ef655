//! The C ABI of libperceptis. All `unsafe` code of the project is in this package, all HTTP in `core`.
//!
//! Every function goes through [`guard`], which turns a panic into `PERCEPTIS_INTERNAL`, and reads its
//! arguments with [`arguments`], which turns NULL and bad text into `PERCEPTIS_INVALID_ARGUMENT`.
//!
//! The comments of the exported items are the header's: `build.rs` copies them.
#![allow(non_camel_case_types)]
// The callers are C; what a pointer must be is in each function's comment.
#![allow(clippy::not_unsafe_ptr_arg_deref)]

mod arguments;
pub mod client;
pub mod code;
pub mod config;
pub mod error;
mod guard;
pub mod json;
pub mod library;
pub mod log;
pub mod operations;
pub mod options;
mod outcome;
pub mod request;
mod runtime;
