//! Plays cases: a namespace, a directory and a client for each, on a few threads.

use serde_json::Value;
use tempfile::TempDir;

use crate::books::Books;
use crate::judge;
use crate::rows::{End, Operation, Row};
use crate::service::{Entry, Namespace, directory, shared};
use crate::settle::FOREVER;
use crate::support::Sandbox;
use crate::support::api::Error;
pub use crate::support::workers::at_once;

/// Cases wait most of the time, for virtual time to pass.
const AT_ONCE: usize = 16;
/// The deadline under a fault that never passes: five minutes, a second and a half of the wall's.
const DEADLINE_MS: &str = "300000";
/// The same where each attempt is ended by a timeout.
const LATER_MS: &str = "600000";
/// Timeouts of half a second.
pub const SHORT: [(&str, &str); 3] = [
    ("submit_timeout_ms", "100000"),
    ("status_timeout_ms", "100000"),
    ("download_idle_timeout_ms", "100000"),
];

/// A row's fault against one operation.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub row: &'static Row,
    pub operation: Operation,
    /// Whether the fault never passes.
    pub always: bool,
}

impl Case {
    pub fn of(rows: &'static [Row]) -> Vec<Case> {
        let of_row = |row: &'static Row| {
            let both = move |operation: &Operation| {
                [false, true].map(|always| Case { row, operation: *operation, always })
            };
            row.operations.iter().flat_map(both)
        };
        rows.iter().flat_map(of_row).collect()
    }

    /// As it is shown, and as `TEST_CASE` picks it out.
    pub fn name(&self) -> String {
        let Row { scenario, at, with, .. } = self.row;
        let beside = if with.is_empty() { String::new() } else { format!(" after {with}") };
        let how = if self.always { "for ever".to_owned() } else { format!("{} times", self.row.times) };
        format!("{:?} {scenario}@{at}{beside}, {how}", self.operation)
    }
}

/// What came of a case.
pub struct Played {
    pub result: Result<Value, Error>,
    /// The requests of the operation, in their order.
    pub entries: Vec<Entry>,
    /// How often the row's fault struck.
    pub fired: u64,
    /// The books at the operation's end, and when every job that goes on is done.
    pub now: Books,
    pub later: Books,
    pub directory: TempDir,
}

/// Plays all cases and says of each that did not end as it should what was wrong. With `TEST_CASE=TEXT` only those
/// whose name has this text in it.
pub fn play_all(cases: Vec<Case>) {
    let wanted = std::env::var("TEST_CASE").unwrap_or_default();
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.name().contains(&wanted)).collect();
    let count = cases.len();
    let failed = at_once(cases, AT_ONCE, |case| {
        let found = play(case);
        if found.is_empty() { None } else { Some(format!("{}\n    {}", case.name(), found.join("\n    "))) }
    });
    assert!(failed.is_empty(), "{} of {count} cases failed:\n{}", failed.len(), failed.join("\n"));
}

/// Whether a fault is noticed by a timeout: then the client's own are short.
pub fn takes_a_timeout(scenario: &str) -> bool {
    matches!(scenario, "drip" | "no_answer" | "stall_head" | "stall_body")
}

/// How many times as slow as a row's clocks those are at which a case is played again that a loaded machine has kept
/// from what comes before its deadline.
const SLOWER: [u32; 3] = [1, 8, 40];

fn play(case: &Case) -> Vec<String> {
    let mut found = Vec::new();
    for slower in SLOWER {
        let is_late;
        (found, is_late) = play_at((case.row.speed / slower).max(1), case);
        if !is_late {
            break;
        }
    }
    found
}

/// Whether the time was over before what the row expects could happen: how long a machine takes is not what is tested.
fn is_late(case: &Case, end: &End, played: &Played) -> bool {
    let of_endpoint = |entry: &&Entry| entry.endpoint() == case.row.at;
    let requests = played.entries.iter().filter(of_endpoint).count() as u64;
    let Err(error) = &played.result else { return requests < end.requests.0 };
    let by_time = match error.code.as_str() {
        "TIMEOUT" | "OUTCOME_UNKNOWN" => true,
        // Half a minute after the submission.
        "NOT_FOUND" => case.row.at == "status",
        _ => false,
    };
    by_time && (requests < end.requests.0 || !end.code.split('|').any(|code| code == error.code))
}

/// What is wrong with a case, and whether it was late.
fn play_at(speed: u32, case: &Case) -> (Vec<String>, bool) {
    let Case { row, operation, always } = *case;
    // What strikes all connections strikes nobody else's.
    let own = (row.name() == "connection_refused").then(|| Sandbox::start(speed));
    let namespace = Namespace::within(own.as_ref().unwrap_or_else(|| shared()), speed);
    let short: &[(&str, &str)] = if takes_a_timeout(row.name()) { &SHORT } else { &[] };
    let client = namespace.client(short);
    let job = match operation {
        Operation::Generate | Operation::Run => None,
        Operation::Wait => {
            let accepted = client.generate(&row.kind.request(row.takes), &[("timeout_ms", FOREVER)]).unwrap();
            Some(accepted["job_id"].as_str().unwrap().to_owned())
        }
        Operation::GetStatus | Operation::Download => Some(namespace.submit(&row.kind.body(row.takes))),
    };
    if matches!(operation, Operation::GetStatus | Operation::Download) {
        namespace.advance(if row.unfinished { 30 } else { row.takes + 60 });
    }
    let before = namespace.journal(0).last().map_or(0, |entry| entry.number);
    for scenario in row.with.split(',').filter(|scenario| !scenario.is_empty()) {
        namespace.rule(scenario);
    }
    let rule = namespace.rule(&row.rule((!always).then_some(row.times)));

    let directory = directory();
    let path = directory.path().to_str().unwrap().to_owned();
    let end = if always { &row.always } else { &row.struck };
    let short_of_time = if takes_a_timeout(row.name()) { LATER_MS } else { DEADLINE_MS };
    let deadline = ("timeout_ms", if end.is_ok() { FOREVER } else { short_of_time });
    let text = |result: Result<String, Error>| result.map(|text| crate::support::api::parse(&text));
    let job_id = job.as_deref().unwrap_or_default();
    let result = match operation {
        Operation::Generate => client.generate(&row.kind.request(row.takes), &[deadline]),
        Operation::Run => client.run(&row.kind.request(row.takes), &[deadline, ("directory", &path)]),
        Operation::GetStatus => text(client.get_status(job_id, &[deadline])),
        Operation::Wait => text(client.wait(job_id, &[deadline])),
        Operation::Download => client.download(job_id, &[deadline, ("directory", &path)]),
    };
    let entries = namespace.journal(before);
    let fired = namespace.fired(rule);
    let now = Books::read(&namespace);
    namespace.advance(100_000);
    let later = Books::read(&namespace);
    let played = Played { result, entries, fired, now, later, directory };
    let is_late = is_late(case, end, &played);
    (judge::judge(case, &namespace, job.as_deref(), &played), is_late)
}
