//! Histories: what happens, event by event, and the seeded generator that makes them.
//!
//! An event names nothing that another event made: it speaks of "process 1" and "the newest job". So any
//! event can be taken out of a history and the rest still is one, which is what shrinking needs. As text an
//! event is one line of JSON.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many processes there are at most at a time.
pub const SLOTS: u8 = 3;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    #[default]
    Run,
    Generate,
}

/// The idempotency key of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    #[default]
    None,
    /// `k1`, `k2`.
    One,
    Two,
    /// A text that the service's first job has as its id.
    LikeAJob,
    /// The key that a result or an error named last.
    Last,
}

/// A call that can cost money, as a program writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    #[serde(default, skip_serializing_if = "is_default")]
    pub op: Operation,
    /// Which API key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub api: u8,
    /// Which request: see `REQUESTS`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub request: u8,
    /// 0: none, 1 and 2: `d1`, `d2`, 3: a symbolic link to `d1`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub directory: u8,
    /// 0: none, 1 and 2: `n1`, `n2`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: u8,
    #[serde(default, skip_serializing_if = "is_default")]
    pub key: Key,
    #[serde(default, skip_serializing_if = "is_default")]
    pub overwrite: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub adopt_off: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub other_key: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub resubmit: bool,
    /// The deadline in seconds of the client's time, where it is short.
    #[serde(default, skip_serializing_if = "is_default")]
    pub seconds: Option<u32>,
}

/// Output type, prompt and number of variants of each request.
pub const REQUESTS: [(&str, &str, u32); 4] =
    [("deck", "First", 1), ("deck", "Second", 1), ("single_slide", "Third", 2), ("single_slide", "First", 1)];

/// How a program gets the end of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// By a queue, and frees it at once.
    #[default]
    Queue,
    /// By a queue, takes it by `Take` and frees it by `Free`.
    Keep,
    /// By the function that blocks.
    Block,
}

/// What else a process can ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    Recover {
        #[serde(default, skip_serializing_if = "is_default")]
        resubmit: bool,
    },
    Jobs,
    Status,
    Wait,
    Download {
        directory: u8,
        name: u8,
        #[serde(default, skip_serializing_if = "is_default")]
        overwrite: bool,
    },
    /// The newest job, the last key, everything settled, or the text that is a key and a job's id; the same
    /// with `job:` or `key:` before it.
    ForgetJob,
    ForgetKey,
    ForgetSettled,
    ForgetLikeAJob,
    ForgetOnlyJob,
    ForgetOnlyKey,
}

/// One of the service's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    Submit,
    Status,
    File,
}

/// What becomes of a request; `after`: once the service has done what it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The connection ends.
    Lose {
        after: bool,
    },
    /// The answer comes when `Release` says so.
    Hold {
        after: bool,
    },
    /// The process that sent it is killed.
    Kill {
        after: bool,
    },
    Answer {
        status: u16,
        code: String,
        retry_s: u32,
        after: bool,
    },
    /// 200 with something that is no answer of the service.
    Garbage {
        after: bool,
    },
    /// A file's connection ends after so many bytes.
    Cut {
        bytes: u32,
    },
    /// A file's bytes are not what its checksums say; `varied`: others each time.
    Damage {
        varied: bool,
    },
    /// A file is another one than the last time.
    Other,
}

/// What a disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disk {
    Full,
    Broken,
}

/// What a user does with a file of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Touch {
    Write,
    Edit,
    Move,
    Delete,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Call {
        at: u8,
        #[serde(default, skip_serializing_if = "is_default")]
        form: Form,
        /// With a second copy of the library.
        #[serde(default, skip_serializing_if = "is_default")]
        copy: bool,
        line: Line,
    },
    Ask {
        at: u8,
        #[serde(default, skip_serializing_if = "is_default")]
        form: Form,
        #[serde(default, skip_serializing_if = "is_default")]
        api: u8,
        #[serde(default, skip_serializing_if = "is_default")]
        seconds: Option<u32>,
        what: Ask,
    },
    /// The newest call that runs.
    Cancel {
        at: u8,
    },
    Take {
        at: u8,
    },
    Free {
        at: u8,
    },
    /// Frees the queue whose events are not taken.
    DropQueue {
        at: u8,
    },
    /// Closes and frees the clients.
    Close {
        at: u8,
    },
    Kill {
        at: u8,
    },
    /// Killed before the so many-th call that changes a file or sends.
    DieAt {
        at: u8,
        calls: u16,
    },
    Exit {
        at: u8,
    },
    /// The child is process `child` from then on. `raw`: by `_Fork`, which runs no handlers.
    Fork {
        at: u8,
        child: u8,
        #[serde(default, skip_serializing_if = "is_default")]
        raw: bool,
    },
    /// The process reads all files beside its ledger.
    ReadLedger {
        at: u8,
    },
    /// The wall clock jumps.
    Jump {
        hours: i32,
    },
    /// Time passes for everybody.
    Pass {
        hours: u32,
    },
    /// The machine goes down and comes up with its wall clock so far off.
    Reboot {
        hours: i32,
    },
    UserFile {
        directory: u8,
        name: u8,
        variant: u8,
        ending: u8,
        touch: Touch,
    },
    /// The directory can't be changed any more, or can again.
    Seal {
        directory: u8,
        on: bool,
    },
    LockLedger,
    UnlockLedger,
    CopyLedger,
    /// Later processes use the ledger by another name.
    LinkLedger {
        symbolic: bool,
    },
    /// The directory of the ledger gets another name, and later processes use that.
    MoveLedger,
    DiskFault {
        ledger: bool,
        disk: Disk,
        skip: u8,
        count: u8,
    },
    DiskSound,
    Trouble {
        on: Endpoint,
        what: Trouble,
        times: u8,
    },
    /// Connections are refused, or accepted again.
    Down {
        on: bool,
    },
    /// New jobs work until `Finish`, or are done at once.
    HoldJobs {
        on: bool,
    },
    Finish {
        failed: bool,
    },
    Release,
    /// How the service is: it does not find young jobs, is late with files so often, offers a PDF besides.
    Service {
        young: bool,
        late: u8,
        pdf: bool,
    },
    /// The service has the jobs that are done no longer.
    DropJobs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History(pub Vec<Event>);

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|event| writeln!(f, "{}", serde_json::to_string(event).unwrap()))
    }
}

impl History {
    /// Reads what `Display` writes; all other lines are left out, so that the report of a failure can be read
    /// too.
    pub fn read(text: &str) -> History {
        let lines = text.lines().filter(|line| line.starts_with(['{', '"']));
        History(
            lines.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect(),
        )
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
