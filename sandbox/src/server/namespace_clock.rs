//! The clock of a namespace, for Rust tests.

use std::io;
use std::time::Duration;

use crate::clock::{self, Clock};
use crate::service::Service;

/// The clock of a namespace. The states of jobs are computed from it, so that a change takes effect at once.
#[derive(Clone, Copy)]
pub struct NamespaceClock<'a> {
    service: &'a Service,
    namespace: &'a str,
}

impl<'a> NamespaceClock<'a> {
    /// The clock of this namespace. The namespace is created where there is none.
    pub(crate) fn new(service: &'a Service, namespace: &'a str) -> io::Result<NamespaceClock<'a>> {
        let known = service.clock(namespace, |_| ());
        known.map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))?;
        Ok(NamespaceClock { service, namespace })
    }

    /// The virtual time since the namespace was created.
    pub fn now(&self) -> Duration {
        self.with(|clock| clock.now())
    }

    /// Advances it, stopped or not.
    pub fn advance(&self, by: Duration) {
        self.with(|clock| clock.advance(by));
    }

    /// How many times as fast as real time it runs.
    pub fn speed(&self) -> f64 {
        self.with(|clock| clock.speed())
    }

    /// Changes its speed from now on.
    ///
    /// # Errors
    /// When the speed is not from 0.001 to 100,000.
    pub fn set_speed(&self, speed: f64) -> io::Result<()> {
        clock::check(speed)?;
        self.with(|clock| clock.set_speed(speed));
        Ok(())
    }

    /// Whether it is stopped.
    pub fn is_frozen(&self) -> bool {
        self.with(|clock| clock.is_frozen())
    }

    /// Stops it, or starts it again.
    pub fn set_frozen(&self, frozen: bool) {
        self.with(|clock| clock.set_frozen(frozen));
    }

    fn with<T: Default>(&self, change: impl FnOnce(&mut Clock) -> T) -> T {
        // The name was checked when this was made.
        self.service.clock(self.namespace, change).unwrap_or_default()
    }
}
