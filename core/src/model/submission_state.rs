//! How far a submission has come.

use serde::{Deserialize, Serialize};

/// How far a submission has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It may have been sent, and no answer is known.
    Submitting,
    /// The service has the job.
    Accepted,
    /// The job is completed; files may be missing.
    Completed,
    /// Nothing is left to do: the files are delivered, or none were asked for.
    Settled,
    /// The service gave the job up; nothing is billed.
    Failed,
    /// Nothing came of it: refused, or never sent.
    Refused,
}

impl State {
    /// All of them, with the names that they have in the file, in options and in results.
    pub(crate) const NAMES: [(&'static str, State); 6] = [
        ("submitting", State::Submitting),
        ("accepted", State::Accepted),
        ("completed", State::Completed),
        ("settled", State::Settled),
        ("failed", State::Failed),
        ("refused", State::Refused),
    ];

    /// Whether something is left to do: the outcome is unknown, the job is running, or files are missing.
    pub(crate) fn is_unsettled(self) -> bool {
        matches!(self, State::Submitting | State::Accepted | State::Completed)
    }

    /// Whether the service is known not to have delivered anything, and never will.
    pub(crate) fn is_free_of_charge(self) -> bool {
        matches!(self, State::Failed | State::Refused)
    }

    pub(crate) fn name(self) -> &'static str {
        State::NAMES.iter().find(|(_, state)| *state == self).map_or("submitting", |(name, _)| name)
    }
}
