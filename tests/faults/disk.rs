//! A full disk: `FILE`, with what arrived kept, and gone on with once there is room.
//!
//! The disk is a small one in memory, mounted where nobody but the test's own process sees it. Where the system allows
//! no mounts the test says so, and a bound on the size of files has to stand in for it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::support::deck::deck;
use crate::support::script::{Answer, Server};
use crate::support::{listing, succeed};

const DIRECTORY: &str = "TEST_DISK_DIRECTORY";
const SERVER: &str = "TEST_DISK_SERVER";

/// A process of its own, and after it another: the first fills the disk, the second finds room.
const FULL: &str = r#"set -e
mount -t tmpfs -o size=128k perceptis-test "$TEST_DISK_DIRECTORY"
"$1" disk::fills --exact --ignored --nocapture
mount -o remount,size=4m "$TEST_DISK_DIRECTORY"
"$1" disk::finds_room --exact --ignored --nocapture
"#;

/// Whoever may not mount can have this: a write beyond the bound fails, as one to a full disk does.
const BOUNDED: &str = r#"set -e
(trap '' XFSZ; ulimit -f 200; "$1" disk::fills --exact --ignored --nocapture)
"$1" disk::finds_room --exact --ignored --nocapture
"#;

/// Two megabytes that do not get smaller on the way.
fn large() -> Vec<u8> {
    deck(&"a deck that is larger than the disk ".repeat(60_000))
}

fn client() -> crate::support::api::Client {
    let base_url = std::env::var(SERVER).unwrap();
    let pairs = [
        ("api_key", "sk-test-secret"),
        ("api_base_url", base_url.as_str()),
        ("time_scale", "200"),
        // The bound is on every file of the process, and this is about the deck's.
        ("ledger", "off"),
    ];
    crate::support::api::Client::new(&pairs).unwrap()
}

#[test]
#[ignore = "a part of the tests below"]
fn fills() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let options = [("directory", &*directory), ("name", "q3"), ("timeout_ms", "604800000")];
    let error = client().run(&crate::support::api::Request::deck(), &options).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("FILE", "yes"), "{error:?}");
    assert_eq!(error.detail("job_id"), "j1", "{error:?}");
    assert!(
        error.message.contains("q3.j1.part") && error.message.contains("perceptis_download"),
        "{error:?}"
    );
    let names = listing(Path::new(&directory));
    assert_eq!(names, ["q3.j1.part"], "what arrived is kept, and nothing has the final name");
    let arrived = fs::read(Path::new(&directory).join("q3.j1.part")).unwrap();
    assert!(arrived.len() >= 64 << 10 && large().starts_with(&arrived), "{} bytes", arrived.len());
}

#[test]
#[ignore = "a part of the tests below"]
fn finds_room() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let options = [("directory", &*directory), ("name", "q3"), ("timeout_ms", "604800000")];
    let result = client().download("j1", &options).unwrap();
    assert_eq!(result["files"][0]["size"], large().len());
    assert_eq!(listing(Path::new(&directory)), ["q3.pptx"]);
    assert!(fs::read(Path::new(&directory).join("q3.pptx")).unwrap() == large());
}

/// Whether this process may mount, alone or as the root of a namespace of its own; how, then.
fn mounts() -> Option<Vec<&'static str>> {
    let ways: [&[&str]; 2] = [&["unshare", "--mount"], &["unshare", "--mount", "--user", "--map-root-user"]];
    let trial = "mount -t tmpfs -o size=4k perceptis-test \"$0\"";
    let directory = tempfile::tempdir().unwrap();
    let works = |way: &&&[&str]| {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).args(["sh", "-c", trial]).arg(directory.path());
        command.output().is_ok_and(|output| output.status.success())
    };
    ways.iter().find(works).map(|way| way.to_vec())
}

#[test]
fn a_full_disk_keeps_what_arrived() {
    match mounts() {
        Some(way) => fill(&way, FULL),
        None => {
            // Past the test harness, which keeps what tests that pass have to say.
            let said = "a_full_disk_keeps_what_arrived: NOT SHOWN, there are no mounts here; only the bound on files is";
            let _ = writeln!(std::io::stderr(), "{said}");
        }
    }
}

#[test]
fn a_bound_on_files_keeps_what_arrived() {
    fill(&["env"], BOUNDED);
}

fn fill(way: &[&str], script: &str) {
    let server = Server::start();
    // It knows no ranges, and answers the second process with the whole: what had arrived must not be in its way.
    server.job(&["/f"]).on("/f", Answer::file(&large()));
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(way[0]);
    command.args(&way[1..]).args(["sh", "-c", script, "sh"]).arg(std::env::current_exe().unwrap());
    succeed(command.env(DIRECTORY, directory.path()).env(SERVER, &server.base_url));
    assert_eq!(server.seen_at("/api/v1/generate").len(), 1, "bought once");
    let asked: Vec<_> =
        server.seen_at("/f").iter().map(|seen| seen.header("range").map(str::to_owned)).collect();
    assert_eq!(asked.len(), 2, "a full disk is not tried again: {asked:?}");
    assert!(asked[1].as_ref().is_some_and(|range| range.starts_with("bytes=")), "{asked:?}");
}
