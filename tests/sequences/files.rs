//! What a user, a backup or another program does with files, and what is on the disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use crate::facts::Own;
use crate::history::Touch;
use crate::http::sha256;
use crate::world::World;

/// The hash of a file, if there is one.
pub fn hash(path: &Path) -> Option<String> {
    fs::read(path).ok().map(|bytes| sha256(&bytes))
}

/// A path without the detour of its directory by a link.
pub fn real(path: &Path) -> String {
    let directory = path.parent().and_then(|directory| fs::canonicalize(directory).ok());
    let real = directory.zip(path.file_name()).map(|(directory, name)| directory.join(name));
    real.unwrap_or_else(|| path.to_owned()).display().to_string()
}

/// All files of users and decks, by path. What a library keeps beside them for itself is left out.
pub fn all(base: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for directory in ["tree/d1", "tree/d2", "tree/moved"] {
        let Ok(entries) = fs::read_dir(base.join(directory)) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if !hidden && let Some(hash) = hash(&path) {
                found.insert(path, hash);
            }
        }
    }
    found
}

impl World {
    /// A user does something with the file of this name.
    pub fn touch_file(&mut self, directory: u8, name: u8, variant: u8, ending: u8, touch: Touch) {
        let number = if variant > 0 { format!("-{variant}") } else { String::new() };
        let ending = if ending == 0 { "pptx" } else { "pdf" };
        let path = self.directory(directory).join(format!("n{name}{number}.{ending}"));
        let before = hash(&path);
        if touch == Touch::Write && before.is_some() || touch != Touch::Write && before.is_none() {
            return;
        }
        let mut facts = self.shared.lock();
        let at = facts.next_stamp();
        for own in facts.own.iter_mut().filter(|own| own.path == path && own.until.is_none()) {
            own.until = Some(at);
        }
        if let Some(before) = before {
            facts.handled.push(before);
        }
        let keep = |facts: &mut crate::facts::Facts, path: PathBuf| {
            let hash = hash(&path).unwrap();
            facts.own.push(Own { path, hash, at, until: None });
        };
        match touch {
            Touch::Write | Touch::Edit => {
                // As editors do: a new file in the old one's place.
                let text = format!("a user's file of {at}");
                let aside = path.with_extension("aside");
                fs::write(&aside, text).unwrap();
                fs::rename(&aside, &path).unwrap();
                keep(&mut facts, path);
            }
            Touch::Move => {
                let to = self.base.join("tree/moved");
                fs::create_dir_all(&to).unwrap();
                let to = to.join(format!("{at}.{ending}"));
                fs::rename(&path, &to).unwrap();
                keep(&mut facts, to);
            }
            Touch::Delete => fs::remove_file(&path).unwrap(),
        }
    }

    pub fn state(&self) -> PathBuf {
        let moved = self.base.join("tree/state2");
        if moved.is_dir() { moved } else { self.base.join("tree/state") }
    }

    /// Where the ledger is, under its own name.
    pub fn own_ledger(&self) -> PathBuf {
        self.state().join("ledger.db")
    }

    /// A program copies the ledger's files, as a backup does.
    pub fn copy_ledger(&self) {
        let to = self.base.join("backup");
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(self.state()).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                // One of them may be gone by now.
                let _ = fs::copy(entry.path(), to.join(entry.file_name()));
            }
        }
    }

    /// Another program writes to the ledger and is slow: SQLite's lock for writing, in its log or in its
    /// file.
    pub fn lock_ledger(&mut self) {
        const WRITER: i64 = 120;
        const PENDING: i64 = 0x4000_0000;
        if self.lock.is_some() {
            return;
        }
        let log = self.own_ledger().with_extension("db-shm");
        let (path, start, length) =
            if log.exists() { (log, WRITER, 1) } else { (self.own_ledger(), PENDING, 512) };
        let Ok(file) = File::options().read(true).write(true).open(path) else { return };
        // SAFETY: all zeros are a value, and what counts is set.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = i16::try_from(libc::F_WRLCK).unwrap();
        lock.l_whence = i16::try_from(libc::SEEK_SET).unwrap();
        (lock.l_start, lock.l_len) = (start, length);
        // SAFETY: the descriptor is open and the lock a whole one. It ends with the descriptor.
        let locked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
        if locked == 0 {
            self.lock = Some(file);
        }
    }

    /// Later processes use the ledger by another name, or by its own again.
    pub fn link_ledger(&mut self, symbolic: bool) {
        let own = self.own_ledger();
        // One that could not be finished has no first name, and is refused under any as long as it has two.
        let is_finished =
            own.metadata().is_ok_and(|found| found.len() > 0) && !own.with_extension("db-journal").exists();
        if self.ledger != own || !is_finished {
            (self.ledger, self.alias) = (own, false);
            return;
        }
        let alias = self.base.join("tree").join(if symbolic { "symbolic.db" } else { "alias.db" });
        let _ = fs::remove_file(&alias);
        if symbolic {
            std::os::unix::fs::symlink(&own, &alias).unwrap();
        } else {
            fs::hard_link(&own, &alias).unwrap();
        }
        (self.ledger, self.alias) = (alias, !symbolic);
    }

    /// The ledger's directory gets another name while no process uses it.
    pub fn move_ledger(&mut self) {
        for at in 0..crate::history::SLOTS {
            self.exit(at);
        }
        let (from, other) = (self.state(), self.base.join("tree/state2"));
        let to = if from == other { self.base.join("tree/state") } else { other };
        fs::rename(&from, &to).unwrap();
        (self.ledger, self.alias) = (to.join("ledger.db"), false);
    }
}
