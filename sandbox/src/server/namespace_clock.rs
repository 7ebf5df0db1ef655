//! The clock of a namespace, in the hands of a Rust test.

use std::io;
use std::time::Duration;

use crate::clock::{self, Clock};
use crate::service::Service;

/// The clock of a namespace: states of jobs are computed from it, and nothing waits for it, so that what it
/// is put to is so at once.
#[derive(Clone, Copy)]
pub struct NamespaceClock<'a> {
    service: &'a Service,
    namespace: &'a str,
}

impl<'a> NamespaceClock<'a> {
    /// The clock of this namespace, which is made where there is none.
    pub(crate) fn new(service: &'a Service, namespace: &'a str) -> io::Result<NamespaceClock<'a>> {
        let known = service.clock(namespace, |_| ());
        known.map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))?;
        Ok(NamespaceClock { service, namespace })
    }

    /// Virtual time since the namespace was made.
    pub fn now(&self) -> Duration {
        self.with(|clock| clock.now())
    }

    /// Puts it forward, frozen or not.
    pub fn advance(&self, by: Duration) {
        self.with(|clock| clock.advance(by));
    }

    /// How many times as fast as the wall's it runs.
    pub fn speed(&self) -> f64 {
        self.with(|clock| clock.speed())
    }

    /// Makes it run at another speed from now on.
    ///
    /// # Errors
    /// When that is not from 0.001 to 100,000.
    pub fn set_speed(&self, speed: f64) -> io::Result<()> {
        clock::check(speed)?;
        self.with(|clock| clock.set_speed(speed));
        Ok(())
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        self.with(|clock| clock.is_frozen())
    }

    /// Stops it, or lets it run on.
    pub fn set_frozen(&self, frozen: bool) {
        self.with(|clock| clock.set_frozen(frozen));
    }

    fn with<T: Default>(&self, change: impl FnOnce(&mut Clock) -> T) -> T {
        // The name was checked when this was made.
        self.service.clock(self.namespace, change).unwrap_or_default()
    }
}
