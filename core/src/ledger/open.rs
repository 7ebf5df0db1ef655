//! Opening the file, or refusing to before anything in it is touched.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::meta::{self, NAME, SECRET};
use super::name::{self, Name, NameLock};
use super::network;
use super::refusal::{self, LedgerFailure, NOT_TOUCHED, by_sqlite, by_system};
use super::schema::{self, FileStatus, SECRET_LENGTH};
use crate::error::{Error, Kind};

/// How long SQLite waits for another process before it says so.
const MAX_BUSY: Duration = Duration::from_millis(100);

/// Files beyond this are not read through when they are opened; their pages are still checked as they are
/// read.
const MAX_CHECKED_BYTES: u64 = 32 << 20;

/// An open ledger file.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) connection: Connection,
    /// Where the file really is.
    pub(super) path: PathBuf,
    /// Held as long as the connection is open; none in memory.
    _name: Option<NameLock>,
}

impl OpenFile {
    /// Closes it without writing a byte: the next process that opens the file goes on with the log.
    pub(super) fn close_untouched(self) -> rusqlite::Result<()> {
        close_untouched(self.connection)
    }
}

/// Opens the file, makes it if there is none, brings it to this version.
pub(super) fn open(path: &Path) -> Result<OpenFile, LedgerFailure> {
    install(path)?;
    let path = prepare(path).map_err(LedgerFailure::Final)?;
    if name::is_mounted_alone(&path) {
        return Err(LedgerFailure::Final(refusal::mounted_alone(&path)));
    }
    let name = Name::of(&path).map_err(|error| LedgerFailure::Final(by_system(&path, &error)))?;
    let held = NameLock::take(&path, &name).map_err(LedgerFailure::Final)?;
    check_links(&path, &held, &name)?;
    inspect(&path, &name)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(&path, flags).map_err(|error| by_sqlite(&path, &error))?;
    // EXTRA until the first log stands: a journal that came back after a power loss would undo what was made.
    set_up(&connection, "EXTRA").map_err(|error| by_sqlite(&path, &error))?;
    bring_up(&path, &mut connection, Some(&name))?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|error| by_sqlite(&path, &error))?;
    if mode != "wal" {
        let what = "is on a file system where several processes can't use it at once";
        return Err(LedgerFailure::Final(refusal::refusal(&path, what)));
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(|error| by_sqlite(&path, &error))?;
    Ok(OpenFile { connection, path, _name: Some(held) })
}

/// The same in memory.
pub(super) fn in_memory() -> Result<OpenFile, LedgerFailure> {
    let path = Path::new("in memory");
    let mut connection = Connection::open_in_memory().map_err(|error| by_sqlite(path, &error))?;
    set_up(&connection, "OFF").map_err(|error| by_sqlite(path, &error))?;
    bring_up(path, &mut connection, None)?;
    Ok(OpenFile { connection, path: path.to_owned(), _name: None })
}

/// Gives SQLite the locks that this library relies on.
fn install(path: &Path) -> Result<(), LedgerFailure> {
    let unable = |error| LedgerFailure::Final(refusal::refusal(path, format!("can't be used: {error}")));
    perceptis_descriptors::sqlite::install().map_err(unable)
}

fn close_untouched(connection: Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.close().map_err(|(_, error)| error)
}

