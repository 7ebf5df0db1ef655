//! Forks: what a child commits stands, and the parent notices nothing.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::scene::{End, Line, Scene};
use crate::support::succeed;

/// What a fresh process sees in the ledger: keys and states.
fn rows(ledger: &Value) -> BTreeSet<(&str, &str)> {
    fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }
    ledger["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| (text(&job["idempotency_key"]), text(&job["state"])))
        .collect()
}

/// A fresh process's `recover`; its report and the ledger.
fn recovered(scene: &Scene) -> (Value, Value) {
    match End::of(&scene.recover(1).output().unwrap()) {
        End::Well { result, ledger } => (result, ledger),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_child_commits_before_it_is_killed_is_there() {
    for how in ["closed", "open"] {
        let scene = Scene::new();
        succeed(scene.command("fork_commit", 1).arg(how));
        let ledger = scene.ledger();
        let mut expected = BTreeSet::from([("of-the-child", "accepted"), ("of-the-parent", "accepted")]);
        if how == "open" {
            expected.insert(("of-the-parent-again", "accepted"));
        }
        assert_eq!(rows(&ledger), expected, "{how}: {ledger}");
        assert_eq!(scene.jobs().len(), expected.len());
        let (report, ledger) = recovered(&scene);
        assert_eq!(report["jobs"].as_array().unwrap().len(), expected.len(), "{report}");
        assert_eq!(
            rows(&ledger).iter().filter(|(_, state)| *state == "settled").count(),
            expected.len(),
            "{ledger}"
        );
        assert_eq!(scene.jobs().len(), expected.len(), "recover buys nothing");
    }
}

#[test]
fn in_a_storm_of_forks_the_parent_notices_nothing() {
    const RUNS: usize = 30;
    const FORKS: usize = 50;
    for _ in 0..if crate::scene::is_long() { 10 } else { 1 } {
        let scene = Scene::new();
        let mut command = scene.command("fork_storm", 1);
        command.arg(scene.out()).args([RUNS.to_string(), FORKS.to_string()]);
        let said = succeed(&mut command);
        assert_eq!(String::from_utf8_lossy(&said.stderr), "");
        let (report, _) = recovered(&scene);
        assert_eq!(report["jobs"].as_array().unwrap().len(), FORKS / 2, "each child's: {report}");
        let lines: Vec<Line> = (0..RUNS)
            .map(|at| Line { kind: "1", name: Some(format!("slide-{at}")), key: None, ..Line::restart() })
            .collect();
        assert_eq!(scene.judge_files(&lines), Vec::<String>::new());
        assert_eq!(scene.judge_books(RUNS + FORKS / 2), Vec::<String>::new());
        let ledger = scene.look(1).unwrap();
        assert_eq!(
            rows(&ledger).iter().filter(|(_, state)| *state == "settled").count(),
            RUNS + FORKS / 2,
            "{ledger}"
        );
    }
}
