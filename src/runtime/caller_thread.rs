//! A runtime that the calling thread drives, for short blocking calls.
//!
//! A call through the client's worker costs two wake-ups of threads, which is more than all else of a call on
//! a warm connection. This runtime has no thread: the calling thread drives it, and only during the call. It
//! has connections of its own. One call at a time uses it; other calls go through the worker.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::time::Sleep;

use perceptis_core::Error;

use crate::call::task::Task;
use crate::platform::threads;
use crate::runtime::builder::RuntimeBuilder;

/// How far ahead the placeholder timer is set.
const AHEAD: Duration = Duration::from_millis(100);

/// A runtime that the calling thread drives.
pub(crate) struct CallerRuntime {
    /// `None` only while this is dropped.
    runtime: Option<Runtime>,
    /// A placeholder timer that expires before any call's own timers. A timer that is added as the earliest
    /// of all wakes the runtime, which is a write and an extra turn. While this one is pending, the two
    /// timeouts of a call do not.
    first_timer: Option<Pin<Box<Sleep>>>,
}

impl CallerRuntime {
    /// Whether this thread can drive such a runtime. It can't inside another runtime, nor in a handler of
    /// atexit, where the thread has lost what that needs.
    pub(crate) fn fits() -> bool {
        Handle::try_current().is_err_and(|error| error.is_missing_context())
    }

    pub(crate) fn new(builder: &RuntimeBuilder) -> Result<CallerRuntime, Error> {
        let runtime = builder.build().map_err(|error| threads::unstartable(&error))?;
        Ok(CallerRuntime { runtime: Some(runtime), first_timer: None })
    }

    /// Runs an operation to its end.
    pub(crate) fn run(&mut self, task: Task) {
        let Some(runtime) = &self.runtime else { return };
        runtime.block_on(async {
            if self.first_timer.as_ref().is_none_or(|timer| timer.is_elapsed()) {
                let timer = self.first_timer.insert(Box::pin(tokio::time::sleep(AHEAD)));
                // The first poll sets the timer.
                let _ = std::future::poll_fn(|context| Poll::Ready(timer.as_mut().poll(context))).await;
            }
            task.await;
        });
    }
}

impl Drop for CallerRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // This does not wait, so it may happen in a callback, on a thread that drives another client's
            // runtime.
            runtime.shutdown_background();
        }
    }
}
