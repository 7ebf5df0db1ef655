//! The open file and one group of work at a time on it: a transaction, and in it a savepoint for each caller.

use std::fmt::Debug;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ring::hmac;
use rusqlite::Connection;

use super::holder::Holder;
use super::location::Location;
use super::refusal::{self, Trouble, by_sqlite, by_system};
use super::session::Session;
use super::{forget, open, schema};
use crate::error::Error;

const DAY_MS: u64 = 24 * 3_600_000;

/// What one caller wants done.
pub(super) trait Work: Send {
    /// Whether it may change something.
    fn writes(&self) -> bool;

    /// Does it, and keeps the result until the group is committed. If it fails, what it changed is taken back.
    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Error>;
}

/// What a group came to.
#[derive(Debug)]
pub(super) enum Ran {
    /// It is on the disk; whether anything had to be written.
    Committed { wrote: bool },
    /// Nothing of it is.
    Failed(Error),
    /// Another process writes; nothing was begun.
    Busy,
}

#[derive(Debug)]
pub(super) struct Engine {
    location: Location,
    opened: Option<Opened>,
    holder: Holder,
    /// Which file the holder's rows are in.
    file: Option<(u64, u64)>,
    /// When old entries were last looked for.
    pruned_unix_ms: Option<u64>,
    /// Whether the log may still hold a request that was dropped.
    traces: bool,
}

#[derive(Debug)]
struct Opened {
    connection: Connection,
    path: PathBuf,
    secret: hmac::Key,
}

impl Engine {
    pub(super) fn new(location: Location) -> Engine {
        Engine {
            location,
            opened: None,
            holder: Holder::default(),
            file: None,
            pruned_unix_ms: None,
            traces: false,
        }
    }

    /// Does a group's work. The file is opened if it is not.
    pub(super) fn run(&mut self, group: &mut [&mut dyn Work], now: u64) -> Ran {
        match self.try_run(group, now) {
            Ok(wrote) => Ran::Committed { wrote },
            Err(Trouble::Busy) => Ran::Busy,
            Err(Trouble::Final(error)) => Ran::Failed(error),
        }
    }

