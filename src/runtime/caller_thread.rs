//! The short way of a blocking call: on the thread that makes it.
//!
//! The client's own thread is a detour of two wake-ups, which cost more than all else of a call on a warm connection. A
//! lane is a runtime without a thread, driven by the calling thread, and only during the call; it has connections of its own.
//! One call at a time has it: others go by the client's thread.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::time::Sleep;

use perceptis_core::Error;

use crate::call::task::Task;
use crate::platform::threads;
use crate::runtime::builder::Runtimes;

/// How far ahead a lane's own timer is set.
const AHEAD: Duration = Duration::from_millis(100);

/// A runtime that the calling thread drives.
pub(crate) struct Lane {
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
    /// One that comes before those of most calls: a runtime is woken for a timer that is earlier than all others, which
    /// with two timers in each call would be two writes and a turn for nothing.
    first_timer: Option<Pin<Box<Sleep>>>,
}

impl Lane {
    /// Whether this thread can drive one: not when the process exits and the thread has lost what that needs, nor
    /// inside another runtime.
    pub(crate) fn fits() -> bool {
        Handle::try_current().is_err_and(|error| error.is_missing_context())
    }

    pub(crate) fn new(runtimes: &Runtimes) -> Result<Lane, Error> {
        let runtime = runtimes.build().map_err(|error| threads::unstartable(&error))?;
        Ok(Lane { runtime: Some(runtime), first_timer: None })
    }

    /// Runs an operation to its end.
    pub(crate) fn run(&mut self, task: Task) {
        let Some(runtime) = &self.runtime else { return };
        runtime.block_on(async {
            if self.first_timer.as_ref().is_none_or(|timer| timer.is_elapsed()) {
                let timer = self.first_timer.insert(Box::pin(tokio::time::sleep(AHEAD)));
                // Asked once, it is set.
                let _ = std::future::poll_fn(|context| Poll::Ready(timer.as_mut().poll(context))).await;
            }
            task.await;
        });
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Also in a callback, on a thread that drives another client's lane.
            runtime.shutdown_background();
        }
    }
}
