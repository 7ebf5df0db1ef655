//! What must hold in every order.

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use perceptis_core::{Kind, Outcome, StopReason, Tracker};
use std::num::NonZeroU64;

use crate::call::operation::{Ending, Operation};
use crate::events::completion_queue::{CompletionQueue, Taken};
use crate::events::readiness::Readiness;
use crate::events::wakeup::Wakeup;
use crate::platform::sync::lock;

/// Runs this in every order with at most three preemptions, which is where such faults are found; with more
/// where `LOOM_MAX_PREEMPTIONS` says so, as `make test-long` does.
fn every_order(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(model);
}

fn operation() -> Arc<Operation> {
    Arc::new(Operation::new(Tracker::new(perceptis_core::Operation::Run)))
}

/// The ends that an operation was given, by their kinds; "ok" is none.
type Ends = Arc<Mutex<Vec<Option<Kind>>>>;

fn ending_of(operation: &Arc<Operation>, ends: &Ends) -> Ending {
    let ends = Arc::clone(ends);
    Ending::new(Arc::clone(operation), Box::new(move |end| lock(&ends).push(kind(&end.outcome))))
}

/// An end that is good.
fn good() -> perceptis_core::End {
    Ok(String::new()).into()
}

fn kind(outcome: &Outcome) -> Option<Kind> {
    outcome.as_ref().err().map(|failure| failure.error.kind())
}

fn queue() -> (Arc<CompletionQueue>, Arc<AtomicBool>) {
    let shown = Arc::new(AtomicBool::new(false));
    (Arc::new(CompletionQueue::new(Readiness(Arc::clone(&shown)))), shown)
}

/// A call in a queue, with its end.
fn accept(queue: &Arc<CompletionQueue>, tag: u64) -> (Arc<Operation>, Ending, NonZeroU64) {
    let operation = operation();
    let number = queue.accept(tag, &operation).unwrap();
    let to = Arc::clone(queue);
    let end = Ending::new(Arc::clone(&operation), Box::new(move |end| to.end(tag, end)));
    (operation, end, number)
}

fn wakeup(gone: &Arc<AtomicBool>, waited_for: bool) -> Option<Wakeup> {
    Some(Wakeup { gone: Arc::clone(gone), waited_for })
}

fn ends(taken: &[Taken]) -> usize {
    taken.iter().filter(|taken| matches!(taken, Taken::End(..))).count()
}

#[test]
fn end_comes_once_and_with_the_first_reason_to_stop() {
    every_order(|| {
        let (operation, found) = (operation(), Ends::default());
        let ending = ending_of(&operation, &found);
        let (cancelled, closed) = (Arc::clone(&operation), Arc::clone(&operation));
        let cancels = thread::spawn(move || cancelled.stop(StopReason::Cancelled));
        let closes = thread::spawn(move || closed.stop(StopReason::Closed));
        // Its thread goes away before it has an end of its own.
        drop(ending);
        cancels.join().unwrap();
        closes.join().unwrap();
        let found = lock(&found);
        assert_eq!(found.len(), 1);
        assert!(matches!(found[0], Some(Kind::Cancelled | Kind::Closed)));
    });
}

#[test]
fn end_cancel_and_waiting_take_meet() {
    every_order(|| {
        let (queue, shown) = queue();
        let (operation, end, _) = accept(&queue, 7);
        let asks = Arc::clone(&operation);
        let task =
            thread::spawn(
                move || {
                    if asks.tracker().stopped_for().is_some() { drop(end) } else { end.with(good()) }
                },
            );
        let canceller = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.cancel(7))
        };
        let taken = queue.take(8, None).unwrap();
        assert_eq!(ends(&taken), 1);
        // The tag is free at once, although the other threads still run.
        let (_, end, _) = accept(&queue, 7);
        task.join().unwrap();
        canceller.join().unwrap();
        assert!(!shown.load(Ordering::Relaxed));
        end.with(good());
        assert!(shown.load(Ordering::Relaxed));
        assert_eq!(ends(&queue.take(8, None).unwrap()), 1);
    });
}

#[test]
fn two_waiting_threads_each_get_an_event() {
    every_order(|| {
        let (queue, shown) = queue();
        let (one, two) = (accept(&queue, 1).1, accept(&queue, 2).1);
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || ends(&queue.take(1, None).unwrap()))
            })
            .collect();
        one.with(good());
        two.with(good());
        for taker in takers {
            assert_eq!(taker.join().unwrap(), 1);
        }
        assert!(!shown.load(Ordering::Relaxed));
    });
}

#[test]
fn close_wakes_the_waiting_thread_and_loses_nothing() {
    every_order(|| {
        let (queue, shown) = queue();
        let end = accept(&queue, 1).1;
        let taker = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.take(1, None).map_or(0, |taken| ends(&taken)))
        };
        let closer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.close())
        };
        end.with(good());
        let taken = taker.join().unwrap();
        closer.join().unwrap();
        let left = queue.take(1, None).map_or(0, |taken| ends(&taken));
        assert_eq!(taken + left, 1);
        assert!(shown.load(Ordering::Relaxed), "an event loop sees that the queue was closed");
        assert!(queue.take(1, None).is_err() && queue.accept(9, &operation()).is_err());
    });
}

