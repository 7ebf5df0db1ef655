//! A power loss, played from the shim's record: what was synced is there, of the rest nothing, or as much as a seed says.
//!
//! A file's bytes are safe once the file was synced, its name once its directory was. Of the writes to one file since
//! then each may have reached the disk or not, or half of it, in any order; names reach it in theirs.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use fastrand::Rng;

/// What is lost.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// All that was not synced.
    All,
    /// Some of it.
    Some(u64),
}

/// One record of the shim's.
#[derive(Debug)]
pub struct Call {
    pub number: u64,
    pub kind: char,
    pub path: PathBuf,
    /// Where the process was killed: the kind of the call.
    pub killed_at: Option<char>,
    inode: u64,
    offset: u64,
    to: PathBuf,
    data: Vec<u8>,
}

/// The shim's record.
pub fn read(record: &Path) -> Vec<Call> {
    let bytes = fs::read(record).unwrap_or_default();
    let mut rest = bytes.as_slice();
    let mut calls = Vec::new();
    while !rest.is_empty() {
        let mut take = |count: usize| {
            let (taken, left) = rest.split_at(count);
            rest = left;
            taken
        };
        let mut long = || u64::from_ne_bytes(take(8).try_into().unwrap());
        let (number, inode, offset) = (long(), long(), long());
        let mut short = || u32::from_ne_bytes(take(4).try_into().unwrap());
        let (kind, path, to, data) = (short(), short() as usize, short() as usize, short() as usize);
        let mut text = |length: usize| PathBuf::from(std::str::from_utf8(take(length)).unwrap());
        let (path, to) = (text(path), text(to));
        let kind = char::from_u32(kind).unwrap();
        let killed_at = (kind == 'K').then(|| char::from_u32(u32::try_from(offset).unwrap()).unwrap());
        calls.push(Call { number, kind, path, killed_at, inode, offset, to, data: take(data).to_vec() });
    }
    calls
}

enum Change {
    Write { offset: usize, data: Vec<u8> },
    Length(usize),
}

impl Change {
    fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Change::Length(length) => bytes.resize(length, 0),
            Change::Write { offset, data } => {
                let end = offset + data.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[offset..end].copy_from_slice(&data);
            }
        }
    }
}

#[derive(Default)]
struct Content {
    safe: Vec<u8>,
    since: Vec<Change>,
}

#[derive(Clone)]
enum Named {
    File(usize),
    Directory,
}

enum Naming {
    Put(String, Named),
    Move(String, String),
    Exchange(String, String),
    Remove(String),
}

impl Naming {
    fn apply(self, names: &mut BTreeMap<String, Named>) {
        match self {
            Naming::Put(name, what) => drop(names.insert(name, what)),
            Naming::Remove(name) => drop(names.remove(&name)),
            Naming::Exchange(one, other) => {
                let (first, second) = (names.remove(&one), names.remove(&other));
                names.extend(first.map(|what| (other, what)));
                names.extend(second.map(|what| (one, what)));
            }
            Naming::Move(from, to) => {
                if let Some(what) = names.remove(&from) {
                    names.insert(to, what);
                }
            }
        }
    }
}

#[derive(Default)]
struct Names {
    safe: BTreeMap<String, Named>,
    since: Vec<Naming>,
}

/// A directory with all below it, as a disk holds it.
pub struct Disk {
    tree: PathBuf,
    contents: Vec<Content>,
    by_inode: HashMap<u64, usize>,
    directories: BTreeMap<PathBuf, Names>,
}

impl Disk {
    /// As it is now, all of it safe.
    pub fn read(tree: &Path) -> Disk {
        let mut disk = Disk {
            tree: tree.to_owned(),
            contents: Vec::new(),
            by_inode: HashMap::new(),
            directories: BTreeMap::new(),
        };
        disk.read_directory(tree);
        disk
    }

