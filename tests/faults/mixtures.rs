//! Whole runs under faults drawn at random: every run ends, one request is one job on the bill, and its files are on
//! disk, or the error says how to get them and is right.
//!
//! `TEST_SEEDS=2000` plays so many seeds; `TEST_SEED=17` plays that one again. The faults and the client's jitter are
//! the seed's; the machine's own pace is not.

use std::path::Path;

use serde_json::{Value, json};

use crate::books::{self, Books};
use crate::play::{SHORT, at_once, takes_a_timeout};
use crate::rows::{Kind, Row};
use crate::service::{Namespace, SPEED, directory};
use crate::settle::{Left, settle, whole};
use crate::support::api::{Client, Error};
use crate::table::rows;

const SEEDS: u64 = 300;
const AT_ONCE: usize = 24;
/// What a run may take: ten minutes, three seconds of the wall's.
const LONG_MS: u64 = 600_000;

/// No client can keep its promise to a service that forgets a key while it is in use, or says no and makes the job.
const BEYOND_ANY_CLIENT: [&str; 2] = ["keys_forgotten", "made_then_401"];
/// What strikes all connections would strike every other seed's.
const OF_THE_SANDBOX: &str = "connection_refused";

/// Numbers out of a seed (splitmix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From the first to the last, both included.
    fn within(&mut self, first: u64, last: u64) -> u64 {
        first + self.next() % (last - first + 1)
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.within(0, all.len() as u64 - 1) as usize]
    }
}

/// What the program does around its run.
#[derive(Debug)]
enum Story {
    /// It lets it run to its end.
    Whole,
    /// It gives it little time, this often, each time under the same idempotency key, and then all the time.
    Impatient { timeout_ms: u64, times: u64 },
    /// It gives it little time, and picks the job up by its id.
    PicksUp { timeout_ms: u64 },
    /// It closes its client after this many requests, and repeats the run with another one.
    Closes { after: u64 },
}

#[derive(Debug)]
struct Plan {
    seed: u64,
    kind: Kind,
    takes: u64,
    rules: Vec<Value>,
    story: Story,
}

impl Plan {
    fn of(seed: u64) -> Plan {
        let mut draw = Draw(seed);
        let kind = *draw.one_of(&[Kind::Deck, Kind::Slides(1), Kind::Slides(2), Kind::Slides(3)]);
        let faults: Vec<&Row> = rows()
            .filter(|row| !BEYOND_ANY_CLIENT.contains(&row.name()) && row.name() != OF_THE_SANDBOX)
            .collect();
        let rules = (0..draw.within(1, 5)).map(|_| rule(&mut draw, &faults)).collect();
        let timeout_ms = draw.within(1000, 60_000);
        let story = match draw.within(0, 9) {
            0..=3 => Story::Whole,
            4..=5 => Story::Impatient { timeout_ms, times: draw.within(1, 3) },
            6..=7 => Story::PicksUp { timeout_ms },
            _ => Story::Closes { after: draw.within(1, 8) },
        };
        Plan { seed, kind, takes: draw.within(1, 40), rules, story }
    }
}

impl Plan {
    /// Whether a timeout is one of the things that pass.
    fn stalls(&self) -> bool {
        let name =
            |rule: &Value| rule["scenario"].as_str().unwrap().split(['=', '@']).next().unwrap().to_owned();
        self.rules.iter().any(|rule| takes_a_timeout(&name(rule)))
    }
}

/// A fault of the table with a count, with a chance, or for ever.
fn rule(draw: &mut Draw, faults: &[&Row]) -> Value {
    let row = draw.one_of(faults);
    let scenario = row.scenario.split('+').next().unwrap();
    let scenario = format!("{scenario}@{}", row.at);
    match draw.within(0, 9) {
        0..=5 => json!({ "scenario": scenario, "times": draw.within(1, 4), "skip": draw.within(0, 2) }),
        6..=8 => json!({
            "scenario": scenario, "times": draw.within(1, 8), "seed": draw.next() >> 1,
            "probability": draw.within(10, 60) as f64 / 100.0,
        }),
        _ => json!({ "scenario": scenario, "skip": draw.within(0, 2) }),
    }
}

/// A plan on its way.
struct Stage<'a> {
    plan: &'a Plan,
    namespace: Namespace<'static>,
    directory: &'a Path,
    /// The last error that left something to settle.
    open: Option<Error>,
    /// How far the journal was when a call ended, and whether it was cut off, by its deadline or by its client's end.
    marks: Vec<(u64, bool)>,
}

