//! What a queue holds: the calls that were accepted, and what of them waits to be taken.
//!
//! An accepted call keeps its tag until its final event is taken. Of each call at most one thing waits: its end, or
//! that there is news of it, which becomes an event when it is taken. So a program that never takes pays for its own
//! calls and nothing else, and an end always has room. Of the log a bounded number of records waits.
//!
//! One lock guards all of it and is held for moments: no event is made, nothing is called back, and no
//! operation is stopped under it. The descriptor is written to under it, which can't block, so that it never
//! shows anything else than what is there. The doorbell is rung by the thread that made events wait, after
//! the lock is given back. One that is taken away in the middle of a ring is waited for, or released at the
//! end of its last ring.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use perceptis_core::{End, Error, Kind, StopReason};

use crate::call::operation::Operation;
use crate::events::readiness::Signal;
use crate::events::wakeup::Doorbell;
use crate::events::wakeups::{Doorbells, Ring};
use crate::platform::sync::{Arc, Condvar, Mutex, MutexGuard, lock, wait};
use crate::platform::threads;

/// How many log records wait at most; the oldest go first.
const MAX_RECORDS: usize = 1024;

/// What comes out.
pub(crate) enum Taken {
    /// A call has ended; its tag is free.
    End(u64, End),
    /// There is news of a call.
    News(u64, Arc<Operation>),
    /// A record of the log, as JSON.
    Record(String),
    /// How many records were dropped, since they were not taken.
    Dropped(u64),
}

/// A call that was accepted.
struct Call {
    operation: Arc<Operation>,
    /// Distinguishes it from earlier calls with its tag.
    number: NonZeroU64,
    /// Where its news stands among the others', while they wait.
    news: Option<NonZeroU64>,
    ended: bool,
}

struct State {
    calls: HashMap<u64, Call>,
    ends: VecDeque<(u64, End)>,
    /// The tags of which there is news, in the order of its coming.
    news: BTreeMap<NonZeroU64, u64>,
    records: VecDeque<String>,
    dropped: u64,
    /// Numbers calls and news.
    next: u64,
    /// Threads that wait for events.
    takers: usize,
    /// Whether events wait, as far as it was told.
    told: bool,
    closed: bool,
    /// None once the queue is freed.
    signal: Option<Signal>,
    doorbells: Doorbells,
}

pub(crate) struct Inbox {
    state: Mutex<State>,
    /// Events have come, or the queue was closed.
    arrived: Condvar,
    /// A ring of the doorbell has ended.
    rung: Condvar,
}

impl Inbox {
    pub(crate) fn new(signal: Signal) -> Inbox {
        Inbox {
            state: Mutex::new(State {
                calls: HashMap::new(),
                ends: VecDeque::new(),
                news: BTreeMap::new(),
                records: VecDeque::new(),
                dropped: 0,
                next: 0,
                takers: 0,
                told: false,
                closed: false,
                signal: Some(signal),
                doorbells: Doorbells::default(),
            }),
            arrived: Condvar::new(),
            rung: Condvar::new(),
        }
    }

