//! Submitting: what a call begins with, the request that costs money, and the ledger's record of it.

pub(crate) mod begin;
pub(crate) mod lease;
pub(crate) mod receipt;
mod refusals;
pub(crate) mod send;
pub(crate) mod service_date;
pub(crate) mod submitter;
pub(crate) mod unsettled;
