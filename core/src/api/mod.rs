//! What the service says: its answers and refusals.

pub(crate) mod response;
pub(crate) mod retry_after;
