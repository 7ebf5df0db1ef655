//! The attempts of one operation, and what else came of it, as its error lists them.

use std::borrow::Cow;

use crate::error::{AttemptSummary, Details};
use crate::model::job_status::JobStatus;
use crate::transport::failure::FailureKind;

/// How many entries an error lists: the newest ones.
const MAX_LISTED: usize = 12;
/// How much is listed of a status that the documentation does not name: it can be a text of any length.
const MAX_STATUS_CHARACTERS: usize = 40;

/// What happened to an operation.
#[derive(Clone, Debug)]
pub(super) enum AttemptEvent {
    /// An attempt failed, with this HTTP status if one came.
    Failed(FailureKind, Option<u16>),
    /// The service has accepted the submission.
    Accepted,
    /// The job has another status than before.
    Status(JobStatus),
}

/// An event, and when it was known.
#[derive(Clone, Debug)]
struct AttemptEntry {
    at_ms: u64,
    event: AttemptEvent,
}

impl AttemptEntry {
    fn summary(&self) -> AttemptSummary {
        let (outcome, http_status): (Cow<'static, str>, _) = match &self.event {
            AttemptEvent::Failed(came, http_status) => (came.word().into(), *http_status),
            AttemptEvent::Accepted => ("accepted".into(), None),
            AttemptEvent::Status(status) => (status.as_str().to_owned().into(), None),
        };
        AttemptSummary { at_ms: self.at_ms, outcome, http_status }
    }
}

/// The newest events of one operation, oldest first.
#[derive(Debug, Default)]
pub(super) struct AttemptList {
    entries: Vec<AttemptEntry>,
    omitted: u32,
}

impl AttemptList {
    /// Adds an event that was known this many milliseconds after the operation began.
    pub(super) fn add(&mut self, at_ms: u64, event: AttemptEvent) {
        if self.entries.len() == MAX_LISTED {
            self.entries.remove(0);
            self.omitted += 1;
        }
        let event = match event {
            AttemptEvent::Status(status) => AttemptEvent::Status(status.shortened(MAX_STATUS_CHARACTERS)),
            event => event,
        };
        // Most operations have three, and keep them for as long as the job takes.
        self.entries.reserve_exact(1);
        self.entries.push(AttemptEntry { at_ms, event });
    }

    /// Writes the list into the details of an error.
    pub(super) fn write_to(&self, details: &mut Details) {
        details.attempts = self.entries.iter().map(AttemptEntry::summary).collect();
        details.attempts_omitted = self.omitted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempt_list_keeps_the_newest_and_counts_the_others() {
        let mut list = AttemptList::default();
        for at in 0..14 {
            list.add(at, AttemptEvent::Failed(FailureKind::Lost, None));
        }
        list.add(14, AttemptEvent::Status(JobStatus::from("ä".repeat(100))));
        let mut details = Details::default();
        list.write_to(&mut details);
        assert_eq!((details.attempts.len(), details.attempts_omitted), (MAX_LISTED, 3));
        assert_eq!((details.attempts[0].at_ms, &*details.attempts[0].outcome), (3, "no answer"));
        assert_eq!(details.attempts[11].outcome, "ä".repeat(MAX_STATUS_CHARACTERS));
    }
}
