//! The boundary between C and Rust: arguments come in here, and codes, errors and results go out.
//!
//! An exported function goes through [`returns`], which runs its body in the panic [`guard`], and it reads
//! its [`arguments`] here. A [`handle`] is what C holds of an object of this library.

pub(crate) mod arguments;
pub mod code;
pub mod error;
pub(crate) mod guard;
pub(crate) mod handle;
pub(crate) mod returns;
pub(crate) mod text;
