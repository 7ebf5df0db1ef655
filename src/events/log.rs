//! The log of a client: its records become events of a queue, or are handed to a callback.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use perceptis_core::Sink;

use crate::events::completion_queue::CompletionQueue;
use crate::events::log_callback::{ClientRecords, LogCallback};

/// Where a configuration sends the records of its clients.
pub(crate) enum Target {
    Callback(LogCallback),
    Queue(Arc<CompletionQueue>),
}

/// The log of one client.
pub(crate) enum Log {
    Callback(ClientRecords),
    Queue(Arc<QueueLog>),
}

impl Log {
    pub(crate) fn new(target: &Target) -> Log {
        match target {
            Target::Callback(callback) => Log::Callback(callback.join()),
            Target::Queue(queue) => {
                Log::Queue(Arc::new(QueueLog { queue: Arc::clone(queue), silent: AtomicBool::new(false) }))
            }
        }
    }

    /// What the client in `core` writes its records to.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        match self {
            Log::Callback(log) => log.sink(),
            Log::Queue(log) => Arc::<QueueLog>::clone(log),
        }
    }

    /// Takes no further records. The records that came before are handed out within `timeout`, or not at all.
    /// Says whether the callback, where there is one, has returned from this client's records.
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

/// The log of a client whose records become events of a queue.
pub(crate) struct QueueLog {
    queue: Arc<CompletionQueue>,
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
            self.queue.push_log(record);
        }
    }
}
