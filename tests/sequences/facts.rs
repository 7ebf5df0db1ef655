//! What is known of a history: what was asked and told, the service's books, the user's files. All of it is
//! stamped with one counter, so that the oracle can say what came before what. An interval is never shorter
//! than the thing it is of: what begins is stamped before it is asked for, what ends is stamped when it was
//! heard.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::history::{Endpoint, Form, Line, Operation, Trouble};

/// The place of something in the order of all things.
pub type Stamp = u64;

/// What a process asked the library for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A `run` or `generate`: what was asked, with the key that was given.
    Deck(Deck),
    Recover {
        resubmit: bool,
    },
    Jobs,
    Status,
    Wait(String),
    Download {
        job: String,
        directory: u8,
        name: u8,
        overwrite: bool,
    },
    Forget(Option<String>),
}

impl Asked {
    /// What a client's activity calls it; none where it is not in it.
    pub fn operation(&self) -> Option<&'static str> {
        match self {
            Asked::Deck(deck) if deck.line.op == Operation::Run => Some("run"),
            Asked::Deck(_) => Some("generate"),
            Asked::Recover { .. } => Some("recover"),
            Asked::Status => Some("get_status"),
            Asked::Wait(_) => Some("wait"),
            Asked::Download { .. } => Some("download"),
            Asked::Jobs | Asked::Forget(_) => None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Deck {
    pub line: Line,
    /// The directory without the detour by a link.
    pub directory: u8,
    pub key: Option<String>,
}

impl Deck {
    /// Whether two calls are equal in all but the API key.
    pub fn is_like(&self, other: &Deck) -> bool {
        let of = |deck: &Deck| (deck.line.op, deck.line.request, deck.directory, deck.line.name);
        of(self) == of(other)
    }
}

/// One call of the library and what came of it.
#[derive(Clone, Debug)]
pub struct Call {
    pub number: usize,
    pub process: usize,
    pub api: u8,
    pub form: Form,
    pub asked: Asked,
    /// With a second copy of the library.
    pub copy: bool,
    pub began: Stamp,
    /// The same in the service's time.
    pub began_ms: u64,
    /// When it was seen waiting for the service, with its names reserved and its submission under way.
    pub under_way: Option<Stamp>,
    pub ended: Option<Stamp>,
    /// When the program had the end.
    pub told: Option<Stamp>,
    pub cancelled: bool,
    /// When its queue was freed with its end in it, if that had come: nobody is told of it.
    pub dropped: Option<Stamp>,
    /// The key that it was seen with while it ran.
    pub key: Option<String>,
    /// Its deadline, where it is short.
    pub seconds: Option<u32>,
    pub code: String,
    pub message: String,
    pub result: Value,
    pub details: Value,
    /// By the ticks of the test's own clock: when it began, when it ended, when it was told.
    pub ticks: (u64, Option<u64>, u64),
    /// The files of its result, as they were right after it ended: path and hash.
    pub seen: Vec<(String, Option<String>)>,
    /// The hashes of all files when it ended so, if it was told INCOMPLETE.
    pub kept: Vec<String>,
    /// The files under its names when it began.
    pub found: BTreeMap<PathBuf, String>,
    /// Whether it belongs to the quiet end, where nothing is in its way.
    pub quiet: bool,
    /// When it was over: it ended, or its process did. Set by `close`, as are its files' names.
    pub over: Stamp,
    pub targets: Vec<PathBuf>,
    /// Whether it was refused before it sent anything: what its error names is another's.
    pub refused: bool,
}

impl Call {
    pub fn deck(&self) -> Option<&Deck> {
        if let Asked::Deck(deck) = &self.asked { Some(deck) } else { None }
    }

    /// What the result or the error says of this.
    pub fn says(&self, name: &str) -> Option<&str> {
        self.result[name].as_str().or_else(|| self.details[name].as_str())
    }

    /// The key of its submission, as far as it was said.
    pub fn known_key(&self) -> Option<&str> {
        self.says("idempotency_key").or(self.key.as_deref()).or_else(|| self.deck()?.key.as_deref())
    }

    pub fn is_ok(&self) -> bool {
        self.ended.is_some() && self.code == "OK"
    }
}

#[derive(Clone, Debug, Default)]
pub struct Process {
    pub pid: i32,
    pub gone: Option<Stamp>,
    /// The same by ticks.
    pub gone_tick: u64,
    /// Its answers so far.
    pub done: u64,
    pub looked: u64,
    pub activity: BTreeMap<u64, Value>,
    /// Its clients by API key and copy of the library.
    pub clients: Vec<(u8, bool)>,
    pub eof: bool,
    /// How closing its clients ended.
    pub closed: Vec<String>,
    /// Whether its ledger has a name that may be refused.
    pub alias: bool,
    /// Whether it ended normally, as a program does that closes its clients.
    pub exited: bool,
}

/// What a client can make of an answer to a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Accepted,
    Refused,
    Unknown,
}

/// A submission as the service saw it.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub at: Stamp,
    pub process: usize,
    pub api: u8,
    pub key: String,
    pub body: String,
    pub request: u8,
    pub answer: Answer,
    /// In the service's time.
    pub at_ms: u64,
    /// What it made, or found made.
    pub job: Option<usize>,
}

