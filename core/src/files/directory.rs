//! A directory of the caller's, held open: every file in it is reached through its descriptor.
//!
//! A path can be renamed, or be a symbolic link that a deployment swaps, while a job runs; the descriptor
//! stays with the directory in which the names were reserved. A process opens a directory once, however many
//! calls write into it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use perceptis_descriptors::{Owned, PerProcess, Process};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::abilities::Abilities;
use super::locked_names::LockedNames;
use crate::common::sha256;
use crate::common::sync::lock;
use crate::error::{Error, Kind};

/// A directory takes up to two descriptors, for itself and its lock file; so half of them are left for the
/// program.
const LIMIT_SHARE: u64 = 4;
/// Every descriptor that is held is registered for forks, which has room for 2,048.
const MAX_OPEN: usize = 768;
/// How many directories are remembered as rehearsed after they are closed.
const MAX_REHEARSED: usize = 4096;

/// A device and an inode: which file or directory it is.
pub(super) type Identity = (u64, u64);

pub(super) fn identity(found: &Stat) -> Identity {
    (found.st_dev, found.st_ino)
}

/// An open directory, shared by all calls of this process that write into it.
#[derive(Debug)]
pub(crate) struct Directory {
    descriptor: Owned,
    identity: Identity,
    process: Process,
    /// Whether it may be listed, and so synced.
    is_readable: bool,
    /// What it can do, once that was tried.
    abilities: Mutex<Option<Abilities>>,
    pub(super) names: Mutex<LockedNames>,
    /// The last field, so that the descriptor is closed by the time that another directory may be opened.
    _slot: Slot,
}

/// The right to open one more directory.
#[derive(Debug)]
pub(super) struct Slot(#[allow(dead_code)] OwnedSemaphorePermit);

/// What comes of opening a directory.
#[derive(Debug)]
pub(super) enum Opened {
    Open(Arc<Directory>),
    /// It is not open yet, and opening it takes a slot.
    NeedsSlot,
}

#[derive(Debug)]
struct Registry {
    open: BTreeMap<Identity, Weak<Directory>>,
    slots: Arc<Semaphore>,
    /// Slots that are not handed out, since the system allowed fewer descriptors than it says.
    withheld: usize,
    rehearsed: BTreeMap<Identity, (Rights, Abilities)>,
}

/// What a rehearsal depends on: mode, user and group of the directory, and the user of the process.
pub(super) type Rights = (u32, u32, u32, u32);

fn registry() -> MutexGuard<'static, Registry> {
    static REGISTRY: PerProcess<Mutex<Registry>> = PerProcess::new();
    lock(REGISTRY.get(|| {
        let share = getrlimit(Resource::Nofile).current.map_or(MAX_OPEN, |limit| {
            usize::try_from(limit / LIMIT_SHARE).unwrap_or(MAX_OPEN).clamp(1, MAX_OPEN)
        });
        Mutex::new(Registry {
            open: BTreeMap::new(),
            slots: Arc::new(Semaphore::new(share)),
            withheld: 0,
            rehearsed: BTreeMap::new(),
        })
    }))
}

/// Waits for the right to open one more directory: until another one is closed, where too many are open.
pub(super) async fn slot() -> Result<Slot, Error> {
    let slots = Arc::clone(&registry().slots);
    let closed = |_| Error::new(Kind::Internal, "the slots for directories are closed");
    slots.acquire_owned().await.map(Slot).map_err(closed)
}

/// After a descriptor was refused: hands out no more slots until a directory is closed. `false`: none is open
/// that could be, so that waiting is of no use.
pub(super) fn withhold_slots() -> bool {
    let mut registry = registry();
    if registry.open.is_empty() {
        return false;
    }
    registry.withheld += registry.slots.forget_permits(registry.slots.available_permits());
    true
}

/// Whether there is no descriptor left, in the process or in the system.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

