//! Rule 13: the same key again finds the file of its own directory. It needs no request for that, whatever
//! the service has and whatever may be written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::home::{Home, STATUS, bought, done, run_with, working};
use crate::support::deck::deck;
use crate::support::script::{Answer, Server};
use crate::support::{listing, succeed};

const KEY: (&str, &str) = ("idempotency_key", "order-1");

/// A server whose file is another one at each download.
fn changing() -> Server {
    let server = working();
    done(&server);
    for bytes in ["two", "three", "four"] {
        server.on("/f", Answer::file(&deck(bytes)));
    }
    server
}

fn directory(home: &Home, name: &str) -> PathBuf {
    let directory = home.path().join(name);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// A run with the key into this directory, by a client of its own; what is in its file.
fn run_into(home: &Home, server: &Server, directory: &Path) -> Vec<u8> {
    let result = run_with(&home.client(server, &[]), directory, &[KEY]).unwrap();
    let path = directory.join("q3.pptx");
    assert_eq!(result["files"][0]["path"], path.to_str().unwrap(), "{result}");
    assert_eq!(listing(directory), ["q3.pptx"]);
    fs::read(path).unwrap()
}

#[test]
fn each_directory_keeps_its_own_file_where_the_bytes_differ_at_each_download() {
    for is_there in [true, false] {
        let (home, server) = (Home::new(), changing());
        let (one, other) = (directory(&home, "one"), directory(&home, "other"));
        let (file, aside) = (one.join("q3.pptx"), home.path().join("aside"));
        assert_eq!(run_into(&home, &server, &one), deck("one"));
        if !is_there {
            // So that there is nothing to copy, and the service is asked again.
            fs::rename(&file, &aside).unwrap();
        }
        let bytes = if is_there { deck("one") } else { deck("two") };
        assert_eq!(run_into(&home, &server, &other), bytes, "the first file is there: {is_there}");
        if !is_there {
            fs::rename(&aside, &file).unwrap();
        }
        let asked = server.seen().len();
        // Each call finds its own.
        assert_eq!(run_into(&home, &server, &other), bytes);
        assert_eq!(run_into(&home, &server, &one), deck("one"));
        assert_eq!(run_into(&home, &server, &other), bytes);
        assert_eq!((server.seen().len(), bought(&server)), (asked, 1), "no later call sends anything");
    }
}

#[test]
fn file_in_a_directory_that_has_become_read_only_needs_no_request() {
    const NOBODY: u32 = 65534;
    let (home, server) = (Home::new(), working());
    done(&server);
    let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set_mode(&home.path(), 0o755);
    set_mode(&home.path().join("state"), 0o777);
    set_mode(&home.out(), 0o777);
    // Modes mean nothing to root.
    let user = (unsafe { libc::geteuid() } == 0).then(|| format!("uid={NOBODY}"));
    let call = || {
        let mut arguments = vec!["run", "name=q3", "idempotency_key=order-1"];
        arguments.extend(user.as_deref());
        let output = succeed(&mut home.one_call(&server, &arguments));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("OK\n"), "{text}");
        serde_json::from_str::<Value>(text.lines().last().unwrap()).unwrap()
    };
    let first = call();
    let asked = server.seen().len();
    set_mode(&home.out(), 0o555);
    let again = call();
    set_mode(&home.out(), 0o755);
    assert_eq!(again["files"][0]["path"], first["files"][0]["path"], "{again}");
    assert_eq!(again["files"][0]["sha256"], first["files"][0]["sha256"], "{again}");
    assert_eq!((server.seen().len(), bought(&server)), (asked, 1), "the second call sends nothing");
}

#[test]
fn file_of_a_job_that_the_service_has_dropped_needs_no_request() {
    let (home, server) = (Home::new(), working());
    done(&server);
    let (one, other) = (directory(&home, "one"), directory(&home, "other"));
    run_into(&home, &server, &one);
    for path in [STATUS, "/f"] {
        server.only(path, Answer::error(404, "not_found"));
    }
    let asked = server.seen().len();
    assert_eq!(run_into(&home, &server, &one), deck("one"));
    // Also where the file has to be copied.
    assert_eq!(run_into(&home, &server, &other), deck("one"));
    assert_eq!(server.seen().len(), asked, "nothing is sent");
    // Without any file the service is asked; it is not bought again.
    for directory in [&one, &other] {
        fs::remove_file(directory.join("q3.pptx")).unwrap();
    }
    let error = run_with(&home.client(&server, &[]), &one, &[KEY]).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("job_id").as_str()), ("NOT_FOUND", "j1"), "{error:?}");
    assert_eq!(bought(&server), 1);
}
