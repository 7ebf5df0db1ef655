//! Rules 16 and 17: a process forks while a call of it is under way.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::home::{GENERATE, Home, Kept, bought, shim};
use crate::support::api::{NETWORK, Request, patience};
use crate::support::program::build;
use crate::support::script::{Answer, Server};
use crate::support::{library_directory, listing};

/// The answer that a job of this number is accepted.
fn job(number: u32) -> Answer {
    Answer::json(202, &format!(r#"{{"job_id":"j{number}","status":"pending"}}"#))
}

/// A process of `programs/fork_under_way.c`.
struct Forker {
    process: Kept,
    output: BufReader<ChildStdout>,
    _places: [tempfile::TempDir; 2],
}

impl Forker {
    /// `gates`: where the shim looks whether a sync waits.
    fn start(home: &Home, server: &Server, how: &str, gates: Option<&Path>) -> Forker {
        let (library, work) = (library_directory(), tempfile::tempdir().unwrap());
        let mut command = Command::new(build("tests/programs/fork_under_way.c", work.path(), library.path()));
        command
            .arg(how)
            .env("LD_LIBRARY_PATH", library.path())
            .env("PERCEPTIS_API_BASE_URL", &server.base_url)
            .env("PERCEPTIS_API_KEY", "sk-test-secret")
            .env("PERCEPTIS_TIME_SCALE", "200")
            .env("PERCEPTIS_LEDGER", home.ledger());
        for key in NETWORK {
            command.env(format!("PERCEPTIS_{}", key.to_ascii_uppercase()), patience(200));
        }
        if let Some(gates) = gates {
            command.env("LD_PRELOAD", shim()).env("GATES", gates);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut forker = Forker { process: Kept(child), output, _places: [library, work] };
        assert_eq!(forker.says(), "ready");
        forker
    }

    fn says(&mut self) -> String {
        let mut line = String::new();
        assert!(self.output.read_line(&mut line).unwrap() > 0, "it has ended");
        line.trim_end().to_owned()
    }

    fn go_on(&mut self) {
        self.process.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Has it fork; fork has returned in both processes after this.
    fn fork(&mut self) {
        self.go_on();
        let mut returned = [self.says(), self.says()];
        returned.sort();
        assert_eq!(returned, ["child", "parent"]);
    }

    /// The result of the call that was under way.
    fn result(&mut self) -> Value {
        let (code, json) = (self.says(), self.says());
        assert_eq!(code, "OK", "{json}");
        serde_json::from_str(&json).unwrap()
    }

    fn end(mut self) {
        assert!(self.process.0.wait().unwrap().success());
    }
}

/// Keys and job ids.
fn rows(home: &Home, server: &Server) -> BTreeMap<String, Option<String>> {
    let jobs = home.client(server, &[]).jobs(&[]).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let row = |job: &Value| (text(&job["idempotency_key"]).unwrap(), text(&job["job_id"]));
    jobs["jobs"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn fork_returns_while_a_sync_of_the_ledger_is_blocked() {
    let (home, server, gates) = (Home::new(), Server::start(), tempfile::tempdir().unwrap());
    for number in 1..=4 {
        server.on(GENERATE, job(number));
    }
    let mut forker = Forker::start(&home, &server, "works", Some(gates.path()));
    let gate = gates.path().join("sync");
    fs::write(&gate, "").unwrap();
    forker.go_on();
    while !gates.path().join("sync.waits").exists() {
        std::thread::yield_now();
    }
    assert_eq!(bought(&server), 1, "nothing is sent before it is on the disk");
    forker.fork();
    assert_eq!(bought(&server), 1, "the sync is still blocked");
    fs::remove_file(&gate).unwrap();
    assert_eq!(forker.result()["recorded"], true);
    forker.end();
    let rows = rows(&home, &server);
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["again", "before", "child", "parent"]);
    let mut jobs: Vec<_> = rows.into_values().flatten().collect();
    jobs.sort();
    assert_eq!((jobs, bought(&server)), (["j1", "j2", "j3", "j4"].map(String::from).to_vec(), 4));
    let left = listing(&home.path().join("state/ledger.db.owners"));
    assert!(left.len() <= 1, "no owner but this process is left: {left:?}");
}

#[test]
fn call_goes_on_after_a_fork_and_changes_no_row_of_a_ledger_that_was_made_anew() {
    let (home, server) = (Home::new(), Server::start());
    server.on(GENERATE, job(1)).on(GENERATE, job(2).held()).on(GENERATE, job(3)).on(GENERATE, job(4));
    let _free = server.free_at_last();
    let mut forker = Forker::start(&home, &server, "ends", None);
    forker.go_on();
    server.until_seen(2);
    forker.fork();
    // Its connection is closed, so that the file system may give the new file the old one's number.
    let state = home.path().join("state");
    for name in listing(&state) {
        let path = state.join(name);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
    // As many rows as the removed ledger had, under the same keys and others.
    let client = home.client(&server, &[]);
    for key in ["before", "other"] {
        client.generate(&Request::deck(), &[("idempotency_key", key)]).unwrap();
    }
    let list = || client.jobs(&[("history", "true")]).unwrap();
    let before = list();
    server.let_go(GENERATE);
    let result = forker.result();
    assert_eq!((&result["job_id"], &result["recorded"]), (&"j2".into(), &false.into()), "{result}");
    forker.end();
    assert_eq!(list(), before);
    assert_eq!(rows(&home, &server).len(), 2);
}
