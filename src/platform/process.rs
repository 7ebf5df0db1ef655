//! The process that a handle belongs to. A fork's child has neither the threads of the parent nor the state
//! of its locks, so it must not use the parent's handles.

use perceptis_core::{Error, Kind};

/// The process that made a handle.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(perceptis_core::Process);

impl Process {
    /// The process that runs now.
    pub(crate) fn current() -> Process {
        perceptis_core::notice_process();
        Process(perceptis_core::Process::current())
    }

    /// Whether this is the process that runs now.
    pub(crate) fn is_current(self) -> bool {
        self == Process::current()
    }

    /// Refuses a handle from before a fork. A function asks this before it touches anything else of the
    /// handle.
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
