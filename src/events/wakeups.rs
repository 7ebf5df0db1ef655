//! The wakeups of a queue: the current one, and those that were replaced while a call of them was in
//! progress.
//!
//! A thread asks this under the queue's lock, and calls and releases a wakeup without it. A wakeup is given
//! back once, to be released: when it is replaced, or at the end of its last call where one is in progress
//! then.

use crate::events::wakeup::Wakeup;
use crate::platform::sync::Arc;

/// A wakeup and the number of its calls in progress.
struct Registered {
    number: u64,
    wakeup: Arc<Wakeup>,
    calls: usize,
}

/// A call of a wakeup which has begun and not ended.
pub(crate) struct WakeupCall {
    number: u64,
    pub(crate) wakeup: Arc<Wakeup>,
}

#[derive(Default)]
pub(crate) struct Wakeups {
    current: Option<Registered>,
    /// Wakeups that were replaced and have a call in progress.
    retired: Vec<Registered>,
    /// The number of the newest wakeup. They are numbered in the order in which the program set them.
    last: u64,
}

impl Wakeups {
    /// Begins a call, where there is a wakeup.
    pub(crate) fn begin_call(&mut self) -> Option<WakeupCall> {
        let current = self.current.as_mut()?;
        current.calls += 1;
        Some(WakeupCall { number: current.number, wakeup: Arc::clone(&current.wakeup) })
    }

    /// Ends a call. Gives the wakeup back if it was replaced meanwhile and this was its last call.
    pub(crate) fn end_call(&mut self, call: &WakeupCall) -> Option<Arc<Wakeup>> {
        if let Some(current) = self.current.as_mut().filter(|current| current.number == call.number) {
            current.calls -= 1;
            return None;
        }
        let at = self.retired.iter().position(|retired| retired.number == call.number)?;
        self.retired[at].calls -= 1;
        (self.retired[at].calls == 0).then(|| self.retired.swap_remove(at).wakeup)
    }

    /// Replaces the current wakeup, of which no call begins any more. Gives it back if no call is in
    /// progress.
    pub(crate) fn replace(&mut self, wakeup: Option<Wakeup>) -> Option<Arc<Wakeup>> {
        self.last += 1;
        let number = self.last;
        let next = wakeup.map(|wakeup| Registered { number, wakeup: Arc::new(wakeup), calls: 0 });
        let before = std::mem::replace(&mut self.current, next)?;
        if before.calls == 0 {
            return Some(before.wakeup);
        }
        self.retired.push(before);
        None
    }

    /// The number of the newest wakeup. NULL, set by the program, has a number as well.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Whether a wakeup that was set before this number has a call in progress that must be waited for.
    pub(crate) fn call_before(&self, number: u64) -> bool {
        self.retired.iter().any(|retired| retired.number < number && retired.wakeup.is_waited_for())
    }
}
