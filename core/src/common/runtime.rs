//! The runtime and the threads that a client lives on.

use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle;

/// Starts a thread that does this work.
pub type Spawn = fn(work: Box<dyn FnOnce() + Send>) -> std::io::Result<()>;

/// The runtime that a client lives on: for what must not end with the call that begins it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuntimeHandle(Arc<OnceLock<Handle>>);

impl RuntimeHandle {
    /// Names the runtime that lasts as long as the client. The first one counts.
    pub(crate) fn live_on(&self, runtime: &Handle) {
        let _ = self.0.set(runtime.clone());
    }

    /// The client's, or where it has none the caller's, or none: the client is being taken down.
    pub(crate) fn handle(&self) -> Option<Handle> {
        self.0.get().cloned().or_else(|| Handle::try_current().ok())
    }
}
