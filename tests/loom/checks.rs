//! What must hold in every order.

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use perceptis_core::{Kind, Outcome, Tracker};
use std::num::NonZeroU64;

use crate::doorbell::Doorbell;
use crate::inbox::{Inbox, Taken};
use crate::operation::{End, Operation, Stop};
use crate::signal::Signal;
use crate::sync::{AbortHandle, Interrupt, lock};

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

fn end_of(operation: &Arc<Operation>, ends: &Ends) -> End {
    let ends = Arc::clone(ends);
    End::new(Arc::clone(operation), Box::new(move |outcome| lock(&ends).push(kind(&outcome))))
}

fn kind(outcome: &Outcome) -> Option<Kind> {
    outcome.as_ref().err().map(|failure| failure.error.kind())
}

fn inbox() -> (Arc<Inbox>, Arc<AtomicBool>) {
    let shown = Arc::new(AtomicBool::new(false));
    (Arc::new(Inbox::new(Signal(Arc::clone(&shown)))), shown)
}

/// A call in an inbox, with its end.
fn accept(inbox: &Arc<Inbox>, tag: u64) -> (Arc<Operation>, End, NonZeroU64) {
    let operation = operation();
    let number = inbox.accept(tag, &operation).unwrap();
    let to = Arc::clone(inbox);
    let end = End::new(Arc::clone(&operation), Box::new(move |outcome| to.end(tag, outcome)));
    (operation, end, number)
}

fn doorbell(gone: &Arc<AtomicBool>, waited_for: bool) -> Option<Doorbell> {
    Some(Doorbell { gone: Arc::clone(gone), waited_for })
}

fn ends(taken: &[Taken]) -> usize {
    taken.iter().filter(|taken| matches!(taken, Taken::End(..))).count()
}

#[test]
fn a_cancel_while_the_task_starts_is_not_lost() {
    every_order(|| {
        let (operation, found, interrupt) = (operation(), Ends::default(), Interrupt::new());
        let end = end_of(&operation, &found);
        let waits = Arc::clone(&interrupt);
        // Its work never ends: a lost cancel is a hang.
        let task = thread::spawn(move || {
            waits.wait();
            drop(end);
        });
        let cancelled = Arc::clone(&operation);
        let caller = thread::spawn(move || cancelled.stop(Stop::Cancelled));
        operation.started(AbortHandle(interrupt));
        task.join().unwrap();
        caller.join().unwrap();
        assert_eq!(*lock(&found), [Some(Kind::Cancelled)]);
    });
}

#[test]
fn whoever_stops_first_says_why_and_an_outcome_is_kept() {
    every_order(|| {
        let (operation, found, interrupt) = (operation(), Ends::default(), Interrupt::new());
        let end = end_of(&operation, &found);
        let asks = Arc::clone(&interrupt);
        // Its work is done by the time that it first looks.
        let task = thread::spawn(move || if asks.is_set() { drop(end) } else { end.with(Ok(String::new())) });
        let (one, two) = (Arc::clone(&operation), Arc::clone(&operation));
        let cancels = thread::spawn(move || {
            one.stop(Stop::Cancelled);
            one.stop(Stop::Cancelled);
        });
        let closes = thread::spawn(move || two.stop(Stop::Closed));
        operation.started(AbortHandle(Arc::clone(&interrupt)));
        for thread in [task, cancels, closes] {
            thread.join().unwrap();
        }
        let found = lock(&found);
        assert_eq!(found.len(), 1);
        if !interrupt.is_set() {
            assert_eq!(found[0], None);
        }
        assert!(matches!(found[0], None | Some(Kind::Cancelled | Kind::Closed)));
    });
}

#[test]
fn an_end_a_cancel_and_a_waiting_take_meet() {
    every_order(|| {
        let (inbox, shown) = inbox();
        let (operation, end, _) = accept(&inbox, 7);
        let interrupt = Interrupt::new();
        let asks = Arc::clone(&interrupt);
        let task = thread::spawn(move || if asks.is_set() { drop(end) } else { end.with(Ok(String::new())) });
        let canceller = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || inbox.cancel(7))
        };
        operation.started(AbortHandle(interrupt));
        let taken = inbox.take(8, None).unwrap();
        assert_eq!(ends(&taken), 1);
        // The tag is free at once, whoever still is on the way.
        let (_, end, _) = accept(&inbox, 7);
        task.join().unwrap();
        canceller.join().unwrap();
        assert!(!shown.load(Ordering::Relaxed));
        end.with(Ok(String::new()));
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
        one.with(Ok(String::new()));
        two.with(Ok(String::new()));
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
        end.with(Ok(String::new()));
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
        one.with(Ok(String::new()));
        two.with(Ok(String::new()));
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
            one.with(Ok(String::new()));
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
        let task = thread::spawn(move || end.with(Ok(String::new())));
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
        let tasks = [one, two].map(|end| thread::spawn(move || end.with(Ok(String::new()))));
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
        let task = thread::spawn(move || end.with(Ok(String::new())));
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
        let task = thread::spawn(move || end.with(Ok(String::new())));
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
                end.with(Ok(String::new()));
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