impl Stage<'_> {
    fn client(&self) -> Client {
        self.namespace.client(if self.plan.stalls() { &SHORT } else { &[] })
    }

    fn run(&mut self, client: &Client, timeout_ms: u64, key: Option<&str>) -> Result<Value, Error> {
        let timeout_ms = timeout_ms.to_string();
        let mut options = vec![("directory", self.directory.to_str().unwrap()), ("timeout_ms", &timeout_ms)];
        options.extend(key.map(|key| ("idempotency_key", key)));
        let result = client.run(&self.plan.kind.request(self.plan.takes), &options);
        self.note(&result);
        result
    }

    fn note(&mut self, result: &Result<Value, Error>) {
        let cut = result.as_ref().is_err_and(|error| {
            matches!(error.code.as_str(), "TIMEOUT" | "CLOSED" | "OUTCOME_UNKNOWN" | "RATE_LIMITED")
        });
        self.marks.extend(self.namespace.journal(0).last().map(|entry| (entry.number, cut)));
        match result {
            Ok(_) => self.open = None,
            Err(error) if error.details["billed"] == "no" => {}
            Err(error) => {
                let kept = Error { result: None, ..error.clone() };
                self.open = Some(kept);
            }
        }
    }

    /// Plays the story; how its last call ended.
    fn play(&mut self) -> Result<Value, Error> {
        let key = format!("order-{}", self.plan.seed);
        let client = self.client();
        match self.plan.story {
            Story::Whole => self.run(&client, LONG_MS, None),
            Story::Impatient { timeout_ms, times } => {
                for _ in 0..times {
                    if let Ok(result) = self.run(&client, timeout_ms, Some(&key)) {
                        return Ok(result);
                    }
                }
                self.run(&client, LONG_MS, Some(&key))
            }
            Story::PicksUp { timeout_ms } => {
                let first = self.run(&client, timeout_ms, None);
                let Some(job_id) = first.as_ref().err().and_then(|error| error.details["job_id"].as_str())
                else {
                    return first;
                };
                let timeout_ms = LONG_MS.to_string();
                let patient = ("timeout_ms", timeout_ms.as_str());
                let options = [patient, ("directory", self.directory.to_str().unwrap())];
                let result = client.wait(job_id, &[patient]).and_then(|_| client.download(job_id, &options));
                self.note(&result);
                result
            }
            Story::Closes { after } => {
                let (namespace, name) = (&self.namespace, key.as_str());
                let first = std::thread::scope(|scope| {
                    let options = [
                        ("directory", self.directory.to_str().unwrap()),
                        ("timeout_ms", "600000"),
                        ("idempotency_key", name),
                    ];
                    let (client, request) = (&client, self.plan.kind.request(self.plan.takes));
                    let call = scope.spawn(move || client.run(&request, &options));
                    while !call.is_finished() && (namespace.journal(0).len() as u64) < after {
                        std::thread::sleep(std::time::Duration::from_millis(2));
                    }
                    client.close(10_000).unwrap();
                    call.join().unwrap()
                });
                self.note(&first);
                match first {
                    Ok(result) => Ok(result),
                    Err(_) => {
                        let another = self.client();
                        self.run(&another, LONG_MS, Some(&key))
                    }
                }
            }
        }
    }
}

/// Plays a seed; what was wrong.
fn play(plan: &Plan) -> Vec<String> {
    let directory = directory();
    let namespace = Namespace::new(SPEED).with_jitter(plan.seed);
    for rule in &plan.rules {
        namespace.post("rules", rule);
    }
    let mut stage =
        Stage { plan, namespace, directory: directory.path(), open: None, marks: vec![(0, false)] };
    let last = stage.play();
    let Stage { namespace, open, marks, .. } = stage;
    let entries = namespace.journal(0);
    // Call by call: a poll that was cut off can arrive later than it was given up.
    let mut found: Vec<String> = Vec::new();
    for ((from, cut), (to, _)) in marks.iter().zip(&marks[1..]) {
        let entries: Vec<_> =
            entries.iter().filter(|entry| entry.number > *from && entry.number <= *to).cloned().collect();
        let stalls = plan.stalls();
        found.extend(match (stalls, cut) {
            (true, _) => books::sameness(&entries),
            (false, true) => books::complaints_after_a_cut(&entries),
            (false, false) => books::complaints(&entries),
        });
    }
    let before = Books::read(&namespace);
    namespace.clear();
    namespace.advance(100_000);
    found.extend(Books::read(&namespace).complaints());
    let asked = (plan.kind, plan.takes);
    // Also a job that was completed already: then what was said of the bill was true when it was said.
    let gave_up = namespace.get("jobs")["jobs"][0]["status"] == "failed";
    match (&last, open) {
        (Ok(result), _) => found.extend(whole(result, plan.kind.variants(), directory.path()).err()),
        (Err(error), _) if gave_up => {
            // Whatever the last call saw of it, there is nothing to be had and nothing to pay.
            if !Books::read(&namespace).billed.is_empty() {
                found.push(format!("a failed job is billed: {error:?}"));
            }
        }
        (Err(error), Some(_)) if error.details["billed"] == "yes" && before.billed.is_empty() => {
            found.push(format!("says that it is billed: {error:?}"));
        }
        (Err(_), Some(open)) => found.extend(settle(&namespace, &open, asked, directory.path()).err()),
        // Nobody was left in doubt, so there is nothing.
        (Err(error), None) => {
            let books = Books::read(&namespace);
            if !books.jobs.is_empty() {
                found.push(format!("says that nothing was bought: {books:?} {error:?}"));
            }
        }
    }
    let left = Left::read(directory.path());
    found.extend(left.complaints);
    if last.is_ok() && !left.parts.is_empty() && !plan.rules.iter().any(renames) {
        found.push(format!("a whole run leaves {:?}", left.parts));
    }
    found
}

/// A part of another format is another file's.
fn renames(rule: &Value) -> bool {
    rule["scenario"].as_str().unwrap().starts_with("other_format")
}

#[test]
fn one_job_on_the_bill_and_its_files_on_disk_whatever_happens() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let seeds: Vec<u64> = match number("TEST_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("TEST_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let count = seeds.len();
    let failed = at_once(seeds, AT_ONCE, |seed| {
        let plan = Plan::of(*seed);
        let found = play(&plan);
        let again = format!("TEST_SEED={seed} cargo test --test faults mixtures  # with jitter_seed={seed}");
        if found.is_empty() {
            None
        } else {
            Some(format!("{again}\n  {plan:?}\n    {}", found.join("\n    ")))
        }
    });
    assert!(failed.is_empty(), "{} of {count} seeds failed:\n{}", failed.len(), failed.join("\n"));
}
