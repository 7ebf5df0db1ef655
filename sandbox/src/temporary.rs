//! A temporary directory.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A directory that only this user can read. It is removed when this is dropped.
#[derive(Debug)]
pub struct Temporary(PathBuf);

impl Temporary {
    /// A new one, in the system's directory for temporary files.
    ///
    /// # Errors
    /// When it can't be created, or the system gives no random bytes.
    pub fn new() -> io::Result<Temporary> {
        let number = getrandom::u64().map_err(io::Error::other)?;
        let path = std::env::temp_dir().join(format!("perceptis-sandbox-{number:016x}"));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Temporary(path))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // An error has no use here: the directory can't be removed.
        let _ = fs::remove_dir_all(&self.0);
    }
}
