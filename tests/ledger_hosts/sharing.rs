//! Rule 16: three processes share a ledger, and one of them opens, copies and closes its files all the time.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::home::Kept;
use crate::support::admin::ask;
use crate::support::{Sandbox, library, root, succeed};

/// How many calls each of a process's four threads makes.
const CALLS: usize = 10;

/// One of the processes.
struct Host {
    process: Kept,
    output: BufReader<ChildStdout>,
    said: Vec<Value>,
}

/// Where the processes of one round are at work.
struct Round {
    sandbox: Sandbox,
    place: tempfile::TempDir,
}

impl Round {
    fn new() -> Round {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("out")).unwrap();
        Round { sandbox: Sandbox::start(200), place }
    }

    fn start(&self, role: &str, libraries: &[&Path]) -> Host {
        let mut command = Command::new("python3");
        command.arg(root().join("tests/ledger_hosts/host.py")).arg(role).arg(CALLS.to_string());
        self.sandbox.environment(&mut command);
        command
            .args(libraries)
            .env("PERCEPTIS_LEDGER", self.ledger())
            .env("OUT", self.place.path().join("out"))
            .env("COPIES", self.place.path().join("copy"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut host = Host { process: Kept(child), output, said: Vec::new() };
        host.read_until("ready");
        host
    }

    fn ledger(&self) -> std::path::PathBuf {
        self.place.path().join("state/ledger.db")
    }

    /// What a new process finds in the ledger once the others have ended.
    fn jobs(&self) -> Vec<Value> {
        let ledger = self.ledger();
        let client = self.sandbox.client_with(&[("ledger", ledger.to_str().unwrap())]);
        let jobs = client.jobs(&[("limit", "10000"), ("history", "true")]).unwrap();
        jobs["jobs"].as_array().unwrap().clone()
    }

    /// How many jobs the service has made.
    fn bought(&self) -> usize {
        let made = ask(&self.sandbox.base_url, "GET", "/_sandbox/jobs", "", None);
        made["jobs"].as_array().unwrap().len()
    }
}

impl Host {
    fn read_until(&mut self, word: &str) {
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "no {word} after {:?}", self.said.last());
            let said: Value = serde_json::from_str(&line).unwrap();
            let found = said.get(word).is_some();
            self.said.push(said);
            if found {
                return;
            }
        }
    }

    fn go_on(&mut self) {
        self.process.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Lets it exit; all that it said.
    fn end(mut self) -> Vec<Value> {
        self.go_on();
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            self.said.push(serde_json::from_str(&line).unwrap());
            line.clear();
        }
        assert!(self.process.0.wait().unwrap().success());
        std::mem::take(&mut self.said)
    }
}

/// What the processes said under this word.
fn all<'a>(said: &'a [Value], word: &str) -> Vec<&'a Value> {
    said.iter().filter_map(|one| one.get(word)).collect()
}

/// Key and job id of a call's result, or of a row.
fn identity(of: &Value) -> (String, String) {
    let text = |name: &str| of[name].as_str().unwrap_or_else(|| panic!("{of}")).to_owned();
    (text("idempotency_key"), text("job_id"))
}

fn integrity_check(ledger: &Path) -> String {
    let script = "import sqlite3, sys\n\
        print(sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchall())";
    let said = succeed(Command::new("python3").args(["-c", script]).arg(ledger));
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

#[test]
fn nothing_is_lost_while_a_process_opens_and_copies_the_files_of_the_ledger() {
    let is_long = std::env::var_os("TEST_LONG").is_some_and(|set| set != "0");
    for _ in 0..if is_long { 20 } else { 3 } {
        let round = Round::new();
        let (first, second) = (library(), round.place.path().join("second.so"));
        std::fs::copy(&first, &second).unwrap();
        // The innocent one is the first: the ledger is open from now on.
        let mut hosts = vec![round.start("innocent", &[&first]), round.start("meddler", &[&first])];
        hosts.push(round.start("twins", &[&first, &second]));
        hosts.iter_mut().for_each(Host::go_on);
        hosts.iter_mut().for_each(|host| host.read_until("done"));
        let said: Vec<Value> = hosts.into_iter().flat_map(Host::end).collect();
        judge(&round, &said);
    }
}

fn judge(round: &Round, said: &[Value]) {
    assert_eq!(all(said, "error"), Vec::<&Value>::new());
    let (results, held) = (all(said, "call"), all(said, "held"));
    assert_eq!(results.len(), 3 * 4 * CALLS);
    assert!(
        held.len() == 3 && held.iter().all(|end| end.as_str().unwrap().starts_with("CLOSED")),
        "{held:?}"
    );
    assert!(all(said, "turns")[0].as_u64().unwrap() > 0);

    let jobs = round.jobs();
    let known: BTreeSet<_> = jobs.iter().map(identity).collect();
    let told = results.iter().filter(|result| result["recorded"] == true).map(|result| identity(result));
    let told: BTreeSet<_> = told.collect();
    assert!(!told.is_empty());
    assert_eq!(told.difference(&known).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "lost");
    assert_eq!((known.len(), round.bought()), (results.len() + held.len(), results.len() + held.len()));
    assert_eq!(integrity_check(&round.ledger()), "[('ok',)]");

    // A run belongs to a process that lives: nobody else continues it.
    for report in all(said, "report") {
        let lines = report["jobs"].as_array().unwrap();
        assert!(lines.iter().any(|line| line["outcome"] == "in_work"), "no held run in {report}");
        for line in lines {
            assert!(line["operation"] == "generate" || line["outcome"] == "in_work", "{line}");
        }
    }
    for run in jobs.iter().filter(|job| job["operation"] == "run") {
        let events = run["history"].as_array().unwrap();
        let continued =
            |event: &Value| ["taken over", "joined", "adopted"].iter().any(|word| event["event"] == *word);
        assert!(!events.iter().any(continued), "{run}");
    }
}
