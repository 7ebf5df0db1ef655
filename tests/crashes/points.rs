//! Killed at each call by which a run changes something, for every one of a run; then the same line again.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use crate::power::{self, Disk, Loss};
use crate::scene::{End, Line, Scene, is_long};
use crate::support::workers::at_once;

const AT_ONCE: usize = 8;
/// Two runs of a line are not the same calls: one polls, or writes what arrives, more often.
const SPREAD: u64 = 25;

/// Where a run dies.
#[derive(Clone, Debug)]
pub struct Point {
    pub line: Line,
    /// The number of the call.
    pub at: u64,
    /// As the shim has it.
    pub how: &'static str,
    /// Whether the machine goes down with it.
    pub loss: Option<Loss>,
    /// Whether the file system can't rename without replacing.
    pub links: bool,
    /// What is wrong with the syncs, if anything.
    pub broken: Option<&'static str>,
    /// Whether the same line runs in another process at the same time.
    pub beside: bool,
}

impl Point {
    pub fn new(line: &Line, how: &'static str) -> Point {
        Point { line: line.clone(), at: 0, how, loss: None, links: false, broken: None, beside: false }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Played {
    /// The call at which the run died, and the file that it was about; `None`: it ended before.
    pub killed: Option<(char, String)>,
    pub complaints: Vec<String>,
}

pub fn play(point: &Point) -> Played {
    let scene = Scene::new();
    scene.put_old_file(&point.line);
    let mut disk = Disk::read(&scene.tree());
    let mut victim = scene.shimmed(&point.line, point.how, point.at);
    if point.links {
        victim.env("SHIM_LINKS", "1");
    }
    if let Some(broken) = point.broken {
        victim.env("SHIM_BROKEN", broken);
    }
    let mut complaints = Vec::new();
    let mut victim = piped(victim);
    if point.beside {
        // Once the line is the first one's, or that is gone.
        let owners = scene.state().join("ledger.db.owners");
        while victim.try_wait().unwrap().is_none() && owners.read_dir().map_or(0, Iterator::count) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let end = End::of(&scene.line(&point.line).output().unwrap());
        if !matches!(end, End::Well { .. }) {
            complaints.push(format!("the one beside does not end well: {end:?}"));
        }
    }
    let end = End::of(&victim.wait_with_output().unwrap());
    let calls = power::read(&scene.record());
    let last = calls.last().and_then(|call| Some((call.killed_at?, call.path.clone())));
    let killed = last.map(|(kind, path)| {
        (kind, path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned()))
    });
    match &end {
        End::Killed if killed.is_some() => {}
        End::Well { .. } if killed.is_none() => {}
        other => complaints.push(format!("the run should have been killed or have ended well: {other:?}")),
    }
    if let (Some(loss), Some(_)) = (point.loss, &killed) {
        disk.play(calls);
        disk.lose(loss);
    }
    let mut lines = vec![point.line.clone()];
    if point.line.begins_anew() && scene.told_well() > 0 {
        lines.push(point.line.clone());
        if point.loss.is_some() {
            // A power loss can bring the first one's reservation back, and nobody comes to that name again.
            scene.remove_locks();
        }
    }
    match scene.again(&point.line) {
        Ok(ledger) => complaints.extend(scene.judge(&lines, &ledger)),
        Err(wrong) => {
            complaints.push(wrong);
            complaints.push(format!("{} jobs were made", scene.jobs().len()));
        }
    }
    Played { killed, complaints }
}

fn piped(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// How many calls a run of such a point makes.
pub fn count(point: &Point) -> u64 {
    let scene = Scene::new();
    scene.put_old_file(&point.line);
    let mut command = scene.shimmed(&point.line, point.how, 0);
    if point.links {
        command.env("SHIM_LINKS", "1");
    }
    let end = End::of(&command.output().unwrap());
    assert!(matches!(end, End::Well { .. }), "{end:?}");
    power::read(&scene.record()).iter().map(|call| call.number).max().unwrap()
}

/// Plays such a point for every call of a run; the kinds of calls at which it died.
fn play_all(such: &[Point]) -> BTreeSet<char> {
    let mut points = Vec::new();
    for point in such {
        let count = count(point);
        assert!(count > 100, "a run makes {count} calls");
        points.extend((1..=count).map(|at| (count, Point { at, ..point.clone() })));
    }
    let wanted = std::env::var("TEST_CALL").ok().map(|text| text.parse::<u64>().expect("TEST_CALL"));
    points.retain(|(_, point)| wanted.is_none_or(|at| point.at == at));
    let (kinds, all) = (Mutex::new(BTreeSet::new()), points.len());
    let failed = at_once(points, AT_ONCE, |(count, point)| {
        let Played { killed, mut complaints } = play(point);
        match &killed {
            Some((kind, _)) => drop(kinds.lock().unwrap().insert(*kind)),
            None if point.at + SPREAD < *count => complaints.push("it was not killed".to_owned()),
            None => {}
        }
        if complaints.is_empty() {
            return None;
        }
        Some(format!("{point:?} killed at {killed:?}\n    {}", complaints.join("\n    ")))
    });
    assert!(failed.is_empty(), "{} of {all} failed:\n{}", failed.len(), failed.join("\n"));
    kinds.into_inner().unwrap()
}

fn lines() -> [Line; 3] {
    [Line::restart(), Line::adopted(), Line::nameless()]
}

#[test]
fn killed_before_each_call() {
    let kinds = play_all(&lines().map(|line| Point::new(&line, "before")));
    if std::env::var_os("TEST_CALL").is_none() {
        assert_eq!(kinds.iter().collect::<String>(), "cdmnorstuw", "not every kind of call was died at");
    }
}

#[test]
fn killed_in_the_middle_of_each_call() {
    let points = lines().map(|line| Point { links: line.key.is_none(), ..Point::new(&line, "torn") });
    let kinds = play_all(&points);
    assert!(std::env::var_os("TEST_CALL").is_some() || kinds.contains(&'l'), "no link was died at");
    if is_long() {
        play_all(&lines().map(|line| Point::new(&line, "torn")));
        play_all(&lines().map(|line| Point { links: true, ..Point::new(&line, "before") }));
        play_all(&lines().map(|line| Point::new(&line, "after")));
    }
}

#[test]
fn the_power_goes_at_each_call_and_nothing_is_left_that_was_not_synced() {
    play_all(&lines().map(|line| Point { loss: Some(Loss::All), ..Point::new(&line, "before") }));
    if is_long() {
        play_all(&lines().map(|line| Point {
            loss: Some(Loss::All),
            links: true,
            ..Point::new(&line, "after")
        }));
    }
}

#[test]
fn the_power_goes_at_each_call_and_some_is_left() {
    for seed in 1..=if is_long() { 10 } else { 1 } {
        play_all(&lines().map(|line| Point { loss: Some(Loss::Some(seed)), ..Point::new(&line, "torn") }));
    }
}

#[test]
fn run_that_overwrites_is_killed_at_each_call() {
    let line = Line::overwriting();
    let kinds = play_all(&[
        Point::new(&line, "before"),
        Point { loss: Some(Loss::All), ..Point::new(&line, "after") },
    ]);
    assert!(std::env::var_os("TEST_CALL").is_some() || kinds.contains(&'x'), "no exchange was died at");
    play_all(&[Point { links: true, ..Point::new(&line, "torn") }]);
}

#[test]
fn another_takes_over_from_the_one_that_is_killed() {
    play_all(&[Point { beside: true, ..Point::new(&Line::restart(), "before") }]);
}
