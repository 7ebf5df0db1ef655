//! A file that is on the disk already: found again by its length and hash.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FileType, OFlags, Stat};

use super::directory::Directory;
use crate::common::sha256;

/// Whether the file of this name has these bytes.
pub(crate) fn is_same(directory: &Directory, name: &str, length: u64, sha256: &str) -> bool {
    // The length first: another file is seldom as long, and can be large.
    let is_as_long = |found: &Stat| {
        FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
            && u64::try_from(found.st_size) == Ok(length)
    };
    directory.stat(name).is_ok_and(|found| found.as_ref().is_some_and(is_as_long))
        && sha256_of(directory, name).is_ok_and(|found| found == sha256)
}

fn sha256_of(directory: &Directory, name: &str) -> io::Result<String> {
    sha256_of_file(&directory.open_file(name, OFlags::RDONLY, 0)?)
}

/// The file at this path, read to its end, if it is one of this length and hash. Blocks on the disk.
pub(crate) fn open_recorded(path: &Path, length: u64, sha256: &str) -> io::Result<Option<File>> {
    // A pipe in its place must not be waited for.
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    let is_it = found.is_file() && found.len() == length && sha256_of_file(&file)? == sha256;
    Ok(is_it.then_some(file))
}

/// The hash of what follows in a file.
pub(super) fn sha256_of_file(mut file: &File) -> io::Result<String> {
    let mut hasher = sha256::Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.hex_so_far()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
