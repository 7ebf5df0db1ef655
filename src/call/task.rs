//! The task of an operation, which runs on a client's threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use perceptis_core::{End, Error, Kind};

use crate::boundary::guard;
use crate::call::operation::Ending;

/// An operation's steps.
pub(crate) type Work = Pin<Box<dyn Future<Output = End> + Send>>;

/// An operation's steps and its ending. The steps can come to their own end, panic, or be dropped. In each
/// case they give back what they hold first, and then the operation ends, so that a program which has the end
/// finds names and files free.
pub(crate) struct Task {
    work: Option<Work>,
    ending: Option<Ending>,
}

impl Task {
    pub(crate) fn new(work: Work, ending: Ending) -> Task {
        Task { work: Some(work), ending: Some(ending) }
    }

    /// Drops the steps, which gives back what they hold. A panic in a drop changes nothing of the operation's
    /// end.
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
        let end = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(end)) => Ok(end),
            Err(panic) => Err(guard::panicked(panic.as_ref())),
        };
        self.drop_work();
        if let Some(ending) = self.ending.take() {
            // A panic makes the operation fail, with all that is known of its job.
            let failed = |panic: Error| {
                Err(ending.tracker().interrupted_error(Kind::Internal, panic.message()).into()).into()
            };
            let end = end.unwrap_or_else(failed);
            ending.with(end);
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

    use perceptis_core::{Outcome, StopReason, Tracker};

    use super::*;
    use crate::call::operation::Operation;
    use crate::platform::sync::Arc;
    use crate::runtime::builder::RuntimeBuilder;
    use crate::runtime::worker::Worker;

    /// Runs these steps on a thread of the library and returns every outcome that came. With `stop` the
    /// thread ends while they run.
    fn outcomes(work: Work, stop: bool) -> Vec<Outcome> {
        let _ = guard::guarded(|| Ok(()));
        let (sender, receiver) = mpsc::channel();
        let operation = Arc::new(Operation::new(Tracker::new(perceptis_core::Operation::Run)));
        let deliver = Box::new(move |end: End| sender.send(end.outcome).unwrap());
        let ending = Ending::new(Arc::clone(&operation), deliver);
        let worker = Worker::start(&RuntimeBuilder::new()).unwrap();
        worker.runtime().spawn(Task::new(work, ending));
        if stop {
            operation.stop(StopReason::Cancelled);
            drop(worker);
            return receiver.into_iter().collect();
        }
        let first = receiver.recv().unwrap();
        drop(worker);
        std::iter::once(first).chain(receiver).collect()
    }

    fn only_error(outcomes: Vec<Outcome>) -> Error {
        let [Err(failure)] = <[Outcome; 1]>::try_from(outcomes).unwrap() else { panic!("it did not fail") };
        failure.error
    }

    /// Something that an operation holds, and that panics when it is dropped.
    struct Fragile;

    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("given back by force");
        }
    }

    #[test]
    fn panic_is_the_operations_one_end() {
        let error = only_error(outcomes(Box::pin(async { panic!("by {}", "design") }), false));
        assert_eq!(error.kind(), Kind::Internal);
        assert!(error.message().contains("by design"), "{error}");
    }

    #[test]
    fn outcome_is_kept_when_the_steps_panic_on_their_way_out() {
        struct Steps(Fragile);
        impl Future for Steps {
            type Output = End;
            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<End> {
                Poll::Ready(Ok("result".to_owned()).into())
            }
        }
        let outcomes = outcomes(Box::pin(Steps(Fragile)), false);
        assert_eq!((outcomes.len(), outcomes[0].as_deref().unwrap()), (1, "result"));
    }

    #[test]
    fn task_that_loses_its_thread_ends_once() {
        let held = Fragile;
        let work = async move {
            let _held = &held;
            std::future::pending().await
        };
        assert_eq!(only_error(outcomes(Box::pin(work), true)).kind(), Kind::Cancelled);
    }
}
