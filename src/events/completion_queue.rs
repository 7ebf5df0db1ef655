//! The completion queue: the calls that were accepted, and the events that wait to be taken.
//!
//! An accepted call keeps its tag until its final event is taken. Of each call at most one event waits: its
//! end, or its progress, which is read when it is taken. So a program that never takes events pays for its
//! own calls and nothing else, and an end always has room. Of the log a bounded number of records waits.
//!
//! One lock guards the state and is held for moments: under it no event's JSON is made, no callback is
//! called, and no operation is stopped. The descriptor is written to under the lock, which can't block, so
//! that the descriptor always agrees with the queue. The thread that made events wait calls the wakeup, after
//! it has given the lock back. A wakeup that is replaced during a call of it is waited for, or released at
//! the end of its last call.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use perceptis_core::{End, Error, Kind, StopReason};

use crate::call::operation::Operation;
use crate::events::readiness::Readiness;
use crate::events::wakeup::Wakeup;
use crate::events::wakeups::{WakeupCall, Wakeups};
use crate::platform::sync::{Arc, Condvar, Mutex, MutexGuard, lock, wait};
use crate::platform::threads;

/// How many log records wait at most; the oldest go first.
const MAX_RECORDS: usize = 1024;

/// An event that was taken, before its JSON is made.
pub(crate) enum Taken {
    /// A call has ended; its tag is free.
    End(u64, End),
    /// A call has come further.
    Progress(u64, Arc<Operation>),
    /// A record of the log, as JSON.
    LogRecord(String),
    /// How many log records were dropped, since they were not taken.
    DroppedRecords(u64),
}

/// A call that was accepted.
struct Accepted {
    operation: Arc<Operation>,
    /// Tells this call from earlier ones with the same tag.
    number: NonZeroU64,
    /// The order of this call's progress among that of others, while it waits.
    progress: Option<NonZeroU64>,
    ended: bool,
}

struct State {
    calls: HashMap<u64, Accepted>,
    ends: VecDeque<(u64, End)>,
    /// The tags of calls that have come further, in the order in which they did.
    progress: BTreeMap<NonZeroU64, u64>,
    records: VecDeque<String>,
    dropped: u64,
    /// The newest number of a call or of progress.
    next: u64,
    /// How many threads wait for events.
    takers: usize,
    /// Whether events waited when that was last announced.
    announced: bool,
    closed: bool,
    /// `None` once the queue is freed.
    readiness: Option<Readiness>,
    wakeups: Wakeups,
}

pub(crate) struct CompletionQueue {
    state: Mutex<State>,
    /// Events have come, or the queue was closed.
    arrived: Condvar,
    /// A call of a wakeup has ended.
    wakeup_ended: Condvar,
}

impl CompletionQueue {
    pub(crate) fn new(readiness: Readiness) -> CompletionQueue {
        CompletionQueue {
            state: Mutex::new(State {
                calls: HashMap::new(),
                ends: VecDeque::new(),
                progress: BTreeMap::new(),
                records: VecDeque::new(),
                dropped: 0,
                next: 0,
                takers: 0,
                announced: false,
                closed: false,
                readiness: Some(readiness),
                wakeups: Wakeups::default(),
            }),
            arrived: Condvar::new(),
            wakeup_ended: Condvar::new(),
        }
    }