impl Directory {
    /// Opens the directory at this path, which is known to be this one, or shares the one that is open.
    pub(super) fn open(path: &Path, known: Identity, slot: Option<Slot>) -> io::Result<Opened> {
        let shared = |identity| registry().open.get(&identity).and_then(Weak::upgrade);
        if let Some(directory) = shared(known) {
            return Ok(Opened::Open(directory));
        }
        let Some(slot) = slot else { return Ok(Opened::NeedsSlot) };
        let (descriptor, is_readable) = open_descriptor(path)?;
        let descriptor = Owned::new(descriptor)?;
        let identity = identity(&rustix::fs::fstat(&descriptor)?);
        let ours = Arc::new(Directory {
            descriptor,
            identity,
            process: Process::current(),
            is_readable,
            abilities: Mutex::default(),
            names: Mutex::default(),
            _slot: slot,
        });
        let theirs = {
            let mut registry = registry();
            let theirs = registry.open.get(&identity).and_then(Weak::upgrade);
            if theirs.is_none() {
                registry.open.insert(identity, Arc::downgrade(&ours));
            }
            theirs
        };
        // Another call may have been faster; what is dropped here takes the registry's lock.
        Ok(Opened::Open(theirs.unwrap_or(ours)))
    }

    /// What it can do, once that was tried; locked, so that two calls do not try at once.
    pub(super) fn abilities(&self) -> MutexGuard<'_, Option<Abilities>> {
        lock(&self.abilities)
    }

    /// Remembers what a rehearsal has found out, for when the directory is opened again.
    pub(super) fn remember(&self, rights: Rights, abilities: Abilities) {
        let mut registry = registry();
        if registry.rehearsed.len() >= MAX_REHEARSED {
            registry.rehearsed.clear();
        }
        registry.rehearsed.insert(self.identity, (rights, abilities));
    }

    pub(super) fn rights(&self) -> io::Result<Rights> {
        let found = self.own_stat()?;
        Ok((found.st_mode, found.st_uid, found.st_gid, rustix::process::geteuid().as_raw()))
    }

    /// What was found out by a rehearsal before, or what most directories can do.
    pub(super) fn known_abilities(&self) -> Abilities {
        let known = *lock(&self.abilities);
        known.or_else(|| self.remembered(self.rights().ok()?)).unwrap_or_default()
    }

    /// What an earlier rehearsal has found out.
    pub(super) fn remembered(&self, rights: Rights) -> Option<Abilities> {
        let registry = registry();
        let (then, found) = registry.rehearsed.get(&self.identity)?;
        (*then == rights).then_some(*found)
    }

    pub(super) fn own_stat(&self) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(&self.descriptor)?)
    }

    /// Whether the directory itself was removed, so that nothing can be made in it any more.
    pub(super) fn is_removed(&self) -> bool {
        self.own_stat().is_ok_and(|found| found.st_nlink == 0)
    }

    /// Where the directory is now: at the path by which it was opened, or where it was moved to.
    pub(super) fn path(&self, opened_as: &Path) -> PathBuf {
        let is_here =
            |path: &Path| rustix::fs::stat(path).is_ok_and(|found| identity(&found) == self.identity);
        if is_here(opened_as) {
            return opened_as.to_owned();
        }
        let link = format!("/proc/self/fd/{}", self.descriptor.file().as_raw_fd());
        let moved = std::fs::read_link(link).ok().filter(|path| path.to_str().is_some() && is_here(path));
        moved.unwrap_or_else(|| opened_as.to_owned())
    }

    /// Opens a file, never through a symbolic link, and without waiting for the other end of a pipe.
    pub(super) fn open_file(&self, name: &str, flags: OFlags, mode: u32) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.descriptor, name, flags, Mode::from_raw_mode(mode))?))
    }

    /// A file without a name.
    pub(super) fn open_nameless(&self) -> io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.descriptor, ".", flags, Mode::from_raw_mode(0o600))?))
    }

    /// What has this name; `None`: nothing has. A symbolic link is found itself.
    pub(super) fn stat(&self, name: &str) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the file that is open has this name.
    pub(super) fn has(&self, name: &str, file: &File) -> io::Result<bool> {
        let open = rustix::fs::fstat(file)?;
        Ok(self.stat(name)?.is_some_and(|found| identity(&found) == identity(&open)))
    }

    pub(super) fn unlink(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty())?)
    }

    /// Removes a name that need not be there.
    pub(super) fn unlink_if_there(&self, name: &str) -> io::Result<()> {
        match self.unlink(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    pub(super) fn link(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::linkat(&self.descriptor, from, &self.descriptor, to, AtFlags::empty())?)
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.descriptor, from, &self.descriptor, to)?)
    }

    pub(super) fn rename_with(&self, from: &str, to: &str, flags: RenameFlags) -> io::Result<()> {
        Ok(rustix::fs::renameat_with(&self.descriptor, from, &self.descriptor, to, flags)?)
    }

    /// The names of all that is in the directory and is UTF-8; an error where it may not be listed.
    pub(super) fn names_in_it(&self) -> io::Result<Vec<String>> {
        if !self.is_readable {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let entries = Dir::read_from(&self.descriptor)?;
        let name = |entry: Result<rustix::fs::DirEntry, Errno>| match entry {
            Ok(entry) => entry.file_name().to_str().ok().map(|name| Ok(name.to_owned())),
            Err(error) => Some(Err(error.into())),
        };
        let is_entry = |name: &io::Result<String>| !matches!(name.as_deref(), Ok("." | ".."));
        entries.filter_map(name).filter(is_entry).collect()
    }

    /// Makes the directory's names survive a power loss. Where it can't be synced itself, the whole file
    /// system is, for which any file of it is enough.
    pub(super) fn sync_names(&self, file: &File) -> io::Result<()> {
        if self.is_readable && rustix::fs::fsync(&self.descriptor).is_ok() {
            return Ok(());
        }
        Ok(rustix::fs::syncfs(file)?)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.process != Process::current() {
            // A forked child's copy: the registry of this process has never had it.
            return;
        }
        let mut registry = registry();
        if registry.open.get(&self.identity).is_some_and(|open| open.strong_count() == 0) {
            registry.open.remove(&self.identity);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut registry = registry();
        if registry.open.is_empty() {
            let withheld = std::mem::take(&mut registry.withheld);
            registry.slots.add_permits(withheld);
        }
    }
}

/// The directory's descriptor, and whether it can be read. One that may be written to but not listed has to
/// do without.
fn open_descriptor(path: &Path) -> io::Result<(File, bool)> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags | OFlags::RDONLY, Mode::empty()) {
        Ok(descriptor) => Ok((File::from(descriptor), true)),
        Err(Errno::ACCESS | Errno::PERM) => {
            Ok((File::from(rustix::fs::open(path, flags | OFlags::PATH, Mode::empty())?), false))
        }
        Err(error) => Err(error.into()),
    }
}

/// Sixteen random hexadecimal digits, for a name that nothing else has.
pub(super) fn token() -> io::Result<String> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(sha256::hex(&random))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A directory, opened as calls open it.
    pub(in super::super) fn open(path: &Path) -> Arc<Directory> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let slot = runtime.block_on(slot()).unwrap();
        let known = identity(&rustix::fs::stat(path).unwrap());
        match Directory::open(path, known, Some(slot)).unwrap() {
            Opened::Open(directory) => directory,
            Opened::NeedsSlot => unreachable!("a slot was given"),
        }
    }

    #[test]
    fn directory_is_opened_once_and_again_after_it_was_closed() {
        let place = tempfile::tempdir().unwrap();
        let one = open(place.path());
        assert!(Arc::ptr_eq(&one, &open(place.path())));
        drop(one);
        assert!(open(place.path()).stat("none").unwrap().is_none());
        assert!(!open(place.path()).is_removed());
    }
}
