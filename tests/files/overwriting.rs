//! `overwrite` replaces the presentation that had the name when the call began, and nothing else.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::support::api::{Client, Request};
use crate::support::deck::{damaged, deck};
use crate::support::listing;
use crate::support::script::{Answer, Server, accepted, status};
use crate::workshop::{Call, GENERATE, STATUS, endless, is_root, open_directory, server_of, set_mode};

const OVERWRITE: [(&str, &str); 2] = [("name", "q3"), ("overwrite", "true")];

/// A directory with a file of the user's, and a place for a ledger.
struct Place {
    directory: tempfile::TempDir,
    ledger: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { directory: tempfile::tempdir().unwrap(), ledger: tempfile::tempdir().unwrap() };
        place.write("q3.pptx", "old");
        place
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.directory.path().join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.directory.path().join(name)).unwrap()
    }

    fn files(&self) -> Vec<String> {
        listing(self.directory.path())
    }

    /// A client with the ledger of this place, as each process has one.
    fn client(&self, server: &Server) -> Client {
        let ledger = self.ledger.path().join("ledger.db");
        server.client_with(&[("ledger", ledger.to_str().unwrap())])
    }

    fn options<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [&[("directory", self.directory.path().to_str().unwrap())], more].concat()
    }
}

fn completed(server: &Server, job: &str, url: &str) -> Answer {
    let body = format!(
        r#"{{"job_id":"{job}","status":"completed","output_type":"deck","downloads":[{{"url":"{}{url}","format":"pptx","variant":1}}],"error":null}}"#,
        server.base_url
    );
    Answer::json(200, &body)
}

#[test]
fn overwrite_leaves_a_file_that_was_written_since() {
    for edit in [(|place: &Place| place.write("q3.pptx", "edited in place")) as fn(&Place), |place| {
        place.write("q3.pptx~", "new");
        fs::rename(place.directory.path().join("q3.pptx~"), place.directory.path().join("q3.pptx")).unwrap();
    }] {
        let (place, server) = (Place::new(), Server::start());
        server.on(GENERATE, accepted()).on(STATUS, status("processing", "[]"));
        server.on(STATUS, completed(&server, "j1", "/f")).on("/f", Answer::file(&deck("one")));
        let (client, options) = (server.client_with(&[("time_scale", "50")]), place.options(&OVERWRITE));
        let (result, edited) = std::thread::scope(|scope| {
            let run = scope.spawn(|| client.run(&Request::deck(), &options));
            while server.seen_at(STATUS).is_empty() && !run.is_finished() {
                std::thread::yield_now();
            }
            edit(&place);
            let edited = place.read("q3.pptx");
            (run.join().unwrap().unwrap(), edited)
        });
        assert_eq!(place.files(), ["q3-j1.pptx", "q3.pptx"]);
        assert_eq!(place.read("q3.pptx"), edited);
        assert_eq!(place.read("q3-j1.pptx"), deck("one"));
        let note = result["files"][0]["note"].as_str().unwrap();
        assert!(note.contains("q3.pptx was taken by a file that overwrite does not replace"), "{note}");
    }
}

#[test]
fn recover_replaces_the_file_that_its_call_found() {
    // With the caller's name, and with the job's, which is known only after it was submitted.
    for (arguments, name) in
        [(&["hold", "name=q3", "overwrite=true"][..], "q3"), (&["hold", "overwrite=true"], "j1")]
    {
        let (place, server) = (Place::new(), endless());
        fs::rename(
            place.directory.path().join("q3.pptx"),
            place.directory.path().join(format!("{name}.pptx")),
        )
        .unwrap();
        let call = Call::new(&server, place.directory.path(), arguments);
        let mut held = call.env("PERCEPTIS_LEDGER", place.ledger.path().join("ledger.db")).under_way();
        held.kill();
        server.on(STATUS, completed(&server, "j1", "/f")).on("/f", Answer::file(&deck("one")));
        let report = place.client(&server).recover(&[]).unwrap();
        assert_eq!(report["jobs"][0]["outcome"], "delivered", "{report}");
        assert_eq!(place.files(), [format!("{name}.pptx")]);
        assert_eq!(place.read(&format!("{name}.pptx")), deck("one"));
    }
}

