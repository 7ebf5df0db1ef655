//! What must hold in every order.

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use perceptis_core::{Kind, Outcome, StopReason, Tracker};
use std::num::NonZeroU64;

use crate::call::operation::{Ending, Operation};
use crate::events::completion_queue::{Inbox, Taken};
use crate::events::readiness::Signal;
use crate::events::wakeup::Doorbell;
use crate::platform::sync::lock;

/// Runs this in every order with at most three preemptions, which is where such faults are found; with more where
/// `LOOM_MAX_PREEMPTIONS` says so, as `make test-long` does.
fn every_order(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(model);
}

fn operation() -> Arc<Operation> {
    Arc::new(Operation::new(Tracker::new("run")))
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

fn inbox() -> (Arc<Inbox>, Arc<AtomicBool>) {
    let shown = Arc::new(AtomicBool::new(false));
    (Arc::new(Inbox::new(Signal(Arc::clone(&shown)))), shown)
}

/// A call in an inbox, with its end.
fn accept(inbox: &Arc<Inbox>, tag: u64) -> (Arc<Operation>, Ending, NonZeroU64) {
    let operation = operation();
    let number = inbox.accept(tag, &operation).unwrap();
    let to = Arc::clone(inbox);
    let end = Ending::new(Arc::clone(&operation), Box::new(move |end| to.end(tag, end)));
    (operation, end, number)
}

fn doorbell(gone: &Arc<AtomicBool>, waited_for: bool) -> Option<Doorbell> {
    Some(Doorbell { gone: Arc::clone(gone), waited_for })
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
fn an_end_a_cancel_and_a_waiting_take_meet() {
    every_order(|| {
        let (inbox, shown) = inbox();
        let (operation, end, _) = accept(&inbox, 7);
        let asks = Arc::clone(&operation);
        let task =
            thread::spawn(
                move || {
                    if asks.tracker().stopped_for().is_some() { drop(end) } else { end.with(good()) }
                },
            );
        let canceller = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || inbox.cancel(7))
        };
        let taken = inbox.take(8, None).unwrap();
        assert_eq!(ends(&taken), 1);
        // The tag is free at once, whoever still is on the way.
        let (_, end, _) = accept(&inbox, 7);
        task.join().unwrap();
        canceller.join().unwrap();
        assert!(!shown.load(Ordering::Relaxed));
        end.with(good());
        assert!(shown.load(Ordering::Relaxed));
        assert_eq!(ends(&inbox.take(8, None).unwrap()), 1);
    });
}

#[test]
fn of_two_waiting_threads_each_gets_its_event() {
    every_order(|| {
        let (inbox, shown) = inbox();
        let (one, two) = (accept(&inbox, 1).1, accept(&inbox, 2).1);
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || ends(&inbox.take(1, None).unwrap()))
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
fn closing_wakes_whoever_waits_and_loses_nothing() {
    every_order(|| {
        let (inbox, shown) = inbox();
        let end = accept(&inbox, 1).1;
        let taker = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || inbox.take(1, None).map_or(0, |taken| ends(&taken)))
        };
        let closer = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || inbox.close())
        };
        end.with(good());
        let taken = taker.join().unwrap();
        closer.join().unwrap();
        let left = inbox.take(1, None).map_or(0, |taken| ends(&taken));
        assert_eq!(taken + left, 1);
        assert!(shown.load(Ordering::Relaxed), "whoever watches the descriptor hears of it");
        assert!(inbox.take(1, None).is_err() && inbox.accept(9, &operation()).is_err());
    });
}

#[test]
fn closing_wakes_whoever_waits_for_nothing() {
    every_order(|| {
        let (inbox, _) = inbox();
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || assert!(inbox.take(1, None).is_err()))
            })
            .collect();
        inbox.close();
        for taker in takers {
            taker.join().unwrap();
        }
    });
}

#[test]
fn the_descriptor_shows_what_is_there() {
    every_order(|| {
        let (inbox, shown) = inbox();
        let (one, two) = (accept(&inbox, 1).1, accept(&inbox, 2).1);
        let shows = move |readable| assert_eq!(shown.load(Ordering::Relaxed), readable);
        shows(false);
        one.with(good());
        two.with(good());
        shows(true);
        assert_eq!(ends(&inbox.take(1, None).unwrap()), 1);
        shows(true);
        assert_eq!(ends(&inbox.take(1, None).unwrap()), 1);
        shows(false);
    });
}

