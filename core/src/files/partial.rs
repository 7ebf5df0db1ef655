//! A file on its way: `<name>.<job_id>.part`, which a cut leaves behind and the next attempt goes on with.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use reqwest::header::HeaderValue;
use rustix::fs::{Advice, Mode, OFlags, XattrFlags};

use super::checksum::{Hashing, Sums};

/// Where a part keeps its validator (RFC 9110, 8.8.3), so that another process can go on with it safely. A file
/// system without such attributes forgets it: then the checksums in the file are all that guards it.
const ETAG: &str = "user.perceptis.etag";
const MOST_ETAG_BYTES: usize = 1024;
/// How much the disk is given at a time.
const WRITE_BACK: u64 = 8 << 20;

/// What has arrived of a file, and its sums so far.
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
    /// What names the file at the other end, where the service gave it a strong validator.
    pub(crate) etag: Option<HeaderValue>,
    file: File,
    /// Up to where the disk has been told to begin.
    begun: u64,
    hashing: Hashing,
}

impl Part {
    /// Opens the part, or begins one; what is there already counts as arrived. Blocks on the disk.
    pub(crate) fn open(path: &Path) -> io::Result<Part> {
        // Never through a symbolic link that somebody else put there.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o666))?);
        let mut sums = Sums::new();
        let mut length = 0;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            sums.update(&buffer[..count]);
            length += count as u64;
        }
        let etag = if length > 0 { read_etag(&file) } else { None };
        Ok(Part { path: path.to_owned(), length, etag, file, begun: length, hashing: Hashing::new(sums) })
    }

    /// Remembers what names the file at the other end.
    pub(crate) fn set_etag(&mut self, etag: Option<HeaderValue>) {
        if self.etag == etag {
            return;
        }
        // Failures are those of file systems without attributes, and of attributes that were never there.
        let _ = match &etag {
            Some(etag) if etag.len() <= MOST_ETAG_BYTES => {
                rustix::fs::fsetxattr(&self.file, ETAG, etag.as_bytes(), XattrFlags::empty())
            }
            _ => rustix::fs::fremovexattr(&self.file, ETAG),
        };
        self.etag = etag;
    }

    /// Adds what has arrived. Its sums may lag behind, and another thread catch up with them.
    pub(crate) fn append(&mut self, bytes: Bytes) -> io::Result<()> {
        self.file.write_all(&bytes)?;
        self.length += bytes.len() as u64;
        self.write_back();
        self.hashing.add(bytes, |hashing| {
            tokio::task::spawn_blocking(Box::new(move || hashing.work_off()) as Box<dyn FnOnce() + Send>);
        });
        Ok(())
    }

    /// Begins again: the file at the other end is another one.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hashing = Hashing::new(Sums::new());
        self.length = 0;
        self.begun = 0;
        self.set_etag(None);
        Ok(())
    }

    /// Has the disk begin with what it was given, so that syncing finds little left to wait for.
    fn write_back(&mut self) {
        let waiting = self.length - self.begun;
        if waiting >= WRITE_BACK {
            // Linux begins to write what is dirty there, and waits for nothing; errors are left for the sync to find.
            let _ = rustix::fs::fadvise(&self.file, self.begun, NonZeroU64::new(waiting), Advice::DontNeed);
            self.begun = self.length;
        }
    }

    /// Makes what has arrived survive a power loss.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// The sums of what has arrived.
    pub(crate) fn sums(&self) -> Sums {
        self.hashing.so_far()
    }
}

fn read_etag(file: &File) -> Option<HeaderValue> {
    let mut buffer = [0_u8; MOST_ETAG_BYTES];
    let count = rustix::fs::fgetxattr(file, ETAG, &mut buffer).ok()?;
    HeaderValue::from_bytes(buffer.get(..count)?).ok()
}
