//! The machine of one history: its clocks, its boots and its failing disk, in a file that `clock.c` maps into
//! the workers.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, Ordering::SeqCst};

/// Kinds of calls that can fail, as `clock.c` has them.
pub const WRITE: u32 = 1;
pub const SYNC: u32 = 2;
pub const CREATE: u32 = 4;
pub const RENAME: u32 = 8;
pub const UNLINK: u32 = 16;

/// As in `clock.c`.
#[repr(C)]
struct Fault {
    kinds: AtomicU32,
    error: AtomicI32,
    skip: AtomicI32,
    left: AtomicI32,
    root: [u8; 256],
    part: [u8; 64],
}

#[repr(C)]
struct Shared {
    wall_ns: AtomicI64,
    boot_ns: AtomicI64,
    boot_number: AtomicU32,
    die_pid: AtomicI32,
    die_after: AtomicI32,
    root: [u8; 256],
    faults: [Fault; 2],
}

/// Calls that fail.
pub struct Failing<'a> {
    pub kinds: u32,
    pub error: i32,
    pub skip: i32,
    pub count: i32,
    pub below: &'a Path,
    /// What the path contains besides.
    pub part: &'a str,
}

pub struct Machine(*mut Shared);

// SAFETY: all that changes after the start is atomic, or changed while the fault that reads it is off.
unsafe impl Send for Machine {}
// SAFETY: as above.
unsafe impl Sync for Machine {}

impl Machine {
    /// Makes the file; `root` is the directory in which `die` counts calls.
    pub fn new(path: &Path, root: &Path) -> Machine {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).unwrap();
        let size = size_of::<Shared>();
        file.set_len(size as u64).unwrap();
        // SAFETY: the file is as large as the mapping and open for both.
        let mapped = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(ptr::null_mut(), size, access, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        assert_ne!(mapped, libc::MAP_FAILED);
        let machine = Machine(mapped.cast());
        // SAFETY: no process reads it yet.
        unsafe { copy(root.to_str().unwrap(), &mut (*machine.0).root) };
        machine
    }

    fn shared(&self) -> &Shared {
        // SAFETY: the mapping lives as long as this, and all zeros are a value.
        unsafe { &*self.0 }
    }

    /// Moves the wall clock.
    pub fn shift_wall(&self, ns: i64) {
        self.shared().wall_ns.fetch_add(ns, SeqCst);
    }

    /// Moves the boot-time clock.
    pub fn shift_boot(&self, ns: i64) {
        self.shared().boot_ns.fetch_add(ns, SeqCst);
    }

    /// The wall clock is this far from the true one.
    pub fn set_wall(&self, ns: i64) {
        self.shared().wall_ns.store(ns, SeqCst);
    }

    /// A boot begins: the boot-time clock stands at five seconds.
    pub fn reboot(&self) {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the place for the answer is valid.
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now) }, 0);
        let shared = self.shared();
        shared.boot_ns.store(5_000_000_000 - now.tv_sec * 1_000_000_000 - now.tv_nsec, SeqCst);
        shared.boot_number.fetch_add(1, SeqCst);
    }

    /// Has a process die before its so many-th call that changes something.
    pub fn die(&self, pid: i32, calls: i32) {
        self.shared().die_pid.store(0, SeqCst);
        self.shared().die_after.store(calls, SeqCst);
        self.shared().die_pid.store(pid, SeqCst);
    }

    /// Has calls fail; there are two such orders at a time.
    pub fn fail(&self, which: usize, failing: &Failing<'_>) {
        self.heal(which);
        // SAFETY: this thread alone writes it, and it is off.
        unsafe {
            let fault = &raw mut (*self.0).faults[which];
            copy(failing.below.to_str().unwrap(), &mut (*fault).root);
            copy(failing.part, &mut (*fault).part);
        }
        let fault = &self.shared().faults[which];
        fault.error.store(failing.error, SeqCst);
        fault.skip.store(failing.skip, SeqCst);
        fault.left.store(failing.count, SeqCst);
        fault.kinds.store(failing.kinds, SeqCst);
    }

    pub fn heal(&self, which: usize) {
        self.shared().faults[which].kinds.store(0, SeqCst);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: mapped so large by `new`, and used by nobody else.
        unsafe { libc::munmap(self.0.cast(), size_of::<Shared>()) };
    }
}

fn copy(text: &str, to: &mut [u8]) {
    assert!(text.len() < to.len());
    to.fill(0);
    to[..text.len()].copy_from_slice(text.as_bytes());
}
