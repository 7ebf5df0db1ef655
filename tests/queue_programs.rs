//! Queues in C programs: event loops, forks, exits, signals, storms.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use support::api::Request;
use support::program::{build_alone, build_with, valgrind};
use support::{Sandbox, library, library_directory, listing, products, succeed};

/// A program of the tests with a sandbox that it talks to.
struct Program {
    path: PathBuf,
    library: tempfile::TempDir,
    sandbox: Sandbox,
    _work: tempfile::TempDir,
}

impl Program {
    fn new(source: &str, speed: u32, further: &[&str]) -> Program {
        let (library, work) = (library_directory(), tempfile::tempdir().unwrap());
        let path = build_with(source, work.path(), library.path(), further);
        Program { path, library, sandbox: Sandbox::start(speed), _work: work }
    }

    /// Under valgrind or not.
    fn command(&self, checked: bool) -> Command {
        let mut command = if checked { valgrind(&self.path) } else { Command::new(&self.path) };
        // Where time is faster than the wall's, a run comes to its end; elsewhere none does.
        let fast = self.sandbox.speed > 1;
        if fast {
            self.sandbox.quickly(&mut command)
        } else {
            self.sandbox.environment(&mut command)
        }
        command.env("LD_LIBRARY_PATH", self.library.path());
        command
    }

    /// A job that is in work for ever.
    fn job(&self) -> String {
        endless_job(&self.sandbox)
    }
}

fn endless_job(sandbox: &Sandbox) -> String {
    let request = Request::new("deck", "For ever [[sandbox: never_ends]]").unwrap();
    let accepted = sandbox.client().generate(&request, &[]).unwrap();
    accepted["job_id"].as_str().unwrap().to_owned()
}

fn says_nothing(output: &Output) {
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn many_slides_come_on_one_thread() {
    let program = Program::new("tests/callers/many.c", 20, &[]);
    for (checked, count) in [(false, 100), (true, 5)] {
        let out = tempfile::tempdir().unwrap();
        let made = succeed(program.command(checked).arg(count.to_string()).arg(out.path()));
        assert_eq!(String::from_utf8(made.stdout).unwrap().lines().count(), count);
        let expected: std::collections::BTreeSet<String> =
            (1..=count).map(|number| format!("slide-{number}.pptx")).collect();
        assert_eq!(listing(out.path()).into_iter().collect::<std::collections::BTreeSet<_>>(), expected);
    }
    // What fails, fails for itself.
    let failed = program.command(false).arg("2").arg("/nonexistent").output().unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("slide 2: /nonexistent does not exist"));
}

#[test]
fn the_descriptor_is_readable_exactly_while_events_wait() {
    let program = Program::new("tests/programs/loops.c", 1, &[]);
    for checked in [false, true] {
        says_nothing(&succeed(&mut program.command(checked)));
    }
}

#[test]
fn it_works_in_the_loop_of_libuv() {
    let flags = succeed(Command::new("pkg-config").args(["--cflags", "--libs", "libuv"])).stdout;
    let flags = String::from_utf8(flags).unwrap();
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let program = Program::new("tests/programs/uv.c", 1, &flags);
    says_nothing(&succeed(&mut program.command(false)));
}

#[test]
fn the_doorbell_rings_when_events_begin_to_wait() {
    let program = Program::new("tests/programs/doorbell.c", 1, &[]);
    for checked in [false, true] {
        says_nothing(&succeed(&mut program.command(checked)));
    }
}

#[test]
fn doorbells_do_not_need_a_wait_where_callbacks_run_on_one_thread() {
    let program = Program::new("tests/programs/main_loop.c", 1, &[]);
    for checked in [false, true] {
        says_nothing(&succeed(&mut program.command(checked)));
    }
}

#[test]
fn two_hundred_forks_harm_nobody() {
    let program = Program::new("tests/programs/fork_queue.c", 1, &[]);
    says_nothing(&succeed(&mut program.command(false)));
}

