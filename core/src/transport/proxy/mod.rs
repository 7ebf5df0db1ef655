//! Connections through proxies.

pub(crate) mod dial;
mod trouble;
mod tunnel;

pub(crate) use trouble::{Trouble, asks_for_a_login};
