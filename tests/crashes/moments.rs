//! Killed at random moments, alone and several at once over one ledger.
//!
//! `TEST_SEED=17` plays that one again: who is killed, how often and after how long are the seed's; what each process
//! has come to by then is the machine's.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::scene::{End, Line, Scene, is_long, tools};
use crate::support::workers::at_once;

const AT_ONCE: usize = 8;

/// Who is there.
#[derive(Clone, Copy, Debug)]
enum Story {
    /// One line.
    One,
    /// The same line in so many processes.
    Same(usize),
    /// So many processes, each with a line of its own.
    Different(usize),
    /// Two lines each with two API keys.
    TwoKeys,
    /// What is left is for `recover` to settle, in two processes at once.
    Recovered,
}

impl Story {
    fn lines(self, draw: &mut Rng) -> Vec<Line> {
        let different = |at: usize, draw: &mut Rng| match draw.bool() {
            true => Line { key: Some(format!("order-{at}")), ..Line::restart() },
            false => Line { name: Some(format!("q{at}")), ..Line::adopted() },
        };
        match self {
            Story::One => vec![if draw.bool() { Line::restart() } else { Line::adopted() }],
            Story::Same(count) => {
                let name = draw.bool().then(|| "same".to_owned());
                vec![Line { name, ..Line::restart() }; count]
            }
            Story::Different(count) => (0..count).map(|at| different(at, draw)).collect(),
            Story::TwoKeys => {
                (0..4).map(|at| Line { user: 1 + at % 2, ..different(at as usize, draw) }).collect()
            }
            Story::Recovered => vec![Line::restart(), Line { name: Some("r".to_owned()), ..Line::adopted() }],
        }
    }

    /// How many requests the lines are.
    fn requests(self, lines: &[Line]) -> &[Line] {
        if let Story::Same(_) = self { &lines[..1] } else { lines }
    }
}