fn set_up(connection: &Connection, synchronous: &str) -> rusqlite::Result<()> {
    connection.busy_timeout(MAX_BUSY)?;
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

/// Sees to it that there is a file in a place where SQLite can work. Returns its path without symbolic links:
/// what SQLite keeps beside the file has to be beside the same file for every process.
fn prepare(path: &Path) -> Result<PathBuf, Error> {
    let failed = |error: io::Error| by_system(path, &error);
    let (directory, name) = match fs::canonicalize(path) {
        Ok(real) => split(path, &real)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_ok() {
                return Err(refusal::refusal(path, "is a symbolic link to a file that is not there"));
            }
            let (parent, name) = split(path, path)?;
            make_directory(&parent).map_err(failed)?;
            (fs::canonicalize(parent).map_err(failed)?, name)
        }
        Err(error) => return Err(failed(error)),
    };
    let real = directory.join(&name);
    if let Some(kind) = network::kind(&directory).map_err(failed)? {
        return Err(refusal::refusal(
            path,
            format!("is on a network file system ({kind}), where processes can't share it safely"),
        ));
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&real) {
        // Empty for now; SQLite fills it. Its name has to outlast a power loss as its content does.
        Ok(_) => {
            File::open(&directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
            return Ok(real);
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    if !fs::metadata(&real).map_err(failed)?.is_file() {
        return Err(refusal::refusal(path, "is not a file"));
    }
    // The log is beside the file, so both have to be writable.
    for (what, access) in [(&*real, Access::READ_OK | Access::WRITE_OK), (&*directory, Access::WRITE_OK)] {
        accessat(CWD, what, access, AtFlags::EACCESS).map_err(|error| failed(error.into()))?;
    }
    Ok(real)
}

/// The directory and the name of a file.
fn split(path: &Path, real: &Path) -> Result<(PathBuf, PathBuf), Error> {
    match (real.parent(), real.file_name()) {
        (Some(directory), Some(name)) => Ok((directory.to_owned(), PathBuf::from(name))),
        _ => Err(refusal::refusal(path, "is not a file")),
    }
}

/// Makes what is missing of the way there, for this user alone. Other processes may do the same at the same
/// time.
fn make_directory(directory: &Path) -> io::Result<()> {
    let Some(parent) = directory.parent() else { return Ok(()) };
    let make = || DirBuilder::new().mode(0o700).create(directory);
    let made = match make() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if !parent.is_dir() {
                make_directory(parent)?;
            }
            make()
        }
        made => made,
    };
    match made {
        Ok(()) => File::open(parent)?.sync_all(),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // Where this user may not write, or the file system says that nothing is there, the directory can
        // still be there.
        Err(error) => fs::metadata(directory).map_err(|_| error).map(drop),
    }
}

/// Refuses a file that has a second hard link, unless it is opened under the name that is recorded in it.
/// Nothing is made beside the file under the wrong name for this.
fn check_links(path: &Path, held: &NameLock, name: &Name) -> Result<(), LedgerFailure> {
    if held.links().map_err(|error| LedgerFailure::Final(by_system(path, &error)))? < 2 {
        return Ok(());
    }
    // A file that is not finished, beside its journal, can't be read alone: it has no name yet.
    let recorded = match recorded_untouched(path) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => None,
        recorded => recorded.map_err(|error| by_sqlite(path, &error))?,
    };
    match recorded {
        Some(recorded) if recorded.became(name) => Ok(()),
        Some(recorded) => {
            Err(LedgerFailure::Final(refusal::has_another_name(path, recorded.path().display())))
        }
        None => Err(LedgerFailure::Final(refusal::has_another_name(path, "another file"))),
    }
}

/// The recorded name, read from the file alone: no lock is taken, and no log is made or looked at.
fn recorded_untouched(path: &Path) -> rusqlite::Result<Option<Name>> {
    let path = percent_encoding::percent_encode(
        path.as_os_str().as_encoded_bytes(),
        percent_encoding::NON_ALPHANUMERIC,
    );
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)?;
    match schema::standing(&connection)? {
        FileStatus::Usable | FileStatus::Older(_) | FileStatus::Prerelease => recorded(&connection),
        _ => Ok(None),
    }
}

/// The name that is recorded in a ledger.
fn recorded(connection: &Connection) -> rusqlite::Result<Option<Name>> {
    let text = meta::get(connection, NAME)?;
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
}

/// What was found in a file.
struct Found {
    standing: FileStatus,
    /// "ok", or what is damaged.
    checked: String,
    recorded: Option<Name>,
}

