//! Why a ledger can't be used, each reason in a sentence of its own, with the ways out.

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::{Error, Kind};

const WAYS_OUT: &str = "set PERCEPTIS_LEDGER=<path> to keep it in another file, or PERCEPTIS_LEDGER=off to \
                        keep it in memory only";

pub(super) const NOT_TOUCHED: &str = "it was not touched";

/// A failure of the ledger: for good, or because others use it just now.
#[derive(Debug)]
pub(super) enum LedgerFailure {
    /// Another process has the file locked: it is tried again.
    Busy,
    /// The caller is given this error.
    Final(Error),
}

/// There is no directory for it.
pub(super) fn nowhere() -> Error {
    Error::new(
        Kind::Ledger,
        format!("there is no place for the ledger, since neither XDG_STATE_HOME nor HOME is set; {WAYS_OUT}"),
    )
}

/// Something about this file.
pub(super) fn refusal(path: &Path, what: impl Display) -> Error {
    Error::new(Kind::Ledger, format!("the ledger {} {what}; {WAYS_OUT}", path.display()))
}

/// What the system said about it.
pub(super) fn by_system(path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => full(path),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => read_only(path, error),
        _ => refusal(path, format!("can't be used: {error}")),
    }
}

pub(super) fn read_only(path: &Path, why: impl Display) -> Error {
    refusal(path, format!("can't be written to ({why})"))
}

pub(super) fn full(path: &Path) -> Error {
    refusal(path, "can't grow, since its disk is full")
}

pub(super) fn damaged(path: &Path, how: impl Display) -> Error {
    refusal(path, format!("is damaged ({how}); {NOT_TOUCHED}"))
}

pub(super) fn in_use(path: &Path) -> Error {
    refusal(path, "is locked by another program, and stayed so for half a minute").retryable()
}

/// The file system has no locks that hold for one open file.
pub(super) fn without_locks(path: &Path, why: impl Display) -> Error {
    refusal(path, format!("is on a file system where locks do not work ({why}); {NOT_TOUCHED}"))
}

pub(super) fn in_use_under_another_name(path: &Path) -> Error {
    let what = format!(
        "is in use under another name (a hard link, or a bind mount of the file alone), which would destroy \
         it; {NOT_TOUCHED}: use one name everywhere, and mount its directory rather than the file"
    );
    refusal(path, what)
}

/// What SQLite keeps beside the file is in the directory that the file was mounted from.
pub(super) fn mounted_alone(path: &Path) -> Error {
    let what = format!(
        "is a mount of the file alone, which would destroy it where the file is used under its other name; \
         {NOT_TOUCHED}: mount its directory rather than the file"
    );
    refusal(path, what)
}

/// Another name of the file may be in use by a process that can't be seen from here.
pub(super) fn has_another_name(path: &Path, recorded: impl Display) -> Error {
    let what = format!(
        "has two names (it was last used as {recorded}), and under a second one it would be destroyed; \
         {NOT_TOUCHED}: use the first name, or remove the other"
    );
    refusal(path, what)
}

/// The file was moved by its name alone; what was written last is in the log.
pub(super) fn moved_without_log(path: &Path, log: impl Display) -> Error {
    let what = format!(
        "was moved without its log {log}, which has what was written last; {NOT_TOUCHED}: move the log as \
         well, to {}-wal",
        path.display()
    );
    refusal(path, what)
}

/// A submission is not this process's any more: another process has it, or the file is another one.
pub(super) fn lost(path: &Path) -> Error {
    Error::new(
        Kind::Ledger,
        format!("the ledger {} no longer has this submission as this process's", path.display()),
    )
}

/// What SQLite said about it.
pub(super) fn by_sqlite(path: &Path, error: &rusqlite::Error) -> LedgerFailure {
    let rusqlite::Error::SqliteFailure(failure, text) = error else {
        // A column that holds something else than the library ever put there.
        return LedgerFailure::Final(damaged(path, error));
    };
    LedgerFailure::Final(match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => return LedgerFailure::Busy,
        ErrorCode::DiskFull => full(path),
        // What the processes share beside the log has no room.
        ErrorCode::SystemIoFailure if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
            full(path)
        }
        ErrorCode::NotADatabase => damaged(path, "it is no SQLite file"),
        ErrorCode::DatabaseCorrupt => damaged(path, text.as_deref().unwrap_or("by SQLite's judgement")),
        ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => read_only(path, error),
        ErrorCode::SystemIoFailure => {
            refusal(path, format!("can't be read or written, since its disk fails ({error})"))
        }
        _ => refusal(path, format!("can't be used: {error}")),
    })
}
