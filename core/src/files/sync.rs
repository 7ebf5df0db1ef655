//! Syncing a file, where its file system can.

use std::fs::File;
use std::io;

use rustix::io::Errno;

/// Syncs a file, where the file system can.
pub(super) fn sync_file(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(error) if is_without_sync(&error) => Ok(()),
        other => other,
    }
}

fn is_without_sync(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP | Errno::ROFS))
}
