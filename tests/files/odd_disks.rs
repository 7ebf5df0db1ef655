//! File systems that can't do what others can: it is worked around, or refused before anything is paid for.

use std::fs;
use std::path::Path;

use crate::support::deck::deck;
use crate::support::listing;
use crate::support::script::{Answer, Server, accepted, status};
use crate::workshop::{Call, GENERATE, Mount, STATUS, Told, endless, server_of};

fn run(server: &Server, directory: &Path, odd: &str, arguments: &[&str]) -> Told {
    let arguments = [&["run"], arguments].concat();
    Call::new(server, directory, &arguments).on_odd_disk(directory, odd).end()
}

/// With and without a name: on such a disk the deck comes, whole, and nothing else stays.
fn comes(odd: &str) {
    for (arguments, name) in [(&["name=q3"][..], "q3.pptx"), (&[], "j1.pptx")] {
        let directory = tempfile::tempdir().unwrap();
        let told = run(&server_of(&deck("one")), directory.path(), odd, arguments);
        assert_eq!(told.code, "OK", "{odd} {arguments:?}: {told:?}");
        assert_eq!(told.note(), "", "{odd} {arguments:?}");
        assert_eq!(listing(directory.path()), [name], "{odd}");
        assert_eq!(fs::read(told.path(0)).unwrap(), deck("one"), "{odd}");
    }
}

/// On such a disk the call is refused before anything is submitted, and nothing stays.
fn is_refused(odd: &str, arguments: &[&str], says: &str) {
    let (directory, server) = (tempfile::tempdir().unwrap(), server_of(&deck("one")));
    let told = run(&server, directory.path(), odd, arguments);
    assert_eq!((told.code.as_str(), told.detail("billed").as_str()), ("FILE", "no"), "{odd}: {told:?}");
    assert!(told.message.contains(says), "{odd}: {told:?}");
    assert!(server.seen().is_empty(), "{odd}: nothing was submitted");
    assert!(listing(directory.path()).is_empty(), "{odd}: {:?}", listing(directory.path()));
}

/// In this directory a deck comes that replaces a file, one that does not, and a name is reserved.
fn is_fine(directory: &Path) {
    let server = server_of(&deck("one"));
    let held = Call::new(&endless(), directory, &["hold", "name=q4"]).under_way();
    for arguments in [&["run", "name=q3", "overwrite=true"][..], &["run"]] {
        let told = Call::new(&server, directory, arguments).end();
        assert_eq!((told.code.as_str(), told.note()), ("OK", ""), "{told:?}");
        assert_eq!(fs::read(told.path(0)).unwrap(), deck("one"));
    }
    let told = Call::new(&server, directory, &["run", "name=q4"]).end();
    assert!(told.message.contains("reserved"), "{told:?}");
    held.end();
    assert_eq!(listing(directory), ["j1.pptx", "q3.pptx"]);
}

#[test]
fn disk_in_memory_is_fine() {
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else {
        println!("SKIPPED: disk_in_memory_is_fine needs /dev/shm");
        return;
    };
    fs::write(directory.path().join("q3.pptx"), "old").unwrap();
    is_fine(directory.path());
}

#[test]
fn layers_of_a_container_are_fine() {
    let (upper, shared) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm"));
    let lowers = [Some(tempfile::tempdir().unwrap()), shared.ok()];
    for lower in lowers.into_iter().flatten() {
        // The file that is replaced is in the image.
        fs::write(lower.path().join("q3.pptx"), "old").unwrap();
        let at = |name: &str| upper.path().join(name);
        for name in ["upper", "work", "merged"] {
            let _ = fs::remove_dir_all(at(name));
            fs::create_dir(at(name)).unwrap();
        }
        let (lower, upper, work) = (lower.path().display(), at("upper"), at("work"));
        let layers = format!("lowerdir={lower},upperdir={},workdir={}", upper.display(), work.display());
        let arguments = ["-t", "overlay", "perceptis-test", "-o", &layers];
        let Some(mount) = Mount::make(&arguments, &at("merged")) else {
            println!("SKIPPED: layers_of_a_container_are_fine needs mounts");
            return;
        };
        is_fine(&at("merged"));
        drop(mount);
    }
}

