//! The last step of a file: from its part to its final name, all at once or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use crate::error::Error;
use crate::hash;
use crate::target::{Names, file_error};

/// Where a file ended up.
pub(crate) struct Delivered {
    pub(crate) path: PathBuf,
    /// What the caller should know about it.
    pub(crate) note: Option<String>,
}

/// Gives a verified part its final name and makes that survive a power loss. A name that was taken
/// meanwhile is not touched: the file goes beside it, unless it is this very file. Blocks on the disk.
pub(crate) fn deliver(part: &Path, sha256: &str, names: &Names, overwrite: bool) -> Result<Delivered, Error> {
    let target = names.target();
    let moved = if overwrite { fs::rename(part, &target) } else { rename_new(part, &target) };
    let delivered = match moved {
        Ok(()) => Delivered { path: target, note: None },
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if sha256_of(&target).is_ok_and(|found| found == sha256) {
                // An earlier run was here and got as far as this: its file is this one.
                let _ = fs::remove_file(part);
                Delivered { path: target, note: Some("the same file was there already".into()) }
            } else {
                let beside = names.beside();
                rename_new(part, &beside).map_err(|error| stays(part, &beside, &error))?;
                Delivered { note: Some(format!("{} was taken meanwhile", target.display())), path: beside }
            }
        }
        Err(error) => return Err(stays(part, &target, &error)),
    };
    sync_directory(&names.directory)
        .map_err(|error| file_error(&names.directory, "can't be synced", &error))?;
    Ok(delivered)
}

/// Keeps a file that failed verification under `<name>.unverified`; `replaces` allows to replace what this
/// same call put there. Blocks on the disk.
pub(crate) fn keep_unverified(part: &Path, names: &Names, replaces: bool) -> Result<PathBuf, Error> {
    let kept = names.unverified();
    let moved = if replaces { fs::rename(part, &kept) } else { rename_new(part, &kept) };
    match moved {
        Ok(()) => Ok(kept),
        // Somebody's earlier one: the part stays under its own name.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(part.to_owned()),
        Err(error) => Err(stays(part, &kept, &error)),
    }
}

fn stays(part: &Path, target: &Path, error: &io::Error) -> Error {
    file_error(target, &format!("can't be made (the file stays at {})", part.display()), error)
}

/// Renames without replacing.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // A file system without that flag: a link does not replace either.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        Err(error) => Err(error.into()),
    }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // Some file systems can't sync a directory, and need not.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => Ok(()),
        other => other,
    }
}

fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    let mut hasher = hash::Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hasher.hex_so_far()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