/// A job as the service has it.
#[derive(Clone, Debug)]
pub struct Job {
    pub number: usize,
    pub id: String,
    pub api: u8,
    pub key: String,
    pub body: String,
    pub request: u8,
    pub made: Stamp,
    pub made_ms: u64,
    /// Whether it works until it is told otherwise.
    pub held: bool,
    /// How it ended, once a poll or the test asked: true is completed.
    pub end: Option<bool>,
    pub ended: Option<Stamp>,
    pub dropped: bool,
    /// How often it is still late with its files.
    pub late: u8,
    /// How often it was said to be completed, with how many files at most.
    pub polls: u32,
    /// Of each variant's file, which edition is served.
    pub editions: BTreeMap<(u32, String), u32>,
}

/// Bytes that the service gave for a file.
#[derive(Clone, Debug)]
pub struct Body {
    pub job: usize,
    pub variant: u32,
    pub format: String,
    pub hash: String,
    pub sound: bool,
    /// When all of it was sent in one answer, and to which process.
    pub sent: Option<(Stamp, usize)>,
}

/// Any request.
#[derive(Clone, Debug)]
pub struct Request {
    pub at: Stamp,
    pub process: usize,
    pub on: Endpoint,
    pub job: Option<usize>,
}

/// A file that a user wrote, with the bytes that must stay.
#[derive(Clone, Debug)]
pub struct Own {
    pub path: PathBuf,
    pub hash: String,
    pub at: Stamp,
    /// Until the user does something else with it.
    pub until: Option<Stamp>,
}

#[derive(Debug, Default)]
pub struct Facts {
    /// Where the history's files are.
    pub base: PathBuf,
    pub stamp: Stamp,
    pub calls: Vec<Call>,
    pub processes: Vec<Process>,
    pub attempts: Vec<Attempt>,
    pub jobs: Vec<Job>,
    pub bodies: Vec<Body>,
    pub requests: Vec<Request>,
    pub own: Vec<Own>,
    /// Contents that a user moved, changed or deleted.
    pub handled: Vec<String>,
    /// What happened to the machine and the ledger: from, until, what.
    pub weather: Vec<(Stamp, Option<Stamp>, Weather)>,
    /// Whether the machine was started again.
    pub rebooted: bool,
    /// All files at the end, and the listing of `jobs` by each API key.
    pub files: BTreeMap<PathBuf, String>,
    pub listed: Vec<(u8, Value)>,
    pub reports: Vec<(u8, Value)>,
    /// What the machinery of the test noticed by itself.
    pub noticed: Vec<String>,
    pub service: Service,
}

/// What can excuse an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    Clock,
    Disk,
    Locked,
    Trouble,
    Sealed,
    /// Time passes at once, for deadlines too.
    Passing,
}

/// How the service behaves.
#[derive(Debug, Default)]
pub struct Service {
    pub hold: bool,
    pub young: bool,
    pub late: u8,
    pub pdf: bool,
    pub troubles: Vec<(Endpoint, Trouble, u8)>,
    /// Counts the releases of answers that are held.
    pub released: u64,
    /// Processes whose answers are held.
    pub holding: Vec<usize>,
    /// What the service remembers of keys: the job and when it was made.
    pub keys: BTreeMap<(u8, String), (usize, u64)>,
    /// Time that passed at once, in its own milliseconds.
    pub passed_ms: u64,
}

impl Facts {
    pub fn next(&mut self) -> Stamp {
        self.stamp += 1;
        self.stamp
    }

    pub fn begin_weather(&mut self, weather: Weather) {
        let now = self.next();
        self.weather.push((now, None, weather));
    }

    pub fn end_weather(&mut self, weather: Weather) {
        let now = self.next();
        for (_, until, _) in
            self.weather.iter_mut().filter(|(_, until, what)| *what == weather && until.is_none())
        {
            *until = Some(now);
        }
    }

    /// Whether there was such weather at any time between the two.
    pub fn had(&self, weather: Weather, from: Stamp, until: Stamp) -> bool {
        self.weather.iter().any(|(began, ended, what)| {
            *what == weather && *began <= until && ended.is_none_or(|ended| ended >= from)
        })
    }
}
