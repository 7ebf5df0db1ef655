//! Open-file-description locks on byte ranges of a file.

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any number of descriptions may have it at once; the descriptor must be readable.
    Shared,
    /// One description only; the descriptor must be writable.
    Exclusive,
    /// Gives the range back.
    Unlock,
}

impl Kind {
    fn code(self) -> libc::c_short {
        let code = match self {
            Kind::Shared => libc::F_RDLCK,
            Kind::Exclusive => libc::F_WRLCK,
            Kind::Unlock => libc::F_UNLCK,
        };
        // F_RDLCK and its like are 0 to 2 on every platform; the types of the constants differ.
        code as libc::c_short
    }
}

/// Takes or gives back a lock on `length` bytes from `start` on (0: to the end of any file) without waiting.
/// `false`: another open file description has a lock that conflicts. The range need not exist in the file.
///
/// # Errors
/// What fcntl(2) says: `EINVAL` and `EOPNOTSUPP` where the kernel or the file system has no such locks,
/// `EBADF` where the descriptor is not open for what `kind` needs.
pub fn lock(file: impl AsFd, kind: Kind, start: u64, length: u64) -> io::Result<bool> {
    match control(file.as_fd(), libc::F_OFD_SETLK, kind, start, length) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether another open file description has a lock on the range that conflicts with this kind. The
/// descriptor may be read-only for both kinds.
///
/// # Errors
/// As [`lock`].
pub fn is_locked(file: impl AsFd, kind: Kind, start: u64, length: u64) -> io::Result<bool> {
    let found = control(file.as_fd(), libc::F_OFD_GETLK, kind, start, length)?;
    Ok(found != Kind::Unlock.code())
}

/// One call of fcntl(2); the type of lock that the kernel left in the structure.
fn control(
    file: BorrowedFd<'_>,
    command: libc::c_int,
    kind: Kind,
    start: u64,
    length: u64,
) -> io::Result<libc::c_short> {
    let too_far = |_| io::Error::from_raw_os_error(libc::EOVERFLOW);
    // SAFETY: a plain C structure of integers, for which all zeroes is a value; `l_pid` has to be 0.
    let mut range: libc::flock = unsafe { zeroed() };
    range.l_type = kind.code();
    range.l_whence = libc::SEEK_SET as libc::c_short;
    range.l_start = libc::off_t::try_from(start).map_err(too_far)?;
    range.l_len = libc::off_t::try_from(length).map_err(too_far)?;
    // SAFETY: the descriptor is borrowed and so open, and the structure lives for the call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut range) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(range.l_type) }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn lock_conflicts_with_other_descriptions_of_this_process_too() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let open = || File::options().read(true).write(true).open(path.path()).unwrap();
        let (one, two) = (open(), open());
        assert!(lock(&one, Kind::Exclusive, 5, 1).unwrap());
        assert!(!lock(&two, Kind::Exclusive, 5, 1).unwrap());
        assert!(is_locked(&two, Kind::Shared, 0, 0).unwrap());
        assert!(!is_locked(&one, Kind::Exclusive, 0, 0).unwrap(), "its own lock is none for it");
        assert!(lock(&two, Kind::Exclusive, 6, 1).unwrap(), "another byte");
        // Closing any other descriptor of the file releases nothing, which a POSIX lock would not bear.
        drop(open());
        assert!(!lock(&two, Kind::Shared, 5, 1).unwrap());
        drop(one);
        assert!(lock(&two, Kind::Shared, 5, 1).unwrap());
    }

    #[test]
    fn lock_refuses_a_range_beyond_any_file() {
        let file = tempfile::tempfile().unwrap();
        assert!(lock(&file, Kind::Exclusive, u64::MAX, 1).is_err());
        assert!(lock(&file, Kind::Exclusive, (1 << 62) + 7, 1).unwrap());
    }
}
