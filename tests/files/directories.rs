//! The directory: it may be moved, swapped, removed and made again, and need not be readable.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::api::Request;
use crate::support::deck::deck;
use crate::support::listing;
use crate::support::script::{Answer, Server, accepted, status};
use crate::workshop::{Call, GENERATE, STATUS, endless, is_root, open_directory, server_of, set_mode};

/// The result of a run into `out` below this directory, in the middle of which this is done to it.
fn run_with(base: &Path, meanwhile: impl FnOnce()) -> Value {
    let server = Server::start();
    server.on(GENERATE, accepted()).on(STATUS, status("processing", "[]"));
    let file = format!(r#"[{{"url":"{}/f","format":"pptx","variant":1}}]"#, server.base_url);
    server.on(STATUS, status("completed", &file)).on("/f", Answer::file(&deck("one")));
    let (client, out) = (server.client_with(&[("time_scale", "50")]), base.join("out"));
    let options = [("directory", out.to_str().unwrap()), ("name", "q3")];
    std::thread::scope(|scope| {
        let run = scope.spawn(|| client.run(&Request::deck(), &options));
        while server.seen_at(STATUS).is_empty() && !run.is_finished() {
            std::thread::yield_now();
        }
        meanwhile();
        run.join().unwrap().unwrap()
    })
}

fn path_of(result: &Value) -> PathBuf {
    PathBuf::from(result["files"][0]["path"].as_str().unwrap())
}

#[test]
fn directory_that_is_moved_keeps_its_files() {
    let base = tempfile::tempdir().unwrap();
    let (out, moved) = (base.path().join("out"), base.path().join("moved"));
    fs::create_dir(&out).unwrap();
    let result = run_with(base.path(), || fs::rename(&out, &moved).unwrap());
    assert_eq!(path_of(&result), fs::canonicalize(&moved).unwrap().join("q3.pptx"));
    assert_eq!(fs::read(path_of(&result)).unwrap(), deck("one"));
    assert_eq!(listing(&moved), ["q3.pptx"], "no lock stays");
    assert!(!out.exists());
}

#[test]
fn directory_behind_a_link_that_is_swapped_keeps_its_files() {
    let base = tempfile::tempdir().unwrap();
    let at = |name: &str| base.path().join(name);
    for release in ["one", "two"] {
        fs::create_dir(at(release)).unwrap();
    }
    std::os::unix::fs::symlink(at("one"), at("out")).unwrap();
    let result = run_with(base.path(), || {
        std::os::unix::fs::symlink(at("two"), at("next")).unwrap();
        fs::rename(at("next"), at("out")).unwrap();
    });
    assert_eq!(path_of(&result), fs::canonicalize(at("one")).unwrap().join("q3.pptx"));
    assert_eq!(fs::read(path_of(&result)).unwrap(), deck("one"));
    assert_eq!((listing(&at("one")), listing(&at("two"))), (vec!["q3.pptx".to_owned()], vec![]));
}

#[test]
fn directory_that_is_made_again_gets_the_files() {
    let base = tempfile::tempdir().unwrap();
    let out = base.path().join("out");
    fs::create_dir(&out).unwrap();
    let result = run_with(base.path(), || {
        fs::remove_dir_all(&out).unwrap();
        fs::create_dir(&out).unwrap();
    });
    assert_eq!(path_of(&result), out.join("q3.pptx"));
    assert_eq!(listing(&out), ["q3.pptx"]);
}

#[test]
fn directory_that_may_not_be_listed_is_written_to() {
    if !is_root("directory_that_may_not_be_listed_is_written_to") {
        return;
    }
    for arguments in [&["run", "uid=65534"][..], &["run", "uid=65534", "name=q3"]] {
        let directory = open_directory();
        set_mode(directory.path(), 0o333);
        let told = Call::new(&server_of(&deck("one")), directory.path(), arguments).end();
        assert_eq!(told.code, "OK", "{told:?}");
        assert_eq!(told.note(), "");
        assert_eq!(fs::read(told.path(0)).unwrap(), deck("one"));
        assert_eq!(listing(directory.path()).len(), 1);
    }
}

#[test]
fn rehearsal_leaves_nothing_where_the_call_ends_there() {
    let (directory, server) = (tempfile::tempdir().unwrap(), endless());
    fs::write(directory.path().join("q3.pptx"), "the user's").unwrap();
    let told = Call::new(&server, directory.path(), &["run", "name=q3"]).end();
    assert_eq!(told.code, "FILE", "{told:?}");
    assert_eq!(listing(directory.path()), ["q3.pptx"]);
}

#[test]
fn rehearsal_that_dies_is_cleared_by_the_next() {
    for odd in ["create:kill", "noreplace:22,link:kill"] {
        let (directory, server) = (tempfile::tempdir().unwrap(), server_of(&deck("one")));
        fs::write(directory.path().join(".perceptis-of-the-user"), "").unwrap();
        Call::new(&server, directory.path(), &["run"]).on_odd_disk(directory.path(), odd).dies();
        assert!(server.seen().is_empty(), "{odd}: nothing was submitted");
        let left = listing(directory.path());
        assert!(left.iter().any(|name| name.starts_with(".perceptis-rehearsal-")), "{odd}: {left:?}");
        let told = Call::new(&server, directory.path(), &["run"]).end();
        assert_eq!(told.code, "OK", "{odd}: {told:?}");
        assert_eq!(listing(directory.path()), [".perceptis-of-the-user", "j1.pptx"], "{odd}");
    }
}
