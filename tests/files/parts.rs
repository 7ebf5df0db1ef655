//! What has arrived: a whole deck needs no further byte, and nothing is deleted before something better is
//! whole.

use std::fs;
use std::path::Path;

use crate::support::deck::{deck, deck_in_deck};
use crate::support::listing;
use crate::support::script::{Answer, Server, status};
use crate::workshop::{Call, STATUS, endless, is_root, open_directory, server_of};

/// Ways to answer a request for the rest of a file that do not bring it.
fn useless() -> Vec<Answer> {
    let page = b"<html>Please log in</html>".to_vec();
    vec![
        Answer::Full(416, vec![], vec![]),
        Answer::Full(206, vec![], vec![]),
        Answer::Full(200, vec![], page),
        Answer::Drop,
        Answer::error(410, "gone"),
    ]
}

/// A completed job whose file is answered like this at first, and then gone.
fn gone_after(first: Vec<Answer>) -> Server {
    let server = Server::start();
    server.job(&["/f"]);
    for answer in first {
        server.on("/f", answer);
    }
    server.on("/f", Answer::error(410, "gone"));
    server
}

/// The whole of a file, as an answer whose end does not come.
fn without_end(bytes: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", bytes.len());
    Answer::Raw([head.as_bytes(), bytes, b"\r\n"].concat())
}

fn download(server: &Server, directory: &Path) -> crate::workshop::Told {
    server.client().wait("j1", &[]).unwrap();
    Call::new(server, directory, &["download=j1", "name=q3"]).end()
}

#[test]
fn whole_part_is_delivered_without_a_request() {
    for answer in useless() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("q3.j1.part"), deck("one")).unwrap();
        let server = gone_after(vec![answer.clone()]);
        let told = download(&server, directory.path());
        assert_eq!(told.code, "OK", "{answer:?}: {told:?}");
        assert_eq!(fs::read(directory.path().join("q3.pptx")).unwrap(), deck("one"));
        assert_eq!(listing(directory.path()), ["q3.pptx"]);
        assert!(server.seen_at("/f").is_empty(), "no byte was missing");
    }
}

#[test]
fn whole_part_is_delivered_when_the_job_is_gone() {
    let (directory, ledger) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = ledger.path().join("ledger.db");
    let server = endless();
    let call = |command| {
        let call = Call::new(&server, directory.path(), &[command, "idempotency_key=order-1"]);
        call.env("PERCEPTIS_LEDGER", &ledger)
    };
    call("hold").under_way().end();
    // A process that has fetched all of it, and has died before it gave it a name.
    fs::write(directory.path().join("j1.j1.part"), deck("one")).unwrap();
    server.on(STATUS, Answer::error(404, "not_found"));
    let told = call("run").end();
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(fs::read(told.path(0)).unwrap(), deck("one"));
    assert_eq!(listing(directory.path()), ["j1.pptx"]);
}

#[test]
fn whole_part_is_delivered_when_no_file_is_offered() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("q3.j1.part"), deck("one")).unwrap();
    let server = Server::start();
    server.on(STATUS, status("completed", "[]"));
    let told = Call::new(&server, directory.path(), &["download=j1", "name=q3"]).end();
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(listing(directory.path()), ["q3.pptx"]);
}

#[test]
fn file_whose_last_byte_came_needs_no_other_answer() {
    for answer in useless() {
        let directory = tempfile::tempdir().unwrap();
        let server = gone_after(vec![without_end(&deck("one")), answer]);
        let told = download(&server, directory.path());
        assert_eq!(told.code, "OK", "{told:?}");
        assert_eq!(listing(directory.path()), ["q3.pptx"]);
        assert_eq!(server.seen_at("/f").len(), 1);
    }
}

#[test]
fn deck_that_is_cut_behind_a_deck_in_it_is_not_whole() {
    let (directory, (bytes, end)) = (tempfile::tempdir().unwrap(), deck_in_deck());
    fs::write(directory.path().join("q3.j1.part"), &bytes[..end]).unwrap();
    let range = format!("bytes {end}-{}/{}", bytes.len() - 1, bytes.len());
    let server = Server::start();
    server.job(&["/f"]);
    server.on("/f", Answer::Full(206, vec![("Content-Range".into(), range)], bytes[end..].into()));
    let told = download(&server, directory.path());
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(fs::read(directory.path().join("q3.pptx")).unwrap(), bytes);
    assert_eq!(server.seen_at("/f").len(), 1);
}

#[test]
fn download_that_begins_anew_keeps_what_had_arrived() {
    let bytes = deck("a deck that is cut");
    for answer in useless() {
        let directory = tempfile::tempdir().unwrap();
        let part = directory.path().join("q3.j1.part");
        fs::write(&part, &bytes[..50]).unwrap();
        let told = download(&gone_after(vec![answer.clone()]), directory.path());
        assert_ne!(told.code, "OK", "{told:?}");
        assert_eq!(fs::read(&part).unwrap(), bytes[..50], "after {answer:?}");
        // The next one goes on with it, whatever else came.
        let server = Server::start();
        let range = format!("bytes 50-{}/{}", bytes.len() - 1, bytes.len());
        server.job(&["/f"]);
        server.on("/f", Answer::Full(206, vec![("Content-Range".into(), range)], bytes[50..].into()));
        let told = download(&server, directory.path());
        assert_eq!(told.code, "OK", "after {answer:?}: {told:?}");
        assert_eq!(fs::read(directory.path().join("q3.pptx")).unwrap(), bytes);
        assert_eq!(server.seen_at("/f")[0].header("range"), Some("bytes=50-"));
        assert!(!listing(directory.path()).iter().any(|name| name.ends_with(".part")));
    }
}

