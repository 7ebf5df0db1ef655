//! The request to stop an operation from outside: by a cancel, or because its client ends.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;

use crate::error::Kind;

/// Why an operation is stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The caller does not want to wait any longer.
    Cancelled,
    /// The client ends.
    Closed,
}

impl StopReason {
    /// The error's kind, and the beginning of its sentence.
    pub(super) fn words(self) -> (Kind, &'static str) {
        match self {
            StopReason::Cancelled => (Kind::Cancelled, "the call was cancelled"),
            StopReason::Closed => (Kind::Closed, "the client was closed"),
        }
    }
}

/// Whether one operation is to stop. The first reason stays.
#[derive(Debug, Default)]
pub(super) struct Stop {
    reason: AtomicU8,
    waker: AtomicWaker,
}

impl Stop {
    pub(super) fn get(&self) -> Option<StopReason> {
        match self.reason.load(Ordering::Acquire) {
            1 => Some(StopReason::Cancelled),
            2 => Some(StopReason::Closed),
            _ => None,
        }
    }

    pub(super) fn set(&self, reason: StopReason) {
        let number = match reason {
            StopReason::Cancelled => 1,
            StopReason::Closed => 2,
        };
        // Err means that there is a reason already.
        let _ = self.reason.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire);
        self.waker.wake();
    }

    /// Waits until there is a reason.
    pub(super) async fn requested(&self) -> StopReason {
        poll_fn(|context| {
            self.waker.register(context.waker());
            self.get().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}
