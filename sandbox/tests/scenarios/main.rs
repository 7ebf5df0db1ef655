//! Scenarios: each does what its line in the catalogue says, and the admin API shows what happened.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod access;
mod bodies;
mod canned;
mod files;
mod jobs;
mod namespaces;
mod sources;
#[path = "../support/mod.rs"]
mod support;
mod untested;
mod wire;
mod world;

use untested::Untested;

#[test]
fn scenarios_do_what_their_lines_say() {
    let mut untested = Untested::new();
    for test in [
        access::access,
        access::idempotency,
        canned::statuses,
        canned::codes_of_submissions,
        canned::retry_after,
        canned::made_then_hidden,
        canned::polls,
        jobs::pace,
        jobs::failures,
        jobs::statuses,
        jobs::downloads,
        bodies::bodies,
        files::urls_and_editions,
        files::partial_responses,
        files::damaged_files,
        files::redirects,
        wire::connections_that_end,
        wire::responses_that_differ,
        wire::refused_connections,
    ] {
        test(&mut untested);
    }
    assert!(untested.names().is_empty(), "scenarios without a test: {:?}", untested.names());
}
