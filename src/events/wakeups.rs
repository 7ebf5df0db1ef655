//! The doorbells of a queue: the one that rings, and those that were taken away in the middle of a ring.
//!
//! All of this is asked under the queue's lock, and a doorbell is rung and released without it. A doorbell is
//! given back once, to be released: when it is taken away, or at the end of its last ring if one is in
//! progress then.

use crate::events::wakeup::Doorbell;
use crate::platform::sync::Arc;

/// A doorbell and its rings in progress.
struct Hung {
    number: u64,
    doorbell: Arc<Doorbell>,
    rings: usize,
}

/// A ring of a doorbell, which has begun and not ended.
pub(crate) struct Ring {
    number: u64,
    pub(crate) doorbell: Arc<Doorbell>,
}

#[derive(Default)]
pub(crate) struct Doorbells {
    current: Option<Hung>,
    /// Taken away, with a ring in progress.
    retired: Vec<Hung>,
    /// Numbers them in the order in which they were set.
    last: u64,
}

impl Doorbells {
    /// Begins a ring, where there is a doorbell.
    pub(crate) fn begin(&mut self) -> Option<Ring> {
        let current = self.current.as_mut()?;
        current.rings += 1;
        Some(Ring { number: current.number, doorbell: Arc::clone(&current.doorbell) })
    }

    /// Ends a ring. Gives the doorbell back if it was taken away meanwhile and this was its last ring.
    pub(crate) fn end(&mut self, ring: &Ring) -> Option<Arc<Doorbell>> {
        if let Some(current) = self.current.as_mut().filter(|current| current.number == ring.number) {
            current.rings -= 1;
            return None;
        }
        let at = self.retired.iter().position(|retired| retired.number == ring.number)?;
        self.retired[at].rings -= 1;
        (self.retired[at].rings == 0).then(|| self.retired.swap_remove(at).doorbell)
    }

    /// Puts another in the place of the doorbell, of which no ring begins any more. Gives it back if none is
    /// in progress.
    pub(crate) fn replace(&mut self, doorbell: Option<Doorbell>) -> Option<Arc<Doorbell>> {
        self.last += 1;
        let number = self.last;
        let next = doorbell.map(|doorbell| Hung { number, doorbell: Arc::new(doorbell), rings: 0 });
        let before = std::mem::replace(&mut self.current, next)?;
        if before.rings == 0 {
            return Some(before.doorbell);
        }
        self.retired.push(before);
        None
    }

    /// The number of the doorbell, or of its absence, that was set last.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Whether one that was taken away before this was set is in a ring that has to be waited for.
    pub(crate) fn ring_before(&self, number: u64) -> bool {
        self.retired.iter().any(|retired| retired.number < number && retired.doorbell.is_waited_for())
    }
}
