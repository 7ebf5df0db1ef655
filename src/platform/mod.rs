//! The platform: what the library needs of the operating system and of its process.
//!
//! This is the lowest floor. It knows nothing of C handles, of operations or of the service.

pub(crate) mod fork;
pub(crate) mod process;
pub(crate) mod resolver;
pub(crate) mod sync;
pub(crate) mod threads;
