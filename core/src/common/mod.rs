//! What every floor may use: no noun of the service or of the ledger.

pub(crate) mod blocking;
pub(crate) mod clock;
pub(crate) mod jitter;
pub(crate) mod json;
pub(crate) mod runtime;
pub(crate) mod sha256;
pub mod sync;
pub(crate) mod text;
