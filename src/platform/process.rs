//! Which process a handle belongs to. Threads, locks and sockets do not come along into a fork's child.

use perceptis_core::{Error, Kind};

/// The process that made a handle.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(perceptis_core::Process);

impl Process {
    /// This one.
    pub(crate) fn current() -> Process {
        perceptis_core::notice_process();
        Process(perceptis_core::Process::current())
    }

    /// Whether this is still the process that it was.
    pub(crate) fn is_current(self) -> bool {
        self == Process::current()
    }

    /// Refuses a handle from before a fork; asked before anything of it is touched.
    pub(crate) fn check(self, noun: &str) -> Result<(), Error> {
        if self.is_current() {
            return Ok(());
        }
        let message = format!(
            "the {noun} was made before a fork, in the parent process; make a new one in this process"
        );
        Err(Error::new(Kind::Forked, message))
    }
}
