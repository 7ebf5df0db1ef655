//! Work that blocks, on a thread that may: file work must not hold up the thread that drives the sockets.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

use crate::error::{Error, Kind};

/// The stack of each thread of the library's, in bytes. Where none is given, Rust looks for `RUST_MIN_STACK`
/// in the environment, which the program may be changing.
pub const STACK_BYTES: usize = 2 << 20;

/// How long to wait before a thread is asked for again. The wall's time: it is other programs that have to
/// end.
const THREAD_WAIT: Duration = Duration::from_millis(500);

/// How long an operation that is stopped waits for its file work. The wall's time: a network file system may
/// hang. It is a part of the 2 s by which a call may end after its deadline.
const ABANDONED_WAIT: Duration = Duration::from_millis(1_500);

thread_local! {
    /// Whether the runtime that this thread drives can have a thread for what blocks. The first one is kept,
    /// since the system may have none left when it is needed again, in the middle of a file that is paid for.
    static HAS_THREAD: Cell<bool> = const { Cell::new(false) };
    /// The file work whose futures are being dropped by [`abandon`] on this thread.
    static ABANDONED: RefCell<Option<Vec<JoinHandle<()>>>> = const { RefCell::new(None) };
}

/// File work that runs. When it is dropped the work goes on, and [`abandon`] waits for its end.
struct Running(Option<JoinHandle<()>>);

impl Future for Running {
    type Output = Result<(), JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(handle) = &mut self.0 else { return Poll::Ready(Ok(())) };
        let polled = Pin::new(handle).poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            ABANDONED.with_borrow_mut(|abandoned| abandoned.as_mut().map(|abandoned| abandoned.push(handle)));
        }
    }
}

/// Drops the steps of an operation. `Some`: they have left file work running. The operation waits for it,
/// 1.5 s at most, so that what it holds, such as a reserved name, is free before the operation's end is
/// told.
pub(crate) fn abandon(steps: impl Send) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
    let outer = ABANDONED.replace(Some(Vec::new()));
    // A panic of a destructor passes on; the next call here begins with an empty list.
    drop(steps);
    let abandoned = ABANDONED.replace(outer).filter(|abandoned| !abandoned.is_empty())?;
    let all = async {
        for work in abandoned {
            // A panic of the work has no operation left that it could fail.
            let _ = work.await;
        }
    };
    Some(Box::pin(async {
        // Work that takes longer gives back what it holds when it ends.
        let _ = tokio::time::timeout(ABANDONED_WAIT, all).await;
    }))
}

/// Waits until there is a thread for what blocks, or can be: without one the runtime would panic.
pub(crate) async fn have_thread() {
    while !HAS_THREAD.get() {
        let trial = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(|| {});
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
        // The receiver is gone only when the operation was stopped.
        let _ = sender.send(work());
    });
    have_thread().await;
    match Running(Some(tokio::task::spawn_blocking(work))).await {
        Ok(()) => result.await.unwrap_or_else(|_| Err(closed())),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(closed()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn stopped_operation_waits_for_the_file_work_that_it_has_left() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (go, wait) = mpsc::channel();
            let is_done = Arc::new(AtomicBool::new(false));
            let done = Arc::clone(&is_done);
            let mut steps = Box::pin(blocking(move || {
                wait.recv().unwrap();
                done.store(true, Ordering::SeqCst);
                Ok(())
            }));
            std::future::poll_fn(|context| {
                assert!(steps.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
            let left = abandon(steps).unwrap();
            go.send(()).unwrap();
            left.await;
            assert!(is_done.load(Ordering::SeqCst));
        });
    }
}