/// How long a line takes here, from its start to its end, while as many others run as will.
fn usual() -> Duration {
    static USUAL: OnceLock<Duration> = OnceLock::new();
    *USUAL.get_or_init(|| {
        // What is built once is built by now.
        tools();
        let taken = Mutex::new(Vec::new());
        let failed = at_once((0..3 * AT_ONCE).collect(), AT_ONCE, |_| {
            let scene = Scene::new();
            let began = Instant::now();
            let ended = scene.again(&Line::restart());
            taken.lock().unwrap().push(began.elapsed());
            ended.err()
        });
        assert!(failed.is_empty(), "{failed:?}");
        let mut taken = taken.into_inner().unwrap();
        taken.sort();
        taken[taken.len() / 2]
    })
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Starts the lines together and kills each after a time of its own, or lets it end.
fn round(scene: &Scene, lines: &[Line], within: Duration, draw: &mut Rng) {
    let began = Instant::now();
    let mut running: Vec<(Duration, Child)> =
        lines.iter().map(|line| (within.mul_f64(draw.f64()), start(scene.line(line)))).collect();
    running.sort_by_key(|(at, _)| *at);
    for (at, child) in &mut running {
        std::thread::sleep(at.saturating_sub(began.elapsed()));
        // One that has ended is not reaped yet, so that this is nobody else.
        child.kill().unwrap();
    }
    for (_, child) in running {
        child.wait_with_output().unwrap();
    }
}

/// Runs these to their ends at once; what was wrong with them. A line without a key can find its file there, whole: see
/// `Scene::again`.
fn to_the_end(commands: Vec<(Command, bool)>) -> Vec<String> {
    let running: Vec<(Child, bool)> =
        commands.into_iter().map(|(command, keyless)| (start(command), keyless)).collect();
    let ends =
        running.into_iter().map(|(child, keyless)| (End::of(&child.wait_with_output().unwrap()), keyless));
    ends.filter_map(|end| match end {
        (End::Well { .. }, _) => None,
        (End::Told(error), true) if error.starts_with("FILE: ") && error.contains(" exists; ") => None,
        (other, _) => Some(format!("does not end well: {other:?}")),
    })
    .collect()
}

fn play(story: Story, seed: u64, struck: &AtomicUsize) -> Vec<String> {
    let mut draw = Rng::with_seed(seed);
    let scene = Scene::new();
    let lines = story.lines(&mut draw);
    // With no round they are only in each other's way.
    let least = usize::from(lines.len() == 1);
    for number in 1..=draw.usize(least..=3) {
        // What one that was killed has done, the next need not do: it ends sooner.
        round(&scene, &lines, usual() / u32::try_from(number).unwrap(), &mut draw);
    }
    if scene.ledger()["jobs"].as_array().unwrap().iter().any(|job| job["unsettled"] == true) {
        struck.fetch_add(1, Ordering::Relaxed);
    }
    let mut found = Vec::new();
    if let Story::Recovered = story {
        found.extend(to_the_end(vec![(scene.recover(1), false), (scene.recover(1), false)]));
        // A line that was killed while it looked at what was settled before leaves its reservation to the next one.
        scene.remove_locks();
        match scene.look(1) {
            // Lines that were killed before they were recorded have made no request.
            Ok(ledger) => {
                let known = ledger["jobs"].as_array().unwrap();
                let known: Vec<Line> = lines
                    .iter()
                    .filter(|line| known.iter().any(|job| job["name"].as_str() == line.name.as_deref()))
                    .cloned()
                    .collect();
                found.extend(scene.judge(&known, &ledger));
            }
            Err(wrong) => found.push(wrong),
        }
    }
    found.extend(to_the_end(lines.iter().map(|line| (scene.line(line), line.key.is_none())).collect()));
    // One API key's client can't recover what is another's.
    match scene.look(1).and_then(|ledger| scene.look(2).map(|_| ledger)) {
        Ok(ledger) => found.extend(scene.judge(story.requests(&lines), &ledger)),
        Err(wrong) => found.push(wrong),
    }
    found
}

/// Plays so many seeds, in the long run so many.
fn play_all(test: &str, stories: &[Story], seeds: u64, long: u64) {
    let seeds = match std::env::var("TEST_SEED") {
        Ok(seed) => vec![seed.parse().expect("TEST_SEED")],
        Err(_) => (1..=if is_long() { long } else { seeds }).collect(),
    };
    usual();
    let (count, struck) = (seeds.len(), AtomicUsize::new(0));
    let failed = at_once(seeds, AT_ONCE, |seed: &u64| {
        let story = stories[usize::try_from(*seed).unwrap() % stories.len()];
        let found = play(story, *seed, &struck);
        if found.is_empty() {
            return None;
        }
        Some(format!(
            "TEST_SEED={seed} cargo test --test crashes {test}\n  {story:?}\n    {}",
            found.join("\n    ")
        ))
    });
    assert!(failed.is_empty(), "{} of {count} seeds failed:\n{}", failed.len(), failed.join("\n"));
    let struck = struck.into_inner();
    assert!(count == 1 || struck > 0, "no kill struck while there was something to lose");
}

#[test]
fn killed_at_random_moments() {
    play_all("killed_at_random_moments", &[Story::One], 100, 1000);
}

#[test]
fn several_are_killed_over_one_ledger() {
    let stories = [
        Story::Same(2),
        Story::Same(4),
        Story::Different(2),
        Story::Different(4),
        Story::TwoKeys,
        Story::Recovered,
    ];
    play_all("several_are_killed_over_one_ledger", &stories, 60, 600);
}

/// A line with the other API key sends nothing, whatever became of the first.
#[test]
fn another_api_key_is_refused_where_the_first_was_killed() {
    let failed = at_once((1..=10).collect(), AT_ONCE, |seed: &u64| {
        let mut draw = Rng::with_seed(*seed);
        let scene = Scene::new();
        let line = Line::restart();
        round(&scene, std::slice::from_ref(&line), usual(), &mut draw);
        let ledger = match End::of(&scene.recover(2).output().unwrap()) {
            End::Well { ledger, .. } => ledger,
            other => return Some(format!("seed {seed}: {other:?}")),
        };
        let other = Line { user: 2, ..line.clone() };
        // What was never recorded is nobody's yet.
        if ledger["jobs"].as_array().is_some_and(Vec::is_empty) {
            return None;
        }
        let end = End::of(&scene.line(&other).output().unwrap());
        let refused = matches!(&end, End::Told(error) if error.starts_with("CONFLICT: ") && error.contains("on_other_key"));
        let mut found = if refused { Vec::new() } else { vec![format!("is not refused: {end:?}")] };
        match scene.again(&line) {
            Ok(ledger) => found.extend(scene.judge(&[line], &ledger)),
            Err(wrong) => found.push(wrong),
        }
        (!found.is_empty()).then(|| format!("seed {seed}: {}", found.join("\n    ")))
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