    /// Accepts a call. The number is for [`CompletionQueue::progress`].
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
        state
            .calls
            .insert(tag, Accepted { operation: Arc::clone(operation), number, progress: None, ended: false });
        Ok(number)
    }

    /// Puts the end of a call in. Called once for each call that was accepted.
    pub(crate) fn end(&self, tag: u64, end: End) {
        let mut state = lock(&self.state);
        if state.readiness.is_none() {
            return;
        }
        if let Some(call) = state.calls.get_mut(&tag) {
            call.ended = true;
            // The end says all that the progress would.
            if let Some(progress) = call.progress.take() {
                state.progress.remove(&progress);
            }
        }
        state.ends.push_back((tag, end));
        self.announce(state);
    }

    /// Puts the progress of a call in. Progress that was not taken yet and this become one event.
    pub(crate) fn progress(&self, tag: u64, number: NonZeroU64) {
        let mut state = lock(&self.state);
        let order = state.number();
        match state.calls.get_mut(&tag) {
            Some(call) if call.number == number && !call.ended && call.progress.is_none() => {
                call.progress = Some(order);
            }
            _ => return,
        }
        state.progress.insert(order, tag);
        self.announce(state);
    }

    /// Puts a log record in, as JSON.
    pub(crate) fn push_log(&self, record: String) {
        let mut state = lock(&self.state);
        if state.readiness.is_none() {
            return;
        }
        if state.records.len() == MAX_RECORDS {
            state.records.pop_front();
            state.dropped += 1;
        }
        state.records.push_back(record);
        self.announce(state);
    }

    /// Takes up to `most` events: ends first, then progress, then the log. Waits until there is an event or
    /// the time is over; `None`: for ever.
    ///
    /// # Errors
    /// `Closed`, when the queue is closed and holds no event.
    pub(crate) fn take(&self, most: usize, timeout: Option<Duration>) -> Result<Vec<Taken>, Error> {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let mut state = lock(&self.state);
        loop {
            if state.events_wait() {
                let taken = state.take(most);
                self.announce(state);
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

    /// Stops the call with this tag, if it has not ended.
    pub(crate) fn cancel(&self, tag: u64) {
        let operation = lock(&self.state).calls.get(&tag).map(|call| Arc::clone(&call.operation));
        if let Some(operation) = operation {
            operation.stop(StopReason::Cancelled);
        }
    }

    /// Wakes the threads that wait, and accepts no further call. Calls that run go on, and events that wait
    /// can be taken.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        self.arrived.notify_all();
        self.announce(state);
    }

    /// Closes the queue, and drops the events that it has and those that come later. The descriptor is
    /// closed, and no call of the wakeup begins after this.
    pub(crate) fn free(&self) {
        let held = {
            let mut state = lock(&self.state);
            state.closed = true;
            self.arrived.notify_all();
            // Dropped after the lock is given back: an operation may hold much.
            let State { calls, ends, progress, records, readiness, .. } = &mut *state;
            progress.clear();
            (std::mem::take(calls), std::mem::take(ends), std::mem::take(records), readiness.take())
        };
        drop(held);
        self.set_wakeup(None);
    }

    /// Replaces the wakeup. Waits for the calls in progress of earlier wakeups that are waited for, but not
    /// in a callback, which could wait for itself then.
    pub(crate) fn set_wakeup(&self, wakeup: Option<Wakeup>) {
        let gone = {
            let mut state = lock(&self.state);
            let gone = state.wakeups.replace(wakeup);
            let number = state.wakeups.last();
            while state.wakeups.call_before(number) && !threads::is_own() {
                state = wait(&self.wakeup_ended, &self.state, state, None);
            }
            gone
        };
        if let Some(gone) = gone {
            gone.release();
        }
    }

    /// Replaces the wakeup, and waits for nothing.
    pub(crate) fn set_wakeup_at_once(&self, wakeup: Option<Wakeup>) {
        let gone = lock(&self.state).wakeups.replace(wakeup);
        if let Some(gone) = gone {
            gone.release();
        }
    }

    /// Announces whether events wait: to the descriptor, to the waiting threads and to the wakeup. Called
    /// after each change.
    fn announce(&self, mut state: MutexGuard<'_, State>) {
        let (waits, closed) = (state.events_wait(), state.closed);
        let begun = !std::mem::replace(&mut state.announced, waits) && waits;
        if let Some(readiness) = &mut state.readiness {
            // The descriptor of a closed queue stays readable, as the end of a stream does: an event loop has
            // to see it.
            readiness.set(waits || closed);
        }
        // One thread is enough: it takes the events that are there, or wakes the next thread.
        if waits && state.takers > 0 {
            self.arrived.notify_one();
        }
        let call = if begun { state.wakeups.begin_call() } else { None };
        drop(state);
        if let Some(call) = call {
            self.call_wakeup(call);
        }
    }

    fn call_wakeup(&self, call: WakeupCall) {
        if !call.wakeup.call() {
            // The callback forked, and this is the child: the queue and its lock are the parent's.
            std::mem::forget(call);
            return;
        }
        let gone = {
            let mut state = lock(&self.state);
            let gone = state.wakeups.end_call(&call);
            self.wakeup_ended.notify_all();
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
        !(self.ends.is_empty() && self.progress.is_empty() && self.records.is_empty())
    }

    fn take(&mut self, most: usize) -> Vec<Taken> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let next = if let Some((tag, end)) = self.ends.pop_front() {
                self.calls.remove(&tag);
                Taken::End(tag, end)
            } else if let Some((_, tag)) = self.progress.pop_first() {
                let Some(call) = self.calls.get_mut(&tag) else { continue };
                call.progress = None;
                Taken::Progress(tag, Arc::clone(&call.operation))
            } else if self.dropped > 0 {
                Taken::DroppedRecords(std::mem::take(&mut self.dropped))
            } else if let Some(record) = self.records.pop_front() {
                Taken::LogRecord(record)
            } else {
                break;
            };
            taken.push(next);
        }
        taken
    }
}
