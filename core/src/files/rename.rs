//! Giving a file a new name without replacing anything, by what the file system can do.

use std::io::{self, ErrorKind, Read as _, Write as _};

use rustix::fs::{OFlags, RenameFlags};
use rustix::io::Errno;

use super::abilities::Method;
use super::directory::{Directory, identity};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renamed {
    Done,
    /// Another file has the name, and was not touched.
    Exists,
}

impl Method {
    /// Renames in this one way.
    pub(super) fn rename(self, directory: &Directory, from: &str, to: &str) -> io::Result<Renamed> {
        let renamed = match self {
            Method::NoReplace => directory.rename_with(from, to, RenameFlags::NOREPLACE),
            Method::Link => directory.link(from, to).and_then(|()| directory.unlink(from)),
            Method::Placeholder => return rename_over_placeholder(directory, from, to),
        };
        match renamed {
            Ok(()) => Ok(Renamed::Done),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // A link over a network can be made, and its answer be lost: asked again, it is there
                // already. And a process can have died between a link and the removal of the first name.
                if is_one_file(directory, from, to)? {
                    directory.unlink(from)?;
                    return Ok(Renamed::Done);
                }
                Ok(Renamed::Exists)
            }
            Err(error) => Err(error),
        }
    }
}

/// Renames without replacing, in the best way that works here.
pub(super) fn rename_new(directory: &Directory, from: &str, to: &str) -> io::Result<Renamed> {
    let best = directory.known_abilities().method;
    let mut last = io::Error::from(ErrorKind::Unsupported);
    for method in Method::ALL.into_iter().skip_while(|method| *method != best) {
        match method.rename(directory, from, to) {
            Err(error) if is_not_offered(&error) => last = error,
            other => return other,
        }
    }
    Err(last)
}

/// Whether a system call is refused as such: by the file system, or by a filter that forbids it. A missing
/// permission looks alike, and then the next way is refused for it too.
pub(super) fn is_not_offered(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::INVAL
                | Errno::NOSYS
                | Errno::NOTSUP
                | Errno::PERM
                | Errno::ACCESS
                | Errno::MLINK
                | Errno::NOTTY
        )
    )
}

/// Whether both names are of one file.
pub(super) fn is_one_file(directory: &Directory, one: &str, other: &str) -> io::Result<bool> {
    let (one, other) = (directory.stat(one)?, directory.stat(other)?);
    Ok(one.zip(other).is_some_and(|(one, other)| identity(&one) == identity(&other)))
}

fn rename_over_placeholder(directory: &Directory, from: &str, to: &str) -> io::Result<Renamed> {
    // Says whose it is, so that one that a crash has left is known again.
    let content = format!("perceptis: {from} is about to have this name\n");
    match directory.open_file(to, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, 0o600) {
        Ok(mut file) => {
            let written = file.write_all(content.as_bytes());
            let renamed = written.and_then(|()| directory.rename(from, to));
            if renamed.is_err() {
                directory.unlink_if_there(to)?;
            }
            renamed.map(|()| Renamed::Done)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let Some(found) = directory.stat(to)? else { return Ok(Renamed::Exists) };
            let is_left_over = usize::try_from(found.st_size).is_ok_and(|size| size <= content.len())
                && directory.open_file(to, OFlags::RDONLY, 0).is_ok_and(|file| {
                    let (mut text, most) = (Vec::new(), content.len() as u64 + 1);
                    file.take(most).read_to_end(&mut text).is_ok() && text == content.as_bytes()
                });
            if !is_left_over {
                return Ok(Renamed::Exists);
            }
            directory.rename(from, to).map(|()| Renamed::Done)
        }
        Err(error) => Err(error),
    }
}
