//! C programs against the header and the shared library: they compile unchanged, run, and leak nothing.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use support::program::{build, build_with, valgrind};
use support::{Sandbox, library_directory, listing, succeed};

#[test]
fn the_callers_run_unchanged_and_under_valgrind() {
    let (library, work) = (library_directory(), tempfile::tempdir().unwrap());
    let one_deck = build("tests/callers/one_deck.c", work.path(), library.path());
    let status = build("tests/callers/status.c", work.path(), library.path());
    // Not faster: valgrind is slow.
    let sandbox = Sandbox::start(20);
    for checked in [false, true] {
        let out = tempfile::tempdir().unwrap();
        let command = |program: &Path| {
            let mut command = if checked { valgrind(program) } else { Command::new(program) };
            sandbox.quickly(&mut command);
            command.env("LD_LIBRARY_PATH", library.path());
            command
        };
        let made = succeed(command(&one_deck).arg("Why teams adopt Rust").arg(out.path()));
        let path = String::from_utf8(made.stdout).unwrap();
        let name = &listing(out.path())[0];
        assert_eq!(path.trim_end(), out.path().join(name).to_str().unwrap());
        let job = name.strip_suffix(".pptx").unwrap();
        // Its deadline is a minute: long enough for valgrind only where a minute is one.
        let told = succeed(command(&status).env("PERCEPTIS_TIME_SCALE", "1").arg(job));
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!(told["status"], "completed");
        assert_eq!(told["job_id"], job);

        // What fails, fails with a message and without a leak.
        let again = command(&one_deck).arg("p").arg("/nonexistent").output().unwrap();
        let said = String::from_utf8(again.stderr).unwrap();
        assert_eq!(again.status.code(), Some(1), "{said}");
        assert!(said.starts_with("FILE: /nonexistent does not exist"), "{said}");
        let none = command(&status).env("PERCEPTIS_TIME_SCALE", "1").arg("job_none").output().unwrap();
        assert_eq!(none.status.code(), Some(1), "{}", String::from_utf8_lossy(&none.stderr));
    }
}

#[test]
fn the_example_shows_the_state_and_ends_with_the_path() {
    let (library, work, out) =
        (library_directory(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let deck = build("bindings/c/examples/deck.c", work.path(), library.path());
    let sandbox = Sandbox::start(20);
    // Until it has shown that the job is processed.
    sandbox.rule("never_ends");
    let mut command = valgrind(&deck);
    sandbox.quickly(&mut command);
    command.env("LD_LIBRARY_PATH", library.path()).arg("Why teams adopt Rust").arg(out.path());
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut shown = String::new();
    for line in BufReader::new(running.stderr.take().unwrap()).lines() {
        shown += &line.unwrap();
        if shown.contains("processing job_") {
            sandbox.clear();
        }
    }
    let made = running.wait_with_output().unwrap();
    assert!(made.status.success() && shown.contains("processing job_"), "{shown}");
    let path = String::from_utf8(made.stdout).unwrap();
    assert!(Path::new(path.trim_end()).is_file(), "{path}");
}

#[test]
fn every_handle_can_be_freed_in_any_order_while_calls_run() {
    let (library, work) = (library_directory(), tempfile::tempdir().unwrap());
    let program = build("tests/programs/lifetimes.c", work.path(), library.path());
    let sandbox = Sandbox::start(1);
    for checked in [false, true] {
        let mut command = if checked { valgrind(&program) } else { Command::new(&program) };
        sandbox.environment(&mut command);
        let output = succeed(command.env("LD_LIBRARY_PATH", library.path()));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "the library prints nothing");
    }
}

#[test]
fn a_forked_child_is_told_so_and_can_begin_anew() {
    let (library, work) = (library_directory(), tempfile::tempdir().unwrap());
    let program = build("tests/programs/fork.c", work.path(), library.path());
    let sandbox = Sandbox::start(1);
    let mut command = Command::new(&program);
    sandbox.environment(&mut command);
    succeed(command.env("LD_LIBRARY_PATH", library.path()));
}

#[test]
fn a_client_costs_nothing_until_it_is_used() {
    let (library, work) = (library_directory(), tempfile::tempdir().unwrap());
    let program = build("tests/programs/idle.c", work.path(), library.path());
    let sandbox = Sandbox::start(1);
    let mut command = Command::new(&program);
    sandbox.environment(&mut command);
    succeed(command.env("LD_LIBRARY_PATH", library.path()));
}

#[test]
fn texts_of_two_gigabytes_are_refused_before_any_copy() {
    let (library, work) = (library_directory(), tempfile::tempdir().unwrap());
    let program = build("tests/programs/huge.c", work.path(), library.path());
    let sandbox = Sandbox::start(1);
    let mut command = Command::new(&program);
    sandbox.environment(&mut command);
    let output = succeed(command.env("LD_LIBRARY_PATH", library.path()));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "the library prints nothing");
}

#[test]
fn a_deck_is_fetched_though_there_are_no_more_threads() {
    let (library, work) = (library_directory(), tempfile::tempdir().unwrap());
    let program = build_with("tests/programs/no_thread.c", work.path(), library.path(), &["-ldl"]);
    let (sandbox, out) = (Sandbox::start(20), tempfile::tempdir().unwrap());
    let mut command = Command::new(&program);
    sandbox.environment(&mut command);
    succeed(command.env("LD_LIBRARY_PATH", library.path()).arg(out.path()));
    let names = listing(out.path());
    assert!(names.len() == 1 && names[0].ends_with(".pptx"), "{names:?}");
}
