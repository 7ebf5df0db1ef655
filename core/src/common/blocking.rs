//! Work that blocks, on a thread that may: file work must not hold up the thread that drives the sockets.

use tokio::sync::oneshot;

use crate::error::{Error, Kind};

/// Runs file work on a thread that may block.
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
    match tokio::task::spawn_blocking(work).await {
        Ok(()) => result.await.unwrap_or_else(|_| Err(closed())),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(closed()),
        },
    }
}