    fn read_directory(&mut self, directory: &Path) {
        let mut names = Names::default();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let what = if path.is_dir() {
                self.read_directory(&path);
                Named::Directory
            } else {
                let at = self.new_file(fs::metadata(&path).unwrap().ino());
                self.contents[at].safe = fs::read(&path).unwrap();
                Named::File(at)
            };
            names.safe.insert(name_of(&path), what);
        }
        self.directories.insert(directory.to_owned(), names);
    }

    fn new_file(&mut self, inode: u64) -> usize {
        self.contents.push(Content::default());
        self.by_inode.insert(inode, self.contents.len() - 1);
        self.contents.len() - 1
    }

    fn file(&mut self, inode: u64) -> &mut Content {
        &mut self.contents[self.by_inode[&inode]]
    }

    fn names(&mut self, path: &Path) -> &mut Vec<Naming> {
        &mut self.directories.get_mut(path.parent().unwrap()).unwrap().since
    }

    /// What was done to it.
    pub fn play(&mut self, calls: Vec<Call>) {
        for call in calls {
            let Call { kind, path, inode, to, data, .. } = call;
            let offset = usize::try_from(call.offset).unwrap();
            match kind {
                'w' => self.file(inode).since.push(Change::Write { offset, data }),
                't' => self.file(inode).since.push(Change::Length(offset)),
                's' => {
                    let content = self.file(inode);
                    for change in std::mem::take(&mut content.since) {
                        change.apply(&mut content.safe);
                    }
                }
                'd' => {
                    let names = self.directories.get_mut(&path).unwrap();
                    for naming in std::mem::take(&mut names.since) {
                        naming.apply(&mut names.safe);
                    }
                }
                'c' => {
                    let at = self.new_file(inode);
                    self.names(&path).push(Naming::Put(name_of(&path), Named::File(at)));
                }
                'm' => {
                    self.directories.insert(path.clone(), Names::default());
                    self.names(&path).push(Naming::Put(name_of(&path), Named::Directory));
                }
                'r' => {
                    assert_eq!(path.parent(), to.parent(), "nothing is moved to another directory");
                    self.names(&path).push(Naming::Move(name_of(&path), name_of(&to)));
                }
                'x' => self.names(&path).push(Naming::Exchange(name_of(&path), name_of(&to))),
                'l' => {
                    let at = self.by_inode[&inode];
                    self.names(&to).push(Naming::Put(name_of(&to), Named::File(at)));
                }
                'u' => self.names(&path).push(Naming::Remove(name_of(&path))),
                'n' | 'o' | 'K' => {}
                other => panic!("a record of the kind {other:?}"),
            }
        }
    }

    /// Makes the directory what a power loss leaves of it.
    pub fn lose(mut self, loss: Loss) {
        if let Loss::Some(seed) = loss {
            let mut draw = Rng::with_seed(seed);
            for content in &mut self.contents {
                for change in std::mem::take(&mut content.since) {
                    match (draw.u32(..3), change) {
                        (0, _) => {}
                        (1, Change::Write { offset, mut data }) => {
                            data.truncate(data.len() / 2);
                            Change::Write { offset, data }.apply(&mut content.safe);
                        }
                        (_, change) => change.apply(&mut content.safe),
                    }
                }
            }
            for names in self.directories.values_mut() {
                let count = draw.usize(..=names.since.len());
                for naming in names.since.drain(..).take(count) {
                    naming.apply(&mut names.safe);
                }
            }
        }
        for entry in fs::read_dir(&self.tree).unwrap() {
            fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        self.write_directory(&self.tree);
    }

    fn write_directory(&self, directory: &Path) {
        for (name, what) in &self.directories[directory].safe {
            let path = directory.join(name);
            match what {
                Named::Directory => {
                    DirBuilder::new().mode(0o700).create(&path).unwrap();
                    self.write_directory(&path);
                }
                Named::File(at) => {
                    let mut file =
                        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
                    file.write_all(&self.contents[*at].safe).unwrap();
                }
            }
        }
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
