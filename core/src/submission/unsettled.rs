//! How many submissions wait for `recover`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::activity::log::Log;
use crate::common::clock::Stopwatch;
use crate::common::sync::lock;
use crate::ledger::Ledger;

/// How long a count is good for. It comes with every result, and ten thousand calls would count ten thousand
/// submissions each.
const MAX_AGE: Duration = Duration::from_secs(1);

/// How long a call waits for a new count.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// The cached count of the submissions that wait for `recover`, refreshed at most once a second by one call
/// for all.
#[derive(Debug)]
pub(crate) struct Unsettled {
    ledger: Arc<dyn Ledger>,
    log: Log,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counted: Option<(Stopwatch, u64)>,
    /// Whether a call counts anew.
    counting: bool,
    /// Whether the log has it.
    logged: bool,
}

impl Unsettled {
    pub(crate) fn new(ledger: Arc<dyn Ledger>, log: Log) -> Unsettled {
        Unsettled { ledger, log, state: Mutex::default() }
    }

    /// The count as of the last second; none without a ledger.
    pub(crate) async fn count(&self) -> u64 {
        {
            let mut state = lock(&self.state);
            if let Some((counted, count)) = state.counted
                && (state.counting || counted.elapsed() < MAX_AGE)
            {
                return count;
            }
            state.counting = true;
        }
        let _counting = Counting(&self.state);
        // A call does not wait for a ledger that another program has locked: the count is good to know, and
        // no more.
        let counted = tokio::time::timeout(MAX_WAIT, self.ledger.unsettled()).await;
        let Ok(Ok(count)) = counted else {
            return lock(&self.state).counted.map_or(0, |(_, count)| count);
        };
        let logged = {
            let mut state = lock(&self.state);
            state.counted = Some((Stopwatch::start(), count));
            let logged = state.logged;
            state.logged |= count > 0;
            logged
        };
        if count > 0 && !logged {
            self.log.unsettled(count);
        }
        count
    }

    /// A submission that waited is taken over or settled: the count is another.
    pub(crate) fn changed(&self) {
        lock(&self.state).counted = None;
    }
}

/// Guards a running count; clears the flag even if the call is stopped.
struct Counting<'a>(&'a Mutex<State>);

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        lock(self.0).counting = false;
    }
}
