//! The errors of the disk, with the path that each is about.

use std::io;
use std::path::Path;

use crate::error::{Error, Kind};

/// An error of the disk about this path.
pub(crate) fn file_error(path: &Path, what: &str, error: &io::Error) -> Error {
    message(path, &format!("{what}: {error}"))
}

pub(super) fn message(path: &Path, what: &str) -> Error {
    Error::new(Kind::File, format!("{} {what}", path.display()))
}
