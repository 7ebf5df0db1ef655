//! What a directory can do, as a rehearsal finds it out.

use super::names::MAX_FILE_NAME;

/// How a file gets a new name without replacing one that has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Method {
    /// The kernel refuses to replace (`RENAME_NOREPLACE`).
    #[default]
    NoReplace,
    /// A second link, then the first one is removed: a link never replaces.
    Link,
    /// An empty file takes the name, and the rename replaces it. What another program writes into it in
    /// between is lost: there is no better way where neither of the others works.
    Placeholder,
}

impl Method {
    /// From the best to the worst.
    pub(super) const ALL: [Method; 3] = [Method::NoReplace, Method::Link, Method::Placeholder];
}

/// What a directory can do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abilities {
    /// The system's error number where files can't be locked.
    pub(super) lock_error: Option<i32>,
    /// The best way to rename without replacing.
    pub(super) method: Method,
    /// The longest name that a file can have, up to the longest that is needed.
    pub(super) max_name: usize,
}

impl Default for Abilities {
    fn default() -> Abilities {
        Abilities { lock_error: None, method: Method::default(), max_name: MAX_FILE_NAME }
    }
}
