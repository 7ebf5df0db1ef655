//! File locks and descriptors that a forked child does not keep.
//!
//! This is the one crate besides the C ABI that has `unsafe` code, since the standard library offers neither
//! open-file-description locks nor a way to act in a forked child. It knows nothing of ledgers or decks.
//!
//! - [`lock()`] and [`is_locked`]: open-file-description locks on byte ranges (fcntl(2), `F_OFD_SETLK`). They
//!   belong to one `open`, so nothing that the process does with other descriptors of the file releases them.
//! - [`Owned`]: an open file that a forked child closes. A child inherits open file descriptions and with
//!   them the locks: a name would stay reserved, and a ledger owned, as long as some child of a dead process
//!   lives.
//! - [`sqlite::install`]: gives SQLite the same locks, and the same rule for its descriptors and its shared
//!   memory.
//! - [`PerProcess`]: a value that each process makes for itself, so that a forked child never meets a lock
//!   which a thread of its parent held.
//!
//! [`after_fork_in_child`] is for a `pthread_atfork` handler. A child of `_Fork(3)` runs no handlers:
//! [`notice`] finds that out, and is called when the program enters the library.

mod lock;
mod per_process;
mod registry;
pub mod sqlite;

pub use lock::{Kind, is_locked, lock};
pub use per_process::PerProcess;
pub use registry::{Owned, Process, after_fork_in_child, notice};
