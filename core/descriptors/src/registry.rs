//! The descriptors that a forked child must not keep, and which process this is.

use std::fs::File;
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use crate::lock::{Kind, lock};

/// How many such descriptors a process can have at once: a ledger has five, a directory with reserved names
/// two.
const MAX_DESCRIPTORS: usize = 2048;

const FREE: RawFd = -1;
const BEING_FILLED: RawFd = -2;

/// A descriptor and the file that it is of, so that a child never closes what has its number by then. Atomics
/// and no lock: a child may be born while another thread of its parent is in here.
struct Slot {
    descriptor: AtomicI32,
    device: AtomicU64,
    inode: AtomicU64,
}

static SLOTS: [Slot; MAX_DESCRIPTORS] = [const {
    Slot { descriptor: AtomicI32::new(FREE), device: AtomicU64::new(0), inode: AtomicU64::new(0) }
}; MAX_DESCRIPTORS];

/// Slots from here on have never been used.
static USED: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between the process that loaded the library and this one.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// The process that the slots belong to; 0 before the first descriptor.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// A process among its parents and children. The number alone may come twice: a child in a new pid namespace
/// can have its parent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    number: u32,
    forks: u64,
}

impl Process {
    /// This one.
    #[must_use]
    pub fn current() -> Process {
        Process { number: std::process::id(), forks: forks() }
    }
}

pub(crate) fn forks() -> u64 {
    FORKS.load(Ordering::Acquire)
}

/// An open file that a forked child closes. Dropped, it gives its locks back: a child that was born in that
/// very moment has the same file open, and would keep them.
#[derive(Debug)]
pub struct Owned {
    file: ManuallyDrop<File>,
    process: Process,
}

impl Owned {
    /// Registers a file, which should have been opened with `O_CLOEXEC`.
    ///
    /// # Errors
    /// `EMFILE` where the process has as many as it can; the file is closed then.
    pub fn new(file: File) -> io::Result<Owned> {
        register(file.as_raw_fd())?;
        Ok(Owned { file: ManuallyDrop::new(file), process: Process::current() })
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl AsFd for Owned {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self.process != Process::current() {
            // In a forked child the descriptor is closed already, and its number may be another file's.
            return;
        }
        // A file without locks, or on a file system without any, has nothing to give back.
        let _ = lock(&*self, Kind::Unlock, 0, 0);
        unregister(self.file.as_raw_fd());
        // SAFETY: dropped once, here, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.file) };
    }
}

/// Has forked children close this descriptor.
pub(crate) fn register(descriptor: RawFd) -> io::Result<()> {
    notice();
    let (device, inode) = identity(descriptor)?;
    for (at, slot) in SLOTS.iter().enumerate() {
        let taken = slot.descriptor.compare_exchange(FREE, BEING_FILLED, Ordering::AcqRel, Ordering::Relaxed);
        if taken.is_ok() {
            slot.device.store(device, Ordering::Relaxed);
            slot.inode.store(inode, Ordering::Relaxed);
            slot.descriptor.store(descriptor, Ordering::Release);
            USED.fetch_max(u32::try_from(at + 1).unwrap_or(u32::MAX), Ordering::AcqRel);
            return Ok(());
        }
    }
    Err(io::Error::from_raw_os_error(libc::EMFILE))
}

/// Forgets a descriptor, which is about to be closed.
pub(crate) fn unregister(descriptor: RawFd) {
    for slot in used() {
        let freed = slot.descriptor.compare_exchange(descriptor, FREE, Ordering::AcqRel, Ordering::Relaxed);
        if freed.is_ok() {
            return;
        }
    }
}

fn used() -> &'static [Slot] {
    let used = usize::try_from(USED.load(Ordering::Acquire)).unwrap_or(MAX_DESCRIPTORS);
    &SLOTS[..used.min(MAX_DESCRIPTORS)]
}

/// For a child's `pthread_atfork` handler: closes what the parent registered. Only async-signal-safe calls
/// are made.
pub fn after_fork_in_child() {
    FORKS.fetch_add(1, Ordering::AcqRel);
    OWNER.store(std::process::id(), Ordering::Release);
    for slot in used() {
        let descriptor = slot.descriptor.swap(FREE, Ordering::AcqRel);
        let known = (slot.device.load(Ordering::Relaxed), slot.inode.load(Ordering::Relaxed));
        if descriptor >= 0 && identity(descriptor).is_ok_and(|found| found == known) {
            // SAFETY: a number that is open here and is of the registered file. Its owner is the parent's,
            // and is never used in this process.
            unsafe { libc::close(descriptor) };
        }
    }
}

/// Finds out that this process is a child for which no handler ran (`_Fork`), and does what the handler would
/// have done. To be called when the program enters the library; costs one getpid(2).
pub fn notice() {
    let process = std::process::id();
    match OWNER.compare_exchange(0, process, Ordering::AcqRel, Ordering::Acquire) {
        Err(owner) if owner != process => after_fork_in_child(),
        _ => {}
    }
}

/// Which file a descriptor is of: its device and inode.
fn identity(descriptor: RawFd) -> io::Result<(u64, u64)> {
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: a number, which need not be open, and a place for the answer.
    if unsafe { libc::fstat(descriptor, found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fstat succeeded and so filled it in.
    let found = unsafe { found.assume_init() };
    Ok((found.st_dev, found.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(body: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child does only what `body` does, which takes no lock of another thread, and ends at
        // once.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let well = body();
            // SAFETY: ends the child without running what the parent has at exit.
            unsafe { libc::_exit(if well { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: a child of this process, and a place for its status.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        status == 0
    }

    #[test]
    fn child_closes_what_its_parent_registered() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let open = || File::options().read(true).write(true).open(path.path()).unwrap();
        let owned = Owned::new(open()).unwrap();
        let descriptor = owned.file().as_raw_fd();
        assert!(lock(&owned, Kind::Exclusive, 0, 1).unwrap());
        let closed = child(|| {
            after_fork_in_child();
            identity(descriptor).is_err()
        });
        assert!(closed, "the child still has the file open");
        // The parent's lock stands, and goes with the parent's own descriptor.
        assert!(!lock(open(), Kind::Exclusive, 0, 1).unwrap());
        drop(owned);
        assert!(lock(open(), Kind::Exclusive, 0, 1).unwrap());
    }

    #[test]
    fn child_leaves_a_number_that_is_another_file_by_now() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let owned = Owned::new(File::open(path.path()).unwrap()).unwrap();
        let descriptor = owned.file().as_raw_fd();
        let other = tempfile::tempfile().unwrap();
        let kept = child(|| {
            // As a daemon does that closes everything and opens its own: without a handler, before it calls
            // the library. SAFETY: both are open in this process.
            unsafe { libc::dup2(other.as_raw_fd(), descriptor) };
            notice();
            identity(descriptor).is_ok()
        });
        assert!(kept, "the child closed another file");
    }
}
