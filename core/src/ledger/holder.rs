//! What this process works on in one ledger, and whether other processes work on what is theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::Row;
use super::owner::{self, OwnerFile};

/// How the ledger names the only process that sees a ledger in memory.
const MEMORY: &str = "memory";

/// This process as one of those that work with a ledger.
#[derive(Debug, Default)]
pub(super) struct OwnedRows {
    /// Where the files of all owners are; none for a ledger in memory.
    directory: Option<PathBuf>,
    owner: Option<OwnerFile>,
    /// The token before this one: its rows have to name the new one, since another program removed the file.
    former: Option<String>,
    /// The submissions that this process works on.
    live: BTreeSet<Row>,
    /// What was taken since the last commit.
    taken: Vec<Row>,
    /// Which owners were found alive or dead in this group.
    known: BTreeMap<String, bool>,
}

impl OwnedRows {
    /// One that works with this file.
    pub(super) fn beside(ledger: &Path) -> OwnedRows {
        let mut name = ledger.as_os_str().to_owned();
        name.push(".owners");
        OwnedRows { directory: Some(PathBuf::from(name)), ..OwnedRows::default() }
    }

    pub(super) fn sweep(&self) -> io::Result<()> {
        self.directory.as_deref().map_or(Ok(()), owner::sweep)
    }

    /// The token under which this process takes submissions; its file is there and locked.
    pub(super) fn token(&mut self) -> io::Result<String> {
        let Some(directory) = &self.directory else { return Ok(MEMORY.to_owned()) };
        if let Some(owner) = &self.owner {
            if owner.is_seen()? {
                return Ok(owner.token().to_owned());
            }
            let token = owner.token().to_owned();
            self.former.get_or_insert(token);
        }
        let owner = self.owner.insert(OwnerFile::new(directory)?);
        Ok(owner.token().to_owned())
    }

    pub(super) fn has_token(&self) -> bool {
        self.owner.is_some()
    }

    pub(super) fn former(&self) -> Option<&str> {
        self.former.as_deref()
    }

    /// Whether this process works on it.
    pub(super) fn holds(&self, row: Row) -> bool {
        self.live.contains(&row)
    }

    pub(super) fn hold(&mut self, row: Row) {
        if self.live.insert(row) {
            self.taken.push(row);
        }
    }

    pub(super) fn let_go(&mut self, row: Row) {
        self.live.remove(&row);
    }

    /// Whether a live process works on a submission that names this owner.
    pub(super) fn is_live(&mut self, row: Row, token: Option<&str>) -> io::Result<bool> {
        if self.holds(row) {
            return Ok(true);
        }
        match token {
            Some(token) if !self.is_own(token) => self.is_alive(token),
            _ => Ok(false),
        }
    }

    /// Whether a live process, this one included, has this token.
    pub(super) fn is_alive(&mut self, token: &str) -> io::Result<bool> {
        let Some(directory) = &self.directory else { return Ok(token == MEMORY) };
        if self.is_own(token) {
            return Ok(true);
        }
        if let Some(alive) = self.known.get(token) {
            return Ok(*alive);
        }
        let alive = owner::is_alive(directory, token)?;
        self.known.insert(token.to_owned(), alive);
        Ok(alive)
    }

    fn is_own(&self, token: &str) -> bool {
        match &self.directory {
            None => token == MEMORY,
            Some(_) => self.owner.as_ref().is_some_and(|owner| owner.token() == token),
        }
    }

    /// Nothing is known of others any more: a group begins.
    pub(super) fn begin(&mut self) {
        self.known.clear();
        self.taken.clear();
    }

    /// How much was taken so far, for `take_back`.
    pub(super) fn mark(&self) -> usize {
        self.taken.len()
    }

    /// What was taken since that mark was not: it is not committed.
    pub(super) fn take_back(&mut self, mark: usize) {
        for row in self.taken.drain(mark.min(self.taken.len())..) {
            self.live.remove(&row);
        }
    }

    /// The group is committed.
    pub(super) fn commit(&mut self) {
        self.taken.clear();
        self.former = None;
    }
}
