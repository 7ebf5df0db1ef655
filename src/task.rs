//! What runs on a client's threads for one operation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use perceptis_core::{Error, Kind, Outcome};

use crate::guard;
use crate::operation::End;

/// An operation's steps.
pub(crate) type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// An operation's steps and its end. Whether the steps come to their own end, panic, or are dropped: what they hold
/// is given back first, then the operation ends, so that whoever hears of it finds names and files free.
pub(crate) struct Task {
    work: Option<Work>,
    end: Option<End>,
}

impl Task {
    pub(crate) fn new(work: Work, end: End) -> Task {
        Task { work: Some(work), end: Some(end) }
    }

    /// Gives back what the steps hold. A panic on the way says nothing that the operation's end does not.
    fn drop_work(&mut self) {
        let work = self.work.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(work)));
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(work) = self.work.as_mut() else { return Poll::Ready(()) };
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        let outcome = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => Ok(outcome),
            Err(panic) => Err(guard::panicked(panic.as_ref())),
        };
        self.drop_work();
        if let Some(end) = self.end.take() {
            // A panic is the operation's failure, with all that is known of its job.
            let failed = |panic: Error| Err(end.tracker().end(Kind::Internal, panic.message()).into());
            let outcome = outcome.unwrap_or_else(failed);
            end.with(outcome);
        }
        Poll::Ready(())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.drop_work();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use perceptis_core::Tracker;

    use super::*;
    use crate::operation::{Operation, Stop};
    use crate::sync::Arc;
    use crate::worker::Worker;

    /// Runs these steps on a thread of the library's and returns every end that came.
    fn ends(work: Work, stop: bool) -> Vec<Outcome> {
        let _ = guard::guarded(|| Ok(()));
        let (sender, receiver) = mpsc::channel();
        let operation = Arc::new(Operation::new(Tracker::new("run")));
        let deliver = Box::new(move |outcome| sender.send(outcome).unwrap());
        let end = End::new(Arc::clone(&operation), deliver);
        let worker = Worker::start().unwrap();
        operation.started(worker.runtime().spawn(Task::new(work, end)).abort_handle().into());
        if stop {
            operation.stop(Stop::Cancelled);
        }
        let first = receiver.recv().unwrap();
        drop(worker);
        std::iter::once(first).chain(receiver).collect()
    }

    fn only_error(ends: Vec<Outcome>) -> Error {
        let [Err(failure)] = <[Outcome; 1]>::try_from(ends).unwrap() else { panic!("it did not fail") };
        failure.error
    }

    /// What an operation might hold, and panics when it is given back.
    struct Fragile;

    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("given back by force");
        }
    }

    #[test]
    fn a_panic_is_the_operations_one_end() {
        let error = only_error(ends(Box::pin(async { panic!("by {}", "design") }), false));
        assert_eq!(error.kind(), Kind::Internal);
        assert!(error.message().contains("by design"), "{error}");
    }

    #[test]
    fn an_outcome_is_kept_when_what_the_steps_hold_is_given_back_by_force() {
        struct Steps(Fragile);
        impl Future for Steps {
            type Output = Outcome;
            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Outcome> {
                Poll::Ready(Ok("result".to_owned()))
            }
        }
        let ends = ends(Box::pin(Steps(Fragile)), false);
        assert_eq!((ends.len(), ends[0].as_deref().unwrap()), (1, "result"));
    }

    #[test]
    fn a_cancelled_task_ends_once() {
        let held = Fragile;
        let work = async move {
            let _held = &held;
            std::future::pending().await
        };
        assert_eq!(only_error(ends(Box::pin(work), true)).kind(), Kind::Cancelled);
    }
}
