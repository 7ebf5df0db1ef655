//! Rule 19: a ledger has one name, and is on a disk of this machine. Otherwise nothing is sent and nothing in
//! it changes.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::home::{GENERATE, Home, Kept, bought, client_at, done, shim, working};
use crate::support::api::Request;
use crate::support::script::Server;
use crate::support::succeed;
use crate::workshop::endless;

/// Code, message, details and result, as `one_call` prints them.
fn told(output: &std::process::Output) -> Vec<String> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 4, "{output:?}");
    lines
}

/// The refusal says both ways out, and nobody says that something was sent.
fn assert_refused(lines: &[String], reason: &str) {
    assert_eq!(lines[0], "LEDGER", "{lines:?}");
    for part in [reason, "PERCEPTIS_LEDGER=<path>", "PERCEPTIS_LEDGER=off"] {
        assert!(lines[1].contains(part), "no {part} in {lines:?}");
    }
    let details: Value = serde_json::from_str(&lines[2]).unwrap();
    assert_eq!(details["billed"], "no", "{lines:?}");
}

/// A process that is under way with a run, until this is dropped.
fn hold(home: &Home, server: &Server) -> Kept {
    let mut command = home.one_call(server, &["hold", "name=q3"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let held = Kept(command.spawn().unwrap());
    while server.seen_at(crate::home::STATUS).is_empty() {
        std::thread::yield_now();
    }
    held
}

/// The one row, which the first process works on, is there; and a name beside it has no log of its own.
fn assert_kept(home: &Home, server: &Server, second: &Path) {
    let jobs = home.client(server, &[]).jobs(&[]).unwrap();
    let jobs = jobs["jobs"].as_array().unwrap();
    let found: Vec<_> = jobs.iter().map(|job| (&job["job_id"], &job["live"])).collect();
    assert_eq!(found, [(&"j1".into(), &true.into())]);
    assert!(!log_of(second).exists());
}

#[test]
fn hard_link_of_a_ledger_in_use_is_refused() {
    let (home, server) = (Home::new(), endless());
    let held = hold(&home, &server);
    let second = home.path().join("second.db");
    fs::hard_link(home.ledger(), &second).unwrap();
    let mut call = home.one_call(&server, &["run", "name=q4"]);
    let lines = told(&call.env("PERCEPTIS_LEDGER", &second).output().unwrap());
    assert_refused(&lines, "in use under another name");
    assert_eq!(bought(&server), 1);
    assert_kept(&home, &server, &second);
    drop(held);
    // No process uses it now, and it still has two names. What is newest can be beside the first.
    let lines = told(&call.output().unwrap());
    assert_refused(&lines, "has two names");
    assert_eq!(bought(&server), 1);
}

#[test]
fn bind_mount_of_the_ledger_file_alone_is_refused() {
    let (home, server) = (Home::new(), endless());
    let own_mounts = ["--user", "--map-root-user", "--mount"];
    if !Command::new("unshare").args(own_mounts).arg("true").status().is_ok_and(|status| status.success()) {
        println!("SKIPPED: bind_mount_of_the_ledger_file_alone_is_refused needs user namespaces");
        return;
    }
    let held = hold(&home, &server);
    let elsewhere = home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    // Under another file name, and under the same one in another directory.
    for name in ["second.db", "ledger.db"] {
        let second = elsewhere.join(name);
        fs::write(&second, "").unwrap();
        let call = home.one_call(&server, &["run", "name=q4"]);
        let mut mounted = Command::new("unshare");
        mounted.args(own_mounts).args([
            "sh",
            "-c",
            "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"",
            "sh",
        ]);
        mounted.arg(home.ledger()).arg(&second).arg(call.get_program()).args(call.get_args());
        for (key, value) in call.get_envs() {
            mounted.env(key, value.unwrap());
        }
        let lines = told(&mounted.env("PERCEPTIS_LEDGER", &second).output().unwrap());
        assert_refused(&lines, "a mount of the file alone");
        assert_eq!(bought(&server), 1);
        assert_kept(&home, &server, &second);
    }
    drop(held);
}

/// Another program closes the ledger as the last one, and with that its log is in the file.
fn fold_log(ledger: &Path) {
    let script =
        "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint').fetchall()";
    succeed(Command::new("python3").args(["-c", script]).arg(ledger));
}

fn log_of(ledger: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", ledger.display()))
}

#[test]
fn ledger_that_was_moved_is_taken_over_and_its_deck_is_found() {
    let (home, server) = (Home::new(), working());
    done(&server);
    let call = |ledger: &Path| {
        let mut command = home.one_call(&server, &["run", "name=q3", "idempotency_key=order-1"]);
        let lines = told(&succeed(command.env("PERCEPTIS_LEDGER", ledger)));
        assert_eq!(lines[0], "OK", "{ledger:?}: {lines:?}");
        serde_json::from_str::<Value>(&lines[3]).unwrap()
    };
    let first = call(&home.ledger());
    let asked = server.seen().len();
    let moved = home.path().join("moved");
    // Its directory with all that is in it, and then the file alone, whose log is in it.
    fs::rename(home.path().join("state"), &moved).unwrap();
    let names = ["moved/ledger.db", "moved/renamed.db", "away.db"].map(|name| home.path().join(name));
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            fold_log(&names[at - 1]);
            fs::rename(&names[at - 1], name).unwrap();
        }
        let again = call(name);
        assert_eq!(again["files"][0]["path"], first["files"][0]["path"], "{again}");
        assert_eq!(server.seen().len(), asked, "nothing is sent");
    }
    let jobs = client_at(&server, &names[2], &[]).jobs(&[]).unwrap();
    assert_eq!((jobs["jobs"].as_array().unwrap().len(), bought(&server)), (1, 1), "{jobs}");
}

