//! Where files go: checked and reserved before anything is submitted, since what is submitted costs money.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Kind};
use crate::job::JobId;
use crate::options::Options;

/// A directory that can be written to and, where the caller gave a name, the names reserved in it.
#[derive(Debug)]
pub(crate) struct Target {
    directory: Arc<Path>,
    name: Option<Arc<str>>,
    pub(crate) overwrite: bool,
    /// Exactly as large as need be, since it is kept for as long as the job takes.
    reserved: Vec<Reservation>,
}

/// Why a target can't be had.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: Error,
    /// Whether another run has reserved a name of it.
    pub(crate) reserved: bool,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal { error, reserved: false }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        refusal.error
    }
}

/// A name that no other run, of this process or another, can take while this lives. It is a lock on a hidden
/// file beside the name, so that it ends with the process, however that ends.
#[derive(Debug)]
struct Reservation {
    directory: Arc<Path>,
    /// The name without its ending; mostly the job's id, which is there already.
    stem: Arc<str>,
    lock: File,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // Unlinked while locked: whoever opened it meanwhile sees that it is gone and makes a new one.
        let _ = fs::remove_file(lock_of(&self.directory, &self.stem));
        let _ = self.lock.unlock();
    }
}

/// One file's names: the final one, and the one that it has while it is on its way.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) directory: PathBuf,
    /// `<name>` or `<name>-<variant>`.
    pub(crate) stem: String,
    pub(crate) extension: String,
    pub(crate) job: String,
}

impl Names {
    pub(crate) fn target(&self) -> PathBuf {
        self.directory.join(format!("{}.{}", self.stem, self.extension))
    }

    /// Where the file goes when its name was taken meanwhile.
    pub(crate) fn beside(&self) -> PathBuf {
        self.directory.join(format!("{}-{}.{}", self.stem, self.job, self.extension))
    }

    pub(crate) fn part(&self) -> PathBuf {
        let ending = if self.extension == "pptx" { String::new() } else { format!(".{}", self.extension) };
        self.directory.join(format!("{}.{}{ending}.part", self.stem, self.job))
    }

    /// Where a file that failed verification is kept; the first has no number.
    pub(crate) fn unverified(&self, number: u32) -> PathBuf {
        let number = if number > 1 { format!("-{number}") } else { String::new() };
        self.directory.join(format!("{}{number}.unverified", self.stem))
    }
}

