//! The thread that does a client's work.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use perceptis_core::Error;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::platform::threads;
use crate::runtime::builder::Runtimes;

/// The thread, with the runtime that it drives. Dropped, it has the thread end by itself: tasks are dropped at their
/// next await, and what blocks is not waited for.
pub(crate) struct Worker {
    runtime: Handle,
    /// Ends the thread, and says how long it waits for what blocks.
    end: oneshot::Sender<Duration>,
    /// Hung up when the thread has ended.
    ended: mpsc::Receiver<()>,
}

impl Worker {
    pub(crate) fn start(runtimes: &Runtimes) -> Result<Worker, Error> {
        let runtimes = runtimes.clone();
        let (end, asked) = oneshot::channel();
        let (running, ended) = mpsc::channel();
        let (made, runtime) = mpsc::sync_channel(1);
        // Made on the thread itself: in a handler of atexit the caller's has lost what that needs.
        let work = move || {
            let made_here = runtimes.build();
            let handle = made_here.as_ref().map(|runtime| runtime.handle().clone());
            let told = made.send(handle.map_err(threads::unstartable));
            if let (Ok(()), Ok(runtime)) = (told, made_here) {
                let wait = runtime.block_on(asked).unwrap_or_default();
                runtime.shutdown_timeout(wait);
            }
            drop(running);
        };
        threads::spawn(Box::new(work)).map_err(|error| threads::unstartable(&error))?;
        let gone = |_| threads::unstartable(&io::ErrorKind::BrokenPipe.into());
        Ok(Worker { runtime: runtime.recv().map_err(gone)??, end, ended })
    }

    /// What tasks are spawned on.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Ends the thread and waits for that, at most so long: also for files that are being synced.
    pub(crate) fn shut_down(self, timeout: Duration) {
        if self.end.send(timeout).is_ok() {
            // Nothing is ever sent: it ends by hanging up, or is late.
            let _ = self.ended.recv_timeout(timeout);
        }
    }
}
