//! Who works on what: a file of each process beside the ledger, locked for as long as the process uses it.
//!
//! The locks are POSIX record locks: they end with the process, however it ends, no fork inherits them, and they are
//! seen across pid namespaces. But a process gives one up when it closes *any* descriptor of the file, so a file of
//! this process is never opened a second time: all of them are in [`OWN`].

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

use crate::common::sha256;
use crate::sync::lock;

/// This process's own files, by token; dropped, they are closed.
static OWN: Mutex<BTreeMap<String, File>> = Mutex::new(BTreeMap::new());

pub(super) type Own = MutexGuard<'static, BTreeMap<String, File>>;

/// Only for as long as it takes to look, or across a fork.
pub(super) fn own() -> Own {
    lock(&OWN)
}

/// This process as the ledger names it. Dropped, all that it worked on is anybody's.
#[derive(Debug)]
pub(super) struct Owner {
    token: String,
    path: PathBuf,
}

impl Owner {
    /// A new file in this directory, locked.
    pub(super) fn new(directory: &Path) -> io::Result<Owner> {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        loop {
            let mut random = [0u8; 16];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let token = sha256::hex(&random);
            let path = directory.join(&token);
            // Held until the file is among our own: whoever sees it in the directory knows it for ours.
            let mut own = own();
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            let locked = match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => true,
                Err(Errno::AGAIN | Errno::ACCESS) => false,
                Err(error) => {
                    let _ = fs::remove_file(&path);
                    return Err(error.into());
                }
            };
            // Somebody who found it before it was locked took it for a dead one's and removed it.
            if locked && is_same(&file, &path)? {
                own.insert(token.clone(), file);
                return Ok(Owner { token, path });
            }
        }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether others still see the file: somebody may have swept the directory.
    pub(super) fn is_seen(&self) -> io::Result<bool> {
        own().get(&self.token).map_or(Ok(false), |file| is_same(file, &self.path))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut own = own();
        // A file that stays is a dead owner's: the next who finds it removes it.
        let _ = fs::remove_file(&self.path);
        own.remove(&self.token);
    }
}

/// Whether the process that has this token still lives. A dead one's file is removed.
pub(super) fn is_alive(directory: &Path, token: &str) -> io::Result<bool> {
    if own().contains_key(token) {
        return Ok(true);
    }
    if !is_token(token) {
        return Ok(false);
    }
    let path = directory.join(token);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    // Shared, so that two who look at once do not take each other for the owner.
    match fcntl_lock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            // Removed while locked. No token comes twice, so nobody else's file has this name.
            let _ = fs::remove_file(&path);
            Ok(false)
        }
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(true),
        Err(error) => Err(error.into()),
    }
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
