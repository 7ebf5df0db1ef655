//! Where the files of a call go: checked and reserved before anything is submitted, since what is submitted
//! costs money.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Stat};

use super::abilities::Abilities;
use super::directory::{self, Directory, Opened, Slot, identity, is_out_of_descriptors, withhold_slots};
use super::failure::{file_error, message};
use super::names::{FileNames, stem};
use super::output_file::OutputFile;
use super::persist::finish_replacement;
use super::rehearsal::{abilities_of, try_characters};
use super::replaceable::Replaceable;
use super::reservation::{Conflict, Reservation, remove_unused_lock_file, reserve};
use crate::common::blocking::blocking;
use crate::config::options::Options;
use crate::error::{Error, Failure};
use crate::model::job_id::JobId;

/// The longest final name where the caller gave none: a job's id, a variant, the ending.
const MAX_JOB_FINAL_NAME: usize = 96 + 4 + 5;

/// A directory that can be written to and, where the caller gave a name, the names reserved in it.
#[derive(Debug)]
pub(crate) struct Destination {
    directory: Arc<Directory>,
    /// The directory as the caller gave it, made absolute.
    path: Arc<Path>,
    name: Option<Arc<str>>,
    overwrite: bool,
    abilities: Abilities,
    /// Exactly as large as need be, since it is kept for as long as the job takes.
    replaceable: Box<[Replaceable]>,
    /// Whether what may be replaced was found by an earlier call, so that nothing that is there now adds to
    /// it.
    is_restored: bool,
    /// Whether another run has reserved a name of it, so that what is paid for goes beside.
    is_reserved: bool,
    _reservation: Option<Reservation>,
}

/// Why a destination can't be had.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: Error,
    /// Whether another run has reserved a name of it.
    pub(crate) reserved: bool,
    /// The names of it that can't be had.
    pub(crate) taken: Vec<PathBuf>,
}

impl<R> From<Refusal> for Failure<R> {
    fn from(refusal: Refusal) -> Failure<R> {
        refusal.error.into()
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal { error, reserved: false, taken: Vec::new() }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        refusal.error
    }
}

/// What a call wants of the final names.
#[derive(Clone, Debug)]
enum EncodedRequest {
    /// They are free, or to be overwritten.
    Free,
    /// What has them by now is left alone, or overwritten: what may be paid for goes beside it, and beside
    /// what another run has reserved.
    Any,
    /// As [`EncodedRequest::Any`], with what may be overwritten from an earlier call.
    Restored(Box<[Replaceable]>),
    /// Files that are there are to be found, and nothing more.
    Look,
}

/// A call that wants a destination.
#[derive(Clone, Debug)]
struct Ask {
    options: Arc<Options>,
    variants: u32,
    wanted: EncodedRequest,
}

impl Destination {
    /// Checks the directory and reserves the final names of this many variants. With `free` they must not be
    /// taken; without, what may be paid for already goes beside a name that is taken or reserved. Waits where
    /// too many directories are open.
    ///
    /// # Errors
    /// `File` when the directory can't be used, or a name is taken or reserved by another run; told apart by
    /// `reserved`.
    pub(crate) async fn prepare(
        options: &Options,
        variants: u32,
        free: bool,
    ) -> Result<Destination, Refusal> {
        let wanted = if free { EncodedRequest::Free } else { EncodedRequest::Any };
        Ask { options: Arc::new(options.clone()), variants, wanted }.until_open().await
    }

    /// The same for a submission of an earlier call: its `overwrite` replaces only what that call found,
    /// which is what [`Destination::replaceable`] was then. Where that is not known, it replaces nothing.
    pub(crate) async fn restore(
        options: &Options,
        variants: u32,
        replaceable: Option<&str>,
    ) -> Result<Destination, Refusal> {
        let known: Option<Vec<Replaceable>> = replaceable.and_then(|json| serde_json::from_str(json).ok());
        let wanted = EncodedRequest::Restored(known.unwrap_or_default().into());
        Ask { options: Arc::new(options.clone()), variants, wanted }.until_open().await
    }

