//! What a ledger is on the disk, and the ways in which it can't be used: promise, 19.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::model::submission_state::State;

/// What the first call says, which is before anything could be sent.
fn refused(ledger: &dyn Ledger) -> String {
    let error = wait(ledger.find(Arc::new(run("a")))).unwrap_err();
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
fn holds(place: &TempLedger, text: &str) -> bool {
    let path = place.path();
    ["", "-wal"].iter().any(|ending| {
        let mut path = path.clone().into_os_string();
        path.push(ending);
        let bytes = fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// A ledger with something in it, closed.
fn made(place: &TempLedger) -> Vec<u8> {
    let ledger = place.open();
    let call = new(&*ledger, named("a", "k"));
    record(&*ledger, call.row, vec![accepted()]).unwrap();
    close(ledger, place);
    fs::read(place.path()).unwrap()
}

/// Until the thread has closed the file and ended.
fn close(ledger: Arc<dyn Ledger>, place: &TempLedger) {
    drop(ledger);
    until("the thread has ended", || crate::ledger::registry::count_at(&place.path()) == 0);
}

#[test]
fn only_its_user_sees_it() {
    let place = TempLedger::new();
    let ledger = place.open();
    assert!(!place.path().exists(), "nothing is on the disk before the first use");
    new(&*ledger, run("a"));
    let path = place.path();
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_file_name("ledger.db-wal")), 0o600);
    assert_eq!(mode(&path.with_file_name("ledger.db.owners")), 0o700);
}

#[test]
fn it_holds_no_api_key_and_no_prompt_longer_than_needed() {
    let place = TempLedger::new();
    let ledger = place.open_as("sk-live-very-secret");
    let call = new(&*ledger, run("a prompt for one reader"));
    assert!(holds(&place, "a prompt for one reader"));
    record(&*ledger, call.row, vec![accepted()]).unwrap();
    // The log is emptied as soon as no call wants anything.
    until("the log is emptied", || !holds(&place, "a prompt for one reader"));
    assert!(!holds(&place, "sk-live-very-secret"));
    assert_eq!(all(&*ledger)[0].state, State::Accepted);
}

#[test]
fn ledger_is_found_through_every_link() {
    let place = TempLedger::new();
    let ledger = place.open();
    new(&*ledger, named("a", "k"));
    let link = place.0.path().join("link.db");
    symlink(place.path(), &link).unwrap();
    let through = open(&link, "sk-one");
    assert!(matches!(find(&*through, named("a", "k")), Claimed::Live(_)));
    new(&*through, named("a", "l"));
    assert!(!place.0.path().join("link.db.owners").exists());
    // So it is through a link to its directory, and the file is open once in this process.
    let directory = place.0.path().join("linked");
    symlink(place.path().parent().unwrap(), &directory).unwrap();
    let linked = open(&directory.join("ledger.db"), "sk-one");
    assert!(matches!(find(&*linked, named("a", "l")), Claimed::Live(_)));
    let open = fs::read_dir("/proc/self/fd").unwrap().filter(|entry| {
        let target = fs::read_link(entry.as_ref().unwrap().path());
        target.is_ok_and(|target| target.ends_with("ledger.db-wal") && target.starts_with(place.0.path()))
    });
    assert_eq!(open.count(), 1);
}

#[test]
fn off_is_the_same_in_memory() {
    let key = api_key::parse_key("sk-one").unwrap();
    let ledger = crate::ledger::open(&Location::Off, ORIGIN, &key, None);
    let call = new(&*ledger, named("a", "k"));
    assert!(matches!(find(&*ledger, named("a", "k")), Claimed::Live(_)));
    end(&*ledger, call, Some(Kind::Timeout));
    assert_eq!(wait(ledger.unsettled()).unwrap(), 1);
    assert_eq!(continued(&*ledger, named("a", "k")).0.row, call.row);
    // Another client's is another.
    let other = crate::ledger::open(&Location::Off, ORIGIN, &key, None);
    assert!(all(&*other).is_empty());
}

#[test]
fn no_place_for_it_is_told() {
    let key = api_key::parse_key("sk-one").unwrap();
    let ledger = crate::ledger::open(&Location::Nowhere, ORIGIN, &key, None);
    assert!(refused(&*ledger).contains("HOME"));
}

#[test]
fn a_damaged_one_is_told_and_not_touched() {
    let place = TempLedger::new();
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
    let place = TempLedger::new();
    made(&place);
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    connection.pragma_update(None, "user_version", 99 << 16).unwrap();
    drop(connection);
    let newer = fs::read(place.path()).unwrap();
    let message = refused(&*place.open());
    assert!(message.contains("later version") && message.contains("99"), "{message}");
    assert!(fs::read(place.path()).unwrap() == newer);
}

#[test]
fn another_programs_database_is_not_touched() {
    let place = TempLedger::new();
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
    let place = TempLedger::new();
    fs::create_dir_all(place.path()).unwrap();
    assert!(refused(&*place.open()).contains("is not a file"));
}

#[test]
fn an_empty_file_is_a_new_ledger() {
    let place = TempLedger::new();
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    fs::write(place.path(), "").unwrap();
    new(&*place.open(), run("a"));
}

/// Starts the ledger's thread as a user who may write nothing here; as that user the test may be running
/// anyway.
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
    let key = api_key::parse_key("sk-one").unwrap();
    let place = TempLedger::new();
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
fn replaced_file_is_noticed() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = new(&*ledger, named("a", "k"));
    for ending in ["", "-wal", "-shm"] {
        fs::remove_file(place.path().with_file_name(format!("ledger.db{ending}"))).unwrap();
    }
    // What was recorded is gone, and no call is told that more of it was recorded.
    let error = record(&*ledger, call.row, vec![Step::Completed { files: None }]).unwrap_err();
    assert_eq!(error.kind(), Kind::Ledger);
    assert!(place.path().exists());
    new(&*ledger, named("a", "k"));
    // So is a whole directory that is gone.
    fs::remove_dir_all(place.path().parent().unwrap()).unwrap();
    new(&*ledger, named("a", "l"));
    assert_eq!(all(&*ledger).len(), 1);
}

#[test]
fn step_is_never_written_into_another_ledger_in_the_same_file() {
    let place = TempLedger::new();
    let one = made(&TempLedger::new());
    let ledger = place.open();
    let call = new(&*ledger, named("a", "k"));
    // Another ledger is copied over this one: the same inode, and a row with the same number.
    let alone = super::CONNECTIONS.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    crate::ledger::fork::before_fork();
    for ending in ["-wal", "-shm"] {
        let _ = fs::remove_file(place.path().with_file_name(format!("ledger.db{ending}")));
    }
    fs::write(place.path(), &one).unwrap();
    crate::ledger::fork::after_fork_in_parent();
    drop(alone);
    let before = all(&*ledger);
    assert_eq!((before.len(), before[0].row.number), (1, call.row.number));
    let error = record(&*ledger, call.row, vec![Step::Failed]).unwrap_err();
    assert_eq!(error.kind(), Kind::Ledger);
    assert_eq!(all(&*ledger)[0].state, before[0].state);
}

#[test]
fn ledger_is_refused_under_a_second_name() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = new(&*ledger, named("a", "k"));
    let second = place.0.path().join("second.db");
    fs::hard_link(place.path(), &second).unwrap();
    let other = open(&second, "sk-one");
    assert!(refused(&*other).contains("in use under another name"));
    // Also when no process uses it: what is newest is beside the first name.
    record(&*ledger, call.row, vec![accepted()]).unwrap();
    close(ledger, &place);
    let message = refused(&*other);
    assert!(message.contains("has two names") && message.contains("state/perceptis/ledger.db"), "{message}");
    assert!(!place.0.path().join("second.db-wal").exists());
    let ledger = place.open();
    assert_eq!(all(&*ledger).len(), 1, "under its own name it is used");
    close(ledger, &place);
    // With the first name gone it was moved, and is taken over.
    fs::remove_file(place.path()).unwrap();
    assert_eq!(all(&*other)[0].job_id.as_deref(), Some("job_1"));
    drop(other);
    until("the thread has ended", || crate::ledger::registry::count_at(&second) == 0);
    fs::rename(&second, place.0.path().join("third.db")).unwrap();
    assert_eq!(all(&*open(&place.0.path().join("third.db"), "sk-one")).len(), 1);
}

#[test]
fn dangling_link_is_refused() {
    let place = TempLedger::new();
    let link = place.0.path().join("link.db");
    symlink(place.0.path().join("nowhere/ledger.db"), &link).unwrap();
    assert!(refused(&*open(&link, "sk-one")).contains("symbolic link"));
}
