//! What this process has reserved in one directory; how, is in `reservation.rs`.

use std::collections::BTreeSet;

use perceptis_descriptors::Owned;

/// What this process has reserved in a directory.
#[derive(Debug, Default)]
pub(super) struct LockedNames {
    pub(super) file: Option<LockFile>,
    pub(super) offsets: BTreeSet<u64>,
}

/// The lock file of a directory.
#[derive(Debug)]
pub(super) struct LockFile {
    pub(super) file: Owned,
    pub(super) name: String,
}
