//! The file that `overwrite` may replace, known again whatever happens to its name.

use rustix::fs::Stat;
use serde::{Deserialize, Serialize};

use super::directory::identity;
use crate::common::sha256;

/// The digits of a digest.
pub(super) const DIGEST_DIGITS: usize = 16;

/// The file that `overwrite` may replace: it had the final name when the call reserved that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replaceable {
    /// The final name, without its directory.
    pub(crate) name: String,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    /// When it was written last: seconds since 1970 and nanoseconds.
    pub(crate) modified: (i64, i64),
}

impl Replaceable {
    pub(super) fn of(name: String, found: &Stat) -> Replaceable {
        let (device, inode) = identity(found);
        let modified = (found.st_mtime, found.st_mtime_nsec);
        Replaceable { name, device, inode, size: u64::try_from(found.st_size).unwrap_or(0), modified }
    }

    /// Whether this is the very file, unchanged.
    pub(super) fn is(&self, found: &Stat) -> bool {
        *self == Replaceable::of(self.name.clone(), found)
    }

    /// The file in a few digits. Without the device, whose number can be another after a restart of the
    /// machine.
    pub(super) fn digest(&self) -> String {
        let (seconds, nanoseconds) = self.modified;
        let text = format!("{} {} {seconds} {nanoseconds}", self.inode, self.size);
        sha256::hex(&sha256::of(text.as_bytes()))[..DIGEST_DIGITS].to_owned()
    }
}
