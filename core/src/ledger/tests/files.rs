//! What a ledger is on the disk, and the ways in which it can't be used: promise, 19.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::error::Kind;
use crate::ledger::{State, Step};

/// What the first call says, which is before anything could be sent.
fn refused(ledger: &dyn Ledger) -> String {
    let error = wait(ledger.claim(run("a"))).unwrap_err();
    assert_eq!(error.kind(), Kind::Ledger);
    let message = error.message();
    assert!(
        message.contains("PERCEPTIS_LEDGER=<path>") && message.contains("PERCEPTIS_LEDGER=off"),
        "no way out in: {message}"
    );
    message.to_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Whether any file of the ledger holds these bytes.
fn holds(place: &Place, text: &str) -> bool {
    let path = place.path();
    ["", "-wal"].iter().any(|ending| {
        let mut path = path.clone().into_os_string();
        path.push(ending);
        let bytes = fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// A ledger with something in it, closed.
fn made(place: &Place) -> Vec<u8> {
    let ledger = place.open();
    let row = new(wait(ledger.claim(named("a", "k"))));
    wait(ledger.record(row, Step::Accepted { job_id: "job_1".to_owned() })).unwrap();
    close(ledger, place);
    fs::read(place.path()).unwrap()
}

/// Until the thread has closed the file and ended.
fn close(ledger: Arc<dyn Ledger>, place: &Place) {
    drop(ledger);
    until("the thread has ended", || {
        crate::ledger::fork::writers().get(&place.path()).is_none_or(|writer| writer.strong_count() == 0)
    });
}

#[test]
fn only_its_user_sees_it() {
    let place = Place::new();
    let ledger = place.open();
    assert!(!place.path().exists(), "nothing is on the disk before the first use");
    new(wait(ledger.claim(run("a"))));
    let path = place.path();
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_file_name("ledger.db-wal")), 0o600);
    assert_eq!(mode(&path.with_file_name("ledger.db.owners")), 0o700);
}

#[test]
fn it_holds_no_api_key_and_no_prompt_longer_than_needed() {
    let place = Place::new();
    let ledger = place.open_as("sk-live-very-secret");
    let row = new(wait(ledger.claim(run("a prompt for one reader"))));
    assert!(holds(&place, "a prompt for one reader"));
    wait(ledger.record(row, Step::Accepted { job_id: "job_1".to_owned() })).unwrap();
    // The log is emptied as soon as nobody wants anything.
    until("the log is emptied", || !holds(&place, "a prompt for one reader"));
    assert!(!holds(&place, "sk-live-very-secret"));
    assert_eq!(all(&*ledger)[0].state, State::Accepted);
}

#[test]
fn a_ledger_is_found_through_every_link() {
    let place = Place::new();
    let ledger = place.open();
    new(wait(ledger.claim(named("a", "k"))));
    let link = place.0.path().join("link.db");
    symlink(place.path(), &link).unwrap();
    let through = open(&link, "sk-one");
    assert!(matches!(wait(through.claim(named("a", "k"))), Ok(Claimed::Live(_))));
    new(wait(through.claim(named("a", "l"))));
    assert!(!place.0.path().join("link.db.owners").exists());
}

#[test]
fn off_is_the_same_in_memory() {
    let key = secret::parse_key("sk-one").unwrap();
    let ledger = crate::ledger::open(&Location::Off, ORIGIN, &key, None);
    let row = new(wait(ledger.claim(named("a", "k"))));
    assert!(matches!(wait(ledger.claim(named("a", "k"))), Ok(Claimed::Live(_))));
    wait(ledger.record(row, Step::Released { told: Some(Kind::Timeout) })).unwrap();
    assert_eq!(wait(ledger.unsettled()).unwrap(), 1);
    assert_eq!(continued(wait(ledger.claim(named("a", "k")))).0.row, row);
    // Another client's is another.
    let other = crate::ledger::open(&Location::Off, ORIGIN, &key, None);
    assert!(all(&*other).is_empty());
}

#[test]
fn no_place_for_it_is_told() {
    let key = secret::parse_key("sk-one").unwrap();
    let ledger = crate::ledger::open(&Location::Nowhere, ORIGIN, &key, None);
    assert!(refused(&*ledger).contains("HOME"));
}

#[test]
fn a_damaged_one_is_told_and_not_touched() {
    let place = Place::new();
    let sound = made(&place);
    let garbage = b"This is not a database, and its owner wants it back as it is.".repeat(100);
    let short = sound[..sound.len() - 4096].to_vec();
    // Each page in turn: also what a call would not have come across before it had written elsewhere.
    let torn = (0..sound.len()).step_by(4096).map(|at| {
        let mut torn = sound.clone();
        torn[at..at + 200].fill(0xa5);
        torn
    });
    for damaged in torn.chain([garbage, short, b"SQLite format 3\0".to_vec()]) {
        fs::write(place.path(), &damaged).unwrap();
        let ledger = place.open();
        for _ in 0..2 {
            let message = refused(&*ledger);
            assert!(message.contains("damaged") && message.contains("not touched"), "{message}");
        }
        drop(ledger);
        assert!(fs::read(place.path()).unwrap() == damaged, "the file was changed");
    }
}

#[test]
fn a_newer_one_is_told_and_not_touched() {
    let place = Place::new();
    made(&place);
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let newer = fs::read(place.path()).unwrap();
    let message = refused(&*place.open());
    assert!(message.contains("later version") && message.contains("99"), "{message}");
    assert!(fs::read(place.path()).unwrap() == newer);
}

#[test]
fn another_programs_database_is_not_touched() {
    let place = Place::new();
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    connection.execute_batch("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')").unwrap();
    drop(connection);
    let before = fs::read(place.path()).unwrap();
    assert!(refused(&*place.open()).contains("another program's"));
    assert!(fs::read(place.path()).unwrap() == before);
}

#[test]
fn what_is_no_file_is_told() {
    let place = Place::new();
    fs::create_dir_all(place.path()).unwrap();
    assert!(refused(&*place.open()).contains("is not a file"));
}

#[test]
fn an_empty_file_is_a_new_ledger() {
    let place = Place::new();
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    fs::write(place.path(), "").unwrap();
    new(wait(place.open().claim(run("a"))));
}

/// Starts the ledger's thread as somebody who may write nothing here; as that user the test may be running anyway.
fn spawn_as_nobody(work: Box<dyn FnOnce() + Send>) -> std::io::Result<()> {
    let as_nobody = move || {
        let nobody = rustix::fs::Uid::from_raw(65_534);
        let _ = rustix::thread::set_thread_res_uid(nobody, nobody, nobody);
        work();
    };
    std::thread::Builder::new().spawn(as_nobody).map(drop)
}

#[test]
fn a_place_that_is_read_only_is_told() {
    let key = secret::parse_key("sk-one").unwrap();
    let place = Place::new();
    let before = made(&place);
    let directory = place.path().parent().unwrap().to_owned();
    let open_at =
        |path: PathBuf| crate::ledger::open(&Location::At(path), ORIGIN, &key, Some(spawn_as_nobody));
    // All of the way there can be passed, and the file can be read.
    for passed in directory.ancestors().take(3) {
        fs::set_permissions(passed, fs::Permissions::from_mode(0o555)).unwrap();
    }
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o444)).unwrap();
    let message = refused(&*open_at(place.path()));
    assert!(message.contains("can't be written to"), "{message}");
    // A file that could be written, where nothing can be beside it.
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(refused(&*open_at(directory.join("ledger.db"))).contains("can't be written to"));
    // And where there is none yet.
    assert!(refused(&*open_at(directory.join("new.db"))).contains("can't be written to"));
    assert!(refused(&*open_at(directory.join("new/new.db"))).contains("can't be written to"));
    assert!(fs::read(place.path()).unwrap() == before);
    for passed in directory.ancestors().take(3) {
        fs::set_permissions(passed, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_file_that_was_replaced_is_noticed() {
    let place = Place::new();
    let ledger = place.open();
    let row = new(wait(ledger.claim(named("a", "k"))));
    for ending in ["", "-wal", "-shm"] {
        fs::remove_file(place.path().with_file_name(format!("ledger.db{ending}"))).unwrap();
    }
    // What was recorded is gone, and nobody is told that more of it was recorded.
    let error = wait(ledger.record(row, Step::Completed)).unwrap_err();
    assert_eq!(error.kind(), Kind::Ledger);
    assert!(place.path().exists());
    new(wait(ledger.claim(named("a", "k"))));
    // So is a whole directory that is gone.
    fs::remove_dir_all(place.path().parent().unwrap()).unwrap();
    new(wait(ledger.claim(named("a", "l"))));
    assert_eq!(all(&*ledger).len(), 1);
}
