//! Opening the file, or refusing to before anything in it is touched.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::network;
use super::refusal::{self, NOT_TOUCHED, Trouble, by_sqlite, by_system};
use super::schema::{self, SECRET_LENGTH, Standing};
use crate::error::{Error, Kind};

/// How long SQLite waits for another process before it asks us; a fork waits no longer than this.
const PATIENCE: Duration = Duration::from_millis(100);

/// Files beyond this are not read through when they are opened; their pages are still checked as they are read.
const CHECKED_BYTES: u64 = 32 << 20;

/// Opens the file, makes it if there is none, brings it to this version. Says also where it really is.
pub(super) fn open(path: &Path) -> Result<(Connection, PathBuf), Trouble> {
    let told = |error: Error| Trouble::Final(error);
    prepare(path).map_err(told)?;
    // What is beside the file has to be beside the same file for everybody, whatever links lead there.
    let path = fs::canonicalize(path).map_err(|error| told(by_system(path, &error)))?;
    inspect(&path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(&path, flags).map_err(|error| by_sqlite(&path, &error))?;
    // EXTRA until the first log stands: a journal that came back after a power loss would undo what was made.
    set_up(&connection, "EXTRA").map_err(|error| by_sqlite(&path, &error))?;
    bring_up(&path, &mut connection)?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|error| by_sqlite(&path, &error))?;
    if mode != "wal" {
        return Err(told(refusal::refusal(
            &path,
            "is on a file system where several processes can't use it at once",
        )));
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(|error| by_sqlite(&path, &error))?;
    Ok((connection, path))
}

/// The same in memory.
pub(super) fn in_memory() -> Result<Connection, Trouble> {
    let path = Path::new("in memory");
    let mut connection = Connection::open_in_memory().map_err(|error| by_sqlite(path, &error))?;
    set_up(&connection, "OFF").map_err(|error| by_sqlite(path, &error))?;
    bring_up(path, &mut connection)?;
    Ok(connection)
}

/// Closes it without writing a byte: the next who opens the file goes on with the log.
pub(super) fn close_untouched(connection: Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.close().map_err(|(_, error)| error)
}

fn set_up(connection: &Connection, synchronous: &str) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    // A prompt that is dropped is overwritten, and none is ever in a temporary file.
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // In KiB, of 2 MB by default: the file is small, and what is not kept here the system has.
    connection.pragma_update(None, "cache_size", -256)?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "cell_size_check", "ON")
}

/// Sees to it that there is a file in a place where SQLite can work. No descriptor of a file that was there before is
/// opened: closing one would drop the locks that this process has on it.
fn prepare(path: &Path) -> Result<(), Error> {
    let failed = |error: io::Error| by_system(path, &error);
    let directory = path.parent().unwrap_or(Path::new("/"));
    make_directory(directory).map_err(failed)?;
    if let Some(kind) = network::kind(directory).map_err(failed)? {
        return Err(refusal::refusal(
            path,
            format!("is on a network file system ({kind}), where processes can't share it safely"),
        ));
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        // Empty for now; SQLite fills it. Its name has to outlast a power loss as what is in it does.
        Ok(_) => return File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(refusal::refusal(path, "is not a file"));
    }
    // The log is beside the file, so both have to be writable.
    for (what, access) in [(path, Access::READ_OK | Access::WRITE_OK), (directory, Access::WRITE_OK)] {
        accessat(CWD, what, access, AtFlags::EACCESS).map_err(|error| failed(error.into()))?;
    }
    Ok(())
}

/// Makes what is missing of the way there, for this user alone.
fn make_directory(directory: &Path) -> io::Result<()> {
    let Some(parent) = directory.parent() else { return Ok(()) };
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => File::open(parent)?.sync_all(),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // Some file systems say so of a parent that is there: then there is nothing more to make.
        Err(error) if error.kind() == ErrorKind::NotFound && !parent.is_dir() => {
            make_directory(parent)?;
            make_directory(directory)
        }
        // Where one may not write, what is asked for can still be there.
        Err(error) => fs::metadata(directory).map_err(|_| error).map(drop),
    }
}

/// Looks at the file without the means to change it.
fn inspect(path: &Path) -> Result<(), Trouble> {
    let bytes = fs::metadata(path).map_err(|error| Trouble::Final(by_system(path, &error)))?.size();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| by_sqlite(path, &error))?;
    let found = look(&mut connection, bytes);
    let closed = close_untouched(connection);
    let found = found.map_err(|error| match &error {
        // A journal is beside the file: somebody died while the file was made, and SQLite puts that right.
        rusqlite::Error::SqliteFailure(failure, _) if failure.code == rusqlite::ErrorCode::ReadOnly => None,
        _ => Some(by_sqlite(path, &error)),
    });
    closed.map_err(|error| by_sqlite(path, &error))?;
    match found {
        Ok((standing, checked)) if checked == "ok" => judge(path, standing).map_err(Trouble::Final),
        Ok((_, damage)) => Err(Trouble::Final(refusal::damaged(path, damage))),
        Err(Some(trouble)) => Err(trouble),
        Err(None) => Ok(()),
    }
}

fn look(connection: &mut Connection, bytes: u64) -> rusqlite::Result<(Standing, String)> {
    connection.busy_timeout(PATIENCE)?;
    let transaction = connection.transaction()?;
    let standing = schema::standing(&transaction)?;
    let ours = matches!(standing, Standing::Current | Standing::Older(_));
    if !ours || bytes > CHECKED_BYTES {
        return Ok((standing, "ok".to_owned()));
    }
    let secret = schema::secret(&transaction)?;
    if secret.len() != SECRET_LENGTH {
        return Ok((standing, "its secret is gone".to_owned()));
    }
    let checked = transaction.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((standing, checked))
}

/// Whether the file is one that we may write to.
fn judge(path: &Path, standing: Standing) -> Result<(), Error> {
    Err(match standing {
        Standing::Empty | Standing::Current | Standing::Older(_) => return Ok(()),
        Standing::Newer(version) => refusal::refusal(
            path,
            format!("was made by a later version of this library (schema {version}); {NOT_TOUCHED}"),
        ),
        Standing::Foreign => refusal::refusal(path, format!("is another program's database; {NOT_TOUCHED}")),
    })
}

fn bring_up(path: &Path, connection: &mut Connection) -> Result<(), Trouble> {
    let mut secret = [0u8; SECRET_LENGTH];
    getrandom::fill(&mut secret).map_err(|error| {
        Trouble::Final(Error::new(Kind::Internal, format!("the system gave no random bytes: {error}")))
    })?;
    let standing = brought_up(connection, &secret).map_err(|error| by_sqlite(path, &error))?;
    judge(path, standing).map_err(Trouble::Final)
}

fn brought_up(connection: &mut Connection, secret: &[u8]) -> rusqlite::Result<Standing> {
    // Mostly nothing is to be done, and then nothing is locked.
    let looked = connection.transaction()?;
    if schema::standing(&looked)? == Standing::Current {
        return Ok(Standing::Current);
    }
    drop(looked);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::bring_up(&transaction, secret)?;
    let standing = schema::standing(&transaction)?;
    transaction.commit()?;
    Ok(standing)
}
