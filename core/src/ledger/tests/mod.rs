//! The ledger as its callers see it: through the trait, over real files and real processes.

mod claims;
mod files;
mod graves;
mod groups;
mod processes;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;

use super::{Claim, Claimed, Entry, Filter, Ledger, Location, Row};
use crate::error::Error;
use crate::secret;

pub(super) const ORIGIN: &str = "https://app.perceptis.ai";

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

/// A place for ledgers.
pub(super) struct Place(TempDir);

impl Place {
    pub(super) fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
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
    super::open(&location, ORIGIN, &secret::parse_key(api_key).unwrap(), None)
}

/// A run of this prompt into a directory, without a key.
pub(super) fn run(prompt: &str) -> Claim {
    Claim {
        key: None,
        fresh_key: crate::key::new_key().unwrap(),
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
        on_other_key_submit: false,
        record: true,
    }
}

pub(super) fn named(prompt: &str, key: &str) -> Claim {
    Claim { key: Some(key.to_owned()), ..run(prompt) }
}

pub(super) fn new(claimed: Result<Claimed, Error>) -> Row {
    match claimed {
        Ok(Claimed::New(Some(row))) => row,
        other => panic!("{other:?} instead of a new submission"),
    }
}

pub(super) fn continued(claimed: Result<Claimed, Error>) -> (Entry, bool) {
    match claimed {
        Ok(Claimed::Continued { entry, adopted }) => (*entry, adopted),
        other => panic!("{other:?} instead of one that is continued"),
    }
}

pub(super) fn all(ledger: &dyn Ledger) -> Vec<Entry> {
    wait(ledger.list(Filter { limit: 1_000, ..Filter::default() })).unwrap()
}

pub(super) fn history(ledger: &dyn Ledger, row: Row) -> Vec<String> {
    wait(ledger.history(row)).unwrap().into_iter().map(|event| event.event).collect()
}
