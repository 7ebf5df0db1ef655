//! The last step of a file: from its name on the way to its final name, all at once or not at all.

use std::io::{self, ErrorKind};

use rustix::fs::{FileType, RenameFlags};

use super::directory::Directory;
use super::failure::file_error;
use super::names::{FileNames, MAX_GENERATIONS, REPLACED};
use super::partial::Partial;
use super::recorded::is_same;
use super::rename::{Renamed, is_not_offered, is_one_file, rename_new};
use super::replaceable::{DIGEST_DIGITS, Replaceable};
use crate::error::Error;

/// How many damaged files of one name are kept apart.
const MAX_UNVERIFIED: u32 = 100;
/// How often to begin a replacement again whose other name was removed.
const MAX_TRIES: u32 = 3;

/// What became of an attempt to give a file a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It has it. `doubt`: what keeps the name from surviving a power loss, if anything.
    Here { doubt: Option<String> },
    /// This very file had it before, and the part is gone.
    Before,
    /// Another file has it, and was not touched.
    Taken,
}

/// Gives a verified part a final name, and makes that survive a power loss. Nothing is replaced but
/// `replaceable`.
pub(crate) fn persist(
    part: &Partial,
    sha256: &str,
    to: &str,
    replaceable: Option<&Replaceable>,
) -> Result<Placed, Error> {
    let output = part.output();
    let directory = output.directory();
    let stays = |error: io::Error| stays(part, to, &error);
    let renamed = match replaceable {
        Some(old) => replace(part, to, old),
        None => rename_new(directory, part.name(), to),
    };
    match renamed.map_err(stays)? {
        Renamed::Done => {}
        Renamed::Exists if is_same(directory, to, part.length, sha256) => {
            directory.unlink_if_there(part.name()).map_err(stays)?;
            remove_parts(part).map_err(stays)?;
            return Ok(Placed::Before);
        }
        Renamed::Exists => return Ok(Placed::Taken),
    }
    let synced = directory.sync_names(part.file().file());
    let doubt =
        synced.err().map(|error| format!("a power loss may undo its name, which can't be synced: {error}"));
    remove_parts(part).map_err(stays)?;
    Ok(Placed::Here { doubt })
}

/// Removes the other files of a download, one of which now has its final name.
fn remove_parts(delivered: &Partial) -> io::Result<()> {
    let output = delivered.output();
    for generation in 1..=delivered.highest_generation() {
        let name = output.names().part(generation);
        if name != delivered.name() {
            output.directory().unlink_if_there(&name)?;
        }
    }
    Ok(())
}

/// Puts the part in the place of the file that may be replaced, or where the name is free by now.
fn replace(part: &Partial, to: &str, old: &Replaceable) -> io::Result<Renamed> {
    let directory = part.output().directory();
    for _ in 0..MAX_TRIES {
        match directory.stat(to)? {
            None => return rename_new(directory, part.name(), to),
            Some(found) if !old.is(&found) => return Ok(Renamed::Exists),
            Some(_) => {}
        }
        match exchange(part, to, old) {
            Ok(Some(renamed)) => return Ok(renamed),
            // Where files can't be exchanged nothing shows what was replaced: a file that is written between
            // the look above and this is lost.
            Ok(None) => match directory.rename(part.name(), to) {
                Ok(()) => return Ok(Renamed::Done),
                // Another user's in a directory for all, or one that is protected.
                Err(error) if is_not_offered(&error) || error.kind() == ErrorKind::ResourceBusy => {
                    return Ok(Renamed::Exists);
                }
                Err(error) => return Err(error),
            },
            // One of the two is gone.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Renamed::Exists)
}

/// Exchanges the part and the old file in one step, and back again if it is another file that came out.
/// `None`: nothing was done, since files can't be exchanged here.
///
/// It is a second name of the part that is exchanged. So the old file never has a part's name, and whatever a
/// crash leaves, a part is what was downloaded.
fn exchange(part: &Partial, to: &str, old: &Replaceable) -> io::Result<Option<Renamed>> {
    let directory = part.output().directory();
    let aside = part.output().names().replaced(&old.digest());
    match directory.link(part.name(), &aside) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if !is_one_file(directory, part.name(), &aside)? {
                return Ok(Some(Renamed::Exists));
            }
        }
        Err(error) if is_not_offered(&error) => return Ok(None),
        Err(error) => return Err(error),
    }
    if let Err(error) = directory.rename_with(&aside, to, RenameFlags::EXCHANGE) {
        directory.unlink_if_there(&aside)?;
        return if is_not_offered(&error) { Ok(None) } else { Err(error) };
    }
    if directory.stat(&aside)?.is_some_and(|out| old.is(&out)) {
        directory.unlink(part.name())?;
        directory.unlink(&aside)?;
        return Ok(Some(Renamed::Done));
    }
    directory.rename_with(&aside, to, RenameFlags::EXCHANGE)?;
    if is_one_file(directory, part.name(), &aside)? {
        directory.unlink(&aside)?;
    } else {
        // In between another file was put there once more: the newer one keeps the name, and the older one
        // this.
        directory.rename_with(&aside, to, RenameFlags::EXCHANGE)?;
    }
    Ok(Some(Renamed::Exists))
}

/// Ends a replacement that a dead process began, where this is the name of what it replaced. A file that was
/// to stay is never removed: its digest is another.
pub(super) fn finish_replacement(directory: &Directory, name: &str) {
    let Some(text) = name.strip_suffix(REPLACED) else { return };
    let Some((names, digest)) = text.rsplit_once('.').filter(|(_, digest)| digest.len() == DIGEST_DIGITS)
    else {
        return;
    };
    let Ok(Some(found)) = directory.stat(name) else { return };
    let is_old = Replaceable::of(String::new(), &found).digest() == digest;
    let mut parts = (1..=MAX_GENERATIONS).map(|generation| FileNames::part_of(names, generation));
    let mut is_part = || parts.any(|part| is_one_file(directory, name, &part).unwrap_or(false));
    if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile && (is_old || is_part()) {
        // What can't be removed now is removed by the next rehearsal.
        let _ = directory.unlink_if_there(name);
    }
}

/// A file that failed verification, kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) name: String,
    /// Whether this call put it there; the same file of an earlier run is not this call's to remove.
    pub(crate) own: bool,
}

/// Takes a file that failed verification out of the way of the next fetch, which must not go on with it, and
/// keeps it under the first free `<name>.unverified`; a file that is there already is not kept twice.
pub(crate) fn keep_unverified(part: &Partial, sha256: &str) -> Result<Kept, Error> {
    let (output, directory) = (part.output(), part.output().directory());
    let mut last = output.names().unverified(1);
    for number in 1..=MAX_UNVERIFIED {
        let name = output.names().unverified(number);
        let stays = |error: io::Error| stays(part, &name, &error);
        match rename_new(directory, part.name(), &name).map_err(stays)? {
            Renamed::Done => return Ok(Kept { name, own: true }),
            Renamed::Exists if is_same(directory, &name, part.length, sha256) => {
                directory.unlink_if_there(part.name()).map_err(stays)?;
                return Ok(Kept { name, own: false });
            }
            Renamed::Exists => last = name,
        }
    }
    Err(stays(part, &last, &ErrorKind::AlreadyExists.into()))
}

fn stays(part: &Partial, to: &str, error: &io::Error) -> Error {
    let output = part.output();
    let what = format!("can't be made (the file stays at {})", output.path_of(part.name()).display());
    file_error(&output.path_of(to), &what, error)
}
