//! What a directory can do, tried before anything is paid for: to make files with long names, to lock them,
//! to rename them without replacing, to sync.
//!
//! The trial files are hidden and have a fixed prefix. They are removed at once; what a process leaves that
//! dies in between is removed by the next rehearsal in the directory.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};

use perceptis_descriptors::{Kind, Owned, lock};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::abilities::{Abilities, Method};
use super::directory::{Directory, token};
use super::names::MAX_FILE_NAME;
use super::persist::finish_replacement;
use super::rename::{Renamed, is_not_offered};
use super::sync::sync_file;

/// How all trial files begin.
pub(super) const PREFIX: &str = ".perceptis-rehearsal-";
/// How often a rehearsal begins again whose files another process has removed, which took it for dead.
const MAX_TRIES: u32 = 3;
/// From which age on a trial file is a leftover where no lock can tell, in seconds by the file system's own
/// clock.
const LEFTOVER_AGE: i64 = 3600;

/// A trial file, removed when this is dropped.
struct Trial<'a> {
    directory: &'a Directory,
    name: String,
    file: Owned,
}

impl Trial<'_> {
    fn create(directory: &Directory, name: String) -> io::Result<Trial<'_>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let file = directory.open_file(&name, flags, 0o600)?;
        // From here on its name is removed, whatever fails.
        let trial = Trial { directory, name, file: Owned::new(file)? };
        // Against any umask, so that the next process can look at it. Not every file system has modes.
        let _ = rustix::fs::fchmod(&trial.file, Mode::from_raw_mode(0o600));
        // Says that this process lives, where there are locks.
        let _ = lock(&trial.file, Kind::Exclusive, 0, 0);
        Ok(trial)
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        // What can't be removed is removed by the next rehearsal.
        let _ = self.directory.unlink_if_there(&self.name);
    }
}

/// What this directory can do: tried once, then only whether it still may be written to.
pub(super) fn abilities_of(directory: &Directory) -> io::Result<Abilities> {
    let mut known = directory.abilities();
    let rights = directory.rights()?;
    let abilities = match known.or_else(|| directory.remembered(rights)) {
        Some(abilities) => {
            probe(directory)?;
            abilities
        }
        None => {
            let abilities = rehearse(directory)?;
            directory.remember(rights, abilities);
            abilities
        }
    };
    *known = Some(abilities);
    Ok(abilities)
}

/// Tries out the directory.
fn rehearse(directory: &Directory) -> io::Result<Abilities> {
    let mut tries = 1;
    loop {
        match try_all(directory) {
            Err(error) if error.kind() == ErrorKind::NotFound && tries < MAX_TRIES => tries += 1,
            other => return other,
        }
    }
}

fn try_all(directory: &Directory) -> io::Result<Abilities> {
    let token = token()?;
    let (mut one, max_name) = longest_name(directory, &token)?;
    let lock_error = match lock(&one.file, Kind::Exclusive, 0, 0) {
        Ok(_) => None,
        Err(error) => Some(error.raw_os_error().unwrap_or_default()),
    };
    sweep(directory, &token, one.file.file())?;
    one.file.file().write_all(b"perceptis\n")?;
    sync_file(one.file.file())?;
    let method = try_methods(directory, &mut one, &token)?;
    directory.unlink_if_there(&one.name)?;
    directory.sync_names(one.file.file())?;
    Ok(Abilities { lock_error, method, max_name })
}

/// A trial file with the longest name that is needed, or the longest that there can be.
fn longest_name<'a>(directory: &'a Directory, token: &str) -> io::Result<(Trial<'a>, usize)> {
    let shortest = trial_name(token, 1, 0).len();
    let create = |length| Trial::create(directory, trial_name(token, 1, length));
    let is_too_long = |error: &io::Error| Errno::from_io_error(error) == Some(Errno::NAMETOOLONG);
    match create(MAX_FILE_NAME) {
        Err(error) if is_too_long(&error) => {}
        other => return Ok((other?, MAX_FILE_NAME)),
    }
    let mut best = (create(shortest)?, shortest);
    let mut too_long = MAX_FILE_NAME;
    while best.1 + 1 < too_long {
        let middle = usize::midpoint(best.1, too_long);
        match create(middle) {
            Ok(trial) => best = (trial, middle),
            Err(error) if is_too_long(&error) => too_long = middle,
            Err(error) => return Err(error),
        }
    }
    Ok(best)
}

