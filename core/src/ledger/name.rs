//! The one name of a ledger: `promise.md`, 19.
//!
//! SQLite keeps what is newest in files beside the database, under the database's name. A process that opens
//! the same file under another name (a hard link, or the file alone bind-mounted into a container) does not
//! see them, and both destroy the ledger. So a process that uses a ledger holds a shared lock on one byte of
//! the file, far beyond its end, at an offset that follows from the name; a lock at another offset says that
//! the file is in use under another name. The name is also recorded in the ledger, for the time when no
//! process uses it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use perceptis_descriptors::{Kind, Owned, is_locked, lock};
use rustix::fs::{AtFlags, CWD, OFlags, StatxFlags, statx};
use serde::{Deserialize, Serialize};

use super::refusal;
use crate::common::sha256;
use crate::error::Error;

/// Where the locks on names begin: beyond what a file can hold, and beyond SQLite's own locks.
const FIRST: u64 = 1 << 61;
/// How many offsets there are for names.
const OFFSETS: u64 = 1 << 32;

/// A ledger's name as it is recorded in it. The directory counts by its device and inode: a container may see
/// the same directory under another path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Name {
    directory: String,
    device: u64,
    inode: u64,
    file: String,
}

impl Name {
    /// The name of the file at this path, which has no symbolic links in it.
    pub(super) fn of(path: &Path) -> io::Result<Name> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        let found = fs::metadata(directory)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let directory = directory.to_string_lossy().into_owned();
        Ok(Name { directory, device: found.dev(), inode: found.ino(), file })
    }

    pub(super) fn is_same(&self, other: &Name) -> bool {
        (self.device, self.inode, &self.file) == (other.device, other.inode, &other.file)
    }

    /// Whether a recorded name is this one by now: a directory gets another number where it is restored from
    /// a backup, and a disk where the machine starts again.
    pub(super) fn became(&self, now: &Name) -> bool {
        let number = || fs::metadata(&self.directory).map(|found| (found.dev(), found.ino()));
        self.is_same(now)
            || (self.file == now.file && number().is_ok_and(|number| number == (now.device, now.inode)))
    }

    pub(super) fn path(&self) -> PathBuf {
        Path::new(&self.directory).join(&self.file)
    }

    /// The offset of its lock.
    fn offset(&self) -> u64 {
        let text = format!("{}/{}/{}", self.device, self.inode, self.file);
        let digest = sha256::of(text.as_bytes());
        let head = digest.first_chunk::<4>().copied().unwrap_or_default();
        u64::from(u32::from_be_bytes(head))
    }
}

/// The right to use a ledger under its name, for as long as this lives.
#[derive(Debug)]
pub(super) struct NameLock {
    file: Owned,
}

impl NameLock {
    /// Takes the lock, or says why the ledger can't be used: under this name, or on this file system.
    pub(super) fn take(path: &Path, name: &Name) -> Result<NameLock, Error> {
        let system = |error: io::Error| refusal::by_system(path, &error);
        let file = Owned::new(open(path).map_err(system)?).map_err(system)?;
        let offset = FIRST + name.offset();
        let unable = |error: io::Error| refusal::without_locks(path, &error);
        // Nothing takes an exclusive lock there, so this is refused only where there are no such locks.
        if !lock(&file, Kind::Shared, offset, 1).map_err(unable)? {
            return Err(refusal::without_locks(path, "another program has locked it"));
        }
        let other = open(path).map_err(system)?;
        if !is_locked(&other, Kind::Exclusive, offset, 1).map_err(unable)? {
            return Err(refusal::without_locks(path, "a lock is not seen by others"));
        }
        let in_use = |start: u64, end: u64| {
            if start == end { Ok(false) } else { is_locked(&file, Kind::Exclusive, start, end - start) }
        };
        let elsewhere =
            in_use(FIRST, offset).map_err(unable)? || in_use(offset + 1, FIRST + OFFSETS).map_err(unable)?;
        if elsewhere {
            return Err(refusal::in_use_under_another_name(path));
        }
        Ok(NameLock { file })
    }

    /// How many names the file has in its file system.
    pub(super) fn links(&self) -> io::Result<u64> {
        Ok(self.file.file().metadata()?.nlink())
    }
}

/// Whether the file alone is mounted here, as into a container: what SQLite keeps beside it is not here then.
pub(super) fn is_mounted_alone(path: &Path) -> bool {
    let mount = |path: &Path| -> Option<u64> {
        let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID).ok()?;
        // Linux before 5.8 does not tell.
        StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID).then_some(found.stx_mnt_id)
    };
    let of_directory = path.parent().and_then(mount);
    of_directory.is_some() && of_directory != mount(path)
}

/// Whether a recorded name still leads to this very file, though it is not the name that the file was opened
/// by.
pub(super) fn leads_to(recorded: &Name, path: &Path) -> bool {
    let identity = |path: &Path| fs::symlink_metadata(path).map(|found| (found.dev(), found.ino())).ok();
    let here = identity(path);
    here.is_some() && identity(&recorded.path()) == here
}

/// The log that stayed beside the recorded name when the file was moved away from there, with what is newest
/// in it.
pub(super) fn log_left_behind(recorded: &Name) -> Option<PathBuf> {
    let mut log = recorded.path().into_os_string();
    log.push("-wal");
    let log = PathBuf::from(log);
    // A file that has that name by now has the log that is beside it.
    let is_gone =
        fs::symlink_metadata(recorded.path()).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    (is_gone && fs::metadata(&log).is_ok_and(|found| found.size() > 0)).then_some(log)
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_follows_the_directory_and_the_file() {
        let place = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let name = |path: PathBuf| Name::of(&path).unwrap();
        let one = name(place.path().join("a.db"));
        assert!(one.is_same(&name(place.path().join("a.db"))));
        for another in [name(place.path().join("b.db")), name(other.path().join("a.db"))] {
            assert!(!one.is_same(&another));
            assert_ne!(one.offset(), another.offset());
        }
    }

    #[test]
    fn name_lock_keeps_other_names_out_and_the_same_name_in() {
        let place = tempfile::tempdir().unwrap();
        let (one, two) = (place.path().join("one.db"), place.path().join("two.db"));
        fs::write(&one, "").unwrap();
        fs::hard_link(&one, &two).unwrap();
        let take = |path: &Path| NameLock::take(path, &Name::of(path).unwrap());
        let first = take(&one).unwrap();
        assert_eq!(first.links().unwrap(), 2);
        drop(take(&one).unwrap());
        let message = take(&two).unwrap_err().message().to_owned();
        assert!(message.contains("under another name"), "{message}");
        drop(first);
        take(&two).unwrap();
    }
}
