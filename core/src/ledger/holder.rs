//! What this process works on in one ledger, and whether others work on what is theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::Row;
use super::owner::{self, Owner};

/// How the ledger names the only process that sees one in memory.
const MEMORY: &str = "memory";

/// This process as one of those who work over a ledger.
#[derive(Debug, Default)]
pub(super) struct Holder {
    /// Where everybody's files are; none for a ledger in memory.
    directory: Option<PathBuf>,
    owner: Option<Owner>,
    /// The token before this one, whose rows have to be marked anew: its file was removed by somebody.
    former: Option<String>,
    live: BTreeSet<Row>,
    /// What was taken since the last commit.
    taken: Vec<Row>,
    /// Who was found alive or dead in this group.
    known: BTreeMap<String, bool>,
}

impl Holder {
    /// One that works over this file.
    pub(super) fn beside(ledger: &Path) -> Holder {
        let mut name = ledger.as_os_str().to_owned();
        name.push(".owners");
        Holder { directory: Some(PathBuf::from(name)), ..Holder::default() }
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
        let owner = self.owner.insert(Owner::new(directory)?);
        Ok(owner.token().to_owned())
    }

    pub(super) fn has_token(&self) -> bool {
        self.owner.is_some()
    }

    pub(super) fn former(&self) -> Option<&str> {
        self.former.as_deref()
    }

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

    /// Whether this process works on it.
    pub(super) fn works_on(&self, row: Row) -> bool {
        self.live.contains(&row)
    }

    /// Whether somebody alive works on a submission that names this owner.
    pub(super) fn is_live(&mut self, row: Row, token: Option<&str>) -> io::Result<bool> {
        if self.works_on(row) {
            return Ok(true);
        }
        let (Some(token), Some(directory)) = (token, &self.directory) else { return Ok(false) };
        if self.owner.as_ref().is_some_and(|owner| owner.token() == token) {
            return Ok(false);
        }
        if let Some(alive) = self.known.get(token) {
            return Ok(*alive);
        }
        let alive = owner::is_alive(directory, token)?;
        self.known.insert(token.to_owned(), alive);
        Ok(alive)
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