    /// A destination where files can be found, and nothing more: the directory need not be writable, and
    /// nothing is rehearsed or reserved.
    pub(crate) async fn look(options: &Options) -> Result<Destination, Refusal> {
        Ask { options: Arc::new(options.clone()), variants: 0, wanted: EncodedRequest::Look }
            .until_open()
            .await
    }

    /// The files that have the final names now and may be replaced, as JSON, to be kept for
    /// [`Destination::restore`].
    pub(crate) fn replaceable(&self) -> Option<String> {
        if self.replaceable.is_empty() { None } else { serde_json::to_string(&self.replaceable).ok() }
    }

    /// Removes what a dead process has left of its reservation, where nothing has to be reserved; and where
    /// it died while it put a file in place, what that has left.
    pub(crate) fn tidy(&self, died_in_place: bool) {
        remove_unused_lock_file(&self.directory);
        if died_in_place {
            // A directory that may not be listed keeps it until its next rehearsal.
            let names = self.directory.names_in_it().unwrap_or_default();
            names.iter().for_each(|name| finish_replacement(&self.directory, name));
        }
    }

    /// Whether the names are known without the job's id.
    pub(crate) fn has_names(&self) -> bool {
        self.name.is_some()
    }

    pub(crate) fn overwrites(&self) -> bool {
        self.overwrite
    }

    /// Looks at the names that follow from the job's id, where the caller gave none. Nothing is reserved
    /// then: no other job has them. With `free`, a name that is taken is an error; without, what is paid for
    /// goes beside it.
    pub(crate) fn look_for_job(
        mut self,
        job_id: &JobId,
        variants: u32,
        free: bool,
    ) -> Result<Destination, Error> {
        if self.directory.is_removed() && !self.path.is_dir() {
            return Err(message(&self.path, "does not exist any more"));
        }
        if self.name.is_none() {
            let names = self.final_names(&job_id.file_stem(), variants);
            let found = self.look_at(&names, free)?;
            if !self.is_restored {
                self.replaceable = found;
            }
        }
        Ok(self)
    }

    /// Takes a file out of what may be replaced: it was delivered there, and has been the user's since.
    pub(crate) fn spare(&mut self, delivered: &str) {
        let is_other = |old: &Replaceable| self.path.join(&old.name).to_str() != Some(delivered);
        self.replaceable = self.replaceable.iter().filter(|old| is_other(old)).cloned().collect();
    }

    /// The same destination, opened anew at its path if its directory was removed and made again.
    pub(crate) async fn reopened(self, variants: u32) -> Result<Destination, Error> {
        let (destination, is_removed) = blocking(move || {
            let is_removed = self.directory.is_removed();
            Ok((self, is_removed))
        })
        .await?;
        if !is_removed {
            return Ok(destination);
        }
        let options = Options {
            directory: Some(Arc::clone(&destination.path)),
            name: destination.name.as_deref().map(str::to_owned),
            overwrite: destination.overwrite,
            ..Options::default()
        };
        // Nothing that it may replace can be in a new directory.
        Ok(Destination::restore(&options, variants, None).await?)
    }

    /// One file of the job.
    pub(crate) fn file(&self, job_id: &JobId, variant: u32, variants: u32, extension: &str) -> OutputFile {
        let name = self.name.as_deref().map_or_else(|| job_id.file_stem(), str::to_owned);
        self.file_named(stem(&name, variant, variants), job_id, extension)
    }

