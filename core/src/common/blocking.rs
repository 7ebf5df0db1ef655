//! Work that blocks, on a thread that may: file work must not hold up the thread that drives the sockets.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::{Error, Kind};

/// How long to wait before a thread is asked for again. The wall's time: it is other programs that have to
/// end.
const THREAD_WAIT: Duration = Duration::from_millis(500);

thread_local! {
    /// Whether the runtime that this thread drives can have a thread for what blocks. The first one is kept,
    /// since the system may have none left when it is needed again, in the middle of a file that is paid for.
    static HAS_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Waits until there is a thread for what blocks, or can be: without one the runtime would panic.
pub(crate) async fn have_thread() {
    while !HAS_THREAD.get() {
        let trial = std::thread::Builder::new().spawn(|| {});
        match trial.map(std::thread::JoinHandle::join) {
            Ok(_) => HAS_THREAD.set(true),
            Err(_) => tokio::time::sleep(THREAD_WAIT).await,
        }
    }
}

/// Runs file work on a thread that may block, once there is one.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let closed = || Error::new(Kind::Closed, "the client was closed while a file was being written");
    let (sender, result) = oneshot::channel();
    // Boxed, so that there is one kind of task: each kind is three kilobytes of the library.
    let work: Box<dyn FnOnce() + Send> = Box::new(move || {
        // Nobody listens any more only when the operation was ended.
        let _ = sender.send(work());
    });
    have_thread().await;
    match tokio::task::spawn_blocking(work).await {
        Ok(()) => result.await.unwrap_or_else(|_| Err(closed())),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(closed()),
        },
    }
}
