//! The completion queue, and the ways in which a program learns that it holds events.
//!
//! A call that does not block ends in the [`completion_queue`]. The queue shows that it holds events by a
//! descriptor ([`readiness`]) and by a callback ([`wakeup`]). Log records go to a queue or to a callback of
//! their own ([`log`]).

pub(crate) mod completion_queue;
pub(crate) mod log;
pub mod log_callback;
pub(crate) mod readiness;
pub mod wakeup;
pub(crate) mod wakeups;