fn trial_name(token: &str, number: u32, length: usize) -> String {
    let name = format!("{PREFIX}{token}-{number}");
    format!("{name:-<length$}")
}

/// The best way to rename without replacing that works here.
fn try_methods<'a>(directory: &'a Directory, one: &mut Trial<'a>, token: &str) -> io::Result<Method> {
    let other = trial_name(token, 2, one.name.len());
    let mut last = io::Error::from(ErrorKind::Unsupported);
    for method in Method::ALL {
        let there = Trial::create(directory, other.clone())?;
        let works = match method.rename(directory, &one.name, &there.name) {
            // It replaced all the same.
            Ok(Renamed::Done) => Ok(false),
            Ok(Renamed::Exists) => directory
                .unlink(&there.name)
                .and_then(|()| method.rename(directory, &one.name, &there.name))
                .map(|renamed| renamed == Renamed::Done),
            Err(error) => Err(error),
        };
        match works {
            Ok(true) => return Ok(method),
            Ok(false) => *one = Trial::create(directory, format!("{}-", trial_name(token, 3, 0)))?,
            Err(error) if is_not_offered(&error) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Whether the directory may still be written to, found out by writing: permissions alone tell too little.
fn probe(directory: &Directory) -> io::Result<()> {
    match directory.open_nameless() {
        Ok(_) => Ok(()),
        // Not every file system has such files.
        Err(error) if is_not_offered(&error) || error.raw_os_error() == Some(Errno::ISDIR.raw_os_error()) => {
            Trial::create(directory, trial_name(&token()?, 1, 0)).map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Whether a file can have a name with these characters.
pub(super) fn try_characters(directory: &Directory, characters: &str) -> io::Result<()> {
    Trial::create(directory, format!("{}-{characters}-", trial_name(&token()?, 1, 0))).map(drop)
}

/// Removes what dead processes have left in the directory: trial files, and replacements that were cut short.
/// `ours` is a file of this rehearsal, written now.
fn sweep(directory: &Directory, token: &str, ours: &File) -> io::Result<()> {
    let now = rustix::fs::fstat(ours)?.st_mtime;
    // One that may not be listed can't be swept.
    let Ok(names) = directory.names_in_it() else { return Ok(()) };
    for name in names {
        if name.starts_with(PREFIX) && !name.contains(token) {
            sweep_trial(directory, &name, now);
        } else {
            finish_replacement(directory, &name);
        }
    }
    Ok(())
}

/// Removes a trial file unless its rehearsal is alive. One that can't be opened or removed is another user's:
/// it is in the way of nothing.
fn sweep_trial(directory: &Directory, name: &str, now: i64) {
    let Ok(file) = directory.open_file(name, OFlags::RDONLY, 0) else { return };
    let is_dead = match lock(&file, Kind::Shared, 0, 0) {
        Ok(free) => free,
        Err(_) => rustix::fs::fstat(&file).is_ok_and(|found| now - found.st_mtime > LEFTOVER_AGE),
    };
    if is_dead {
        let _ = directory.unlink_if_there(name);
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::tests::open;
    use super::*;

    #[test]
    fn rehearsal_leaves_the_files_of_one_that_is_alive() {
        let place = tempfile::tempdir().unwrap();
        let directory = open(place.path());
        let alive = Trial::create(&directory, trial_name("alive", 1, 0)).unwrap();
        // As a dead process leaves it: nothing has it locked.
        std::fs::write(place.path().join(trial_name("dead", 1, 0)), "").unwrap();
        rehearse(&directory).unwrap();
        assert_eq!(directory.names_in_it().unwrap(), [alive.name.as_str()]);
    }
}
