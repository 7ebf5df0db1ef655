//! The limits of connections: how many there may be, and how long each step of one may take.

use std::time::Duration;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The number of connections at one time. For one more, the connection that has been quiet longest is
    /// closed.
    pub connections: usize,
    /// How long the head of a request may take, from its first byte.
    pub head: Duration,
    /// How long the body of a request may take.
    pub body: Duration,
    /// How long a connection may be silent between requests.
    pub idle: Duration,
    /// How long a response may take before its connection, too, can be closed for another one.
    pub response: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 4096,
            head: Duration::from_secs(30),
            body: Duration::from_secs(120),
            idle: Duration::from_secs(120),
            response: Duration::from_secs(10),
        }
    }
}
