//! Few descriptors: a reservation costs none of its own, and where they run out a call waits for one.

use std::fs;

use crate::support::deck::deck;
use crate::support::{listing, succeed};
use crate::workshop::{GENERATE, endless, program, server_of};

/// How many runs there are in one directory; in the long test as many as the promise says.
fn many() -> usize {
    if std::env::var_os("TEST_LONG").is_some_and(|set| set != "0") { 10_000 } else { 2_000 }
}

#[test]
fn runs_in_one_directory_need_no_descriptor_each() {
    let (directory, server, count) = (tempfile::tempdir().unwrap(), server_of(&deck("one")), many());
    let arguments = [&count.to_string(), "256", "one", directory.path().to_str().unwrap()];
    succeed(program("many_runs", &server.base_url).args(arguments));
    let names = listing(directory.path());
    assert_eq!(names.len(), count, "{:?}", &names[..3]);
    assert!(names.iter().all(|name| name.ends_with(".pptx")), "nothing else is left behind");
}

#[test]
fn runs_in_many_directories_wait_for_descriptors() {
    const COUNT: usize = 100;
    let (base, server) = (tempfile::tempdir().unwrap(), server_of(&deck("one")));
    for number in 0..COUNT {
        fs::create_dir(base.path().join(number.to_string())).unwrap();
    }
    let arguments = [&COUNT.to_string(), "64", "each", base.path().to_str().unwrap()];
    succeed(program("many_runs", &server.base_url).args(arguments));
    for number in 0..COUNT {
        assert_eq!(listing(&base.path().join(number.to_string())), [format!("deck-{number}.pptx")]);
    }
}

#[test]
fn call_without_a_descriptor_waits_for_another_to_end() {
    let (base, server) = (tempfile::tempdir().unwrap(), endless());
    for number in 0..=8 {
        fs::create_dir(base.path().join(number.to_string())).unwrap();
    }
    succeed(program("starved", &server.base_url).arg(base.path()));
    assert_eq!(server.seen_at(GENERATE).len(), 10, "one was never submitted");
}