#[test]
fn ledger_that_was_moved_without_its_log_is_refused_until_the_log_follows() {
    let (home, server) = (Home::new(), working());
    // A process that is killed leaves the log, with its submission in it.
    drop(hold(&home, &server));
    let renamed = home.path().join("state/renamed.db");
    fs::rename(home.ledger(), &renamed).unwrap();
    let mut call = home.one_call(&server, &["run", "name=q3"]);
    call.env("PERCEPTIS_LEDGER", &renamed);
    for _ in 0..2 {
        let lines = told(&call.output().unwrap());
        assert_refused(&lines, "was moved without its log");
        assert_eq!(bought(&server), 1);
    }
    fs::rename(log_of(&home.ledger()), log_of(&renamed)).unwrap();
    done(&server);
    let lines = told(&call.output().unwrap());
    let result: Value = serde_json::from_str(&lines[3]).unwrap();
    assert_eq!((&*lines[0], &result["adopted"], bought(&server)), ("OK", &true.into(), 1), "{lines:?}");
}

#[test]
fn ledger_on_a_network_file_system_is_refused_also_through_a_link() {
    let (home, server) = (Home::new(), endless());
    let (far, near) = (home.path().join("far"), home.path().join("near"));
    for directory in [&far, &near] {
        fs::create_dir(directory).unwrap();
    }
    fs::write(far.join("there.db"), "").unwrap();
    symlink(far.join("there.db"), near.join("file.db")).unwrap();
    symlink(&far, near.join("directory")).unwrap();
    let cases = [
        far.join("ledger.db"),
        far.join("new/ledger.db"),
        near.join("file.db"),
        near.join("directory/ledger.db"),
    ];
    for ledger in cases {
        let mut call = home.one_call(&server, &["run", "name=q4"]);
        call.env("PERCEPTIS_LEDGER", &ledger).env("LD_PRELOAD", shim()).env("FAR_ROOT", &far);
        let lines = told(&call.output().unwrap());
        assert_refused(&lines, "network file system (NFS)");
        assert!(server.seen_at(GENERATE).is_empty(), "{ledger:?}");
    }
    assert_eq!(fs::read(far.join("there.db")).unwrap(), b"");
    // The same shim leaves a near ledger alone.
    let mut call = home.one_call(&server, &["hold", "name=q3"]);
    call.env("LD_PRELOAD", shim()).env("FAR_ROOT", &far).stdin(Stdio::null());
    succeed(&mut call);
}

#[test]
fn ledger_is_made_where_another_process_makes_its_directories_at_the_same_time() {
    let (home, server, gates) = (Home::new(), working(), tempfile::tempdir().unwrap());
    let gate = gates.path().join("mkdir");
    fs::write(&gate, "").unwrap();
    let mut call = home.one_call(&server, &["recover"]);
    call.env("PERCEPTIS_LEDGER", home.path().join("new/state/ledger.db"));
    call.env("LD_PRELOAD", shim()).env("GATES", gates.path());
    let mut running = Kept(call.stdout(Stdio::piped()).spawn().unwrap());
    // It has found that `new` is missing. Then the other process makes it.
    while !gates.path().join("mkdir.waits").exists() {
        assert_eq!(running.0.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    fs::create_dir(home.path().join("new")).unwrap();
    fs::remove_file(&gate).unwrap();
    let mut text = String::new();
    running.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.starts_with("OK\n"), "{text}");
}

/// An empty file with this number, where the file system gives one.
fn file_numbered(directory: &Path, number: u64) -> Option<PathBuf> {
    (0..1000).map(|at| directory.join(format!("{at}.db"))).find(|path| {
        fs::write(path, "").unwrap();
        fs::metadata(path).unwrap().ino() == number
    })
}

#[test]
fn ledger_gets_its_own_calls_where_its_file_has_the_number_of_one_that_is_gone() {
    let (home, server) = (Home::new(), working());
    let first = home.client(&server, &[]);
    first.generate(&Request::deck(), &[("idempotency_key", "order-1")]).unwrap();
    let number = fs::metadata(home.ledger()).unwrap().ino();
    // The first ledger goes, and can't be made again.
    fs::remove_dir_all(home.path().join("state")).unwrap();
    fs::write(home.path().join("state"), "").unwrap();
    assert_eq!(first.jobs(&[]).unwrap_err().code, "LEDGER");
    let Some(second) = file_numbered(&home.out(), number) else {
        println!("SKIPPED: the file system does not give a number again");
        return;
    };
    let client = client_at(&server, &second, &[]);
    client.generate(&Request::deck(), &[("idempotency_key", "order-2")]).unwrap();
    let jobs = client.jobs(&[]).unwrap();
    assert_eq!(jobs["jobs"][0]["idempotency_key"], "order-2", "{jobs}");
    assert_eq!(first.jobs(&[]).unwrap_err().code, "LEDGER");
}
