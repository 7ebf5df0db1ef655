//! The ledger: what was asked for, what came of it and where its files are, so that the death of a process
//! costs nothing. `promise.md`, 12 to 20.
//!
//! This file says what a ledger is; the others make one of SQLite. A server that many machines share would be
//! another [`Ledger`].

mod calls;
mod claim;
mod engine;
mod entry;
mod figures;
mod forget;
pub mod fork;
mod gate;
mod holder;
mod job;
mod listing;
mod meta;
mod name;
mod network;
mod open;
mod opening;
mod outbox;
mod owner;
mod prerelease;
mod prune;
mod refusal;
mod registry;
mod schema;
mod session;
mod sqlite;
mod step;
mod tombstones;
mod work_queue;
mod writer;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::common::clock::Stamp;
use crate::error::{Error, Kind};
use crate::model::figure::Figure;
use crate::model::submission_state::State;

pub(crate) use outbox::Written;
pub use registry::write_all_before_exit;
pub(crate) use sqlite::open;

#[cfg(test)]
mod tests;

/// What a ledger is asked for, done on a thread of its own: no caller blocks on a disk.
pub(crate) type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A submission: its number in the ledger with this id. A ledger that was made anew in the same place has
/// another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) number: i64,
    pub(crate) ledger: u64,
}

/// A call that asked for a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallId {
    pub(crate) row: Row,
    pub(crate) number: i64,
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
    /// When the call's deadline is, in milliseconds since 1970.
    pub(crate) deadline_unix_ms: u64,
    /// Whether an equal call's submission is continued (14), and how long after others settled it.
    pub(crate) adopt: bool,
    pub(crate) adopt_window_ms: u64,
    /// Whether the call buys though another API key has a submission like it (15).
    pub(crate) on_other_key_submit: bool,
}

/// The withdrawal of a claim that may be recorded: true when the ledger surely does not have it any more.
pub(crate) struct Withdrawal(pub(crate) Pin<Box<dyn Future<Output = bool> + Send>>);

impl std::fmt::Debug for Withdrawal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Withdrawal")
    }
}

/// What a ledger makes of a claim.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// Nothing like it is known, or nothing came of it. `earlier`: an equal call's deck that is too old to be
    /// adopted. From [`Ledger::find`] only.
    Unknown { earlier: Option<Box<Entry>> },
    /// It is recorded now, and this process works on it. From [`Ledger::begin`] only.
    New { call: CallId },
    /// It is known, and now this process's to go on with: by its key, or adopted.
    Continued { entry: Box<Entry>, call: CallId, adopted: bool },
    /// It is known, and a live process works on it, this one or another.
    Live(Box<Entry>),
    /// The key is another request's.
    OtherRequest(Box<Entry>),
    /// Another API key of the same origin has it: under this idempotency key, or as an equal call's
    /// (`equal`).
    OtherApiKey { entry: Box<Entry>, equal: bool },
    /// It was pruned or forgotten: this is all that is left of it.
    Pruned { job_id: Option<String>, same_request: bool },
    /// The disk failed at a moment at which the claim may be recorded all the same. `withdrawal` says when it
    /// no longer is.
    InDoubt { error: Error, withdrawal: Withdrawal },
}

/// What is known of a submission.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) row: Row,
    pub(crate) key: String,
    pub(crate) request_hash: String,
    /// Until the service has accepted it; not in lists.
    pub(crate) body: Option<Bytes>,
    pub(crate) output_type: String,
    pub(crate) variants: u32,
    /// How many files the service offered, once the job was completed.
    pub(crate) files_offered: Option<u32>,
    pub(crate) state: State,
    pub(crate) job_id: Option<String>,
    /// When it was committed, before its first byte went out.
    pub(crate) recorded: Stamp,
    /// In milliseconds since 1970: when nothing was left to do; when something was last recorded.
    pub(crate) settled_unix_ms: Option<u64>,
    pub(crate) changed_unix_ms: u64,
    /// Whether a live process works on it.
    pub(crate) live: bool,
    /// Whether it was submitted with this client's API key.
    pub(crate) own_key: bool,
    /// The calls that asked for it, the newest first; never empty.
    pub(crate) calls: Vec<AskingCall>,
    pub(crate) files: Vec<KnownFile>,
}

/// One `run` or `generate` that asked for a submission.
#[derive(Clone, Debug, Default)]
pub(crate) struct AskingCall {
    pub(crate) operation: String,
    pub(crate) directory: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) overwrite: bool,
    /// The files that `overwrite` may replace, as JSON: those that had the names when they were reserved.
    pub(crate) replaceable: Option<String>,
    /// The code that its program was given, by name; none: it has not been given one.
    pub(crate) told: Option<String>,
    /// Whether the process whose program is to be given a code lives.
    pub(crate) live: bool,
}

/// What `told` holds when all went well.
pub(crate) const TOLD_OK: &str = "OK";