#[test]
fn download_that_begins_anew_removes_the_rest_in_the_end() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("q3.j1.part"), "what is no beginning of it").unwrap();
    let told = download(&server_of(&deck("one")), directory.path());
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(listing(directory.path()), ["q3.pptx"]);
}

#[test]
fn download_that_begins_anew_again_and_again_keeps_few_files() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start();
    server.job(&["/f"]);
    let bytes = deck("a deck that is cut");
    for count in 30..45 {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
        server.on("/f", Answer::Raw([head.as_bytes(), &bytes[..count]].concat()));
    }
    server.on("/f", Answer::error(422, "no"));
    let told = download(&server, directory.path());
    assert_eq!(told.code, "PROTOCOL", "{told:?}");
    let names = listing(directory.path());
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.iter().all(|name| name.ends_with(".part")), "{names:?}");
    let told = download(&server_of(&bytes), directory.path());
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(listing(directory.path()), ["q3.pptx"]);
}

#[test]
fn part_that_is_a_delivered_file_is_not_written_to() {
    // A process died after the link that gave the file its name; then the user edited it in place.
    let directory = tempfile::tempdir().unwrap();
    let (part, delivered) = (directory.path().join("q3.j1.part"), directory.path().join("q3-old.pptx"));
    fs::write(&delivered, "what the user made of it").unwrap();
    fs::hard_link(&delivered, &part).unwrap();
    // A service that would go on with it, and then one that sends it whole.
    let server = Server::start();
    server.job(&["/f"]);
    let range = ("Content-Range".into(), "bytes 24-27/28".into());
    server.on("/f", Answer::Full(206, vec![range], b"more".to_vec())).on("/f", Answer::file(&deck("one")));
    let told = download(&server, directory.path());
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(fs::read(&delivered).unwrap(), b"what the user made of it");
    assert_eq!(fs::read(directory.path().join("q3.pptx")).unwrap(), deck("one"));
    assert_eq!(listing(directory.path()), ["q3-old.pptx", "q3.pptx"]);
}

#[test]
fn delivery_that_is_cut_short_after_a_link_is_ended() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_of(&deck("one"));
    // The first link is the rehearsal's; without it the file gets its name by one as well.
    let call = Call::new(&server, directory.path(), &["run"]);
    call.on_odd_disk(directory.path(), "noreplace:22").end();
    fs::hard_link(directory.path().join("j1.pptx"), directory.path().join("j1.j1.part")).unwrap();
    let told = Call::new(&server, directory.path(), &["download=j1", "overwrite=true"]).end();
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(fs::read(directory.path().join("j1.pptx")).unwrap(), deck("one"));
    assert_eq!(listing(directory.path()), ["j1.pptx"]);
    assert_eq!(server.seen_at("/f").len(), 1);
}

#[test]
fn part_is_written_by_one_call_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = deck("a deck that is cut");
    let slow = Server::start();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
    slow.job(&["/f"]).on("/f", Answer::Raw([head.as_bytes(), &bytes[..40]].concat())).on("/f", Answer::Stall);
    let client = slow.client();
    client.wait("j1", &[]).unwrap();
    let options = [("directory", directory.path().to_str().unwrap())];
    std::thread::scope(|scope| {
        let first = scope.spawn(|| client.download("j1", &options).unwrap_err());
        while slow.seen_at("/f").len() < 2 && !first.is_finished() {
            std::thread::yield_now();
        }
        let other = server_of(&bytes);
        other.client().wait("j1", &[]).unwrap();
        let told = Call::new(&other, directory.path(), &["download=j1"]).end();
        assert_eq!(told.code, "FILE", "{told:?}");
        assert!(told.message.contains("another call is fetching this file"), "{told:?}");
        client.close(10_000).unwrap();
        first.join().unwrap();
    });
    assert_eq!(fs::read(directory.path().join("j1.j1.part")).unwrap(), bytes[..40]);
}

#[test]
fn umask_that_forbids_everything_is_borne() {
    if !is_root("umask_that_forbids_everything_is_borne") {
        return;
    }
    let (directory, bytes) = (open_directory(), deck("a deck that is cut"));
    let told = Call::new(&server_of(&bytes), directory.path(), &["run", "umask=0777", "uid=65534"]).end();
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(fs::read(directory.path().join("j1.pptx")).unwrap(), bytes);
    // And what an earlier process has left is gone on with.
    let directory = open_directory();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
    let cut = Answer::Raw([head.as_bytes(), &bytes[..40]].concat());
    let server = gone_after(vec![cut]);
    let told = Call::new(&server, directory.path(), &["run", "umask=0777", "uid=65534"]).end();
    assert_ne!(told.code, "OK", "{told:?}");
    assert_eq!(listing(directory.path()), ["j1.j1.part"]);
    let server = server_of(&bytes);
    server.client().wait("j1", &[]).unwrap();
    let told = Call::new(&server, directory.path(), &["download=j1", "umask=0777", "uid=65534"]).end();
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(server.seen_at("/f")[0].header("range"), Some("bytes=40-"));
}
