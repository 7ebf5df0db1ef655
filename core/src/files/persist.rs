//! The last step of a file: from its part to its final name, all at once or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use super::destination::{Names, file_error};
use crate::common::sha256;
use crate::error::Error;

/// What became of an attempt to give a file a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It has it.
    Here,
    /// This very file had it before, and the part is gone.
    Before,
    /// Another file has it, and was not touched.
    Taken,
}

/// Gives a verified part a name, without replacing unless `replace`, and makes that survive a power loss. Blocks on
/// the disk.
pub(crate) fn deliver(part: &Path, sha256: &str, target: &Path, replace: bool) -> Result<Placed, Error> {
    let moved = if replace { fs::rename(part, target) } else { rename_new(part, target) };
    let placed = match moved {
        Ok(()) => Placed::Here,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if sha256_of(target).is_ok_and(|found| found == sha256) {
                let _ = fs::remove_file(part);
                Placed::Before
            } else {
                return Ok(Placed::Taken);
            }
        }
        Err(error) => return Err(stays(part, target, &error)),
    };
    let directory = target.parent().unwrap_or(Path::new("."));
    sync_directory(directory).map_err(|error| file_error(directory, "can't be synced", &error))?;
    Ok(placed)
}

/// How many damaged files of one name are kept apart.
const MOST_UNVERIFIED: u32 = 100;

/// A file that failed verification, kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) path: PathBuf,
    /// Whether this call put it there; the same file of an earlier run is not this call's to remove.
    pub(crate) own: bool,
}

/// Takes a file that failed verification out of the way of the next fetch, which must not go on with it, and keeps
/// it under `<name>.unverified`, or with a number where an earlier run's other file has that name. `before` is what
/// this same call kept, and is replaced. Blocks on the disk.
pub(crate) fn keep_unverified(
    part: &Path,
    sha256: &str,
    names: &Names,
    before: Option<&Kept>,
) -> Result<Kept, Error> {
    if let Some(before) = before.filter(|before| before.own) {
        fs::rename(part, &before.path).map_err(|error| stays(part, &before.path, &error))?;
        return Ok(before.clone());
    }
    for number in 1..=MOST_UNVERIFIED {
        let path = names.unverified(number);
        match rename_new(part, &path) {
            Ok(()) => return Ok(Kept { path, own: true }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if sha256_of(&path).is_ok_and(|found| found == sha256) {
                    // These very bytes are kept already.
                    fs::remove_file(part).map_err(|error| stays(part, &path, &error))?;
                    return Ok(Kept { path, own: false });
                }
            }
            Err(error) => return Err(stays(part, &path, &error)),
        }
    }
    let taken = io::Error::from(ErrorKind::AlreadyExists);
    Err(stays(part, &names.unverified(MOST_UNVERIFIED), &taken))
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

/// The SHA-256 of a file in hexadecimal. Blocks on the disk.
pub(crate) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    let mut hasher = sha256::Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hasher.hex_so_far()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