    /// Accepts a call; the number is for [`Inbox::news`].
    ///
    /// # Errors
    /// `InvalidArgument` when the tag names a call whose final event has not been taken; `Closed`.
    pub(crate) fn accept(&self, tag: u64, operation: &Arc<Operation>) -> Result<NonZeroU64, Error> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(Error::new(Kind::Closed, "the queue is closed; nothing was sent"));
        }
        if state.calls.contains_key(&tag) {
            let message = format!(
                "argument tag is {tag}, which names a call of this queue whose final event has not been taken"
            );
            return Err(Error::invalid(message));
        }
        let number = state.number();
        state.calls.insert(tag, Call { operation: Arc::clone(operation), number, news: None, ended: false });
        Ok(number)
    }

    /// A call has ended. Called once for each that was accepted.
    pub(crate) fn end(&self, tag: u64, end: End) {
        let mut state = lock(&self.state);
        if state.signal.is_none() {
            return;
        }
        if let Some(call) = state.calls.get_mut(&tag) {
            call.ended = true;
            // The end says all that the news would.
            if let Some(news) = call.news.take() {
                state.news.remove(&news);
            }
        }
        state.ends.push_back((tag, end));
        self.tell(state);
    }

    /// There is news of a call. Such that has not been taken yet and this become one.
    pub(crate) fn news(&self, tag: u64, number: NonZeroU64) {
        let mut state = lock(&self.state);
        let place = state.number();
        match state.calls.get_mut(&tag) {
            Some(call) if call.number == number && !call.ended && call.news.is_none() => {
                call.news = Some(place);
            }
            _ => return,
        }
        state.news.insert(place, tag);
        self.tell(state);
    }

    /// A record of the log, as JSON.
    pub(crate) fn push_log(&self, record: String) {
        let mut state = lock(&self.state);
        if state.signal.is_none() {
            return;
        }
        if state.records.len() == MAX_RECORDS {
            state.records.pop_front();
            state.dropped += 1;
        }
        state.records.push_back(record);
        self.tell(state);
    }

    /// Up to `most` events: ends first, then news, then the log. Waits until there is one or the time is over;
    /// `None`: for ever.
    ///
    /// # Errors
    /// `Closed`, when the queue is closed and holds no event.
    pub(crate) fn take(&self, most: usize, timeout: Option<Duration>) -> Result<Vec<Taken>, Error> {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let mut state = lock(&self.state);
        loop {
            if state.events_wait() {
                let taken = state.take(most);
                self.tell(state);
                return Ok(taken);
            }
            if state.closed {
                return Err(Error::new(Kind::Closed, "the queue is closed and holds no event"));
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Vec::new());
            }
            state.takers += 1;
            state = wait(&self.arrived, &self.state, state, left);
            state.takers -= 1;
        }
    }

    /// Stops a call, if it is one that has not ended.
    pub(crate) fn cancel(&self, tag: u64) {
        let operation = lock(&self.state).calls.get(&tag).map(|call| Arc::clone(&call.operation));
        if let Some(operation) = operation {
            operation.stop(StopReason::Cancelled);
        }
    }

    /// Wakes the threads that wait, and accepts no further call. What runs goes on, and what waits can be taken.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        self.arrived.notify_all();
        self.tell(state);
    }

    /// Closes, and drops what is there and what will come. The descriptor is closed, and no ring begins after this.
    pub(crate) fn free(&self) {
        let held = {
            let mut state = lock(&self.state);
            state.closed = true;
            self.arrived.notify_all();
            // Dropped after the lock is given back: an operation may hold much.
            let State { calls, ends, news, records, signal, .. } = &mut *state;
            news.clear();
            (std::mem::take(calls), std::mem::take(ends), std::mem::take(records), signal.take())
        };
        drop(held);
        self.set_doorbell(None);
    }

    /// Has this rung from now on. Waits for the rings in progress of those before that are waited for; but
    /// not in a callback, where that could be a wait for itself.
    pub(crate) fn set_doorbell(&self, doorbell: Option<Doorbell>) {
        let gone = {
            let mut state = lock(&self.state);
            let gone = state.doorbells.replace(doorbell);
            let number = state.doorbells.last();
            while state.doorbells.ring_before(number) && !threads::is_own() {
                state = wait(&self.rung, &self.state, state, None);
            }
            gone
        };
        if let Some(gone) = gone {
            gone.release();
        }
    }

    /// Has this rung from now on, and waits for nothing.
    pub(crate) fn set_doorbell_at_once(&self, doorbell: Option<Doorbell>) {
        let gone = lock(&self.state).doorbells.replace(doorbell);
        if let Some(gone) = gone {
            gone.release();
        }
    }

    /// Tells the descriptor, the waiting threads and the doorbell whether events wait, after a change.
    fn tell(&self, mut state: MutexGuard<'_, State>) {
        let (waits, closed) = (state.events_wait(), state.closed);
        let begun = !std::mem::replace(&mut state.told, waits) && waits;
        if let Some(signal) = &mut state.signal {
            // Once closed it stays readable, as the end of a stream does: an event loop has to see that.
            signal.show(waits || closed);
        }
        // One is enough: it takes what is there, or wakes the next.
        if waits && state.takers > 0 {
            self.arrived.notify_one();
        }
        let ring = if begun { state.doorbells.begin() } else { None };
        drop(state);
        if let Some(ring) = ring {
            self.ring(ring);
        }
    }

    fn ring(&self, ring: Ring) {
        if !ring.doorbell.ring() {
            // The callback forked, and this is the child: all of this is the parent's.
            std::mem::forget(ring);
            return;
        }
        let gone = {
            let mut state = lock(&self.state);
            let gone = state.doorbells.end(&ring);
            self.rung.notify_all();
            gone
        };
        if let Some(gone) = gone {
            gone.release();
        }
    }
}

impl State {
    fn number(&mut self) -> NonZeroU64 {
        self.next += 1;
        NonZeroU64::new(self.next).unwrap_or(NonZeroU64::MIN)
    }

    fn events_wait(&self) -> bool {
        !(self.ends.is_empty() && self.news.is_empty() && self.records.is_empty())
    }

    fn take(&mut self, most: usize) -> Vec<Taken> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let next = if let Some((tag, end)) = self.ends.pop_front() {
                self.calls.remove(&tag);
                Taken::End(tag, end)
            } else if let Some((_, tag)) = self.news.pop_first() {
                let Some(call) = self.calls.get_mut(&tag) else { continue };
                call.news = None;
                Taken::News(tag, Arc::clone(&call.operation))
            } else if self.dropped > 0 {
                Taken::Dropped(std::mem::take(&mut self.dropped))
            } else if let Some(record) = self.records.pop_front() {
                Taken::Record(record)
            } else {
                break;
            };
            taken.push(next);
        }
        taken
    }
}