impl Entry {
    /// The call that asked last.
    pub(crate) fn newest(&self) -> AskingCall {
        self.calls.first().cloned().unwrap_or_default()
    }
}

/// A file of a job as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct KnownFile {
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
    /// The service is done with the job: all that is left are the files, so many where that is known.
    Completed { files: Option<u32> },
    /// The service gave the job up.
    Failed,
    /// What the call's `overwrite` may replace, as JSON.
    Replaceable { call: i64, files: String },
    /// A file is about to get this name.
    Renaming(KnownFile),
    /// It has it.
    Delivered { path: String },
    /// Nothing is left to do.
    Settled,
    /// This process works on it no more: any process may.
    Released,
    /// A call's program was given this code (`None`: OK).
    Told { call: i64, code: Option<Kind> },
    /// A call is over, and its program will never be given its end.
    Unheard { call: i64 },
    /// A call that was about to continue the submission did not: its record is as it was before.
    Withdrawn { call: i64, before: Option<AskedBefore> },
    /// A line for the history, where nothing else changes.
    Note(String),
}

/// What was recorded of a call before an equal one took its place.
#[derive(Clone, Debug)]
pub(crate) struct AskedBefore {
    pub(crate) told: Option<String>,
}

/// A submission's name, as a caller gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Job(String),
    Key(String),
    /// One of the two.
    Either(String),
}

impl Name {
    /// `job:ID`, `key:KEY`, or text that is one of the two.
    pub(crate) fn parse(text: &str) -> Name {
        if let Some(job_id) = text.strip_prefix("job:") {
            Name::Job(job_id.to_owned())
        } else if let Some(key) = text.strip_prefix("key:") {
            Name::Key(key.to_owned())
        } else {
            Name::Either(text.to_owned())
        }
    }
}

/// Which submissions are listed. What is `None` does not narrow the list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) unsettled: Option<bool>,
    pub(crate) state: Option<State>,
    pub(crate) name: Option<Name>,
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
    /// A live process works on it.
    Live,
}

/// A ledger as one client sees it: of one origin, with one API key. What a future brings survives a power
/// loss by the time that the future is ready; what several callers wait for is committed together.
pub(crate) trait Ledger: Send + Sync + std::fmt::Debug {
    /// Finds what a call continues, and takes it over; records nothing that is new. If the future is dropped
    /// before it is ready, what it took over is left as it was. With [`Claimed::Continued`] the caller has to
    /// record [`Step::Released`], and [`Step::Told`] or [`Step::Unheard`] for its call, in the end.
    fn find(&self, claim: Arc<Claim>) -> Pending<Claimed>;

    /// The same, and where nothing is known the claim is recorded as new, in one step that no other process
    /// can come between. `replaceable`: see [`AskingCall`]. If the future is dropped before it is ready, what
    /// was new counts as never sent.
    fn begin(&self, claim: Arc<Claim>, replaceable: Option<String>) -> Pending<Claimed>;

    /// The submissions of equal calls, the newest first, whatever their programs were told.
    fn equal_decks(&self, claim: Arc<Claim>) -> Pending<Vec<Entry>>;

    /// Takes over a submission that no live process works on; `None`: one does, or it is gone.
    fn take(&self, row: Row) -> Pending<Option<Entry>>;

    /// Records steps of a submission that this process works on, together or not at all. What can't be
    /// written is tried again, in order, for as long as the process lives; the future is ready when it is
    /// written. Dropping it changes nothing.
    fn record(&self, row: Row, steps: Vec<Step>, written: &Arc<Written>) -> Pending<()>;

    /// The same within a second, for steps that no caller waits for.
    fn record_soon(&self, row: Row, steps: Vec<Step>);

    /// What is known of the newest submissions that pass the filter, the newest first.
    ///
    /// # Errors
    /// `Conflict` when the filter's name is one submission's job id and another one's key.
    fn list(&self, filter: Filter) -> Pending<Vec<Entry>>;

    /// What happened to a submission, the oldest first.
    fn history(&self, row: Row) -> Pending<Vec<Event>>;

    /// Forgets the submission with this name, also an unsettled one; with `None` all of the origin that is
    /// settled. What the service may know of leaves a tombstone, so that its key can't buy again unnoticed.
    ///
    /// # Errors
    /// `Conflict` as [`Ledger::list`].
    fn forget(&self, name: Option<Name>) -> Pending<Forgotten>;

    /// How many submissions of this API key wait for `recover`: unsettled, and no live process works on them.
    fn unsettled(&self) -> Pending<u64>;

    /// What earlier processes learned of how long this origin's jobs take, of each kind the oldest first.
    fn figures(&self) -> Pending<Vec<Figure>>;

    /// Keeps what was learned, some time or not at all. Does not block, and adds no commit to those that
    /// calls wait for.
    fn keep_figures(&self, figures: Vec<Figure>);

    /// Writes what is not written yet, and waits for that on this thread, at most so long. How many steps are
    /// left.
    fn write_all(&self, timeout: Duration) -> usize;
}
