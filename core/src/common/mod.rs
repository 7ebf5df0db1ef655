//! What every floor may use: no noun of the service or of the ledger.

pub(crate) mod sha256;