#[test]
fn recover_leaves_a_newer_deck_of_the_same_name() {
    let (place, server) = (Place::new(), Server::start());
    server.on(GENERATE, accepted()).on(GENERATE, Answer::json(202, r#"{"job_id":"j2"}"#));
    server.on(STATUS, status("processing", "[]"));
    server.on("/api/v1/status/j2", completed(&server, "j2", "/f2"));
    server.on("/f1", Answer::file(&deck("one"))).on("/f2", Answer::file(&deck("two")));
    let options = place.options(&OVERWRITE);
    let request = Request::new("deck", "Another deck").unwrap();
    let held = Call::new(&server, place.directory.path(), &["hold", "name=q3", "overwrite=true"]);
    held.env("PERCEPTIS_LEDGER", place.ledger.path().join("ledger.db")).under_way().end();
    assert_eq!(place.read("q3.pptx"), b"old");
    place.client(&server).run(&request, &options).unwrap();
    assert_eq!(place.read("q3.pptx"), deck("two"));

    server.on(STATUS, completed(&server, "j1", "/f1"));
    let report = place.client(&server).recover(&[]).unwrap();
    assert_eq!(report["jobs"][0]["outcome"], "delivered", "{report}");
    assert_eq!(place.files(), ["q3-j1.pptx", "q3.pptx"]);
    assert_eq!(place.read("q3.pptx"), deck("two"), "the newer one");
    assert_eq!(place.read("q3-j1.pptx"), deck("one"));
}

#[test]
fn recover_leaves_a_folder_that_has_the_name_by_now() {
    let (place, server) = (Place::new(), endless());
    let held = Call::new(&server, place.directory.path(), &["hold", "name=q3", "overwrite=true"]);
    held.env("PERCEPTIS_LEDGER", place.ledger.path().join("ledger.db")).under_way().end();
    fs::remove_file(place.directory.path().join("q3.pptx")).unwrap();
    fs::create_dir(place.directory.path().join("q3.pptx")).unwrap();
    server.on(STATUS, completed(&server, "j1", "/f")).on("/f", Answer::file(&deck("one")));
    let report = place.client(&server).recover(&[]).unwrap();
    assert_eq!(report["jobs"][0]["outcome"], "delivered", "{report}");
    assert_eq!(place.read("q3-j1.pptx"), deck("one"));
}

#[test]
fn recover_leaves_what_was_edited_after_incomplete() {
    let (place, server) = (Place::new(), Server::start());
    server.job(&["/f"]);
    server.on("/f", Answer::file(&damaged("one"))).on("/f", Answer::file(&damaged("one")));
    server.on("/f", Answer::file(&deck("one")));
    let error = place.client(&server).run(&Request::deck(), &place.options(&OVERWRITE)).unwrap_err();
    assert_eq!(error.code, "INCOMPLETE", "{error:?}");
    place.write("q3.pptx", "what the user made of it");
    let report = place.client(&server).recover(&[]).unwrap();
    assert_eq!(report["jobs"][0]["outcome"], "delivered", "{report}");
    assert_eq!(place.read("q3.pptx"), b"what the user made of it");
    assert_eq!(place.read("q3-j1.pptx"), deck("one"));
}

#[test]
fn same_call_again_leaves_what_the_user_made_of_its_deck() {
    let (place, server) = (Place::new(), server_of(&deck("one")));
    let options = place.options(&[OVERWRITE[0], OVERWRITE[1], ("idempotency_key", "order-1")]);
    place.client(&server).run(&Request::deck(), &options).unwrap();
    assert_eq!(place.read("q3.pptx"), deck("one"));
    place.write("q3.pptx", "what the user made of it");
    place.client(&server).run(&Request::deck(), &options).unwrap();
    assert_eq!(place.read("q3.pptx"), b"what the user made of it");
    assert_eq!(place.read("q3-j1.pptx"), deck("one"));
    assert_eq!(server.seen_at(GENERATE).len(), 1);
}

#[test]
fn overwrite_replaces_no_file_of_another_format() {
    let (place, server) = (Place::new(), Server::start());
    place.write("q3.pdf", "the user's");
    let entry = |url: &str, format: &str| {
        format!(r#"{{"url":"{}{url}","format":"{format}","variant":1}}"#, server.base_url)
    };
    let files = format!("[{},{}]", entry("/f", "pptx"), entry("/p", "pdf"));
    server.on(GENERATE, accepted()).on(STATUS, status("completed", &files));
    server.on("/f", Answer::file(&deck("one"))).on("/p", Answer::file(b"%PDF-"));
    place.client(&server).run(&Request::deck(), &place.options(&OVERWRITE)).unwrap();
    assert_eq!(place.read("q3.pptx"), deck("one"));
    assert_eq!(place.read("q3.pdf"), b"the user's");
    assert!(place.files().contains(&"q3-j1.pdf".to_owned()), "{:?}", place.files());
}

#[test]
fn exchange_that_brings_out_another_file_is_undone() {
    let (place, server) = (Place::new(), server_of(&deck("one")));
    let told = Call::new(&server, place.directory.path(), &["run", "name=q3", "overwrite=true"])
        .on_odd_disk(place.directory.path(), "")
        .env("ODD_EDIT", "q3.pptx")
        .end();
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(place.files(), ["q3-j1.pptx", "q3.pptx"]);
    assert_eq!(place.read("q3.pptx"), b"edited");
    assert_eq!(place.read("q3-j1.pptx"), deck("one"));
    assert!(told.note().contains("overwrite"), "{told:?}");
}

#[test]
fn overwrite_works_where_files_can_not_be_exchanged() {
    for odd in ["", "exchange:22", "exchange:38", "exchange:1", "link:1", "noreplace:22,exchange:22,link:95"]
    {
        let (place, server) = (Place::new(), server_of(&deck("one")));
        let told = Call::new(&server, place.directory.path(), &["run", "name=q3", "overwrite=true"])
            .on_odd_disk(place.directory.path(), odd)
            .end();
        assert_eq!(told.code, "OK", "{odd}: {told:?}");
        assert_eq!(place.files(), ["q3.pptx"], "{odd}");
        assert_eq!(place.read("q3.pptx"), deck("one"), "{odd}");
    }
}

#[test]
fn replacement_that_is_cut_short_is_ended_by_the_next_call() {
    for odd in ["link:kill", "exchange:kill"] {
        let (place, server) = (Place::new(), server_of(&deck("one")));
        let arguments = ["name=q3", "overwrite=true"];
        let run = [&["run"], &arguments[..]].concat();
        Call::new(&server, place.directory.path(), &run).on_odd_disk(place.directory.path(), odd).dies();
        assert_eq!(place.files().len(), 4, "{odd}: file, part, lock, and the file that is replaced");
        let again = [&["download=j1"], &arguments[..]].concat();
        let told = Call::new(&server, place.directory.path(), &again).end();
        assert_eq!(told.code, "OK", "{odd}: {told:?}");
        assert_eq!(place.files(), ["q3.pptx"], "{odd}");
        assert_eq!(place.read("q3.pptx"), deck("one"), "{odd}: never the old one under a new name");
        assert_eq!(server.seen_at("/f").len(), 1, "{odd}: it was there");
    }
}

#[test]
fn overwrite_goes_beside_a_file_that_may_not_be_replaced() {
    if !is_root("overwrite_goes_beside_a_file_that_may_not_be_replaced") {
        return;
    }
    let directory = open_directory();
    set_mode(directory.path(), 0o1777);
    fs::write(directory.path().join("q3.pptx"), "root's").unwrap();
    let server = server_of(&deck("one"));
    let told = Call::new(&server, directory.path(), &["run", "uid=65534", "name=q3", "overwrite=true"]).end();
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(fs::read(directory.path().join("q3.pptx")).unwrap(), b"root's");
    assert_eq!(fs::read(told.path(0)).unwrap(), deck("one"));
    assert_eq!(fs::metadata(told.path(0)).unwrap().uid(), 65534);
    assert_eq!(listing(directory.path()), ["q3-j1.pptx", "q3.pptx"]);
}
