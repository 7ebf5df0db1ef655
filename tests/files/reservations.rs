//! Reserved names: seen by other processes and users, gone with their process, and never in the way of
//! anything else.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use crate::support::deck::deck;
use crate::support::listing;
use crate::workshop::{Call, Mount, endless, is_root, open_directory, server_of, set_mode};

/// The lock file of a directory.
const LOCK: &str = ".perceptis.lock";
/// A user without rights.
const NOBODY: u32 = 65534;

fn user(number: u32) -> String {
    format!("uid={number}")
}

#[test]
fn reservation_is_seen_by_another_process_for_its_name_only() {
    let (directory, server) = (tempfile::tempdir().unwrap(), endless());
    let held = Call::new(&server, directory.path(), &["hold", "name=q3"]).under_way();
    assert_eq!(listing(directory.path()), [LOCK], "one file, however many names are reserved");
    let other = server_of(&deck("one"));
    let told = Call::new(&other, directory.path(), &["run", "name=q3"]).end();
    assert_eq!(told.code, "FILE", "{told:?}");
    assert!(told.message.contains("q3.pptx is reserved"), "{told:?}");
    assert!(other.seen().is_empty(), "nothing was submitted");
    let told = Call::new(&other, directory.path(), &["run", "name=q4"]).end();
    assert_eq!(told.code, "OK", "{told:?}");
    assert_eq!(listing(directory.path()), [LOCK, "q4.pptx"], "the other one's reservation is left alone");
    let told = Call::new(&other, directory.path(), &["run", "name=q3"]).end();
    assert_eq!(told.code, "FILE", "{told:?}");
    held.end();
    assert_eq!(listing(directory.path()), ["q4.pptx"]);
}

#[test]
fn reservation_ends_with_its_process_though_a_child_lives() {
    for how in ["fork", "spawn"] {
        let (directory, server) = (tempfile::tempdir().unwrap(), endless());
        let mut held = Call::new(&server, directory.path(), &[how, "name=q3"]).under_way();
        held.kill();
        let told = Call::new(&server_of(&deck("one")), directory.path(), &["run", "name=q3"]).end();
        assert_eq!(told.code, "OK", "{how}: {told:?}");
        assert_eq!(listing(directory.path()), ["q3.pptx"]);
    }
}

#[test]
fn symbolic_link_for_the_lock_file_is_refused_at_once() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let target = elsewhere.path().join("made");
    for name in [LOCK, ".q3.pptx.lock"] {
        symlink(&target, directory.path().join(name)).unwrap();
    }
    let server = server_of(&deck("one"));
    let told = Call::new(&server, directory.path(), &["run", "name=q3"]).end();
    assert_eq!(told.code, "FILE", "{told:?}");
    assert!(told.message.contains("is a symbolic link"), "{told:?}");
    assert!(server.seen().is_empty() && !target.exists(), "nothing was submitted, nothing was made");
    // Without a name nothing is reserved.
    let told = Call::new(&server, directory.path(), &["run"]).end();
    assert_eq!(told.code, "OK", "{told:?}");
}

#[test]
fn lock_file_that_is_no_file_is_refused_at_once() {
    for make in [
        |path: &Path| fs::create_dir(path).unwrap(),
        |path: &Path| {
            let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
            assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o666) }, 0);
        },
    ] {
        let directory = tempfile::tempdir().unwrap();
        make(&directory.path().join(LOCK));
        let server = server_of(&deck("one"));
        let told = Call::new(&server, directory.path(), &["run", "name=q3"]).end();
        assert_eq!(told.code, "FILE", "{told:?}");
        assert!(told.message.contains("is not a regular file"), "{told:?}");
        assert!(server.seen().is_empty(), "nothing was submitted");
    }
}

#[test]
fn lock_file_is_for_all_who_may_write_to_the_directory() {
    for (directory_mode, lock_mode) in [(0o755, 0o600), (0o775, 0o660), (0o777, 0o666), (0o1777, 0o666)] {
        let (directory, server) = (tempfile::tempdir().unwrap(), endless());
        set_mode(directory.path(), directory_mode);
        let held = Call::new(&server, directory.path(), &["hold", "name=q3", "umask=0777"]).under_way();
        let mode = fs::metadata(directory.path().join(LOCK)).unwrap().mode() & 0o777;
        assert_eq!(mode, lock_mode, "in a directory of {directory_mode:o}: {mode:o}");
        held.end();
    }
}

#[test]
fn reservation_of_one_user_is_seen_by_another() {
    if !is_root("reservation_of_one_user_is_seen_by_another") {
        return;
    }
    for (first, second) in [(0, NOBODY), (NOBODY, 0), (NOBODY, 65533)] {
        let (directory, server) = (open_directory(), endless());
        set_mode(directory.path(), 0o1777);
        let held = Call::new(&server, directory.path(), &["hold", "name=q3", &user(first)]).under_way();
        let other = server_of(&deck("one"));
        let told = Call::new(&other, directory.path(), &["run", "name=q3", &user(second)]).end();
        assert_eq!(told.code, "FILE", "{first}, {second}: {told:?}");
        let told = Call::new(&other, directory.path(), &["run", "name=q4", &user(second)]).end();
        assert_eq!(told.code, "OK", "{first}, {second}: {told:?}");
        held.end();
        assert_eq!(listing(directory.path()), ["q4.pptx"]);
    }
}