#[test]
fn after_it_is_freed_no_event_comes_and_no_doorbell_rings() {
    every_order(|| {
        let (inbox, _) = inbox();
        let gone = Arc::new(AtomicBool::new(false));
        inbox.set_doorbell(doorbell(&gone, true));
        let (one, two) = (accept(&inbox, 1).1, accept(&inbox, 2).1);
        let task = thread::spawn(move || {
            one.with(good());
            drop(two);
        });
        inbox.free();
        gone.store(true, Ordering::SeqCst);
        assert!(inbox.take(8, None).is_err());
        task.join().unwrap();
        assert!(inbox.take(8, None).is_err());
    });
}

#[test]
fn a_doorbell_that_was_taken_away_rings_no_more() {
    every_order(|| {
        let (inbox, _) = inbox();
        let gone = Arc::new(AtomicBool::new(false));
        inbox.set_doorbell(doorbell(&gone, true));
        let end = accept(&inbox, 1).1;
        let task = thread::spawn(move || end.with(good()));
        inbox.set_doorbell(None);
        gone.store(true, Ordering::SeqCst);
        assert_eq!(ends(&inbox.take(8, None).unwrap()), 1);
        task.join().unwrap();
    });
}

#[test]
fn a_doorbell_is_released_once_and_rings_no_more() {
    every_order(|| {
        let (inbox, _) = inbox();
        let gone = Arc::new(AtomicBool::new(false));
        inbox.set_doorbell_at_once(doorbell(&gone, false));
        let (one, two) = (accept(&inbox, 1).1, accept(&inbox, 2).1);
        let tasks = [one, two].map(|end| thread::spawn(move || end.with(good())));
        let taker = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || ends(&inbox.take(1, None).unwrap()))
        };
        inbox.set_doorbell_at_once(None);
        for task in tasks {
            task.join().unwrap();
        }
        assert_eq!(taker.join().unwrap(), 1);
        assert!(gone.load(Ordering::SeqCst), "whoever rang last, it was released");
    });
}

#[test]
fn a_doorbell_is_released_when_its_queue_is_freed() {
    every_order(|| {
        let (inbox, _) = inbox();
        let gone = Arc::new(AtomicBool::new(false));
        inbox.set_doorbell_at_once(doorbell(&gone, false));
        let end = accept(&inbox, 1).1;
        let task = thread::spawn(move || end.with(good()));
        inbox.free();
        task.join().unwrap();
        assert!(gone.load(Ordering::SeqCst));
    });
}

#[test]
fn a_doorbell_that_was_replaced_at_once_is_waited_for_later() {
    every_order(|| {
        let (inbox, _) = inbox();
        let (first, second) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        inbox.set_doorbell(doorbell(&first, true));
        let end = accept(&inbox, 1).1;
        let task = thread::spawn(move || end.with(good()));
        inbox.set_doorbell_at_once(doorbell(&second, false));
        inbox.set_doorbell(None);
        // No ring of the first is in progress, and none of the second either, or it is released after that.
        first.store(true, Ordering::SeqCst);
        task.join().unwrap();
        assert!(second.load(Ordering::SeqCst));
    });
}

#[test]
fn news_is_one_event_and_never_follows_the_end() {
    every_order(|| {
        let (inbox, shown) = inbox();
        let (_, end, number) = accept(&inbox, 1);
        let task = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || {
                inbox.news(1, number);
                inbox.news(1, number);
                end.with(good());
                inbox.news(1, number);
            })
        };
        let (mut news, mut ended) = (0, false);
        while !ended {
            for taken in inbox.take(1, None).unwrap() {
                match taken {
                    Taken::End(..) => ended = true,
                    _ => {
                        assert!(!ended, "news after the end");
                        news += 1;
                    }
                }
            }
        }
        assert!(news <= 2);
        task.join().unwrap();
        assert!(!shown.load(Ordering::Relaxed));
        // Another call with that tag is not told the news of this one.
        let (_, end, _) = accept(&inbox, 1);
        inbox.news(1, number);
        assert!(!shown.load(Ordering::Relaxed));
        drop(end);
    });
}