#[test]
fn disk_without_locks_is_fine_without_a_name() {
    for error in [libc::ENOSYS, libc::ENOLCK, libc::EOPNOTSUPP] {
        let odd = format!("lock:{error}");
        let (directory, server) = (tempfile::tempdir().unwrap(), server_of(&deck("one")));
        let told = run(&server, directory.path(), &odd, &[]);
        assert_eq!(told.code, "OK", "{odd}: {told:?}");
        assert_eq!(listing(directory.path()), ["j1.pptx"]);
        is_refused(&odd, &["name=q3"], "does not allow locks");
    }
}

#[test]
fn disk_without_a_rename_that_does_not_replace_is_fine() {
    for error in [libc::EINVAL, libc::ENOSYS, libc::EOPNOTSUPP, libc::EPERM, libc::EACCES] {
        comes(&format!("noreplace:{error}"));
    }
}

#[test]
fn disk_without_such_a_rename_and_links_is_fine() {
    for error in [libc::EPERM, libc::EOPNOTSUPP, libc::ENOSYS, libc::EACCES, libc::EMLINK] {
        comes(&format!("noreplace:22,link:{error}"));
    }
}

#[test]
fn disk_without_any_rename_is_refused() {
    is_refused("noreplace:22,link:1,rename:5", &[], "can't be written to");
    is_refused("noreplace:22,link:1,rename:5", &["name=q3"], "can't be written to");
}

