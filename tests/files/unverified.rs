//! Damaged downloads: each different one is kept, and a call removes only its own, once there is a whole one.

use std::fs;

use serde_json::Value;

use crate::support::api::Request;
use crate::support::deck::{damaged, deck};
use crate::support::listing;
use crate::support::script::{Answer, Server};

fn server(answers: &[Vec<u8>]) -> Server {
    let server = Server::start();
    server.job(&["/f"]);
    for bytes in answers {
        server.on("/f", Answer::file(bytes));
    }
    server
}

#[test]
fn damaged_downloads_that_differ_are_all_kept() {
    let directory = tempfile::tempdir().unwrap();
    let options = [("directory", directory.path().to_str().unwrap()), ("name", "q3")];
    let bad: Vec<_> = ["one", "two", "three", "four"].map(damaged).into();
    let server = server(&bad);
    let error = server.client().run(&Request::deck(), &options).unwrap_err();
    assert_eq!(error.code, "INCOMPLETE", "{error:?}");
    let names = ["q3-2.unverified", "q3-3.unverified", "q3-4.unverified", "q3.unverified"];
    assert_eq!(listing(directory.path()), names);
    let mut kept: Vec<_> = names.iter().map(|name| fs::read(directory.path().join(name)).unwrap()).collect();
    kept.rotate_right(1);
    assert_eq!(kept, bad);
    let result: Value = serde_json::from_str(&error.result.unwrap()).unwrap();
    assert_eq!(result["unverified"].as_array().unwrap().len(), 4, "{result}");
}

#[test]
fn damaged_downloads_that_are_alike_are_kept_once() {
    let directory = tempfile::tempdir().unwrap();
    let options = [("directory", directory.path().to_str().unwrap()), ("name", "q3")];
    // The third is the first again: that is what the service has.
    let server = server(&["one", "two", "one", "three"].map(damaged));
    let error = server.client().run(&Request::deck(), &options).unwrap_err();
    assert_eq!(error.code, "INCOMPLETE", "{error:?}");
    assert_eq!(listing(directory.path()), ["q3-2.unverified", "q3.unverified"]);
    assert_eq!(server.seen_at("/f").len(), 3);
}

#[test]
fn damaged_downloads_go_when_a_whole_one_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let options = [("directory", directory.path().to_str().unwrap()), ("name", "q3")];
    // Two of an earlier call, of which one comes once more.
    fs::write(directory.path().join("q3.unverified"), damaged("earlier")).unwrap();
    fs::write(directory.path().join("q3-2.unverified"), damaged("two")).unwrap();
    let server = server(&[damaged("one"), damaged("two"), damaged("three"), deck("one")]);
    server.client().run(&Request::deck(), &options).unwrap();
    assert_eq!(listing(directory.path()), ["q3-2.unverified", "q3.pptx", "q3.unverified"]);
    assert_eq!(fs::read(directory.path().join("q3.pptx")).unwrap(), deck("one"));
    assert_eq!(fs::read(directory.path().join("q3.unverified")).unwrap(), damaged("earlier"));
}
