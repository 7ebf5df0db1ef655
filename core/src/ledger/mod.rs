//! The ledger: what was asked for, what came of it and where its files are, so that the death of a process costs
//! nothing. `promise.md`, 12 to 20.
//!
//! This file says what a ledger is, `sqlite.rs` and what is beside it what ours is made of. A shared server for
//! fleets would be another [`Ledger`].

mod claim;
mod engine;
mod forget;
pub mod fork;
mod holder;
mod listing;
mod location;
mod network;
mod open;
mod owner;
mod refusal;
mod schema;
mod session;
mod sqlite;
mod step;
mod writer;

use std::pin::Pin;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};

pub(crate) use location::Location;
pub(crate) use sqlite::open;

#[cfg(test)]
mod tests;

/// What a ledger is asked for, done on a thread of its own: no caller blocks on a disk. The work goes on when this is
/// dropped.
pub(crate) type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// One submission, by the ledger's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(crate) struct Row(pub(crate) i64);

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
    /// Whether somebody has to come back to it.
    pub(crate) fn is_unsettled(self) -> bool {
        matches!(self, State::Submitting | State::Accepted | State::Completed)
    }
}

/// A call that is about to cost money.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// The caller's key, where it gave one; then only a submission under that key is continued.
    pub(crate) key: Option<String>,
    /// The key of a submission that is new, where the caller gave none.
    pub(crate) fresh_key: String,
    /// "run" or "generate".
    pub(crate) operation: &'static str,
    /// The request as it is sent, and its hash: SHA-256 in hexadecimal.
    pub(crate) body: Bytes,
    pub(crate) request_hash: String,
    pub(crate) output_type: String,
    pub(crate) variants: u32,
    /// Where files go; none for a `generate`.
    pub(crate) directory: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) overwrite: bool,
    /// When the caller's patience ends, in milliseconds since 1970.
    pub(crate) deadline_unix_ms: u64,
    /// Whether an equal call of a caller that is gone, or was told that it is not finished, is continued (14).
    pub(crate) adopt: bool,
    /// Whether a key that is known under another API key may be used anew (15).
    pub(crate) on_other_key_submit: bool,
    /// Whether a new submission is recorded. If not, only what is known is looked up and taken over.
    pub(crate) record: bool,
}

/// What a ledger makes of a claim. All but the first two leave it as it was.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// Nothing like it is known, or nothing came of it: a submission that was refused begins as if it were new. With
    /// `record` it is known now, under this number, and this process owns it.
    New(Option<Row>),
    /// Known, and now this process's to go on with: by its key, or adopted.
    Continued { entry: Box<Entry>, adopted: bool },
    /// Known, and somebody alive works on it, in this process or another.
    Live(Box<Entry>),
    /// The key is another request's.
    OtherRequest(Box<Entry>),
    /// The key is known under another API key of the same origin.
    OtherApiKey(Box<Entry>),
    /// It was pruned: this is all that is left of it.
    Pruned { job_id: Option<String>, same_request: bool },
}

/// What is known of a submission.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) row: Row,
    pub(crate) key: String,
    pub(crate) operation: String,
    pub(crate) request_hash: String,
    /// Until the service has accepted it; not in lists.
    pub(crate) body: Option<Bytes>,
    pub(crate) output_type: String,
    pub(crate) variants: u32,
    pub(crate) directory: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) overwrite: bool,
    pub(crate) state: State,
    pub(crate) job_id: Option<String>,
    /// In milliseconds since 1970: before the first byte went out; when something was last recorded.
    pub(crate) recorded_unix_ms: u64,
    pub(crate) changed_unix_ms: u64,
    /// The code that its last caller was told, by name; none while it runs, or when all went well. What was just
    /// claimed or taken still has it from before.
    pub(crate) told: Option<String>,
    /// Whether a live process works on it.
    pub(crate) live: bool,
    /// Whether it was submitted with the API key of whoever asks.
    pub(crate) own_key: bool,
    pub(crate) files: Vec<Recorded>,
}

/// A file of a job as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Recorded {
    pub(crate) variant: u32,
    pub(crate) format: String,
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    /// Whether the rename is known to have happened.
    pub(crate) delivered: bool,
}

/// Something that happened to a submission, recorded before the next step is taken.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The service has the job. The request's body is dropped.
    Accepted { job_id: String },
    /// Nothing came of it, for this reason. The body is dropped.
    Refused { code: Kind },
    /// The service is done with the job: all that is left are the files.
    Completed,
    /// The service gave the job up.
    Failed,
    /// A file is about to get this name.
    Renaming(Recorded),
    /// It has it.
    Delivered { path: String },
    /// Nothing is left to do.
    Settled,
    /// The caller was told this (`None`: that all went well), and works on it no more: it is anybody's.
    Released { told: Option<Kind> },
    /// Somebody who is not its caller (`recover`, `wait`, `download`) works on it no more: what its caller was told
    /// stands.
    Returned,
    /// Several, which are recorded together or not at all.
    Together(Vec<Step>),
    /// A word for the history, where nothing else changes.
    Note(String),
}

/// Which submissions are listed. What is `None` does not narrow the list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) unsettled: Option<bool>,
    pub(crate) state: Option<State>,
    /// A job id or an idempotency key.
    pub(crate) name: Option<String>,
    pub(crate) changed_since_unix_ms: Option<u64>,
    /// Only those of this API key.
    pub(crate) own_key: bool,
    /// The newest so many.
    pub(crate) limit: usize,
}

/// One line of a submission's history. Small, and without a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Event {
    pub(crate) unix_ms: u64,
    pub(crate) event: String,
}

/// What becomes of a request to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// So many are gone.
    Gone(u64),
    /// Nothing has that name.
    Unknown,
    /// Somebody alive works on it.
    Live,
}

/// A ledger as one client sees it: of one origin, with one API key. Every function commits, so that it survives a power
/// loss, before its future is ready; several that wait together are committed together.
pub(crate) trait Ledger: Send + Sync + std::fmt::Debug {
    /// Finds what a call continues, or records it as new: one step that nobody else can come between. If the future is
    /// dropped before it is ready, what was new counts as never sent, and what was continued is left as it was; once
    /// it was ready, whoever has the row has to record `Released` in the end.
    fn claim(&self, claim: Claim) -> Pending<Claimed>;

    /// Takes over a submission that nobody alive works on; `None`: somebody does, or it is gone.
    fn take(&self, row: Row) -> Pending<Option<Entry>>;

    /// Records a step of a submission that this process owns.
    fn record(&self, row: Row, step: Step) -> Pending<()>;

    /// What is known of the newest submissions that pass the filter, the newest first.
    fn list(&self, filter: Filter) -> Pending<Vec<Entry>>;

    /// What happened to a submission, the oldest first.
    fn history(&self, row: Row) -> Pending<Vec<Event>>;

    /// Forgets a submission that has this job id or idempotency key, also an unsettled one; with `None` everything
    /// of the origin that is settled. What the service may know of leaves a tombstone, so that its key can't buy
    /// again unnoticed.
    fn forget(&self, name: Option<String>) -> Pending<Forgotten>;

    /// How many submissions of this API key wait for `recover`: unsettled, and nobody alive works on them.
    fn unsettled(&self) -> Pending<u64>;
}
