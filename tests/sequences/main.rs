//! Seeded histories of real processes over one ledger, and an oracle that says what `promise.md` allows.
//!
//! `history.rs` has the events and `generate.rs` makes histories of them; `world.rs` and `events.rs` play one
//! with the workers of `process.rs` (`worker.c` on the shared library, under the clocks and disks of
//! `clock.c`) and the service of `service.rs`; `oracle.rs` judges what `facts.rs` has of it; `shrink.rs`
//! makes what fails short.
//!
//! `make test` plays `COUNT` seeds, `make test-long` many more (`SEQUENCES_COUNT=20000`). A seed that fails
//! is printed with its shortest history, what the oracle says and the rule. `SEQUENCES_SEED=17` plays that
//! seed, `SEQUENCES_FILE=path` a history as it was printed, `SEQUENCES_FROM=1000` begins with that seed,
//! `SEQUENCES_WITHOUT="keep fork"` leaves events with these words out, `SEQUENCES_IGNORED="used by
//! another name"` complaints, `SEQUENCES_SHOW=1` shows what happened in each, `PERCEPTIS_TEST_LIBRARY` names another
//! library. Histories that once failed are kept in `found/` and played each time.
//!
//! To contribute: an event is a variant of `history::Event`, made in `generate.rs`, played in `events.rs`; it
//! must not name what another event made, so that any event can be taken out. A rule is a function of the
//! oracle, which is written from the promise and never from the code; where the promise leaves something
//! open, the oracle says nothing.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "../support/mod.rs"]
mod support;

mod books;
mod events;
mod facts;
mod files;
mod generate;
mod history;
mod http;
mod judge;
mod machine;
mod oracle;
mod plots;
mod process;
mod report;
mod service;
mod shrink;
mod still;
mod ticks;
mod words;
mod world;

use std::io::Write as _;
use std::path::Path;

use history::History;
use judge::Complaint;
use support::workers::at_once;
use world::World;

/// How many seeds are played where nothing else is said, and how many at once: most of the time they wait.
const COUNT: u64 = 300;
const AT_ONCE: usize = 6;
/// How often a history that failed is played to see how often it does: real processes race.
const TRIALS: usize = 5;

/// What came of a history, and how.
struct Played {
    complaints: Vec<Complaint>,
    story: String,
}

impl Played {
    fn has(&self, breach: &str) -> bool {
        self.complaints.iter().any(|complaint| complaint.breach == breach)
    }
}

fn play(seed: u64, history: &History) -> Played {
    let facts = World::new(seed).play(history);
    Played { complaints: judge::judge(&facts), story: facts.to_string() }
}

/// The same, where what a machine that stood still can feign has to come three times.
fn judged(seed: u64, history: &History) -> Played {
    let mut played = play(seed, history);
    for _ in 0..2 {
        if played.complaints.is_empty() || played.complaints.iter().any(|complaint| !complaint.timed) {
            break;
        }
        let again = play(seed, history);
        played.complaints.retain(|complaint| again.has(complaint.breach));
    }
    played.complaints.retain(|complaint| !is_ignored(complaint));
    played
}

