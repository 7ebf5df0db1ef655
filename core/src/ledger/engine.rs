//! The open file and one group of work at a time on it: a transaction, and in it a savepoint for each caller.

use std::cell::Cell;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ring::hmac;
use rusqlite::{Connection, ErrorCode};

use super::holder::OwnedRows;
use super::meta::{self, SECRET, TIDIED};
use super::open::{self, OpenFile};
use super::opening;
use super::prune;
use super::refusal::{self, LedgerFailure, by_sqlite, by_system};
use super::session::Session;
use crate::common::clock::Stamp;
use crate::common::sha256;
use crate::config::ledger_location::Location;
use crate::error::Error;

const DAY_MS: u64 = 24 * 3_600_000;

/// What one caller wants done.
pub(super) trait Work: Send {
    /// Whether it may change something.
    fn writes(&self) -> bool;

    /// Whether the group is not to be committed without it.
    fn is_required(&self) -> bool {
        false
    }

    /// Does it, and keeps the result until the group is committed. If it fails, what it changed is taken
    /// back.
    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Error>;
}

/// What a group came to.
#[derive(Debug)]
pub(super) enum Ran {
    /// It is on the disk; whether anything had to be written.
    Committed { wrote: bool },
    /// Nothing of it is.
    Failed(Error),
    /// The commit failed at a moment at which all of it may have reached the disk: the next transaction will
    /// see.
    InDoubt(Error),
    /// Another process writes; nothing was begun.
    Busy,
}

impl From<LedgerFailure> for Ran {
    fn from(trouble: LedgerFailure) -> Ran {
        match trouble {
            LedgerFailure::Busy => Ran::Busy,
            LedgerFailure::Final(error) => Ran::Failed(error),
        }
    }
}

/// Whether a commit that fails with this error can be on the disk all the same. SQLite writes what marks the
/// transaction as committed before it syncs the log and before it tells other processes of it. Of a full disk
/// it hears while it writes.
fn can_be_committed(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// A file by device and inode.
pub(super) type FileIdentity = (u64, u64);

#[derive(Debug)]
pub(super) struct Engine {
    location: Location,
    opened: Option<Opened>,
    holder: OwnedRows,
    /// The ledger that the holder's rows are in.
    held: Option<Held>,
    /// When old entries were last looked for.
    pruned_unix_ms: Option<u64>,
    /// Whether the log may still hold a request that was dropped.
    traces: bool,
}

/// Which ledger it is: the file, and the id of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    file: Option<FileIdentity>,
    ledger: u64,
}

struct Opened {
    file: OpenFile,
    secret: hmac::Key,
    secret_bytes: Vec<u8>,
    ledger: u64,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("path", &self.path()).finish_non_exhaustive()
    }
}

impl Opened {
    fn connection(&self) -> &Connection {
        &self.file.connection
    }

    fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Engine {
    pub(super) fn new(location: Location) -> Engine {
        Engine {
            location,
            opened: None,
            holder: OwnedRows::default(),
            held: None,
            pruned_unix_ms: None,
            traces: false,
        }
    }

    /// Opens the file if it is not open. Which file it is; none for a ledger in memory.
    pub(super) fn ensure_open(&mut self) -> Result<Option<FileIdentity>, LedgerFailure> {
        self.check_place()?;
        if self.opened.is_none() {
            opening::check_usable()?;
            let _opening = opening::Opening::begin();
            self.opened = Some(self.open()?);
        }
        Ok(self.held.and_then(|held| held.file))
    }

    /// The file that is open; none when none is, or for a ledger in memory.
    pub(super) fn open_file(&self) -> Option<FileIdentity> {
        self.opened.as_ref().and(self.held).and_then(|held| held.file)
    }

    /// Does a group's work. The file is opened if it is not.
    pub(super) fn run(&mut self, group: &mut [&mut dyn Work], now: &Stamp) -> Ran {
        self.try_run(group, now).unwrap_or_else(Ran::from)
    }

    fn try_run(&mut self, group: &mut [&mut dyn Work], now: &Stamp) -> Result<Ran, LedgerFailure> {
        self.ensure_open()?;
        let Some(opened) = self.opened.take() else { return Ok(Ran::Committed { wrote: false }) };
        self.holder.begin();
        let writes = group.iter().any(|work| work.writes());
        match begin(opened.connection(), writes) {
            Ok(secret) if secret == opened.secret_bytes => {}
            // Another ledger was copied over this one. It is opened anew, and what is held in the old one is
            // held no more.
            Ok(_) => return Err(LedgerFailure::Busy),
            Err(error) => {
                let trouble = by_sqlite(opened.path(), &error);
                if matches!(trouble, LedgerFailure::Busy) {
                    self.opened = Some(opened);
                }
                return Err(trouble);
            }
        }
        let before = opened.connection().total_changes();
        let mut in_doubt = false;
        let done = self.work(&opened, group, writes, now).and_then(|()| {
            opened.connection().execute_batch("COMMIT").map_err(|error| {
                in_doubt = writes && can_be_committed(&error);
                by_sqlite(opened.path(), &error)
            })
        });
        match done {
            Ok(()) => {
                self.holder.commit();
                let wrote = opened.connection().total_changes() != before;
                self.opened = Some(opened);
                Ok(Ran::Committed { wrote })
            }
            Err(LedgerFailure::Final(error)) if in_doubt => {
                self.holder.take_back(0);
                Ok(Ran::InDoubt(error))
            }
            Err(trouble) => {
                self.holder.take_back(0);
                // The connection goes, and what it had begun with it; the next group opens and judges the
                // file anew. It has begun, so it is not to be begun again.
                Err(match trouble {
                    LedgerFailure::Busy => LedgerFailure::Final(refusal::in_use(opened.path())),
                    trouble => trouble,
                })
            }
        }
    }

    fn work(
        &mut self,
        opened: &Opened,
        group: &mut [&mut dyn Work],
        writes: bool,
        now: &Stamp,
    ) -> Result<(), LedgerFailure> {
        let mut session = Session {
            path: opened.path(),
            connection: opened.connection(),
            holder: &mut self.holder,
            secret: &opened.secret,
            ledger: opened.ledger,
            now,
            traces: &mut self.traces,
            disk_failed: Cell::new(false),
        };
        if writes {
            session.keep_token().map_err(LedgerFailure::Final)?;
        }
        for work in group.iter_mut() {
            let done = session.apart(|session| work.run(session));
            if let Err(error) = done
                && (work.is_required() || session.connection.is_autocommit())
            {
                return Err(LedgerFailure::Final(error));
            }
        }
        let is_due = |at: u64| now.unix_ms.abs_diff(at) >= DAY_MS;
        if writes && self.pruned_unix_ms.is_none_or(is_due) {
            // No call depends on it: what can't be pruned now is pruned with another group.
            let pruned = session.apart(prune::prune);
            if session.connection.is_autocommit()
                && let Err(error) = pruned
            {
                return Err(LedgerFailure::Final(error));
            }
            if matches!(pruned, Ok(true)) {
                self.pruned_unix_ms = Some(now.unix_ms);
            }
        }
        Ok(())
    }

    /// Whether the file is still the one that is open: another program may have removed or replaced it, and
    /// what went into the old one would be lost.
    fn check_place(&mut self) -> Result<(), LedgerFailure> {
        let (Some(opened), Some(held)) = (&self.opened, self.held) else { return Ok(()) };
        if held.file.is_none() || identity(opened.path()) == held.file {
            return Ok(());
        }
        if let Some(opened) = self.opened.take() {
            let path = opened.path().to_owned();
            opened.file.close_untouched().map_err(|error| by_sqlite(&path, &error))?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<Opened, LedgerFailure> {
        let file = match &self.location {
            Location::Off => open::in_memory()?,
            Location::At(path) => open::open(path)?,
            Location::Nowhere => return Err(LedgerFailure::Final(refusal::nowhere())),
        };
        let secret = meta::get(&file.connection, SECRET).map_err(|error| by_sqlite(&file.path, &error))?;
        let secret = secret.unwrap_or_default();
        let ledger = sha256::of(&secret).first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head));
        let on_disk = self.location != Location::Off;
        let held = Held { file: if on_disk { identity(&file.path) } else { None }, ledger };
        if self.held != Some(held) {
            self.holder = if on_disk { OwnedRows::beside(&file.path) } else { OwnedRows::default() };
            self.held = Some(held);
        }
        self.holder.sweep().map_err(|error| LedgerFailure::Final(by_system(&file.path, &error)))?;
        self.pruned_unix_ms = None;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        Ok(Opened { file, secret: key, secret_bytes: secret, ledger })
    }

    /// Whether there is something to tidy up when no call waits.
    pub(super) fn is_untidy(&self) -> bool {
        self.traces
    }

    /// Empties the log, in which requests that were dropped can still be read, and begins a new one, so that
    /// the next commit is one sync again. If others read just now, it is for them to do or for later.
    pub(super) fn tidy(&mut self, now: &Stamp) -> Result<(), Error> {
        self.traces = false;
        let Some(opened) = &self.opened else { return Ok(()) };
        let emptied = || {
            let busy: bool =
                opened.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if busy {
                return Ok(());
            }
            meta::put(opened.connection(), TIDIED, &now.unix_ms.to_be_bytes())
        };
        let result: rusqlite::Result<()> = emptied();
        result.map_err(|error| match by_sqlite(opened.path(), &error) {
            LedgerFailure::Final(error) => error,
            LedgerFailure::Busy => refusal::in_use(opened.path()),
        })
    }

    /// Closes the file before a fork. What this process works on stays its own.
    pub(super) fn close_for_fork(&mut self) {
        // A ledger in memory has no descriptor and no lock; the child never looks at it.
        if self.location != Location::Off
            && let Some(opened) = self.opened.take()
        {
            // A connection that can't be closed has nothing open that a rollback would not undo.
            let _ = opened.file.close_untouched();
        }
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        self.opened.as_ref().unwrap().connection()
    }

    /// Closes it for good: this process works on nothing here any more.
    pub(super) fn close(&mut self) {
        self.opened = None;
        self.holder = OwnedRows::default();
        self.held = None;
        self.traces = false;
    }
}

/// Begins a transaction that no other process can come into any more, and returns the ledger's secret; if
/// others don't let it, nothing is begun.
fn begin(connection: &Connection, writes: bool) -> rusqlite::Result<Vec<u8>> {
    connection.execute_batch(if writes { "BEGIN IMMEDIATE" } else { "BEGIN" })?;
    let secret = meta::get(connection, SECRET);
    if secret.is_err() {
        connection.execute_batch("ROLLBACK")?;
    }
    Ok(secret?.unwrap_or_default())
}

fn identity(path: &Path) -> Option<FileIdentity> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}
