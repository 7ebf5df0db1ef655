//! A file on its way: `<name>.<job_id>.part`, which a cut leaves behind and the next attempt goes on with.
//!
//! What has arrived is not deleted before something better is whole: a download that begins anew writes
//! another file, and the older ones go once one of them has its final name.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::num::NonZeroU64;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hyper::header::HeaderValue;
use perceptis_descriptors::{Kind, Owned, lock};
use rustix::fs::{Advice, Mode, OFlags, XattrFlags};
use rustix::process::geteuid;

use super::checksum::{Hashing, Sums};
use super::directory::Directory;
use super::names::MAX_GENERATIONS;
use super::output_file::OutputFile;
use super::recorded;
use super::sync::sync_file;
use super::verify;

/// Where a part keeps its validator (RFC 9110, 8.8.3), so that another process can go on with it safely. A
/// file system without such attributes forgets it: then the checksums in the file are all that guards it.
const ETAG: &str = "user.perceptis.etag";
const MAX_ETAG_BYTES: usize = 1024;
/// How much the disk is given at a time.
const WRITE_BACK: u64 = 8 << 20;
/// How often to open a file again that was renamed by another process in between.
const MAX_TRIES: u32 = 10;

/// What has arrived of a file, and its sums so far.
pub(crate) struct Partial {
    output: OutputFile,
    name: String,
    /// The highest generation of which there is a file; this is one of them.
    highest: u32,
    pub(crate) length: u64,
    /// What names the file at the other end, where the service gave it a strong validator.
    pub(crate) etag: Option<HeaderValue>,
    file: Owned,
    /// Up to where the disk has been told to begin.
    begun: u64,
    hashing: Hashing,
    /// What a check came to, and whether it is whole, each of so many bytes. Bytes are only added, or all are
    /// taken away.
    checked: Option<(u64, Verdict)>,
    whole: Option<(u64, bool)>,
}

/// Where in the file the presentation begins, or what is wrong with it.
type Verdict = Result<u64, String>;

impl Partial {
    /// Opens what is there of the file, or begins it. Of several the one that is whole, else the newest.
    ///
    /// # Errors
    /// Those of the disk; `ResourceBusy` where another call is fetching the file.
    pub(crate) fn open(output: &OutputFile) -> io::Result<Partial> {
        let mut newest = None;
        let highest = highest_generation(output)?;
        for generation in (1..=highest).rev() {
            let Some(mut part) = Partial::open_generation(output, generation, false)? else { continue };
            part.highest = highest;
            if part.is_whole() {
                return Ok(part);
            }
            newest = newest.or(Some(part));
        }
        let begun = || Partial::open_generation(output, 1, true).transpose();
        newest.map(Ok).or_else(begun).unwrap_or_else(|| Err(ErrorKind::NotFound.into()))
    }

    /// The file, where one is there and whole.
    pub(crate) fn open_whole(output: &OutputFile) -> io::Result<Option<Partial>> {
        if highest_generation(output)? == 0 {
            return Ok(None);
        }
        let mut part = Partial::open(output)?;
        Ok(if part.is_whole() { Some(part) } else { None })
    }

    /// A copy of a file that is somewhere on this machine; `None` if that is not the file of this length and
    /// hash.
    pub(crate) fn copy(
        output: &OutputFile,
        from: &Path,
        length: u64,
        sha256: &str,
    ) -> io::Result<Option<Partial>> {
        let Some(mut from) = recorded::open_recorded(from, length, sha256)? else { return Ok(None) };
        from.rewind()?;
        let mut part = Partial::open(output)?;
        part.restart()?;
        loop {
            let mut piece = vec![0; 64 << 10];
            match from.read(&mut piece)? {
                0 => break,
                count => {
                    piece.truncate(count);
                    part.append_with(piece.into(), |hashing| hashing.work_off())?;
                }
            }
        }
        // Another program can have changed it meanwhile.
        if part.length != length || part.sums().sha256.hex_so_far() != sha256 {
            part.restart()?;
            return Ok(None);
        }
        part.sync()?;
        Ok(Some(part))
    }

