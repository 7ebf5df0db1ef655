//! The process as an owner of submissions: a file beside the ledger, locked as long as the process uses the
//! ledger.
//!
//! The file's name is the process's token in the ledger. Other processes find out whether the owner lives by
//! asking for the lock. It is an open-file-description lock: it ends with the process, however that ends; it
//! is seen across pid namespaces; nothing that the program does with the file releases it; and a forked child
//! closes its copy.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use perceptis_descriptors::{Kind, Owned, lock};

use crate::common::sha256;

/// This process as the ledger names it. Dropped, all that it worked on is free.
#[derive(Debug)]
pub(super) struct OwnerFile {
    token: String,
    path: PathBuf,
    file: Owned,
}

impl OwnerFile {
    /// A new file in this directory, locked.
    pub(super) fn new(directory: &Path) -> io::Result<OwnerFile> {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        loop {
            let mut random = [0u8; 16];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let token = sha256::hex(&random);
            let path = directory.join(&token);
            let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
            let file = Owned::new(file)?;
            let locked = match lock(&file, Kind::Exclusive, 0, 0) {
                Ok(locked) => locked,
                Err(error) => {
                    let _ = fs::remove_file(&path);
                    return Err(error);
                }
            };
            // Another process that came upon the file before it was locked took it for a dead owner's and
            // removed it.
            if locked && is_same(file.file(), &path)? {
                return Ok(OwnerFile { token, path, file });
            }
        }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether others still find the file: another program may have swept the directory.
    pub(super) fn is_seen(&self) -> io::Result<bool> {
        is_same(self.file.file(), &self.path)
    }
}

impl Drop for OwnerFile {
    fn drop(&mut self) {
        // Removed while it is locked. A file that stays is a dead owner's: the next process that finds it
        // removes it.
        if self.is_seen().is_ok_and(|seen| seen) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether the process that has this token still lives. A dead one's file is removed.
pub(super) fn is_alive(directory: &Path, token: &str) -> io::Result<bool> {
    if !is_token(token) {
        return Ok(false);
    }
    let path = directory.join(token);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    // Shared, so that two processes which look at once do not take each other for the owner.
    if !lock(&file, Kind::Shared, 0, 0)? {
        return Ok(true);
    }
    // Removed while it is locked. No token comes twice, so no other process's file has this name.
    let _ = fs::remove_file(&path);
    Ok(false)
}

/// Removes what dead processes left in the directory.
pub(super) fn sweep(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        if let Some(token) = entry?.file_name().to_str() {
            is_alive(directory, token)?;
        }
    }
    Ok(())
}

fn is_token(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
