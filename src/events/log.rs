//! A client's log as C sees it: records that become events of a queue, or are handed to a callback.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use perceptis_core::Sink;

use crate::events::completion_queue::Inbox;
use crate::events::log_callback::{CallbackLog, Source};

/// Where records go that a configuration asks for.
pub(crate) enum Target {
    Callback(Source),
    Queue(Arc<Inbox>),
}

/// The log of one client.
pub(crate) enum Log {
    Callback(CallbackLog),
    Queue(Arc<QueueLog>),
}

impl Log {
    pub(crate) fn new(target: &Target) -> Log {
        match target {
            Target::Callback(source) => Log::Callback(source.join()),
            Target::Queue(inbox) => {
                Log::Queue(Arc::new(QueueLog { inbox: Arc::clone(inbox), silent: AtomicBool::new(false) }))
            }
        }
    }

    /// Its end in `core`.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        match self {
            Log::Callback(log) => log.sink(),
            Log::Queue(log) => Arc::<QueueLog>::clone(log),
        }
    }

    /// Takes no further records; those that came are handed out within `timeout`, or not at all. Whether the
    /// callback, where there is one, has come back from this client's records.
    pub(crate) fn stop(&self, timeout: Duration) -> bool {
        match self {
            Log::Callback(log) => log.stop(timeout),
            Log::Queue(log) => {
                log.silent.store(true, Ordering::Release);
                true
            }
        }
    }
}

/// A log that ends in a queue.
pub(crate) struct QueueLog {
    inbox: Arc<Inbox>,
    silent: AtomicBool,
}

impl fmt::Debug for QueueLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueLog")
    }
}

impl Sink for QueueLog {
    fn take(&self, record: String) {
        if !self.silent.load(Ordering::Acquire) {
            self.inbox.push_log(record);
        }
    }
}
