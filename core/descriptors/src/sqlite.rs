//! SQLite's system calls, replaced so that its locks hold and a forked child keeps nothing of it.
//!
//! SQLite's unix layer lets each system call be replaced at run time (`xSetSystemCall` of `sqlite3_vfs`). The
//! SQLite that is changed is the one linked into this library; a program's own is another copy and stays as
//! it is.
//!
//! - `fcntl`: open-file-description locks in the place of POSIX ones; see `fcntl.c`.
//! - `open`, `close`: the descriptors are registered, so that a forked child closes them.
//! - `mmap`: a forked child does not inherit shared memory (`MADV_DONTFORK`). A mapping keeps its file open,
//!   and with it the locks.
//! - `fstat`: in a forked child files get another device number. SQLite keeps a table of open files and their
//!   locks by device and inode, and a child inherits the table of a connection that could not be closed in
//!   time: so it never takes its parent's entry for its own.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io;
use std::ptr;
use std::sync::OnceLock;

use rusqlite::ffi::{SQLITE_OK, sqlite3_syscall_ptr, sqlite3_vfs_find};

use crate::registry::{forks, register, unregister};

unsafe extern "C" {
    fn perceptis_descriptors_fcntl(descriptor: c_int, command: c_int, ...) -> c_int;
}

/// Replaces the system calls, once for the process. To be called before the first connection is opened.
///
/// # Errors
/// Where SQLite refuses, which it does only when it was built for another system.
pub fn install() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), &'static str>> = OnceLock::new();
    INSTALLED.get_or_init(replace_all).map_err(io::Error::other)
}

fn replace_all() -> Result<(), &'static str> {
    // SAFETY: each is a function with the signature by which SQLite calls the one of that name.
    unsafe {
        replace(c"fcntl", perceptis_descriptors_fcntl as *const c_void)?;
        replace(c"open", open as *const c_void)?;
        replace(c"close", close as *const c_void)?;
        replace(c"mmap", mmap as *const c_void)?;
        replace(c"fstat", fstat as *const c_void)
    }
}

/// # Safety
/// `function` has the signature by which SQLite calls the system call of this name.
unsafe fn replace(name: &CStr, function: *const c_void) -> Result<(), &'static str> {
    // SAFETY: NULL asks for the default VFS; SQLite is initialized by the call.
    let vfs = unsafe { sqlite3_vfs_find(ptr::null()) };
    // SAFETY: NULL, or a VFS that lives as long as the process.
    let set = unsafe { vfs.as_ref() }.and_then(|vfs| vfs.xSetSystemCall).ok_or("SQLite has no unix VFS")?;
    // SAFETY: function pointers have one representation; SQLite casts it back to the type of this system
    // call.
    let function = unsafe { std::mem::transmute::<*const c_void, sqlite3_syscall_ptr>(function) };
    // SAFETY: the VFS is SQLite's own, and the caller vouches for the signature.
    let code = unsafe { set(vfs, name.as_ptr(), function) };
    if code == SQLITE_OK { Ok(()) } else { Err("SQLite does not let its system calls be replaced") }
}

unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: SQLite's own arguments.
    let descriptor = unsafe { libc::open(path, flags, mode) };
    if descriptor >= 0 && register(descriptor).is_err() {
        // SAFETY: just opened, and used by nothing.
        unsafe {
            libc::close(descriptor);
            *libc::__errno_location() = libc::EMFILE;
        }
        return -1;
    }
    descriptor
}

unsafe extern "C" fn close(descriptor: c_int) -> c_int {
    unregister(descriptor);
    // SAFETY: SQLite closes what it opened.
    unsafe { libc::close(descriptor) }
}

unsafe extern "C" fn mmap(
    address: *mut c_void,
    length: usize,
    protection: c_int,
    flags: c_int,
    descriptor: c_int,
    offset: libc::off_t,
) -> *mut c_void {
    // SAFETY: SQLite's own arguments.
    let mapped = unsafe { libc::mmap(address, length, protection, flags, descriptor, offset) };
    if mapped != libc::MAP_FAILED && flags & libc::MAP_SHARED != 0 {
        // SAFETY: just mapped. A kernel that refuses leaves the mapping to the child, which does not use it.
        unsafe { libc::madvise(mapped, length, libc::MADV_DONTFORK) };
    }
    mapped
}

unsafe extern "C" fn fstat(descriptor: c_int, found: *mut libc::stat) -> c_int {
    // SAFETY: SQLite's own arguments.
    let code = unsafe { libc::fstat(descriptor, found) };
    // SAFETY: SQLite gives a place for the answer, which fstat filled in.
    if let Some(found) = unsafe { found.as_mut() }.filter(|_| code == 0) {
        // Far above the bits that device numbers have.
        found.st_dev ^= (forks() & 0xffff) << 48;
    }
    code
}
