//! The ledger as its callers see it: through the trait, over real files and real processes.

mod claims;
mod figures;
mod files;
mod groups;
mod processes;
mod steps;
mod times;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;

use super::{CallId, Claim, Claimed, Entry, Filter, Ledger, Row, Step};
use crate::config::ledger_location::Location;
use crate::error::{Error, Kind};
use crate::model::api_key;

pub(super) const ORIGIN: &str = "https://app.perceptis.ai";

/// Held shared by a test that needs its connection to stay as it is, and alone by one that closes all of the
/// process's, as a fork does.
pub(super) static CONNECTIONS: std::sync::RwLock<()> = std::sync::RwLock::new(());

/// Waits on this thread; the ledger's work is done on its own.
pub(super) fn wait<T>(pending: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(pending)
}

/// Waits until this is so; nothing says when it is. That it never is ends the test.
pub(super) fn until(what: &str, so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !so() {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "never: {what}");
        std::thread::yield_now();
    }
}

/// A temporary directory with a ledger.
pub(super) struct TempLedger(TempDir);

impl TempLedger {
    pub(super) fn new() -> TempLedger {
        TempLedger(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.path().join("state/perceptis/ledger.db")
    }

    pub(super) fn open(&self) -> Arc<dyn Ledger> {
        self.open_as("sk-one")
    }

    pub(super) fn open_as(&self, api_key: &str) -> Arc<dyn Ledger> {
        open(&self.path(), api_key)
    }
}

pub(super) fn open(path: &Path, api_key: &str) -> Arc<dyn Ledger> {
    let location = Location::At(path.to_owned());
    super::open(&location, ORIGIN, &api_key::parse_key(api_key).unwrap(), None)
}

/// A run of this prompt into a directory, without a key.
pub(super) fn run(prompt: &str) -> Claim {
    Claim {
        key: None,
        fresh_key: crate::model::idempotency_key::new_key().unwrap(),
        operation: "run",
        body: Bytes::from(format!("{{\"prompt\":\"{prompt}\"}}")),
        request_hash: crate::common::sha256::hex(&crate::common::sha256::of(prompt.as_bytes())),
        output_type: "deck".to_owned(),
        variants: 1,
        directory: Some("/decks".to_owned()),
        name: Some("deck".to_owned()),
        overwrite: false,
        deadline_unix_ms: 1,
        adopt: true,
        adopt_window_ms: 3_600_000,
        on_other_key_submit: false,
    }
}

pub(super) fn named(prompt: &str, key: &str) -> Claim {
    Claim { key: Some(key.to_owned()), ..run(prompt) }
}

/// Finds what a claim continues.
pub(super) fn find(ledger: &dyn Ledger, claim: Claim) -> Claimed {
    wait(ledger.find(Arc::new(claim))).unwrap()
}

/// Begins what has to be new.
pub(super) fn new(ledger: &dyn Ledger, claim: Claim) -> CallId {
    is_new(wait(ledger.begin(Arc::new(claim), None)))
}

pub(super) fn is_new(claimed: Result<Claimed, Error>) -> CallId {
    match claimed {
        Ok(Claimed::New { call }) => call,
        other => panic!("{other:?} instead of a new submission"),
    }
}

/// Continues what has to be known and free.
pub(super) fn continued(ledger: &dyn Ledger, claim: Claim) -> (Entry, CallId, bool) {
    match find(ledger, claim) {
        Claimed::Continued { entry, call, adopted } => (*entry, call, adopted),
        other => panic!("{other:?} instead of a submission that is continued"),
    }
}

pub(super) fn is_unknown(claimed: &Claimed) -> bool {
    matches!(claimed, Claimed::Unknown { .. })
}

/// Records steps, and waits until they are written.
pub(super) fn record(ledger: &dyn Ledger, row: Row, steps: Vec<Step>) -> Result<(), Error> {
    wait(ledger.record(row, steps, &Arc::default()))
}

/// Ends a call: its program was given this code.
pub(super) fn end(ledger: &dyn Ledger, call: CallId, code: Option<Kind>) {
    let steps = vec![Step::Told { call: call.number, code }, Step::Released];
    record(ledger, call.row, steps).unwrap();
}

/// Ends the lease of a process that did not ask for the submission.
pub(super) fn release(ledger: &dyn Ledger, row: Row) {
    record(ledger, row, vec![Step::Released]).unwrap();
}

pub(super) fn accepted() -> Step {
    Step::Accepted { job_id: "job_1".to_owned() }
}

pub(super) fn all(ledger: &dyn Ledger) -> Vec<Entry> {
    wait(ledger.list(Filter { limit: 1_000, ..Filter::default() })).unwrap()
}

pub(super) fn history(ledger: &dyn Ledger, row: Row) -> Vec<String> {
    wait(ledger.history(row)).unwrap().into_iter().map(|event| event.event).collect()
}

/// What the calls of the newest submission were told.
pub(super) fn told(ledger: &dyn Ledger) -> Vec<Option<String>> {
    all(ledger)[0].calls.iter().map(|call| call.told.clone()).collect()
}