impl Target {
    /// Checks the directory and reserves the final names of this many variants. With `free` they must not be
    /// taken; without, what may be paid for already goes beside a taken name. Blocks on the disk.
    ///
    /// # Errors
    /// `File` when the directory can't be used, or a name is taken or reserved by another run; told apart by `reserved`.
    pub(crate) fn prepare(options: &Options, variants: u32, free: bool) -> Result<Target, Refusal> {
        let given = options.directory.as_deref().unwrap_or(Path::new("."));
        let directory = std::path::absolute(given)
            .map_err(|error| file_error(given, "is not a usable directory", &error))?;
        if directory.to_str().is_none() {
            return Err(message(&directory, "is not UTF-8, so that a result could not name the file").into());
        }
        match fs::metadata(&directory) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                return Err(message(&directory, "is not a directory; accepted is an existing one").into());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(message(&directory, "does not exist; accepted is an existing directory").into());
            }
            Err(error) => return Err(file_error(&directory, "can't be used as a directory", &error).into()),
        }
        probe(&directory)?;
        let directory = match &options.directory {
            // As it was given, it is the same for all calls with these options.
            Some(given) if given.as_os_str() == directory.as_os_str() => Arc::clone(given),
            _ => directory.into(),
        };
        let mut target = Target {
            directory,
            name: options.name.as_deref().map(Arc::from),
            overwrite: options.overwrite,
            reserved: Vec::new(),
        };
        if let Some(name) = target.name.clone() {
            target.reserve_all(&name, variants, free)?;
        }
        Ok(target)
    }

    /// Reserves the names that follow from the job's id, where the caller gave none. With `free`, a name
    /// that is taken is an error.
    pub(crate) fn reserve_for(&mut self, job_id: &JobId, variants: u32) -> Result<(), Error> {
        if self.name.is_none() && self.reserved.is_empty() {
            self.reserve_all(&job_id.shared_stem(), variants, true)?;
        }
        Ok(())
    }

    /// Reserves the job's own names without asking that they be free: the deck is paid for, and a taken
    /// name is settled when the file is there.
    pub(crate) fn hold_for(&mut self, job_id: &JobId, variants: u32) -> Result<(), Error> {
        if self.name.is_none() && self.reserved.is_empty() {
            self.reserve_all(&job_id.shared_stem(), variants, false)?;
        }
        Ok(())
    }

    /// Whether the names are the caller's, and reserved.
    pub(crate) fn has_names(&self) -> bool {
        self.name.is_some()
    }

    /// The names of one file of the job.
    pub(crate) fn names(&self, job_id: &JobId, variant: u32, variants: u32, extension: &str) -> Names {
        let name = self.name.as_deref().map_or_else(|| job_id.file_stem(), str::to_owned);
        Names {
            directory: self.directory.to_path_buf(),
            stem: stem(&name, variant, variants),
            extension: extension.to_owned(),
            job: job_id.file_stem(),
        }
    }

    fn reserve_all(&mut self, name: &Arc<str>, variants: u32, free: bool) -> Result<(), Refusal> {
        // All of them before any is looked at: what a crash left of a reservation goes with ours, however this ends.
        let stem_of = |variant| match variants {
            ..=1 => Arc::clone(name),
            _ => stem(name, variant, variants).into(),
        };
        let stems: Vec<Arc<str>> = (1..=variants).map(stem_of).collect();
        self.reserved.reserve_exact(stems.len());
        for stem in &stems {
            self.reserved.push(reserve(&self.directory, stem)?);
        }
        for stem in &stems {
            let path = self.directory.join(format!("{stem}.pptx"));
            match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(file_error(&path, "can't be used", &error).into()),
                Ok(found) if found.is_dir() => return Err(message(&path, "is a directory").into()),
                Ok(_) if self.overwrite || !free => {}
                Ok(_) => {
                    return Err(message(
                        &path,
                        "exists; choose another name, or set the option overwrite to true",
                    )
                    .into());
                }
            }
        }
        Ok(())
    }
}

/// `-<variant>` is in a name exactly when more than one was asked for.
fn stem(name: &str, variant: u32, variants: u32) -> String {
    if variants > 1 { format!("{name}-{variant}") } else { name.to_owned() }
}

fn reserve(directory: &Arc<Path>, stem: &Arc<str>) -> Result<Reservation, Refusal> {
    let path = lock_of(directory, stem);
    loop {
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = opened.map_err(|error| file_error(directory, "can't be written to", &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let path = directory.join(format!("{stem}.pptx"));
                let error = message(&path, "is reserved: another run is about to write it");
                return Err(Refusal { error, reserved: true });
            }
            Err(TryLockError::Error(error)) => {
                return Err(file_error(directory, "does not allow locks", &error).into());
            }
        }
        // A lock on a file that its last owner has just unlinked reserves nothing.
        if is_same(&lock, &path).map_err(|error| file_error(&path, "can't be read", &error))? {
            return Ok(Reservation { directory: Arc::clone(directory), stem: Arc::clone(stem), lock });
        }
    }
}

fn lock_of(directory: &Path, stem: &str) -> PathBuf {
    directory.join(format!(".{stem}.pptx.lock"))
}

fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the directory can be written to, found out by writing: permissions alone tell too little.
fn probe(directory: &Path) -> Result<(), Error> {
    // A file without a name: a crash leaves nothing of it.
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let probed = match rustix::fs::open(directory, flags, Mode::from_raw_mode(0o600)) {
        Ok(_) => Ok(()),
        // Not every file system has such files.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
            let path = directory.join(format!(".perceptis-{}.probe", crate::key::new_key()?));
            OpenOptions::new().create_new(true).write(true).open(&path).and_then(|_| fs::remove_file(&path))
        }
        Err(error) => Err(error.into()),
    };
    probed.map_err(|error| file_error(directory, "can't be written to", &error))
}

/// An error of the disk about this path.
pub(crate) fn file_error(path: &Path, what: &str, error: &io::Error) -> Error {
    message(path, &format!("{what}: {error}"))
}

fn message(path: &Path, what: &str) -> Error {
    Error::new(Kind::File, format!("{} {what}", path.display()))
}
