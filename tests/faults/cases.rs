//! The table, played, and held against the sandbox's own list.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::play::{Case, play_all};
use crate::rows::Operation;
use crate::service::{ask, shared};
use crate::table::{ASKING, FETCHING, SUBMITTING, WAITING, rows};

/// What the sandbox can do, and where: name and endpoint.
fn scenarios() -> BTreeSet<(String, String)> {
    let accept = "Accept: application/json\r\n";
    let told = ask(&shared().base_url, "GET", "/_sandbox/scenarios", accept, None);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all = BTreeSet::new();
    for one in told["scenarios"].as_array().unwrap() {
        all.extend(one["endpoints"].as_array().unwrap().iter().map(|at| (text(&one["name"]), text(at))));
    }
    all
}

#[test]
fn every_scenario_has_a_row_at_each_endpoint_and_every_row_a_scenario() {
    let known = scenarios();
    let listed: BTreeSet<_> = rows().map(|row| (row.name().to_owned(), row.at.to_owned())).collect();
    let missing: Vec<_> = known.difference(&listed).collect();
    let unknown: Vec<_> = listed.difference(&known).collect();
    assert!(missing.is_empty(), "scenarios without a row: {missing:?}");
    assert!(unknown.is_empty(), "rows without a scenario: {unknown:?}");
    // Every operation that meets an endpoint meets each of its scenarios.
    for (name, at) in known {
        let all: &[Operation] = match at.as_str() {
            "generate" => &[Operation::Generate, Operation::Run],
            "status" => &[Operation::GetStatus, Operation::Download, Operation::Wait, Operation::Run],
            _ => &[Operation::Download, Operation::Run],
        };
        for operation in all {
            let has =
                rows().any(|row| row.name() == name && row.at == at && row.operations.contains(operation));
            assert!(has, "{name}@{at} has no row for {operation:?}");
        }
    }
}

#[test]
fn submitting_under_every_fault() {
    play_all(Case::of(SUBMITTING));
}

#[test]
fn asking_under_every_fault() {
    play_all(Case::of(ASKING));
}

#[test]
fn waiting_under_every_fault() {
    play_all(Case::of(WAITING));
}

#[test]
fn fetching_under_every_fault() {
    play_all(Case::of(FETCHING));
}