    /// `None`: it is not there, and was not to be made.
    fn open_generation(output: &OutputFile, generation: u32, create: bool) -> io::Result<Option<Partial>> {
        let (name, directory) = (output.names().part(generation), output.directory());
        for _ in 0..MAX_TRIES {
            let file = match open_file(directory, &name, create) {
                Err(error) if error.kind() == ErrorKind::NotFound && !create => return Ok(None),
                opened => opened?,
            };
            if !file.metadata()?.is_file() {
                return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
            }
            let file = Owned::new(file)?;
            // Two calls that write one file make a damaged one. Where there are no locks, this goes without.
            if !lock(&file, Kind::Exclusive, 0, 0).unwrap_or(true) {
                return Err(io::Error::new(ErrorKind::ResourceBusy, "another call is fetching this file"));
            }
            // Another call may have delivered it before the lock was there.
            if !directory.has(&name, file.file())? {
                continue;
            }
            let mut part = Partial::read(output, name.clone(), generation, file)?;
            if rustix::fs::fstat(&part.file)?.st_nlink > 1 && !part.is_whole() {
                // It has another name: a process died after the link that delivered it. What is added here
                // would be added there.
                directory.unlink_if_there(&name)?;
                if !create {
                    return Ok(None);
                }
                continue;
            }
            return Ok(Some(part));
        }
        Err(ErrorKind::ResourceBusy.into())
    }

    /// What is there already counts as arrived.
    fn read(output: &OutputFile, name: String, generation: u32, file: Owned) -> io::Result<Partial> {
        let mut sums = Sums::new();
        let mut length = 0;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = file.file().read(&mut buffer)?;
            if count == 0 {
                break;
            }
            sums.update(&buffer[..count]);
            length += count as u64;
        }
        let etag = if length > 0 { read_etag(&file) } else { None };
        Ok(Partial {
            output: output.clone(),
            name,
            highest: generation,
            length,
            etag,
            file,
            begun: length,
            hashing: Hashing::new(sums),
            checked: None,
            whole: None,
        })
    }

    /// Whose file it is.
    pub(crate) fn output(&self) -> &OutputFile {
        &self.output
    }

    /// Its name on the way.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.output.path_of(&self.name)
    }

    pub(super) fn file(&self) -> &Owned {
        &self.file
    }

    pub(super) fn highest_generation(&self) -> u32 {
        self.highest
    }

    /// Remembers what names the file at the other end.
    pub(crate) fn set_etag(&mut self, etag: Option<HeaderValue>) {
        if self.etag == etag {
            return;
        }
        // Failures are those of file systems without attributes, and of attributes that were never there.
        let _ = match &etag {
            Some(etag) if etag.len() <= MAX_ETAG_BYTES => {
                rustix::fs::fsetxattr(&self.file, ETAG, etag.as_bytes(), XattrFlags::empty())
            }
            _ => rustix::fs::fremovexattr(&self.file, ETAG),
        };
        self.etag = etag;
    }

    /// Adds what has arrived. Its sums may lag behind, and another thread catch up with them.
    pub(crate) fn append(&mut self, bytes: Bytes) -> io::Result<()> {
        self.append_with(bytes, |hashing| {
            tokio::task::spawn_blocking(Box::new(move || hashing.work_off()) as Box<dyn FnOnce() + Send>);
        })
    }

    /// The same; `help` is called with sums that lag far behind.
    fn append_with(&mut self, bytes: Bytes, help: impl FnOnce(Hashing)) -> io::Result<()> {
        self.file.file().write_all(&bytes)?;
        self.length += bytes.len() as u64;
        self.write_back();
        self.hashing.add(bytes, help);
        Ok(())
    }

    /// Begins again: the file at the other end is another one. What has arrived stays in its own file.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        if self.length > 0 && self.highest < MAX_GENERATIONS {
            let next = Partial::open_generation(&self.output, self.highest + 1, true)?;
            *self = next.ok_or(ErrorKind::NotFound)?;
        }
        self.file.file().set_len(0)?;
        io::Seek::rewind(&mut self.file.file())?;
        self.hashing = Hashing::new(Sums::new());
        self.length = 0;
        self.begun = 0;
        self.checked = None;
        self.whole = None;
        self.set_etag(None);
        Ok(())
    }

    /// Has the disk begin with what it was given, so that syncing finds little left to wait for.
    fn write_back(&mut self) {
        let waiting = self.length - self.begun;
        if waiting >= WRITE_BACK {
            // Linux begins to write what is dirty there, and waits for nothing; errors are left for the sync
            // to find.
            let _ = rustix::fs::fadvise(&self.file, self.begun, NonZeroU64::new(waiting), Advice::DontNeed);
            self.begun = self.length;
        }
    }

    /// Makes what has arrived survive a power loss.
    pub(crate) fn sync(&self) -> io::Result<()> {
        sync_file(self.file.file())
    }

    /// The sums of what has arrived.
    pub(crate) fn sums(&self) -> Sums {
        self.hashing.so_far()
    }

    /// Whether what has arrived is the file, or what is wrong with it. A format that is not known can't be
    /// checked.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        self.verdict().clone().map(|_| ())
    }

    /// Whether what has arrived is a whole presentation, so that no further byte is needed. Only a
    /// presentation that begins where the file does: one within another, up to whose end the file has come,
    /// is not what was asked for.
    pub(crate) fn is_whole(&mut self) -> bool {
        let known = self.is_known_whole();
        let is_whole = known.unwrap_or_else(|| {
            self.output.names().is_presentation()
                && verify::ends_like_a_zip(self.file.file(), self.length)
                && *self.verdict() == Ok(0)
        });
        self.whole = Some((self.length, is_whole));
        is_whole
    }

    /// The same where it is known without a look at the disk.
    pub(crate) fn is_known_whole(&self) -> Option<bool> {
        match self.whole {
            _ if self.length == 0 => Some(false),
            Some((length, is_whole)) if length == self.length => Some(is_whole),
            _ => None,
        }
    }

    fn verdict(&mut self) -> &Verdict {
        let length = self.length;
        let checked = self.checked.take().filter(|(then, _)| *then == length);
        let verdict = || {
            let sums = self.hashing.so_far();
            if self.output.names().is_presentation() {
                verify::verify_pptx(self.file.file(), &sums.blocks)
            } else {
                Ok(0)
            }
        };
        let checked = checked.unwrap_or_else(|| (length, verdict()));
        &self.checked.insert(checked).1
    }
}