/// Whether the environment leaves a complaint out, as when another one is looked for.
fn is_ignored(complaint: &Complaint) -> bool {
    let text = format!("{} {}: {}", complaint.rule, complaint.breach, complaint.what);
    let ignored = std::env::var("SEQUENCES_IGNORED").unwrap_or_default();
    ignored.split(',').any(|words| !words.is_empty() && text.contains(words))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

fn lines(complaints: &[Complaint]) -> String {
    let line =
        |complaint: &Complaint| format!("  {} {}: {}\n", complaint.rule, complaint.breach, complaint.what);
    complaints.iter().map(line).collect()
}

/// Prints what happened, where the environment asks for it.
fn show(title: &str, history: &History, played: &Played) {
    if number("SEQUENCES_SHOW") == Some(1) {
        let _ = writeln!(std::io::stderr(), "{title}:\n{history}{}", played.story);
    }
}

/// What is wrong with a history, as text, with the shortest one that fails alike; none if nothing is wrong.
fn complain(seed: u64, history: &History, title: &str) -> Option<String> {
    let played = judged(seed, history);
    show(title, history, &played);
    let breach = played.complaints.first()?.breach;
    let mut text = format!("{title} is wrong:\n{}", lines(&played.complaints));
    if number("SEQUENCES_SHRINK") == Some(0) {
        return Some(text);
    }
    let mut story = format!("{history}{}{}", played.story, lines(&played.complaints));
    let often = (0..TRIALS).filter(|_| judged(seed, history).has(breach)).count();
    if often == 0 {
        text += &format!("  it did not come again in {TRIALS} plays; the history:\n{history}");
    } else {
        let plays = TRIALS.div_ceil(often);
        let fails = |shorter: &History| (0..plays).any(|_| judged(seed, shorter).has(breach));
        let shortest = shrink::shrink(history, fails);
        text += &format!("the shortest history where {breach}:\n{shortest}");
        let again = (0..2 * plays).map(|_| judged(seed, &shortest)).find(|played| played.has(breach));
        if let Some(again) = again {
            text += &lines(&again.complaints);
            story = format!("{shortest}{}{}", again.story, lines(&again.complaints));
        }
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sequences");
    let path = directory.join(format!("failed-{seed}.txt"));
    std::fs::create_dir_all(directory).unwrap();
    std::fs::write(&path, story).unwrap();
    text += &format!("  what happened is in {}\n", path.display());
    Some(text)
}

/// The seeds that are asked for, without the events that are not.
fn histories() -> Vec<(u64, History)> {
    let from = number("SEQUENCES_FROM").unwrap_or(1);
    let count = number("SEQUENCES_COUNT").unwrap_or(COUNT);
    let seeds = number("SEQUENCES_SEED").map_or(from..from + count, |seed| seed..seed + 1);
    let without = std::env::var("SEQUENCES_WITHOUT").unwrap_or_default();
    let words: Vec<&str> = without.split_whitespace().collect();
    let stays = |event: &history::Event| {
        let text = History(vec![event.clone()]).to_string();
        !words.iter().any(|word| text.contains(word))
    };
    let history = |seed| {
        let mut history = generate::history(seed);
        history.0.retain(stays);
        (seed, history)
    };
    seeds.map(history).collect()
}

/// Plays histories at once; the texts of those that fail.
fn play_all(all: Vec<(u64, History, String)>) -> Vec<String> {
    at_once(all, AT_ONCE, |(seed, history, title)| {
        let text = complain(*seed, history, title);
        if let Some(text) = &text {
            // At once and past the test harness: the rest can take long.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
        text
    })
}

/// Those that failed once, each with both ways of the quiet end: `recover` first, or the unfinished lines
/// first.
#[test]
fn histories_that_were_found() {
    let directory = support::root().join("tests/sequences/found");
    let mut all = Vec::new();
    for name in support::listing(&directory) {
        let history = History::read(&std::fs::read_to_string(directory.join(&name)).unwrap());
        all.extend([1, 2].map(|seed| {
            let title = format!("SEQUENCES_FILE=tests/sequences/found/{name} SEQUENCES_SEED={seed}");
            (seed, history.clone(), title)
        }));
    }
    let failed = play_all(all);
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn histories_of_seeds() {
    if let Some(path) = std::env::var_os("SEQUENCES_FILE") {
        let history = History::read(&std::fs::read_to_string(path).unwrap());
        let played = judged(number("SEQUENCES_SEED").unwrap_or(1), &history);
        show("the history", &history, &played);
        assert!(played.complaints.is_empty(), "{history}{}{}", played.story, lines(&played.complaints));
        return;
    }
    let all: Vec<_> = histories()
        .into_iter()
        .map(|(seed, history)| (seed, history, format!("SEQUENCES_SEED={seed}")))
        .collect();
    let count = all.len();
    let failed = play_all(all);
    assert!(failed.is_empty(), "{} seeds of {count} failed:\n{}", failed.len(), failed.join("\n"));
}
