//! The moments in which a ledger is opened: a fork in one of them leaves the child without a usable SQLite.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::refusal::LedgerFailure;
use crate::error::{Error, Kind};

/// How many threads open a ledger just now. SQLite holds a lock of the whole process meanwhile.
static OPENING: AtomicUsize = AtomicUsize::new(0);

/// Whether this process was forked in such a moment: nothing in it ever gives that lock back.
static UNUSABLE: AtomicBool = AtomicBool::new(false);

/// Says that a ledger is being opened, as long as it lives.
pub(super) struct Opening(());

impl Opening {
    pub(super) fn begin() -> Opening {
        OPENING.fetch_add(1, Ordering::AcqRel);
        Opening(())
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        OPENING.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Refuses a ledger where SQLite would wait for ever.
pub(super) fn check_usable() -> Result<(), LedgerFailure> {
    if !UNUSABLE.load(Ordering::Acquire) {
        return Ok(());
    }
    let message = "this process was forked in the very moment in which its parent opened a ledger, and took \
                   longer than 100 ms for it; fork again, or call exec after the fork";
    Err(LedgerFailure::Final(Error::new(Kind::Ledger, message)))
}

/// After a fork, in the child: no thread of it opens anything.
pub(super) fn after_fork_in_child() {
    if OPENING.swap(0, Ordering::AcqRel) > 0 {
        UNUSABLE.store(true, Ordering::Release);
    }
}