    fn try_run(&mut self, group: &mut [&mut dyn Work], now: u64) -> Result<bool, Trouble> {
        self.check_place()?;
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => self.open()?,
        };
        self.holder.begin();
        let writes = group.iter().any(|work| work.writes());
        if let Err(error) = begin(&opened.connection, writes) {
            let trouble = by_sqlite(&opened.path, &error);
            if matches!(trouble, Trouble::Busy) {
                self.opened = Some(opened);
            }
            return Err(trouble);
        }
        let before = opened.connection.total_changes();
        let done = self.work(&opened, group, writes, now).and_then(|()| {
            opened.connection.execute_batch("COMMIT").map_err(|error| by_sqlite(&opened.path, &error))
        });
        match done {
            Ok(()) => {
                self.holder.commit();
                let wrote = opened.connection.total_changes() != before;
                self.opened = Some(opened);
                Ok(wrote)
            }
            Err(trouble) => {
                self.holder.take_back(0);
                // The connection goes, and what it had begun with it; whoever comes next opens and judges anew.
                let Opened { path, .. } = opened;
                // It has begun, so it is not to be begun again.
                Err(match trouble {
                    Trouble::Busy => Trouble::Final(refusal::in_use(&path)),
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
        now: u64,
    ) -> Result<(), Trouble> {
        let mut session = Session {
            path: &opened.path,
            connection: &opened.connection,
            holder: &mut self.holder,
            secret: &opened.secret,
            now,
            traces: &mut self.traces,
        };
        if writes {
            session.keep_token().map_err(Trouble::Final)?;
        }
        for work in group.iter_mut() {
            apart(&mut session, |session| work.run(session))?;
        }
        if writes && self.pruned_unix_ms.is_none_or(|at| now.saturating_sub(at) >= DAY_MS) {
            // Nobody's call hangs on it: what can't be pruned now is pruned with another group.
            let mut all = false;
            apart(&mut session, |session| {
                all = forget::prune(session)?;
                Ok(())
            })?;
            if all {
                self.pruned_unix_ms = Some(now);
            }
        }
        Ok(())
    }

    /// Whether the file is still the one that is open: somebody may have removed or replaced it, and what went into
    /// the old one would be lost.
    fn check_place(&mut self) -> Result<(), Trouble> {
        let Some(opened) = &self.opened else { return Ok(()) };
        if self.file.is_none() || file(&opened.path) == self.file {
            return Ok(());
        }
        if let Some(opened) = self.opened.take() {
            let path = opened.path.clone();
            open::close_untouched(opened.connection).map_err(|error| by_sqlite(&path, &error))?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<Opened, Trouble> {
        let (connection, path) = match &self.location {
            Location::Off => (open::in_memory()?, self.shown()),
            Location::At(path) => open::open(path)?,
            Location::Nowhere => return Err(Trouble::Final(refusal::nowhere())),
        };
        let secret = schema::secret(&connection).map_err(|error| by_sqlite(&path, &error))?;
        if self.location != Location::Off {
            let file = file(&path);
            if file != self.file {
                self.holder = Holder::beside(&path);
                self.file = file;
            }
            let swept = self.holder.sweep();
            swept.map_err(|error| Trouble::Final(by_system(&path, &error)))?;
        }
        self.pruned_unix_ms = None;
        Ok(Opened { connection, path, secret: hmac::Key::new(hmac::HMAC_SHA256, &secret) })
    }

    /// How the ledger is called in messages.
    fn shown(&self) -> PathBuf {
        match &self.location {
            Location::At(path) => path.clone(),
            Location::Off | Location::Nowhere => PathBuf::from("in memory"),
        }
    }

    /// Whether there is something to tidy up when nobody waits.
    pub(super) fn is_untidy(&self) -> bool {
        self.traces && self.opened.is_some()
    }

    /// Empties the log, in which requests that were dropped can still be read, and begins a new one, so that the
    /// next commit is one sync again. If others read just now, it is for them to do or for later.
    pub(super) fn tidy(&mut self, now: u64) -> Result<(), Error> {
        self.traces = false;
        let Some(opened) = &self.opened else { return Ok(()) };
        let emptied = || {
            let busy: bool =
                opened.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if busy {
                return Ok(());
            }
            let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES ('tidied', ?1)";
            opened.connection.execute(sql, [now.to_be_bytes()]).map(drop)
        };
        let result: rusqlite::Result<()> = emptied();
        result.map_err(|error| match by_sqlite(&opened.path, &error) {
            Trouble::Final(error) => error,
            Trouble::Busy => refusal::in_use(&opened.path),
        })
    }

    /// Closes the file before a fork: no connection crosses one. What this process works on stays its own.
    pub(super) fn close_for_fork(&mut self) {
        // One in memory has no descriptor and no lock; the child never looks at it.
        if self.location != Location::Off
            && let Some(opened) = self.opened.take()
        {
            // A connection that can't be closed has nothing open that a rollback would not undo.
            let _ = open::close_untouched(opened.connection);
        }
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.opened.as_ref().unwrap().connection
    }

    /// Closes it for good: this process works on nothing here any more.
    pub(super) fn close(&mut self) {
        self.opened = None;
        self.holder = Holder::default();
        self.file = None;
        self.traces = false;
    }
}

/// Begins a transaction in which nobody can come between any more; if others don't let it, nothing is begun.
fn begin(connection: &Connection, writes: bool) -> rusqlite::Result<()> {
    if writes {
        return connection.execute_batch("BEGIN IMMEDIATE");
    }
    connection.execute_batch("BEGIN")?;
    let looked = connection.query_row("SELECT count(*) FROM meta", [], |_| Ok(()));
    if looked.is_err() {
        connection.execute_batch("ROLLBACK")?;
    }
    looked
}

/// Work in a savepoint of its own: that it fails is no matter of the others', unless it took the transaction along.
fn apart(
    session: &mut Session<'_>,
    work: impl FnOnce(&mut Session<'_>) -> Result<(), Error>,
) -> Result<(), Trouble> {
    let connection = session.connection;
    let sql = |sql: &str| connection.execute_batch(sql);
    let path = session.path;
    sql("SAVEPOINT caller").map_err(|error| by_sqlite(path, &error))?;
    let mark = session.holder.mark();
    if let Err(error) = work(session) {
        session.holder.take_back(mark);
        if connection.is_autocommit() {
            // A full disk, for one, undoes all that was begun.
            return Err(Trouble::Final(error));
        }
        sql("ROLLBACK TO caller").map_err(|error| by_sqlite(path, &error))?;
    }
    sql("RELEASE caller").map_err(|error| by_sqlite(path, &error))
}

fn file(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}