#[test]
fn two_hundred_processes_end_with_calls_in_flight() {
    let program = Program::new("tests/programs/exits.c", 1, &[]);
    let job = program.job();
    for round in 0..200 {
        let how = ["main", "thread", "atexit", "free-atexit", "doorbell", "quick"][round % 6];
        says_nothing(&succeed(program.command(false).arg(how).arg(&job)));
    }
    for how in ["main", "thread", "atexit", "free-atexit"] {
        says_nothing(&succeed(program.command(true).arg(how).arg(&job)));
    }
}

#[test]
fn it_is_closed_and_loaded_again() {
    let (work, sandbox) = (tempfile::tempdir().unwrap(), Sandbox::start(1));
    let program = build_alone("tests/programs/reload.c", work.path());
    let mut command = Command::new(program);
    sandbox.environment(&mut command);
    says_nothing(&succeed(command.arg(library()).env("JOB_ID", endless_job(&sandbox))));
}

#[test]
fn the_static_library_is_closed_and_loaded_again_with_its_plugin() {
    let (work, sandbox) = (tempfile::tempdir().unwrap(), Sandbox::start(1));
    let program = build_alone("tests/programs/reload.c", work.path());
    let plugin = work.path().join("plugin.so");
    // As the README says.
    succeed(
        Command::new("gcc")
            .args(["-shared", "-o"])
            .arg(&plugin)
            .arg("-Wl,--whole-archive")
            .arg(products().join("libperceptis.a"))
            .args(["-Wl,--no-whole-archive", "-Wl,-z,nodelete", "-lm", "-lgcc_s"]),
    );
    let job = sandbox.client().generate(&Request::deck(), &[]).unwrap();
    let mut command = Command::new(program);
    sandbox.environment(&mut command);
    says_nothing(&succeed(command.arg(plugin).env("JOB_ID", job["job_id"].as_str().unwrap())));
}

#[test]
fn its_threads_block_all_signals() {
    let program = Program::new("tests/programs/signals.c", 20, &[]);
    let out = tempfile::tempdir().unwrap();
    says_nothing(&succeed(program.command(false).arg(out.path())));
    assert_eq!(listing(out.path()).len(), 1);
}

#[test]
fn signals_reach_a_thread_that_the_program_keeps() {
    let program = Program::new("tests/programs/main_ends.c", 1, &[]);
    for (how, ends) in [("kept", true), ("alone", false)] {
        let mut child = program.command(false).arg(how).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let of_process =
            |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap();
        while !of_process("stat").contains(") Z ") {
            std::thread::yield_now();
        }
        succeed(Command::new("kill").arg("-TERM").arg(child.id().to_string()));
        if !ends {
            let status = of_process("status");
            let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap();
            let pending = u64::from_str_radix(pending.trim(), 16).unwrap();
            assert_eq!(pending, 1 << (15 - 1), "the library's threads block all signals");
            child.kill().unwrap();
        }
        let signal = child.wait().unwrap().signal();
        assert_eq!(signal, Some(if ends { 15 } else { 9 }));
    }
}

#[test]
fn a_log_callback_has_one_thread_for_all_clients() {
    let program = Program::new("tests/programs/log_thread.c", 1, &[]);
    for checked in [false, true] {
        says_nothing(&succeed(&mut program.command(checked)));
    }
    says_nothing(&succeed(program.command(false).arg("fork")));
}

#[test]
fn cancelled_threads_end_outside_of_the_library() {
    let program = Program::new("tests/programs/cancel.c", 500, &[]);
    for checked in [false, true] {
        let out = tempfile::tempdir().unwrap();
        std::fs::write(out.path().join("image.png"), b"\x89PNG\r\n\x1a\nrest").unwrap();
        let ledger = out.path().join("ledger.db");
        let mut command = program.command(checked);
        if checked {
            // Long deadlines, since valgrind takes its time.
            command.env("PERCEPTIS_TIME_SCALE", "10");
        }
        says_nothing(&succeed(command.env("PERCEPTIS_LEDGER", ledger).arg(out.path())));
    }
}

#[test]
fn in_a_storm_every_call_has_one_end() {
    let program = Program::new("tests/programs/storm.c", 1, &[]);
    for seed in 1..=5 {
        let output = succeed(program.command(false).arg(seed.to_string()).arg("3000"));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.ends_with("each ended once\n"), "{said}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
    succeed(program.command(true).arg("6").arg("100"));
}