#[test]
fn close_wakes_threads_that_wait_for_nothing() {
    every_order(|| {
        let (queue, _) = queue();
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || assert!(queue.take(1, None).is_err()))
            })
            .collect();
        queue.close();
        for taker in takers {
            taker.join().unwrap();
        }
    });
}

#[test]
fn descriptor_is_readable_while_events_wait() {
    every_order(|| {
        let (queue, shown) = queue();
        let (one, two) = (accept(&queue, 1).1, accept(&queue, 2).1);
        let shows = move |readable| assert_eq!(shown.load(Ordering::Relaxed), readable);
        shows(false);
        one.with(good());
        two.with(good());
        shows(true);
        assert_eq!(ends(&queue.take(1, None).unwrap()), 1);
        shows(true);
        assert_eq!(ends(&queue.take(1, None).unwrap()), 1);
        shows(false);
    });
}

#[test]
fn freed_queue_has_no_event_and_calls_no_wakeup() {
    every_order(|| {
        let (queue, _) = queue();
        let gone = Arc::new(AtomicBool::new(false));
        queue.set_wakeup(wakeup(&gone, true));
        let (one, two) = (accept(&queue, 1).1, accept(&queue, 2).1);
        let task = thread::spawn(move || {
            one.with(good());
            drop(two);
        });
        queue.free();
        gone.store(true, Ordering::SeqCst);
        assert!(queue.take(8, None).is_err());
        task.join().unwrap();
        assert!(queue.take(8, None).is_err());
    });
}

#[test]
fn wakeup_that_was_replaced_is_called_no_more() {
    every_order(|| {
        let (queue, _) = queue();
        let gone = Arc::new(AtomicBool::new(false));
        queue.set_wakeup(wakeup(&gone, true));
        let end = accept(&queue, 1).1;
        let task = thread::spawn(move || end.with(good()));
        queue.set_wakeup(None);
        gone.store(true, Ordering::SeqCst);
        assert_eq!(ends(&queue.take(8, None).unwrap()), 1);
        task.join().unwrap();
    });
}

#[test]
fn wakeup_is_released_once_and_called_no_more() {
    every_order(|| {
        let (queue, _) = queue();
        let gone = Arc::new(AtomicBool::new(false));
        queue.set_wakeup_at_once(wakeup(&gone, false));
        let (one, two) = (accept(&queue, 1).1, accept(&queue, 2).1);
        let tasks = [one, two].map(|end| thread::spawn(move || end.with(good())));
        let taker = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || ends(&queue.take(1, None).unwrap()))
        };
        queue.set_wakeup_at_once(None);
        for task in tasks {
            task.join().unwrap();
        }
        assert_eq!(taker.join().unwrap(), 1);
        assert!(gone.load(Ordering::SeqCst), "it was released after the last call");
    });
}

#[test]
fn wakeup_is_released_when_its_queue_is_freed() {
    every_order(|| {
        let (queue, _) = queue();
        let gone = Arc::new(AtomicBool::new(false));
        queue.set_wakeup_at_once(wakeup(&gone, false));
        let end = accept(&queue, 1).1;
        let task = thread::spawn(move || end.with(good()));
        queue.free();
        task.join().unwrap();
        assert!(gone.load(Ordering::SeqCst));
    });
}

#[test]
fn wakeup_that_was_replaced_at_once_is_waited_for_later() {
    every_order(|| {
        let (queue, _) = queue();
        let (first, second) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        queue.set_wakeup(wakeup(&first, true));
        let end = accept(&queue, 1).1;
        let task = thread::spawn(move || end.with(good()));
        queue.set_wakeup_at_once(wakeup(&second, false));
        queue.set_wakeup(None);
        // No call of the first is in progress. The second is released after its last call.
        first.store(true, Ordering::SeqCst);
        task.join().unwrap();
        assert!(second.load(Ordering::SeqCst));
    });
}

#[test]
fn progress_is_one_event_and_never_follows_the_end() {
    every_order(|| {
        let (queue, shown) = queue();
        let (_, end, number) = accept(&queue, 1);
        let task = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                queue.progress(1, number);
                queue.progress(1, number);
                end.with(good());
                queue.progress(1, number);
            })
        };
        let (mut progress, mut ended) = (0, false);
        while !ended {
            for taken in queue.take(1, None).unwrap() {
                match taken {
                    Taken::End(..) => ended = true,
                    _ => {
                        assert!(!ended, "progress after the end");
                        progress += 1;
                    }
                }
            }
        }
        assert!(progress <= 2);
        task.join().unwrap();
        assert!(!shown.load(Ordering::Relaxed));
        // Another call with that tag is not told the progress of this one.
        let (_, end, _) = accept(&queue, 1);
        queue.progress(1, number);
        assert!(!shown.load(Ordering::Relaxed));
        drop(end);
    });
}
