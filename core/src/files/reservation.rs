//! Reserved names: while a job runs, no other run, of this process or another, is to write the same file.
//!
//! All reservations in a directory share one hidden file in it, [`SHARED`], so that programs with other
//! ledgers, users and containers see them. A name is one byte of it, at a hash of the name, with an
//! open-file-description lock on it. A process opens the file once; its own reservations are told apart in
//! memory, since they have one description.
//!
//! The last process that has a reservation in the directory removes the file. It does so under a shared lock
//! on all names and an exclusive one on [`REMOVAL`]: so no name is reserved in a file that is about to go,
//! and no two remove at once. A process that meets that shared lock, or finds that the file it has locked is
//! gone, looks again.
//!
//! What is not covered: of two users of whom neither can open the other's lock file each has a file of its
//! own, and then only the second one who comes can see the first, and only if it may read that file.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use perceptis_descriptors::{Kind, Owned, is_locked, lock as lock_range};
use rustix::fs::{FlockOperation, Gid, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::directory::Directory;
use super::locked_names::{LockFile, LockedNames};
use crate::common::sha256;
use crate::common::sync::lock;

/// The lock file of a directory.
const SHARED: &str = ".perceptis.lock";
/// The bytes that stand for names.
const NAMES: u64 = 1 << 62;
/// The byte under whose lock the file is removed.
const REMOVAL: u64 = NAMES;
/// How often to look again at a file that others change: a quarter of a second in all, where their process
/// has to wait for a processor. And how often at one that may not be opened.
const MAX_LOOKS: u32 = 300;
const MAX_LOOKS_AT_MODE: u32 = 10;
/// After so many looks one takes a millisecond. Another process has no way to wake this one.
const QUICK_LOOKS: u32 = 50;

/// Names that no other run can take while this lives.
#[derive(Debug)]
pub(crate) struct Reservation {
    directory: Arc<Directory>,
    offsets: Box<[u64]>,
}

/// Why names can't be reserved.
#[derive(Debug)]
pub(super) enum Conflict {
    /// Another run has this one.
    Reserved(String),
    /// What has the lock file's name is none, for this reason.
    NoLockFile(String, &'static str),
    Disk(io::Error),
}

impl From<io::Error> for Conflict {
    fn from(error: io::Error) -> Conflict {
        Conflict::Disk(error)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        lock(&self.directory.names).give_back(&self.directory, &self.offsets);
    }
}

/// Reserves all of these names, or none.
pub(super) fn reserve(directory: &Arc<Directory>, names: &[String]) -> Result<Reservation, Conflict> {
    let mut locked = lock(&directory.names);
    let mut taken = Vec::with_capacity(names.len());
    for name in names {
        match locked.take(directory, name) {
            Ok(offset) => taken.push(offset),
            Err(conflict) => {
                locked.give_back(directory, &taken);
                return Err(conflict);
            }
        }
    }
    Ok(Reservation { directory: Arc::clone(directory), offsets: taken.into() })
}

/// Removes the lock file that a process has left here when it died, if nothing is reserved in it.
pub(super) fn remove_unused_lock_file(directory: &Directory) {
    let locked = lock(&directory.names);
    if locked.file.is_some() || !matches!(directory.stat(SHARED), Ok(Some(_))) {
        return;
    }
    // One that can't be opened here is removed by the next call that reserves a name.
    let Ok(file) = directory.open_file(SHARED, OFlags::RDWR, 0) else { return };
    if file.metadata().is_ok_and(|found| found.is_file())
        && let Ok(file) = Owned::new(file)
    {
        LockFile { file, name: SHARED.to_owned() }.remove_if_unused(directory);
    }
}

impl LockedNames {
    fn take(&mut self, directory: &Directory, name: &str) -> Result<u64, Conflict> {
        let offset = offset_of(name);
        let reserved = || Conflict::Reserved(name.to_owned());
        if self.offsets.contains(&offset) {
            return Err(reserved());
        }
        for look in 0..MAX_LOOKS {
            let file = match &self.file {
                Some(file) => file,
                None => self.file.insert(LockFile::open(directory)?),
            };
            let is_taken = lock_range(&file.file, Kind::Exclusive, offset, 1)?;
            let is_current = directory.has(&file.name, file.file.file());
            if is_taken && !matches!(is_current, Ok(true)) {
                lock_range(&file.file, Kind::Unlock, offset, 1)?;
            }
            if !is_current? {
                // Removed by its last user, or by a program that clears directories.
                self.renew(directory)?;
            } else if is_taken {
                if file.name != SHARED && is_reserved_in_shared(directory, offset) {
                    lock_range(&file.file, Kind::Unlock, offset, 1)?;
                    return Err(reserved());
                }
                self.offsets.insert(offset);
                return Ok(offset);
            } else if is_locked(&file.file, Kind::Shared, offset, 1)? {
                return Err(reserved());
            } else {
                // Only a shared lock is there: the file is about to be removed.
                pause(look);
            }
        }
        Err(reserved())
    }

    /// Goes over to the file that has the name now, with all that is reserved.
    fn renew(&mut self, directory: &Directory) -> Result<(), Conflict> {
        // What another process has reserved meanwhile, unseen, both have now: there is nothing that could be
        // done.
        self.file = None;
        if !self.offsets.is_empty() {
            let file = self.file.insert(LockFile::open(directory)?);
            for offset in &self.offsets {
                lock_range(&file.file, Kind::Exclusive, *offset, 1)?;
            }
        }
        Ok(())
    }

    fn give_back(&mut self, directory: &Directory, offsets: &[u64]) {
        for offset in offsets {
            self.offsets.remove(offset);
            if let Some(file) = &self.file {
                // The whole file's locks go when it is closed, whatever this comes to.
                let _ = lock_range(&file.file, Kind::Unlock, *offset, 1);
            }
        }
        if self.offsets.is_empty()
            && let Some(file) = self.file.take()
        {
            file.remove_if_unused(directory);
        }
    }
}

impl LockFile {
    /// The lock file that is to be used: the shared one, or where it can't be, this user's own.
    fn open(directory: &Directory) -> Result<LockFile, Conflict> {
        let own = format!(".perceptis-{}.lock", geteuid().as_raw());
        for look in 0..MAX_LOOKS {
            match LockFile::open_named(directory, SHARED) {
                Err(Conflict::Disk(error)) if error.kind() == ErrorKind::PermissionDenied => {}
                other => return other,
            }
            // A file that was just made gets its mode a moment later.
            if !remove_leftover(directory) && look > MAX_LOOKS_AT_MODE {
                break;
            }
            pause(look);
        }
        LockFile::open_named(directory, &own)
    }

    fn open_named(directory: &Directory, name: &str) -> Result<LockFile, Conflict> {
        for _ in 0..MAX_LOOKS {
            // Without O_CREAT first: in a directory for all users the kernel refuses it for a file that is
            // another's.
            match directory.open_file(name, OFlags::RDWR, 0) {
                Ok(file) => {
                    if !file.metadata()?.is_file() {
                        return Err(Conflict::NoLockFile(name.to_owned(), "is not a regular file"));
                    }
                    let file = Owned::new(file)?;
                    open_to_all_writers(directory, &file);
                    return Ok(LockFile { file, name: name.to_owned() });
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
                    match directory.open_file(name, flags, 0o600) {
                        Ok(file) => {
                            let file = Owned::new(file)?;
                            open_to_all_writers(directory, &file);
                            return Ok(LockFile { file, name: name.to_owned() });
                        }
                        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) => {
                    return Err(match Errno::from_io_error(&error) {
                        Some(Errno::LOOP) => Conflict::NoLockFile(name.to_owned(), "is a symbolic link"),
                        Some(Errno::ISDIR | Errno::NXIO) => {
                            Conflict::NoLockFile(name.to_owned(), "is not a regular file")
                        }
                        _ => error.into(),
                    });
                }
            }
        }
        Err(Conflict::Disk(ErrorKind::ResourceBusy.into()))
    }

    /// Removes the file if nothing is reserved in it, and closes it.
    fn remove_if_unused(self, directory: &Directory) {
        let is_free = |kind, start, length| lock_range(&self.file, kind, start, length).unwrap_or(false);
        // The names first: the process that has both locks knows that no other is left to remove the file.
        if is_free(Kind::Shared, 0, NAMES)
            && is_free(Kind::Exclusive, REMOVAL, 1)
            && directory.has(&self.name, self.file.file()).unwrap_or(false)
        {
            // A file that stays is in the way of nothing.
            let _ = directory.unlink(&self.name);
        }
    }
}

fn pause(look: u32) {
    if look < QUICK_LOOKS {
        std::thread::yield_now();
    } else {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The byte that stands for a name.
fn offset_of(name: &str) -> u64 {
    let digest = sha256::of(name.as_bytes());
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)) % NAMES
}

/// Lets all open the lock file who may write to the directory, against any umask. What fails is another
/// user's file, or a file system without modes.
fn open_to_all_writers(directory: &Directory, file: &Owned) {
    let (Ok(whole), Ok(found)) = (directory.own_stat(), rustix::fs::fstat(file)) else { return };
    if found.st_uid != geteuid().as_raw() {
        return;
    }
    let writers = whole.st_mode & 0o222;
    let wanted = writers | writers << 1;
    if wanted & 0o020 != 0 && found.st_gid != whole.st_gid {
        let _ = rustix::fs::fchown(file, None, Some(Gid::from_raw(whole.st_gid)));
    }
    if found.st_mode & 0o777 != wanted {
        let _ = rustix::fs::fchmod(file, Mode::from_raw_mode(wanted));
    }
}

/// Removes the shared lock file that this user may not write to, if nothing is reserved in it. Whether it is
/// worth another look: it is gone.
fn remove_leftover(directory: &Directory) -> bool {
    let file = match directory.open_file(SHARED, OFlags::RDONLY, 0) {
        Ok(file) => file,
        Err(error) => return error.kind() == ErrorKind::NotFound,
    };
    // With a descriptor that can only be read: a shared lock on all of it keeps its own users out, the other
    // kind of lock those who are about to do the same.
    let is_ours = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        && lock_range(&file, Kind::Shared, 0, 0).unwrap_or(false);
    let is_there = directory.has(SHARED, &file).unwrap_or(true);
    !is_there || (is_ours && directory.unlink(SHARED).is_ok())
}

/// Whether another user has reserved the name in the shared file, as far as this one may look.
fn is_reserved_in_shared(directory: &Directory, offset: u64) -> bool {
    directory
        .open_file(SHARED, OFlags::RDONLY, 0)
        .is_ok_and(|file| is_locked(&file, Kind::Shared, offset, 1).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::path::Path;
    use std::process::Command;

    use super::super::directory::tests::open;
    use super::*;

    const ROUNDS: u32 = 10_000;
    const PLACE: &str = "TEST_RESERVATION_DIRECTORY";

    #[test]
    #[ignore = "a process of the test below"]
    fn contender() {
        let Some(place) = std::env::var_os(PLACE) else { return };
        let held = Path::new(&place).join("held");
        let own = format!("own-{}", std::process::id());
        let mut wins = 0;
        for _ in 0..ROUNDS {
            let directory = open(Path::new(&place));
            // A name that no other process wants is never refused, whatever they do with the file.
            let own = reserve(&directory, std::slice::from_ref(&own)).unwrap();
            match reserve(&directory, &["common".to_owned()]) {
                Ok(common) => {
                    OpenOptions::new().write(true).create_new(true).open(&held).unwrap();
                    fs::remove_file(&held).unwrap();
                    drop(common);
                    wins += 1;
                }
                Err(Conflict::Reserved(name)) => assert_eq!(name, "common"),
                Err(other) => panic!("{other:?}"),
            }
            drop(own);
        }
        assert!(wins > 0);
    }

    #[test]
    fn names_are_reserved_once_while_processes_come_and_go() {
        let directory = tempfile::tempdir().unwrap();
        let start = || {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "files::reservation::tests::contender", "--ignored"])
                .env(PLACE, directory.path())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        };
        let contenders: Vec<_> = (0..4).map(|_| start()).collect();
        for contender in contenders {
            let output = contender.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "the last one removes the file");
    }

    #[test]
    fn reservation_ends_for_its_own_names_only() {
        let place = tempfile::tempdir().unwrap();
        let directory = open(place.path());
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let one = reserve(&directory, &names(&["a-1", "a-2"])).unwrap();
        let conflict = reserve(&directory, &names(&["b", "a-2"])).unwrap_err();
        assert!(matches!(&conflict, Conflict::Reserved(name) if name == "a-2"), "{conflict:?}");
        let two = reserve(&directory, &names(&["b"])).unwrap();
        drop(one);
        assert!(reserve(&directory, &names(&["b"])).is_err());
        reserve(&directory, &names(&["a-1", "a-2"])).unwrap();
        drop(two);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
