//! The limit on the number of connections. When all slots are taken, the connection that has been quiet
//! longest gives up its slot. Otherwise silent clients could keep all others out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long to wait before checking again whether a connection can be closed.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// No connection is closed before this age: a client that has just connected is about to send its request.
const GRACE: Duration = Duration::from_millis(100);

/// All slots.
pub struct ConnectionLimit {
    max: usize,
    /// How long a response may last before its connection counts as quiet, too. The client may never read it.
    max_response_time: Duration,
    slots: Mutex<Slots>,
    freed: Notify,
}

#[derive(Default)]
struct Slots {
    taken: usize,
    last_number: u64,
    /// The connections that wait for a request or for the rest of one, the longest first.
    quiet: Queue,
    /// The connections whose response is being written, the longest first.
    responding: Queue,
}

/// By number: since when the connection is in this queue, and how it is asked to close.
type Queue = BTreeMap<u64, (Instant, Arc<Notify>)>;

/// One slot. Dropping it frees it.
pub struct Slot {
    limit: Arc<ConnectionLimit>,
    number: u64,
    close: Arc<Notify>,
}

impl ConnectionLimit {
    /// A limit of `max` connections. All slots are free.
    pub fn new(max: usize, max_response_time: Duration) -> Arc<ConnectionLimit> {
        let (slots, freed) = (Mutex::default(), Notify::new());
        Arc::new(ConnectionLimit { max: max.max(1), max_response_time, slots, freed })
    }

    /// Takes a slot for a new connection. Another connection is closed for it where none is free.
    pub async fn take(self: &Arc<ConnectionLimit>) -> Slot {
        loop {
            if let Some(slot) = self.take_free() {
                return slot;
            }
            self.close_one().await;
        }
    }

    /// Asks the connection that has been quiet longest to close, and waits a moment for that.
    pub async fn close_one(&self) {
        let freed = self.freed.notified();
        if let Some(close) = self.longest_quiet() {
            close.notify_one();
        }
        let _ = tokio::time::timeout(CHECK_INTERVAL, freed).await;
    }

    /// Removes the connection that has to close first from its queue.
    fn longest_quiet(&self) -> Option<Arc<Notify>> {
        let mut slots = self.lock();
        let older = |queue: &mut Queue, age: Duration| {
            let first = queue.first_entry()?;
            (first.get().0.elapsed() >= age).then(|| first.remove().1)
        };
        older(&mut slots.quiet, GRACE).or_else(|| older(&mut slots.responding, self.max_response_time))
    }

    fn take_free(self: &Arc<ConnectionLimit>) -> Option<Slot> {
        let mut slots = self.lock();
        if slots.taken >= self.max {
            return None;
        }
        slots.taken += 1;
        let close = Arc::new(Notify::new());
        let number = slots.next_number();
        slots.quiet.insert(number, (Instant::now(), Arc::clone(&close)));
        Some(Slot { limit: Arc::clone(self), number, close })
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

impl Slot {
    /// Ends when the connection has to close because another one needs the slot.
    pub async fn is_wanted(&self) {
        self.close.notified().await;
    }

    /// Marks the connection as responding. Returns false when it has to close instead.
    pub fn begin_response(&mut self) -> bool {
        let mut slots = self.limit.lock();
        let Some((_, close)) = slots.quiet.remove(&self.number) else { return false };
        self.number = slots.next_number();
        slots.responding.insert(self.number, (Instant::now(), close));
        true
    }

    /// Marks the connection as quiet again: its response is complete.
    pub fn end_response(&mut self) {
        let mut slots = self.limit.lock();
        // The entry is gone when the connection has to close. It learns that from its next `is_wanted`.
        if let Some((_, close)) = slots.responding.remove(&self.number) {
            self.number = slots.next_number();
            slots.quiet.insert(self.number, (Instant::now(), close));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut slots = self.limit.lock();
        slots.quiet.remove(&self.number);
        slots.responding.remove(&self.number);
        slots.taken -= 1;
        drop(slots);
        self.limit.freed.notify_waiters();
    }
}
