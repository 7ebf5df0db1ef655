//! The budget of retries.

use std::sync::atomic::{AtomicU32, Ordering};

/// Tokens that retries take and successes bring back, so that an outage is not made worse: while there are
/// none, retries still happen, since money may hang on them, but only at the longest distance. The figures
/// are those of the AWS SDKs' standard retry mode.
#[derive(Debug)]
pub(crate) struct Budget(AtomicU32);

const CAPACITY: u32 = 500;
const COST: u32 = 5;

impl Budget {
    pub(crate) fn new() -> Budget {
        Budget(AtomicU32::new(CAPACITY))
    }

    /// Takes the price of one retry; whether there was enough.
    pub(super) fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| tokens.checked_sub(COST)).is_ok()
    }

    /// A request succeeded.
    pub(crate) fn give(&self) {
        let more = |tokens: u32| (tokens < CAPACITY).then(|| tokens + 1);
        // Err means that the budget is full, which is fine.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_pays_for_retries_until_it_is_empty_and_successes_refill_it() {
        let budget = Budget::new();
        for _ in 0..CAPACITY / COST {
            assert!(budget.take());
        }
        assert!(!budget.take());
        for _ in 0..COST {
            budget.give();
        }
        assert!(budget.take() && !budget.take());
        for _ in 0..CAPACITY * 2 {
            budget.give();
        }
        assert_eq!((0..CAPACITY).filter(|_| budget.take()).count(), (CAPACITY / COST) as usize);
    }
}
