//! The builder of a client's tokio runtimes.
//!
//! tokio's builder reads a variable of the environment, which only `perceptis_client_new` may do. So that
//! function makes the builder, and the client keeps it.

use std::io;
use std::time::Duration;

use perceptis_core::STACK_BYTES;
use tokio::runtime::{Builder, Runtime};

use crate::platform::sync::{Arc, Mutex, lock};
use crate::platform::threads;

/// The threads for the disk and for name resolution. They are started when they are needed, and stay. With
/// its worker and the thread of the ledger, a client has four threads at most.
const BLOCKING_THREADS: usize = 2;
/// As good as for ever. A thread that ended when it was idle might not start again, since containers limit
/// the number of threads; and a file that is paid for has to be written.
const KEPT: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Makes the runtimes of a client: of its worker, and of the calling thread.
#[derive(Clone)]
pub(crate) struct RuntimeBuilder(Arc<Mutex<Builder>>);

impl RuntimeBuilder {
    /// Makes a builder, which reads the environment.
    pub(crate) fn new() -> RuntimeBuilder {
        let mut builder = Builder::new_current_thread();
        builder
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_keep_alive(KEPT)
            .thread_name("perceptis")
            .thread_stack_size(STACK_BYTES)
            .on_thread_start(threads::enter)
            .enable_all();
        RuntimeBuilder(Arc::new(Mutex::new(builder)))
    }

    /// Makes a runtime that the calling thread drives.
    pub(crate) fn build(&self) -> io::Result<Runtime> {
        lock(&self.0).build()
    }
}