#[test]
fn leftover_of_another_user_blocks_nothing() {
    if !is_root("leftover_of_another_user_blocks_nothing") {
        return;
    }
    // Where it may be removed, and where it may not.
    for (mode, is_left) in [(0o777, false), (0o1777, true)] {
        for leftover_mode in [0o644, 0o600] {
            let directory = open_directory();
            set_mode(directory.path(), mode);
            for name in [LOCK, ".q3.pptx.lock"] {
                fs::write(directory.path().join(name), "").unwrap();
                set_mode(&directory.path().join(name), leftover_mode);
            }
            let server = server_of(&deck("one"));
            let told = Call::new(&server, directory.path(), &["run", "name=q3", &user(NOBODY)]).end();
            assert_eq!(told.code, "OK", "{mode:o} {leftover_mode:o}: {told:?}");
            fs::remove_file(directory.path().join(".q3.pptx.lock")).unwrap();
            // What may not be read may be in use.
            let expected =
                if is_left || leftover_mode == 0o600 { vec![LOCK, "q3.pptx"] } else { vec!["q3.pptx"] };
            assert_eq!(listing(directory.path()), expected, "{mode:o} {leftover_mode:o}");
        }
    }
}

#[test]
fn live_reservation_in_a_file_that_may_only_be_read_is_seen() {
    if !is_root("live_reservation_in_a_file_that_may_only_be_read_is_seen") {
        return;
    }
    for mode in [0o777, 0o1777] {
        let (directory, server) = (open_directory(), endless());
        set_mode(directory.path(), mode);
        let held = Call::new(&server, directory.path(), &["hold", "name=q3"]).under_way();
        set_mode(&directory.path().join(LOCK), 0o644);
        let other = server_of(&deck("one"));
        let told = Call::new(&other, directory.path(), &["run", "name=q3", &user(NOBODY)]).end();
        assert_eq!(told.code, "FILE", "{mode:o}: {told:?}");
        assert!(told.message.contains("reserved"), "{told:?}");
        let told = Call::new(&other, directory.path(), &["run", "name=q4", &user(NOBODY)]).end();
        assert_eq!(told.code, "OK", "{mode:o}: {told:?}");
        held.end();
        assert_eq!(listing(directory.path()), ["q4.pptx"]);
    }
}

#[test]
fn reservation_stays_in_its_directory_when_a_link_is_swapped() {
    let (base, server) = (tempfile::tempdir().unwrap(), endless());
    let at = |name: &str| base.path().join(name);
    let point = |to: &str| {
        symlink(at(to), at("next")).unwrap();
        fs::rename(at("next"), at("current")).unwrap();
    };
    for release in ["one", "two"] {
        fs::create_dir(at(release)).unwrap();
    }
    point("one");
    let first = Call::new(&server, &at("current"), &["hold", "name=q3"]).under_way();
    point("two");
    let second = Call::new(&server, &at("current"), &["hold", "name=q3"]).under_way();
    first.end();
    let told = Call::new(&server_of(&deck("one")), &at("current"), &["run", "name=q3"]).end();
    assert_eq!(told.code, "FILE", "two pay for one name: {told:?}");
    second.end();
    assert!(listing(&at("one")).is_empty() && listing(&at("two")).is_empty());
}

#[test]
fn lock_file_that_a_cleaner_removes_is_made_again() {
    let (directory, server) = (tempfile::tempdir().unwrap(), endless());
    let path = directory.path().to_str().unwrap();
    let client = server.client();
    let queue = crate::support::queue::Queue::new();
    let run = |tag, name| {
        let pairs = [("directory", path), ("name", name)];
        queue.run(&client, &crate::support::api::Request::deck(), &pairs, tag).unwrap();
        while server.seen_at(crate::workshop::GENERATE).len() < tag as usize {
            let ended = queue.take(1, 0).unwrap();
            assert!(ended.is_empty(), "{:?}", ended[0].end);
            std::thread::yield_now();
        }
    };
    run(1, "q1");
    fs::remove_file(directory.path().join(LOCK)).unwrap();
    run(2, "q2");
    let other = server_of(&deck("one"));
    for name in ["name=q1", "name=q2"] {
        let told = Call::new(&other, directory.path(), &["run", name]).end();
        assert_eq!(told.code, "FILE", "{name}: {told:?}");
    }
    client.close(10_000).unwrap();
    assert!(listing(directory.path()).is_empty());
}

#[test]
fn reservation_is_seen_through_a_bind_mount() {
    let (directory, mounted) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let from = directory.path().to_str().unwrap();
    let Some(mount) = Mount::make(&["--bind", from], mounted.path()) else {
        println!("SKIPPED: reservation_is_seen_through_a_bind_mount needs mounts");
        return;
    };
    let held = Call::new(&endless(), directory.path(), &["hold", "name=q3"]).under_way();
    let told = Call::new(&server_of(&deck("one")), mounted.path(), &["run", "name=q3"]).end();
    assert_eq!(told.code, "FILE", "{told:?}");
    held.end();
    drop(mount);
}
