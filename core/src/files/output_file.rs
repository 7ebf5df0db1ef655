//! One file of a job: where it goes, and what it is called on the way and in the end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::Directory;
use super::failure::file_error;
use super::names::{FileNames, MAX_GENERATIONS};
use super::recorded::is_same;
use super::replaceable::Replaceable;
use crate::error::Error;

/// One file of a job: its directory and its names.
#[derive(Clone, Debug)]
pub(crate) struct OutputFile {
    pub(super) directory: Arc<Directory>,
    pub(super) path: Arc<Path>,
    pub(super) names: FileNames,
    pub(super) replaceable: Option<Replaceable>,
    /// Whether the final name is another run's.
    pub(super) is_reserved: bool,
}

impl OutputFile {
    pub(crate) fn names(&self) -> &FileNames {
        &self.names
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Whether another run has reserved the final name, so that the file goes beside it.
    pub(crate) fn is_reserved(&self) -> bool {
        self.is_reserved && self.names.is_presentation()
    }

    /// What has the final name and may be replaced.
    pub(crate) fn replaceable(&self) -> Option<&Replaceable> {
        self.replaceable.as_ref()
    }

    /// Where a file of this name is.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.directory.path(&self.path).join(name)
    }

    /// Whether the file of this name has these bytes.
    pub(crate) fn is_same(&self, name: &str, length: u64, sha256: &str) -> bool {
        is_same(&self.directory, name, length, sha256)
    }

    /// Removes a file of this name, where it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        let failed = |error: io::Error| file_error(&self.path_of(name), "can't be removed", &error);
        self.directory.unlink_if_there(name).map_err(failed)
    }

    /// Removes what is there of the file on the way, where nothing has arrived: there is nothing to go on
    /// with.
    pub(crate) fn remove_empty_parts(&self) -> Result<(), Error> {
        for generation in 1..=MAX_GENERATIONS {
            let name = self.names.part(generation);
            let failed = |error: io::Error| file_error(&self.path_of(&name), "can't be removed", &error);
            if self.directory.stat(&name).map_err(failed)?.is_some_and(|found| found.st_size == 0) {
                self.directory.unlink_if_there(&name).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Removes all that is left of the download of a file that has its final name.
    pub(crate) fn remove_all_parts(&self) -> Result<(), Error> {
        (1..=MAX_GENERATIONS).try_for_each(|generation| self.remove(&self.names.part(generation)))
    }
}
