//! How much a log record matters.

use serde::Serialize;

/// How much a record matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// An operation failed.
    Error,
    /// Something failed that is borne, or a submission's fate is unknown.
    Warning,
    /// An operation began or ended, or a job's status changed.
    Info,
    /// Every request.
    Debug,
}

impl Level {
    pub(crate) const NAMES: [(&'static str, Level); 4] = [
        ("error", Level::Error),
        ("warning", Level::Warning),
        ("info", Level::Info),
        ("debug", Level::Debug),
    ];
}
