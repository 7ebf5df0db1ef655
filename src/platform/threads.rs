//! Threads: those of the library, and what the library does to a calling thread.

use std::cell::Cell;
use std::io;

use crate::platform::process::Process;
use perceptis_core::{Error, Kind, STACK_BYTES};

thread_local! {
    /// The process in which this thread is the library's own, or runs a callback. Such a thread must never
    /// wait for the library. In a fork's child that it made, it may.
    static OWN: Cell<Option<Process>> = const { Cell::new(None) };
}

/// Starts a thread of the library. No signal handler of the program ever runs on it, and it never waits for
/// the library.
pub(crate) fn spawn(work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    spawn_named("perceptis", work)
}

/// Starts a thread of the library that has this name in the system's lists.
pub(crate) fn spawn_named(name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    let _signals = SignalsBlocked::new();
    let own = move || {
        enter();
        work();
    };
    std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(own).map(drop)
}

/// Makes the calling thread one of the library's own. It can't be cancelled from now on, since a callback can
/// show it to the program. Its signals must be blocked before.
pub(crate) fn enter() {
    std::mem::forget(Uncancelled::new());
    OWN.set(Some(Process::current()));
}

/// Whether this thread must not wait for the library.
pub(crate) fn is_own() -> bool {
    OWN.get().is_some_and(Process::is_current)
}

/// Refuses a blocking call on a thread that the library itself waits for.
pub(crate) fn check_blocking() -> Result<(), Error> {
    if is_own() {
        return Err(Error::new(
            Kind::WouldDeadlock,
            "a blocking call from a thread of the library's own, or from a callback",
        ));
    }
    Ok(())
}

/// Runs a callback of the program. The thread must not wait for the library meanwhile.
pub(crate) fn in_callback(callback: impl FnOnce()) {
    let before = OWN.replace(Some(Process::current()));
    callback();
    OWN.set(before);
}

/// The error of a thread that can't be started.
pub(crate) fn unstartable(error: &std::io::Error) -> Error {
    Error::new(Kind::Internal, format!("the client's thread can't be started: {error}"))
}

/// Disables the cancellation of this thread (pthread_cancel(3)) while this value lives. A cancellation
/// unwinds the stack by force, which must not happen in Rust. It takes effect afterwards, at the program's
/// next cancellation point.
pub(crate) struct Uncancelled(libc::c_int);

impl Uncancelled {
    pub(crate) fn new() -> Uncancelled {
        // 1 is PTHREAD_CANCEL_DISABLE of glibc and musl.
        Uncancelled(set_cancel_state(1))
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        set_cancel_state(self.0);
    }
}

/// Sets whether this thread can be cancelled, and returns the state before.
#[cfg(target_os = "linux")]
fn set_cancel_state(state: libc::c_int) -> libc::c_int {
    // The libc crate does not have this function. cbindgen would take a declaration outside for one of the
    // header.
    unsafe extern "C" {
        fn pthread_setcancelstate(state: libc::c_int, before: *mut libc::c_int) -> libc::c_int;
    }
    let mut before = 0;
    // SAFETY: one of the two states that there are, and a place for the one before; of this thread alone.
    unsafe { pthread_setcancelstate(state, &raw mut before) };
    before
}

/// Blocks all signals in this thread while this value lives. A thread that is started meanwhile inherits
/// that, so that it never runs a signal handler of the program.
pub(crate) struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    pub(crate) fn new() -> SignalsBlocked {
        let mut all = std::mem::MaybeUninit::uninit();
        let mut before = std::mem::MaybeUninit::uninit();
        // SAFETY: sigfillset initializes its set, pthread_sigmask reads the first and writes the second; both
        // can fail only for arguments that these are not.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            SignalsBlocked(before.assume_init())
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the set is the one that this thread had.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}
