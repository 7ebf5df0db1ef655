//! Where an operation stands, for people, errors and the log.

mod attempts;
mod bill;
pub(crate) mod log;
pub(crate) mod stop;
pub(crate) mod tracker;
