//! The disk fills up: at each call of a run, as the shim has it, and as a small disk really does. Once there is room,
//! the same line comes to its end.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::power;
use crate::scene::{End, Line, Scene, is_long};
use crate::support::workers::at_once;

const AT_ONCE: usize = 8;

/// How the line ended on a full disk, then with room.
fn judge(scene: &Scene, line: &Line, end: &End) -> Vec<String> {
    let mut found = Vec::new();
    match end {
        End::Well { .. } => {}
        // Before the ledger has it nothing is sent, and what is wrong is said.
        End::Told(error) if error.starts_with("LEDGER: ") => {
            if !scene.jobs().is_empty() && error.contains(r#""billed":"no""#) {
                found.push(format!("a job was made: {error}"));
            }
        }
        End::Told(error) if error.starts_with("FILE: ") || error.starts_with("INCOMPLETE: ") => {}
        other => found.push(format!("on a full disk: {other:?}")),
    }
    match scene.again(line) {
        Ok(ledger) => found.extend(scene.judge(std::slice::from_ref(line), &ledger)),
        Err(wrong) => found.push(format!("{wrong} (before: {end:?})")),
    }
    found
}

#[test]
fn no_room_from_each_call_on() {
    let mut points = Vec::new();
    for line in [Line::restart(), Line::adopted()] {
        let scene = Scene::new();
        let end = End::of(&scene.shimmed(&line, "full", 0).output().unwrap());
        assert!(matches!(end, End::Well { .. }), "{end:?}");
        let count = power::read(&scene.record()).iter().map(|call| call.number).max().unwrap();
        points.extend((1..=count).map(|at| (line.clone(), at)));
    }
    let failed = at_once(points, AT_ONCE, |(line, at)| {
        let scene = Scene::new();
        let end =
            End::of(&scene.shimmed(line, "full", *at).env("VICTIM_DISK_IS_FULL", "1").output().unwrap());
        let found = judge(&scene, line, &end);
        (!found.is_empty()).then(|| format!("{line:?} from call {at} on\n    {}", found.join("\n    ")))
    });
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

/// Whether this process may mount, alone or as the root of a namespace of its own; how, then.
fn mounts() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["unshare", "--mount"], &["unshare", "--mount", "--user", "--map-root-user"]];
    let trial = "mount -t tmpfs -o size=4k perceptis-test \"$0\"";
    let directory = tempfile::tempdir().unwrap();
    ways.into_iter().find(|way| {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).args(["sh", "-c", trial]).arg(directory.path());
        command.output().is_ok_and(|output| output.status.success())
    })
}

/// The line on a disk of this size, and what came of it; then there is room, and the line runs again. All in one
/// namespace, where nobody else sees the disk; so the files have to come out of it before it is gone.
const SMALL: &str = r#"mount -t tmpfs -o "size=$1" perceptis-test "$2"
mkdir "$2/out" "$2/state"
shift 2
VICTIM_DISK_IS_FULL=1 "$@" >"$KEPT/1.out" 2>"$KEPT/1.err"
echo $? >"$KEPT/1.code"
mount -o remount,size=8m "$TREE"
"$@" >"$KEPT/2.out" 2>"$KEPT/2.err"
echo $? >"$KEPT/2.code"
mkdir "$KEPT/tree"
cp -a "$TREE/." "$KEPT/tree"
"#;

#[test]
fn a_disk_too_small_for_a_run() {
    let Some(way) = mounts() else {
        let said = "a_disk_too_small_for_a_run: NOT SHOWN, there are no mounts here; the shim's full disk is";
        // Past the test harness, which keeps what tests that pass have to say.
        let _ = writeln!(std::io::stderr(), "{said}");
        return;
    };
    let step = if is_long() { 4 } else { 16 };
    let sizes: Vec<usize> = (4..=400).step_by(step).collect();
    let failed = at_once(sizes, AT_ONCE, |size| {
        let line = Line::restart();
        let scene = Scene::new();
        let found = small(way, &scene, &line, *size);
        (!found.is_empty()).then(|| format!("{size} KiB\n    {}", found.join("\n    ")))
    });
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

fn small(way: &[&str], scene: &Scene, line: &Line, size: usize) -> Vec<String> {
    let kept = scene.base().join("kept");
    std::fs::create_dir(&kept).unwrap();
    let victim = scene.line(line);
    let mut command = Command::new(way[0]);
    command.args(&way[1..]).args(["sh", "-euc", &format!("set +e\n{SMALL}"), "sh", &format!("{size}k")]);
    command.arg(scene.tree()).arg(victim.get_program()).args(victim.get_args());
    for (name, value) in victim.get_envs() {
        command.env(name, value.unwrap());
    }
    crate::support::succeed(command.env("TREE", scene.tree()).env("KEPT", &kept));
    let text = |name: &str| std::fs::read_to_string(kept.join(name)).unwrap();
    let mut found = Vec::new();
    let first = text("1.err");
    if text("1.code").trim() != "0"
        && !["LEDGER: ", "FILE: ", "INCOMPLETE: "].iter().any(|code| first.starts_with(code))
    {
        found.push(format!("on a full disk: {} {first}", text("1.code")));
    }
    if text("2.code").trim() != "0" {
        found.push(format!("with room: {} {} (before: {first})", text("2.code"), text("2.err")));
        return found;
    }
    put(&kept.join("tree"), &scene.tree());
    let ledger = serde_json::from_str(text("2.out").lines().nth(1).unwrap()).unwrap();
    found.extend(scene.judge(std::slice::from_ref(line), &ledger));
    found
}

/// Takes what was on the small disk for what is at its place.
fn put(from: &Path, to: &Path) {
    std::fs::remove_dir_all(to).unwrap();
    std::fs::rename(from, to).unwrap();
}
