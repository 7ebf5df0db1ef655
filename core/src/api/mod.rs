//! What the service says: its answers and refusals.

pub(crate) mod endpoints;
pub(crate) mod response;
pub(crate) mod retry_after;
pub(crate) mod status;
