//! Places for connections. When all are taken, the connection that has been quiet longest gives its own up,
//! so that no client keeps others out by saying nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How often it is checked again whether a connection can be closed.
const LOOKS: Duration = Duration::from_millis(20);
/// No connection is closed before this: a client that has just come is about to ask.
const GRACE: Duration = Duration::from_millis(100);

/// All places.
pub struct Room {
    most: usize,
    /// How long an answer may last before it counts as quiet, too: one that is never read, or stalls.
    patience: Duration,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Default)]
struct Taken {
    count: usize,
    next: u64,
    /// Who waits for a request or the rest of one, the longest first.
    quiet: Queue,
    /// Who is in the middle of an answer, the longest first.
    answering: Queue,
}

/// Since when, and how each is asked to leave.
type Queue = BTreeMap<u64, (Instant, Arc<Notify>)>;

/// One place; free again when it is dropped.
pub struct Place {
    room: Arc<Room>,
    number: u64,
    leave: Arc<Notify>,
}

impl Room {
    /// So many places, all free.
    pub fn new(most: usize, patience: Duration) -> Arc<Room> {
        Arc::new(Room { most: most.max(1), patience, taken: Mutex::default(), freed: Notify::new() })
    }

    /// A place for a connection that has just come. Another one leaves for it where none is free.
    pub async fn place(self: &Arc<Room>) -> Place {
        loop {
            if let Some(place) = self.free() {
                return place;
            }
            self.make().await;
        }
    }

    /// Asks the connection that has been quiet longest to leave, and waits a moment for that.
    pub async fn make(&self) {
        let freed = self.freed.notified();
        if let Some(leave) = self.longest() {
            leave.notify_one();
        }
        let _ = tokio::time::timeout(LOOKS, freed).await;
    }

    /// Who has to leave first.
    fn longest(&self) -> Option<Arc<Notify>> {
        let mut taken = self.lock();
        let older = |queue: &mut Queue, age: Duration| {
            let first = queue.first_entry()?;
            (first.get().0.elapsed() >= age).then(|| first.remove().1)
        };
        older(&mut taken.quiet, GRACE).or_else(|| older(&mut taken.answering, self.patience))
    }

    fn free(self: &Arc<Room>) -> Option<Place> {
        let mut taken = self.lock();
        if taken.count >= self.most {
            return None;
        }
        taken.count += 1;
        let leave = Arc::new(Notify::new());
        let number = taken.number();
        taken.quiet.insert(number, (Instant::now(), Arc::clone(&leave)));
        Some(Place { room: Arc::clone(self), number, leave })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Place {
    /// Ends when the place is to be given up.
    pub async fn is_wanted(&self) {
        self.leave.notified().await;
    }

    /// From here on an answer is made; false when the place is to be given up instead.
    pub fn answers(&mut self) -> bool {
        let mut taken = self.room.lock();
        let Some((_, leave)) = taken.quiet.remove(&self.number) else { return false };
        self.number = taken.number();
        taken.answering.insert(self.number, (Instant::now(), leave));
        true
    }

    /// The answer is whole, and the connection quiet again.
    pub fn waits(&mut self) {
        let mut taken = self.room.lock();
        // Not there when it is to be given up; who waits next hears of it.
        if let Some((_, leave)) = taken.answering.remove(&self.number) {
            self.number = taken.number();
            taken.quiet.insert(self.number, (Instant::now(), leave));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.lock();
        taken.quiet.remove(&self.number);
        taken.answering.remove(&self.number);
        taken.count -= 1;
        drop(taken);
        self.room.freed.notify_waiters();
    }
}
