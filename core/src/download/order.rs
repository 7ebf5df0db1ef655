//! What is to be downloaded, and for which call.

use crate::activity::tracker::Tracker;
use crate::common::clock::Moment;
use crate::files::destination::Destination;
use crate::ledger::KnownFile;
use crate::model::job_id::JobId;
use crate::submission::begin::Start;
use crate::submission::lease::Lease;

/// A job to fetch, and how.
pub(crate) struct DownloadPlan<'a> {
    pub(crate) job_id: &'a JobId,
    /// How many files were asked for.
    pub(crate) variants: u32,
    /// What the call began with, where it is one that can cost money.
    pub(crate) start: Option<&'a Start>,
    /// What the ledger knows of its files.
    pub(crate) known: &'a [KnownFile],
    pub(crate) lease: Option<&'a Lease>,
    /// Boxed, since it is kept for as long as the job takes.
    pub(crate) target: Box<Destination>,
    pub(crate) deadline: Moment,
    pub(crate) tracker: &'a Tracker,
}

/// When files that are on this machine are taken for all of a job's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gathered {
    /// When the ledger knows them, and how many there are. Of files that it does not know the service has to
    /// say.
    KnownToBeAll,
    /// When there is a presentation for each variant: the service does not say any more.
    OneOfEach,
}
