//! A client's worker: the thread that drives its operations.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use perceptis_core::Error;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::platform::threads;
use crate::runtime::builder::RuntimeBuilder;

/// The thread, with the runtime that it drives. When this is dropped, the thread ends by itself: it drops its
/// tasks at their next await, and does not wait for work that blocks.
pub(crate) struct Worker {
    runtime: Handle,
    /// Ends the thread, and says how long it waits for work that blocks.
    end: oneshot::Sender<Duration>,
    /// Hung up when the thread has ended.
    ended: mpsc::Receiver<()>,
}

impl Worker {
    pub(crate) fn start(builder: &RuntimeBuilder) -> Result<Worker, Error> {
        let builder = builder.clone();
        let (end, asked) = oneshot::channel();
        let (running, ended) = mpsc::channel();
        let (made, runtime) = mpsc::sync_channel(1);
        // The thread makes its runtime itself: in a handler of atexit, the calling thread has lost what that
        // needs.
        let work = move || {
            let made_here = builder.build();
            let handle = made_here.as_ref().map(|runtime| runtime.handle().clone());
            let sent = made.send(handle.map_err(threads::unstartable));
            if let (Ok(()), Ok(runtime)) = (sent, made_here) {
                let wait = runtime.block_on(asked).unwrap_or_default();
                runtime.shutdown_timeout(wait);
            }
            drop(running);
        };
        threads::spawn(Box::new(work)).map_err(|error| threads::unstartable(&error))?;
        let gone = |_| threads::unstartable(&io::ErrorKind::BrokenPipe.into());
        Ok(Worker { runtime: runtime.recv().map_err(gone)??, end, ended })
    }

    /// The runtime that tasks are spawned on.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Ends the thread, and waits at most so long for its end, also while it syncs files.
    pub(crate) fn shut_down(self, timeout: Duration) {
        if self.end.send(timeout).is_ok() {
            // The thread never sends: it hangs up when it ends, or this wait times out.
            let _ = self.ended.recv_timeout(timeout);
        }
    }
}
