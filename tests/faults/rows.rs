//! What a row of the table says.

use serde_json::{Value, json};

use crate::service::SPEED;
use crate::support::api::Request;

/// What a program asks of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Generate,
    Run,
    GetStatus,
    Wait,
    Download,
}

/// One fault at one endpoint, against the operations that make the same of it.
#[derive(Debug)]
pub struct Row {
    pub operations: &'static [Operation],
    /// Where it strikes: `generate`, `status` or `download`.
    pub at: &'static str,
    /// As the sandbox has it: `NAME[=VALUE][+SKIP]`.
    pub scenario: &'static str,
    /// How often it strikes before it passes.
    pub times: u64,
    /// What comes of it then.
    pub struck: End,
    /// What comes of it when it never passes.
    pub always: End,
    /// Other scenarios, with commas, that strike besides and are stronger.
    pub with: &'static str,
    /// How many seconds the job takes.
    pub takes: u64,
    pub speed: u32,
    pub kind: Kind,
    /// The service denies what it did: its word and its books do not agree.
    pub lies: bool,
    /// There may be nothing that it changes.
    pub quiet: bool,
    /// The job is not done when it is asked about.
    pub unfinished: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Deck,
    Slides(u32),
}

/// How an operation ends.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// `OK`, or the codes that it may end with, with `|` between them.
    pub code: &'static str,
    pub billed: Billed,
    /// How many requests the struck endpoint sees, at least and at most.
    pub requests: Times,
    /// What it leaves in the directory besides whole files.
    pub leaves: Leaves,
}

pub type Times = (u64, u64);

/// What the error says about the bill. Whatever it says has to agree with the sandbox's books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billed {
    No,
    Unknown,
    Yes,
    /// Anything that the books bear out.
    AsInTheBooks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    Nothing,
    Part,
    /// What arrived can be of a file that is another by now.
    PerhapsPart,
    Unverified,
}

/// Once, and never again.
pub const ONCE: Times = (1, 1);
/// Again and again, to the deadline.
pub const MANY: Times = (2, u64::MAX);

/// It brings what was asked for, after this many requests.
pub const fn ok(requests: u64) -> End {
    ok_in((requests, requests))
}

pub const fn ok_in(requests: Times) -> End {
    End { code: "OK", billed: Billed::AsInTheBooks, requests, leaves: Leaves::Nothing }
}

/// It fails, and nothing was bought.
pub const fn no(code: &'static str, requests: Times) -> End {
    End { code, billed: Billed::No, requests, leaves: Leaves::Nothing }
}

/// It fails, and something may have been bought.
pub const fn unknown(code: &'static str, requests: Times) -> End {
    End { code, billed: Billed::Unknown, requests, leaves: Leaves::Nothing }
}

/// It fails, and the job is bought.
pub const fn yes(code: &'static str, requests: Times) -> End {
    End { code, billed: Billed::Yes, requests, leaves: Leaves::Nothing }
}

/// It fails, about a job that somebody bought or did not.
pub const fn fails(code: &'static str, requests: Times) -> End {
    End { code, billed: Billed::AsInTheBooks, requests, leaves: Leaves::Nothing }
}

impl End {
    pub const fn leaving(mut self, leaves: Leaves) -> End {
        self.leaves = leaves;
        self
    }

    /// The same after so many requests more.
    pub const fn after(mut self, requests: u64) -> End {
        self.requests = (self.requests.0 + requests, self.requests.1.saturating_add(requests));
        self
    }

    pub fn is_ok(&self) -> bool {
        self.code == "OK"
    }
}

const fn row(
    operations: &'static [Operation],
    at: &'static str,
    scenario: &'static str,
    times: u64,
    struck: End,
    always: End,
) -> Row {
    Row {
        operations,
        at,
        scenario,
        times,
        struck,
        always,
        with: "",
        takes: 1,
        speed: SPEED,
        kind: Kind::Slides(1),
        lies: false,
        quiet: false,
        unfinished: false,
    }
}

/// A fault of the submission.
pub const fn submit(scenario: &'static str, times: u64, struck: End, always: End) -> Row {
    row(&[Operation::Generate, Operation::Run], "generate", scenario, times, struck, always)
}

/// A fault of a poll, for who asks once.
pub const fn ask(scenario: &'static str, times: u64, struck: End, always: End) -> Row {
    row(&[Operation::GetStatus, Operation::Download], "status", scenario, times, struck, always)
}

