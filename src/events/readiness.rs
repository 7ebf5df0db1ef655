//! The descriptor of a queue, which is readable while events wait: one end of a socket pair.
//!
//! It is a socket pair because Node refuses an eventfd and because a write to a pipe can raise SIGPIPE. At
//! most one byte is under way, so neither end can fill up or block. A program that reads the byte, against
//! the rules, misses no later event.

use std::io;
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream;

/// A socket pair of which the program watches one end.
pub(crate) struct Readiness {
    program: UnixStream,
    own: UnixStream,
    readable: bool,
}

impl Readiness {
    /// Makes a pair that is not readable yet. Both ends are non-blocking, and closed by exec.
    pub(crate) fn new() -> io::Result<Readiness> {
        let (program, own) = UnixStream::pair()?;
        program.set_nonblocking(true)?;
        own.set_nonblocking(true)?;
        Ok(Readiness { program, own, readable: false })
    }

    /// The end that a program's event loop watches.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.program.as_raw_fd()
    }

    /// Makes the program's end readable, or not readable.
    pub(crate) fn set(&mut self, readable: bool) {
        if std::mem::replace(&mut self.readable, readable) == readable {
            return;
        }
        let mut byte = 0u8;
        // SAFETY: both sockets are open as long as this is, and the buffer has its one byte. The send has
        // room, since the byte before was received; the receive finds its byte, or nothing if the program
        // read it. Both are cancellation points, where a cancel would unwind through Rust: the library's
        // threads are never cancelled, and the program's are not while they are in `guard::guarded`.
        unsafe {
            if readable {
                let data = (&raw const byte).cast();
                libc::send(self.own.as_raw_fd(), data, 1, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT);
            } else {
                libc::recv(self.program.as_raw_fd(), (&raw mut byte).cast(), 1, libc::MSG_DONTWAIT);
            }
        }
    }
}
