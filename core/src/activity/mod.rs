//! Where an operation stands, for people, errors and the log.

pub(crate) mod log;
pub(crate) mod tracker;