#[test]
fn taken_name_is_not_touched_whatever_the_disk_can_do() {
    for odd in ["", "noreplace:22", "noreplace:22,link:1"] {
        let (directory, server) = (tempfile::tempdir().unwrap(), Server::start());
        server.on(GENERATE, accepted()).on(STATUS, status("processing", "[]"));
        let file = format!(r#"[{{"url":"{}/f","format":"pptx","variant":1}}]"#, server.base_url);
        server.on(STATUS, status("completed", &file)).on("/f", Answer::file(&deck("one")));
        let told = std::thread::scope(|scope| {
            let run = scope.spawn(|| run(&server, directory.path(), odd, &["name=q3"]));
            while server.seen_at(STATUS).is_empty() && !run.is_finished() {
                std::thread::yield_now();
            }
            fs::write(directory.path().join("q3.pptx"), "mine").unwrap();
            run.join().unwrap()
        });
        assert_eq!(told.code, "OK", "{odd}: {told:?}");
        assert_eq!(fs::read(directory.path().join("q3.pptx")).unwrap(), b"mine", "{odd}");
        assert_eq!(fs::read(directory.path().join("q3-j1.pptx")).unwrap(), deck("one"), "{odd}");
    }
}

#[test]
fn placeholder_that_a_crash_left_is_replaced() {
    const ODD: &str = "noreplace:22,link:1";
    let placeholder = "perceptis: q3.j1.part is about to have this name\n";
    for (there, expected) in [(placeholder, vec!["q3.pptx"]), ("the user's", vec!["q3-j1.pptx", "q3.pptx"])] {
        let (directory, ledger) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ledger = ledger.path().join("ledger.db");
        let server = endless();
        let call = |arguments: &[&str]| {
            let call = Call::new(&server, directory.path(), arguments).on_odd_disk(directory.path(), ODD);
            call.env("PERCEPTIS_LEDGER", &ledger)
        };
        call(&["hold", "name=q3"]).under_way().end();
        fs::write(directory.path().join("q3.pptx"), there).unwrap();
        let file = format!(r#"[{{"url":"{}/f","format":"pptx","variant":1}}]"#, server.base_url);
        server.on(STATUS, status("completed", &file)).on("/f", Answer::file(&deck("one")));
        let told = call(&["recover"]).end();
        assert_eq!(told.result["jobs"][0]["outcome"], "delivered", "{told:?}");
        assert_eq!(listing(directory.path()), expected);
        assert_eq!(fs::read(directory.path().join(expected[0])).unwrap(), deck("one"));
    }
}

#[test]
fn disk_with_short_names_gets_short_names() {
    let name = "n".repeat(120);
    let bytes = deck("a deck that is cut");
    let (directory, server) = (tempfile::tempdir().unwrap(), Server::start());
    let job = "j".repeat(60);
    server.on(GENERATE, Answer::json(202, &format!(r#"{{"job_id":"{job}"}}"#)));
    let url = format!("{}/f", server.base_url);
    let body = format!(
        r#"{{"job_id":"{job}","status":"completed","output_type":"deck","downloads":[{{"url":"{url}","format":"pptx","variant":1}}]}}"#
    );
    let head = format!("HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: {}\r\n\r\n", bytes.len());
    server.on(&format!("/api/v1/status/{job}"), Answer::json(200, &body));
    server.on("/f", Answer::Raw([head.as_bytes(), &bytes[..40]].concat())).on("/f", Answer::error(422, "no"));
    let arguments = [format!("name={name}")];
    let told = run(&server, directory.path(), "name:143", &[&arguments[0]]);
    assert_eq!((told.code.as_str(), told.detail("billed").as_str()), ("PROTOCOL", "yes"), "{told:?}");
    assert_eq!(listing(directory.path()).len(), 1, "what arrived is kept");

    // The next process finds it again.
    let range = format!("bytes 40-{}/{}", bytes.len() - 1, bytes.len());
    let headers = vec![("ETag".into(), "\"one\"".into()), ("Content-Range".into(), range)];
    let server_with_rest = Server::start();
    let body = body.replace(&server.base_url, &server_with_rest.base_url);
    server_with_rest.on(&format!("/api/v1/status/{job}"), Answer::json(200, &body));
    server_with_rest.on("/f", Answer::Full(206, headers, bytes[40..].into()));
    let download = format!("download={job}");
    let told = Call::new(&server_with_rest, directory.path(), &[&download, &arguments[0]])
        .on_odd_disk(directory.path(), "name:143")
        .end();
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(listing(directory.path()), [format!("{name}.pptx")]);
    assert_eq!(fs::read(told.path(0)).unwrap(), bytes);
}

#[test]
fn disk_whose_names_are_too_short_is_refused() {
    let name = format!("name={}", "n".repeat(120));
    is_refused("name:100", &[&name], "names end at 100 bytes");
    is_refused("name:80", &[], "names end at 80 bytes");
}

#[test]
fn directory_that_can_not_be_synced_is_fine() {
    for error in [libc::EACCES, libc::EIO, libc::EPERM, libc::EOPNOTSUPP] {
        comes(&format!("fsync_directory:{error}"));
    }
    comes("list:13");
    is_refused("fsync_directory:5,syncfs:5", &[], "can't be written to");
}

#[test]
fn file_that_can_not_be_synced_is_fine_without_syncs() {
    comes(&format!("fsync_file:{}", libc::EINVAL));
    is_refused(&format!("fsync_file:{}", libc::EIO), &[], "can't be written to");
}

#[test]
fn disk_without_nameless_files_is_fine() {
    let (directory, server) = (tempfile::tempdir().unwrap(), server_of(&deck("one")));
    server.client().wait("j1", &[]).unwrap();
    // A download looks at the directory twice: the second time there is no rehearsal, but only a nameless
    // file.
    let call = Call::new(&server, directory.path(), &["download=j1", "name=q3"]);
    let told = call.on_odd_disk(directory.path(), &format!("nameless:{}", libc::EOPNOTSUPP)).end();
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(listing(directory.path()), ["q3.pptx"]);
}
