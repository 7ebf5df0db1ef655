//! How a client's runtimes are made.
//!
//! tokio's builder looks at a variable of the environment, which only `perceptis_client_new` may do. So it is
//! made there, and kept.

use std::io;
use std::time::Duration;

use perceptis_core::STACK_BYTES;
use tokio::runtime::{Builder, Runtime};

use crate::platform::sync::{Arc, Mutex, lock};
use crate::platform::threads;

/// Threads for the disk and for name resolution; they come when needed, and stay. With the one that does the
/// work and the ledger's a client has four at most.
const BLOCKING_THREADS: usize = 2;
/// As good as for ever. A thread that went when it was idle might not come again: containers bound their
/// number, and a file that is paid for has to be written.
const KEPT: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Makes runtimes, for a client's thread and for its lane.
#[derive(Clone)]
pub(crate) struct Runtimes(Arc<Mutex<Builder>>);

impl Runtimes {
    /// Reads the environment.
    pub(crate) fn new() -> Runtimes {
        let mut builder = Builder::new_current_thread();
        builder
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_keep_alive(KEPT)
            .thread_name("perceptis")
            .thread_stack_size(STACK_BYTES)
            .on_thread_start(threads::enter)
            .enable_all();
        Runtimes(Arc::new(Mutex::new(builder)))
    }

    /// One that is driven by the thread that asks for it.
    pub(crate) fn build(&self) -> io::Result<Runtime> {
        lock(&self.0).build()
    }
}
