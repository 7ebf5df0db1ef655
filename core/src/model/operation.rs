//! The operations of a client, by their names.

use serde::Serialize;

/// An operation: what one call of the caller's does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Submits, waits and fetches the files.
    Run,
    /// Submits.
    Generate,
    /// Waits for the end of a job.
    Wait,
    /// Asks for the status of a job once.
    GetStatus,
    /// Fetches the files of a job.
    Download,
    /// Settles what earlier calls have left in the ledger.
    Recover,
    /// Lists what the ledger has.
    Jobs,
    /// Deletes settled submissions from the ledger.
    Forget,
}

impl Operation {
    /// The name that activity, logs and the ledger have for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Operation::Run => "run",
            Operation::Generate => "generate",
            Operation::Wait => "wait",
            Operation::GetStatus => "get_status",
            Operation::Download => "download",
            Operation::Recover => "recover",
            Operation::Jobs => "jobs",
            Operation::Forget => "forget",
        }
    }

    /// Whether it asks about one job and never submits, so that the same call again costs nothing.
    pub(crate) fn only_asks(self) -> bool {
        matches!(self, Operation::Wait | Operation::GetStatus | Operation::Download)
    }

    /// Whether it reads and writes the ledger alone, and sends nothing.
    pub(crate) fn is_local(self) -> bool {
        matches!(self, Operation::Jobs | Operation::Forget)
    }
}