/// The highest generation of which there is a file; 0: there is none.
fn highest_generation(output: &OutputFile) -> io::Result<u32> {
    for generation in (1..=MAX_GENERATIONS).rev() {
        if output.directory().stat(&output.names().part(generation))?.is_some() {
            return Ok(generation);
        }
    }
    Ok(0)
}

fn open_file(directory: &Directory, name: &str, create: bool) -> io::Result<File> {
    let flags = if create { OFlags::RDWR | OFlags::CREATE } else { OFlags::RDWR };
    match directory.open_file(name, flags, 0o666) {
        // A umask can keep a file from its own user, who may change that.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && permit_owner(directory, name) => {
            directory.open_file(name, flags, 0o666)
        }
        other => other,
    }
}

/// Lets this user read and write a file of its own. Whether that was of use.
fn permit_owner(directory: &Directory, name: &str) -> bool {
    let Ok(file) = directory.open_file(name, OFlags::PATH, 0) else { return false };
    let Ok(found) = rustix::fs::fstat(&file) else { return false };
    let is_own = found.st_uid == geteuid().as_raw() && found.st_mode & 0o600 != 0o600;
    // By the descriptor: the name may be another file's by now, or a link's.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    is_own && rustix::fs::chmod(path, Mode::from_raw_mode(found.st_mode & 0o7777 | 0o600)).is_ok()
}

fn read_etag(file: &Owned) -> Option<HeaderValue> {
    let mut buffer = [0_u8; MAX_ETAG_BYTES];
    let count = rustix::fs::fgetxattr(file, ETAG, &mut buffer).ok()?;
    HeaderValue::from_bytes(buffer.get(..count)?).ok()
}