/// A fault of a poll, for who wants to know the state alone.
pub const fn look(scenario: &'static str, times: u64, struck: End, always: End) -> Row {
    row(&[Operation::GetStatus], "status", scenario, times, struck, always)
}

/// A fault of a poll, for who wants the files of a job that is done.
pub const fn find(scenario: &'static str, times: u64, struck: End, always: End) -> Row {
    row(&[Operation::Download], "status", scenario, times, struck, always)
}

/// A fault of a poll, for who waits.
pub const fn wait(scenario: &'static str, times: u64, struck: End, always: End) -> Row {
    row(&[Operation::Wait, Operation::Run], "status", scenario, times, struck, always)
}

/// The same where a wait without files is content.
pub const fn wait_only(scenario: &'static str, times: u64, struck: End, always: End) -> Row {
    row(&[Operation::Wait], "status", scenario, times, struck, always)
}

pub const fn run_only(scenario: &'static str, times: u64, struck: End, always: End) -> Row {
    row(&[Operation::Run], "status", scenario, times, struck, always)
}

/// A fault of a download.
pub const fn fetch(scenario: &'static str, times: u64, struck: End, always: End) -> Row {
    row(&[Operation::Download, Operation::Run], "download", scenario, times, struck, always)
}

impl Row {
    pub const fn with(mut self, with: &'static str) -> Row {
        self.with = with;
        self
    }

    pub const fn takes(mut self, seconds: u64) -> Row {
        self.takes = seconds;
        self
    }

    /// At a speed at which half a minute is long for a machine, too.
    pub const fn slowly(mut self) -> Row {
        self.speed = 10;
        self
    }

    pub const fn of(mut self, kind: Kind) -> Row {
        self.kind = kind;
        self
    }

    pub const fn quietly(mut self) -> Row {
        self.quiet = true;
        self
    }

    pub const fn unfinished(mut self) -> Row {
        self.unfinished = true;
        self
    }

    pub const fn lies(mut self) -> Row {
        self.lies = true;
        self
    }

    pub fn name(&self) -> &'static str {
        self.scenario.split(['=', '+']).next().unwrap()
    }

    /// The scenario as a rule: `http_503=5@status*2`.
    pub fn rule(&self, times: Option<u64>) -> String {
        let (name, skip) = match self.scenario.split_once('+') {
            Some((name, skip)) => (name, format!("+{skip}")),
            None => (self.scenario, String::new()),
        };
        let times = times.map(|times| format!("*{times}")).unwrap_or_default();
        format!("{name}@{}{times}{skip}", self.at)
    }

    /// How long an answer of this scenario asks to wait, in virtual milliseconds, as the sandbox's rounding of dates
    /// leaves it.
    pub fn floor_ms(&self) -> u64 {
        let value = self.scenario.split_once('=').and_then(|(_, value)| value.parse::<f64>().ok());
        match self.name() {
            "http_429" | "http_429_fraction" => (value.unwrap() * 1000.0) as u64,
            "http_429_date" => (value.unwrap() * 1000.0) as u64 - 1000,
            "http_429_huge" => u64::MAX,
            "http_429_text" if self.scenario.ends_with("=inf") => u64::MAX,
            "http_429_text" => 20_000,
            "http_503" if value.is_some() => (value.unwrap() * 1000.0) as u64,
            "rate_limit" => 1000,
            _ => 0,
        }
    }
}

impl Kind {
    fn prompt(takes: u64) -> String {
        format!("Why teams adopt Rust [[sandbox: takes={takes}]]")
    }

    pub fn variants(self) -> u32 {
        match self {
            Kind::Deck => 1,
            Kind::Slides(count) => count,
        }
    }

    /// As the library is asked.
    pub fn request(self, takes: u64) -> Request {
        match self {
            Kind::Deck => Request::new("deck", &Kind::prompt(takes)).unwrap(),
            Kind::Slides(count) => {
                let request = Request::new("single_slide", &Kind::prompt(takes)).unwrap();
                request.set("variant_count", &count.to_string()).unwrap();
                request
            }
        }
    }

    /// As the service is asked.
    pub fn body(self, takes: u64) -> Value {
        match self {
            Kind::Deck => json!({ "output_type": "deck", "prompt": Kind::prompt(takes) }),
            Kind::Slides(count) => json!({
                "output_type": "single_slide", "prompt": Kind::prompt(takes), "variant_count": count,
            }),
        }
    }
}