    /// One file of the job, by the part of its name that is its own.
    pub(crate) fn file_named(&self, stem: String, job_id: &JobId, extension: &str) -> OutputFile {
        let names = FileNames {
            stem,
            extension: extension.to_owned(),
            job: job_id.file_stem(),
            max_name: self.abilities.max_name,
        };
        let final_name = names.final_name();
        let replaceable = self.replaceable.iter().find(|old| old.name == final_name).cloned();
        OutputFile {
            directory: Arc::clone(&self.directory),
            path: Arc::clone(&self.path),
            names,
            replaceable,
            is_reserved: self.is_reserved,
        }
    }

    /// The final names of presentations: only they are looked for, reserved and replaced.
    fn final_names(&self, name: &str, variants: u32) -> Vec<String> {
        let count = variants.max(1);
        (1..=count).map(|variant| format!("{}.pptx", stem(name, variant, variants))).collect()
    }

    /// Looks at what has the final names: what may be replaced of it.
    fn look_at(&self, names: &[String], free: bool) -> Result<Box<[Replaceable]>, Refusal> {
        let (mut replaceable, mut taken) = (Vec::new(), Vec::new());
        for name in names {
            let path = self.path.join(name);
            match self.directory.stat(name).map_err(|error| file_error(&path, "can't be used", &error))? {
                None => {}
                Some(found) if is_directory(&found) && free => {
                    return Err(message(&path, "is a directory").into());
                }
                Some(found) if is_directory(&found) => {}
                Some(found) if self.overwrite => replaceable.push(Replaceable::of(name.clone(), &found)),
                Some(_) if !free => {}
                Some(_) => taken.push(path),
            }
        }
        let Some(first) = taken.first() else { return Ok(replaceable.into()) };
        let what = "exists; choose another name, or set the option overwrite to true";
        Err(Refusal { error: message(first, what), reserved: false, taken })
    }
}

impl Ask {
    async fn until_open(self) -> Result<Destination, Refusal> {
        let mut slot = None;
        loop {
            let (ask, given) = (self.clone(), slot.take());
            match blocking(move || Ok(ask.once(given))).await?? {
                Some(destination) => return Ok(destination),
                None => slot = Some(directory::slot().await?),
            }
        }
    }

    /// One attempt; `None`: it takes a slot.
    fn once(self, slot: Option<Slot>) -> Result<Option<Destination>, Refusal> {
        let path = self.path()?;
        match self.at(&path, slot) {
            Ok(destination) => Ok(destination),
            // Everything of this attempt is closed by now.
            Err(Failed::Disk(_, error)) if is_out_of_descriptors(&error) && withhold_slots() => Ok(None),
            Err(Failed::Disk(what, error)) => Err(file_error(&path, &what, &error).into()),
            Err(Failed::Refused(refusal)) => Err(refusal),
        }
    }

    fn path(&self) -> Result<Arc<Path>, Error> {
        let given = self.options.directory.as_deref().unwrap_or(Path::new("."));
        let path = std::path::absolute(given)
            .map_err(|error| file_error(given, "is not a usable directory", &error))?;
        if path.to_str().is_none() {
            return Err(message(&path, "is not UTF-8, so that a result could not name the file"));
        }
        Ok(match &self.options.directory {
            // As it was given, it is the same for all calls with these options.
            Some(given) if given.as_os_str() == path.as_os_str() => Arc::clone(given),
            _ => path.into(),
        })
    }

