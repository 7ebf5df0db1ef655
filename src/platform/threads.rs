//! The library's own threads.

use std::cell::Cell;
use std::io;

use crate::platform::process::Process;
use perceptis_core::{Error, Kind, STACK_BYTES};

thread_local! {
    /// The process in which this is one of the library's own threads, or in a callback. Such a thread must never wait
    /// for the library; a fork's child that came from one may.
    static OWN: Cell<Option<Process>> = const { Cell::new(None) };
}

/// Starts a thread of the library's own: no signal handler of the program ever runs on it, and it never waits for the
/// library.
pub(crate) fn spawn(work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    spawn_named("perceptis", work)
}

/// The same under another name, as the system shows it.
pub(crate) fn spawn_named(name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    let _signals = SignalsBlocked::new();
    let own = move || {
        enter();
        work();
    };
    std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(own).map(drop)
}

/// Makes the thread that calls this one of the library's own, which is never cancelled: a callback can show
/// it to the program. Its signals must be blocked.
pub(crate) fn enter() {
    std::mem::forget(Uncancelled::new());
    OWN.set(Some(Process::current()));
}

/// Whether this thread must not wait for the library.
pub(crate) fn is_own() -> bool {
    OWN.get().is_some_and(Process::is_current)
}

/// Refuses a call that would wait for the library on a thread that the library waits for.
pub(crate) fn check_blocking() -> Result<(), Error> {
    if is_own() {
        return Err(Error::new(
            Kind::WouldDeadlock,
            "a blocking call from a thread of the library's own, or from a callback",
        ));
    }
    Ok(())
}

/// Runs a callback of the program's: whatever thread this is, it must not wait for the library meanwhile.
pub(crate) fn in_callback(callback: impl FnOnce()) {
    let before = OWN.replace(Some(Process::current()));
    callback();
    OWN.set(before);
}

pub(crate) fn unstartable(error: &std::io::Error) -> Error {
    Error::new(Kind::Internal, format!("the client's thread can't be started: {error}"))
}

/// Keeps this thread from being cancelled (pthread_cancel(3)) while it lives, so that no call in it is a
/// cancellation point. A cancel unwinds the stack by force, which must not come through Rust. It takes effect
/// afterwards, at the next cancellation point of the program's own.
pub(crate) struct Uncancelled(libc::c_int);

impl Uncancelled {
    pub(crate) fn new() -> Uncancelled {
        // PTHREAD_CANCEL_DISABLE of glibc and musl.
        Uncancelled(set_cancel_state(1))
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        set_cancel_state(self.0);
    }
}

/// Sets whether this thread can be cancelled, and says whether it could be before.
#[cfg(target_os = "linux")]
fn set_cancel_state(state: libc::c_int) -> libc::c_int {
    // The libc crate does not have it. In here it is not taken for a function of the header.
    unsafe extern "C" {
        fn pthread_setcancelstate(state: libc::c_int, before: *mut libc::c_int) -> libc::c_int;
    }
    let mut before = 0;
    // SAFETY: one of the two states that there are, and a place for the one before; of this thread alone.
    unsafe { pthread_setcancelstate(state, &raw mut before) };
    before
}

/// Blocks all signals in this thread while it lives, so that threads made meanwhile, and theirs, never run
/// a handler of the program.
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
