//! The C ABI of libperceptis: exported functions, handles, queues, and the threads that run operations.
//!
//! All `unsafe` code of the project is in this package and in `core/descriptors`; all HTTP is in `core`.
//!
//! The folders are floors: a folder imports only folders below it, and `tests/style.rs` holds that.
//!
//! ```text
//! api        the exported functions
//! runtime    a client's threads, and the operations that run on them
//! events     the completion queue, its descriptor and its wakeup; the log
//! call       an operation with its arguments, from its start to its one end
//! builders   requests and options, which a program fills in
//! boundary   arguments, handles, codes, errors, the panic guard
//! platform   threads, forks, locks
//! ```
//!
//! A call becomes a task ([`call`]) of its client's [`runtime`]; how it ends, exactly once, is written at the
//! head of `call/operation.rs`. Calls that do not block end in the completion queue of [`events`].
//!
//! The comments of the exported items are the header's: `build.rs` copies them.
#![allow(non_camel_case_types)]
// The exported comments are written for a C header, not for rustdoc.
#![allow(rustdoc::bare_urls, rustdoc::invalid_html_tags, rustdoc::private_intra_doc_links)]
// The callers are C; what a pointer must be is in each function's comment.
#![allow(clippy::not_unsafe_ptr_arg_deref)]

pub mod api;
pub mod boundary;
pub mod builders;
mod call;
pub mod events;
mod platform;
mod runtime;