    fn at(self, path: &Arc<Path>, slot: Option<Slot>) -> Result<Option<Destination>, Failed> {
        let found = match rustix::fs::stat(&**path).map_err(io::Error::from) {
            Ok(found) if is_directory(&found) => found,
            Ok(_) => return Err(message(path, "is not a directory; accepted is an existing one").into()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(message(path, "does not exist; accepted is an existing directory").into());
            }
            Err(error) => return Err(Failed::Disk("can't be used as a directory".into(), error)),
        };
        let directory = match Directory::open(path, identity(&found), slot) {
            Ok(Opened::Open(directory)) => directory,
            Ok(Opened::NeedsSlot) => return Ok(None),
            Err(error) => return Err(Failed::Disk("can't be used as a directory".into(), error)),
        };
        let abilities = match self.wanted {
            EncodedRequest::Look => directory.known_abilities(),
            _ => {
                abilities_of(&directory).map_err(|error| Failed::Disk("can't be written to".into(), error))?
            }
        };
        let mut destination = Destination {
            directory,
            path: Arc::clone(path),
            name: self.options.name.as_deref().map(Arc::from),
            overwrite: self.options.overwrite,
            abilities,
            replaceable: Box::default(),
            is_restored: matches!(self.wanted, EncodedRequest::Restored(_)),
            is_reserved: false,
            _reservation: None,
        };
        let free = matches!(self.wanted, EncodedRequest::Free);
        if let EncodedRequest::Look = self.wanted {
            return Ok(Some(destination));
        }
        if let Some(name) = destination.name.clone() {
            let names = destination.final_names(&name, self.variants);
            destination.check_names(&name, &names)?;
            // All of them before any is looked at: what a crash left of a reservation goes with this one.
            match destination.reserved(&names) {
                Ok(reservation) => destination._reservation = Some(reservation),
                Err(Failed::Refused(refusal)) if refusal.reserved && !free => {
                    destination.is_reserved = true;
                    return Ok(Some(destination));
                }
                Err(failed) => return Err(failed),
            }
            destination.replaceable = destination.look_at(&names, free)?;
        } else if abilities.max_name < MAX_JOB_FINAL_NAME {
            return Err(destination.names_are_short("a job's", MAX_JOB_FINAL_NAME).into());
        }
        if let EncodedRequest::Restored(replaceable) = self.wanted {
            destination.replaceable = replaceable;
        }
        Ok(Some(destination))
    }
}

impl Destination {
    /// Whether files of this name can be made.
    fn check_names(&self, name: &str, names: &[String]) -> Result<(), Failed> {
        let longest = names.iter().map(String::len).max().unwrap_or_default();
        if longest > self.abilities.max_name {
            return Err(self.names_are_short("that name's", longest).into());
        }
        // Some file systems refuse characters; these they do not.
        let is_usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
        let mut unusual: Vec<char> = name.chars().filter(|c| !is_usual(*c)).collect();
        unusual.sort_unstable();
        unusual.dedup();
        if !unusual.is_empty() {
            try_characters(&self.directory, &unusual.into_iter().collect::<String>())
                .map_err(|error| Failed::Disk(format!("does not allow the name {name:?}"), error))?;
        }
        Ok(())
    }

    fn names_are_short(&self, whose: &str, length: usize) -> Error {
        let most = self.abilities.max_name;
        message(
            &self.path,
            &format!("is on a file system whose names end at {most} bytes; {whose} has {length}"),
        )
    }

    fn reserved(&self, names: &[String]) -> Result<Reservation, Failed> {
        let no_locks = |error| {
            let what =
                "does not allow locks, without which no name can be reserved; without a name none is needed";
            Failed::Disk(what.into(), error)
        };
        if let Some(code) = self.abilities.lock_error {
            return Err(no_locks(io::Error::from_raw_os_error(code)));
        }
        reserve(&self.directory, names).map_err(|conflict| match conflict {
            Conflict::Reserved(name) => {
                let what = "is reserved: another run is about to write it";
                let path = self.path.join(name);
                Failed::Refused(Refusal { error: message(&path, what), reserved: true, taken: vec![path] })
            }
            Conflict::NoLockFile(name, what) => {
                let what = format!("{what}, where runs lock the names that they reserve; remove it");
                message(&self.path.join(name), &what).into()
            }
            Conflict::Disk(error) => Failed::Disk("can't be used to reserve names".into(), error),
        })
    }
}

fn is_directory(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::Directory
}

/// How an attempt failed.
enum Failed {
    Disk(String, io::Error),
    Refused(Refusal),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Refused(error.into())
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Failed {
        Failed::Refused(refusal)
    }
}
