//! A directory for a while.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A directory for this user's eyes, gone when it is dropped.
#[derive(Debug)]
pub struct Temporary(PathBuf);

impl Temporary {
    /// A new one, in the system's place for such.
    ///
    /// # Errors
    /// When it can't be made or the system gives no random bytes.
    pub fn new() -> io::Result<Temporary> {
        let number = getrandom::u64().map_err(io::Error::other)?;
        let path = std::env::temp_dir().join(format!("perceptis-sandbox-{number:016x}"));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Temporary(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nothing better can be done about a directory that can't be removed.
        let _ = fs::remove_dir_all(&self.0);
    }
}