/// Looks at the file without the means to change it.
fn inspect(path: &Path, name: &Name) -> Result<(), LedgerFailure> {
    let bytes = fs::metadata(path).map_err(|error| LedgerFailure::Final(by_system(path, &error)))?.size();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| by_sqlite(path, &error))?;
    let found = look(&mut connection, bytes);
    let closed = close_untouched(connection);
    let found = found.map_err(|error| match &error {
        // A journal is beside the file: a process died while it made the file, and SQLite puts that right.
        rusqlite::Error::SqliteFailure(failure, _) if failure.code == ErrorCode::ReadOnly => None,
        _ => Some(by_sqlite(path, &error)),
    });
    closed.map_err(|error| by_sqlite(path, &error))?;
    let found = match found {
        Ok(found) => found,
        Err(Some(trouble)) => return Err(trouble),
        Err(None) => return Ok(()),
    };
    if found.checked != "ok" {
        return Err(LedgerFailure::Final(refusal::damaged(path, found.checked)));
    }
    judge(path, found.standing).map_err(LedgerFailure::Final)?;
    match found.recorded {
        // The log of the other name is not beside it.
        Some(recorded) if !recorded.became(name) && name::leads_to(&recorded, path) => {
            Err(LedgerFailure::Final(refusal::has_another_name(path, recorded.path().display())))
        }
        Some(recorded) if !recorded.became(name) => match name::log_left_behind(&recorded) {
            Some(log) => Err(LedgerFailure::Final(refusal::moved_without_log(path, log.display()))),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn look(connection: &mut Connection, bytes: u64) -> rusqlite::Result<Found> {
    connection.busy_timeout(MAX_BUSY)?;
    let transaction = connection.transaction()?;
    let standing = schema::standing(&transaction)?;
    let mut found = Found { standing, checked: "ok".to_owned(), recorded: None };
    if !matches!(standing, FileStatus::Usable | FileStatus::Older(_) | FileStatus::Prerelease) {
        return Ok(found);
    }
    found.recorded = recorded(&transaction)?;
    if bytes > MAX_CHECKED_BYTES {
        return Ok(found);
    }
    let secret = meta::get(&transaction, SECRET)?;
    if secret.is_none_or(|secret| secret.len() != SECRET_LENGTH) {
        found.checked = "its secret is gone".to_owned();
    } else {
        found.checked = transaction.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    }
    Ok(found)
}

/// Whether the library may write to the file.
fn judge(path: &Path, standing: FileStatus) -> Result<(), Error> {
    let what = match standing {
        FileStatus::Empty | FileStatus::Usable | FileStatus::Older(_) | FileStatus::Prerelease => {
            return Ok(());
        }
        FileStatus::Newer(version) => {
            format!("was made by a later version of this library (schema {version}); {NOT_TOUCHED}")
        }
        FileStatus::Foreign => format!("is another program's database; {NOT_TOUCHED}"),
    };
    Err(refusal::refusal(path, what))
}

/// Brings the file to this version, and records its name.
fn bring_up(path: &Path, connection: &mut Connection, name: Option<&Name>) -> Result<(), LedgerFailure> {
    let mut secret = [0u8; SECRET_LENGTH];
    getrandom::fill(&mut secret).map_err(|error| {
        LedgerFailure::Final(Error::new(Kind::Internal, format!("the system gave no random bytes: {error}")))
    })?;
    let standing = brought_up(connection, &secret, name).map_err(|error| by_sqlite(path, &error))?;
    judge(path, standing).map_err(LedgerFailure::Final)
}

fn brought_up(
    connection: &mut Connection,
    secret: &[u8],
    name: Option<&Name>,
) -> rusqlite::Result<FileStatus> {
    let is_named = |connection: &Connection| -> rusqlite::Result<bool> {
        let Some(name) = name else { return Ok(true) };
        Ok(recorded(connection)?.is_some_and(|recorded| recorded.is_same(name)))
    };
    // Mostly nothing is to be done, and then nothing is locked.
    let looked = connection.transaction()?;
    if schema::standing(&looked)? == FileStatus::Usable && is_named(&looked)? {
        return Ok(FileStatus::Usable);
    }
    drop(looked);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::bring_up(&transaction, secret)?;
    let standing = schema::standing(&transaction)?;
    let moved = standing == FileStatus::Usable && !is_named(&transaction)?;
    if let (true, Some(name)) = (moved, name) {
        let text = serde_json::to_vec(name)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        meta::put(&transaction, NAME, &text)?;
    }
    transaction.commit()?;
    if moved && name.is_some() {
        // The name is read from the file alone where it has a second link: see `recorded_untouched`.
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    }
    Ok(standing)
}
