//! Several processes over one ledger, and what the death of one leaves: this test's own program is the
//! others.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::*;
use crate::ledger::Name;
use crate::ledger::fork::{after_fork_in_child, after_fork_in_parent, before_fork};
use crate::model::submission_state::State;

/// What a child does, and with which ledger.
const MODE: &str = "TEST_LEDGER_CHILD";
const LEDGER: &str = "TEST_LEDGER_PATH";
const MARK: &str = "child says: ";

/// Another process at the ledger. Dropped, it is killed.
struct Other {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Other {
    fn start(mode: &str, place: &TempLedger) -> Other {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ledger::tests::processes::child", "--nocapture"])
            .env(MODE, mode)
            .env(LEDGER, place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Other { input: child.stdin.take(), output, child }
    }

    /// The next thing that it says.
    fn hear(&mut self) -> String {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if let Some(at) = line.find(MARK) {
                return line[at + MARK.len()..].trim().to_owned();
            }
            line.clear();
        }
        panic!("the other process has ended");
    }

    /// Lets it go on, and to its end.
    fn end(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(what: &str) {
    let mut output = std::io::stdout();
    writeln!(output, "{MARK}{what}").unwrap();
    output.flush().unwrap();
}

/// Until whoever started this process closes its input.
fn stay() {
    let _ = std::io::stdin().read(&mut [0]);
}

/// The other process; as a test of its own it has nothing to do.
#[test]
fn child() {
    let (Ok(mode), Ok(path)) = (std::env::var(MODE), std::env::var(LEDGER)) else { return };
    let ledger = super::open(Path::new(&path), "sk-one");
    match mode.as_str() {
        "hold" => {
            let call = new(&*ledger, named("a", "held"));
            record(&*ledger, call.row, vec![accepted()]).unwrap();
            say("held");
            stay();
        }
        "race" => {
            say("ready");
            stay();
            let claimed = wait(ledger.begin(Arc::new(named("a", "race")), None)).unwrap();
            say(if matches!(claimed, Claimed::New { .. }) { "new" } else { "live" });
            // Alive until all have been heard.
            std::thread::park();
        }
        "many" => {
            for number in 0..50 {
                let call = new(&*ledger, Claim { adopt: false, ..run(&number.to_string()) });
                record(&*ledger, call.row, vec![Step::Settled]).unwrap();
                end(&*ledger, call, None);
            }
        }
        "forked" => {
            let row = new(&*ledger, named("a", "parent")).row;
            let owner = owner_file(Path::new(&path));
            assert!(holds_open("ledger.db") && holds_open(&owner));
            before_fork();
            assert!(!holds_open("ledger.db"), "a connection crosses the fork");
            assert!(holds_open(&owner), "and the lock is kept");
            after_fork_in_parent();
            record(&*ledger, row, vec![Step::Completed { files: None }]).unwrap();
            assert!(holds_open("ledger.db"));
            assert!(all(&*ledger)[0].live);

            // What the child's side does, though this is no child: the row stays its own until a new owner
            // comes.
            before_fork();
            after_fork_in_child();
            assert!(!holds_open(&owner), "the parent's lock file is still open");
            let fresh = super::open(Path::new(&path), "sk-one");
            new(&*fresh, named("a", "child"));
            std::mem::forget(ledger);
        }
        other => panic!("{other}"),
    }
}

/// Whether this process has a file of this name open.
fn holds_open(name: &str) -> bool {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .any(|path| path.ends_with(name))
}

/// The name of the only file among the owners'.
fn owner_file(ledger: &Path) -> String {
    let mut entries = std::fs::read_dir(ledger.with_file_name("ledger.db.owners")).unwrap();
    entries.next().unwrap().unwrap().file_name().into_string().unwrap()
}

fn owners(place: &TempLedger) -> usize {
    std::fs::read_dir(place.path().with_file_name("ledger.db.owners")).map_or(0, Iterator::count)
}

#[test]
fn what_another_process_works_on_is_left_alone() {
    let place = TempLedger::new();
    let mut other = Other::start("hold", &place);
    assert_eq!(other.hear(), "held");
    let ledger = place.open();
    let entry = match find(&*ledger, named("a", "held")) {
        Claimed::Live(entry) => entry,
        claimed => panic!("{claimed:?}"),
    };
    assert_eq!((entry.state, entry.live), (State::Accepted, true));
    assert!(wait(ledger.take(entry.row)).unwrap().is_none());
    assert_eq!(wait(ledger.unsettled()).unwrap(), 0);
    assert_ne!(new(&*ledger, run("a")).row, entry.row);
    assert_eq!(wait(ledger.forget(Some(Name::parse("held")))).unwrap(), crate::ledger::Forgotten::Live);
    assert_eq!(owners(&place), 2);
    other.end();
}

#[test]
fn what_a_killed_process_worked_on_is_free_at_once() {
    for by_take in [false, true] {
        let place = TempLedger::new();
        let mut other = Other::start("hold", &place);
        assert_eq!(other.hear(), "held");
        let ledger = place.open();
        let row = all(&*ledger)[0].row;
        other.kill();
        assert_eq!(wait(ledger.unsettled()).unwrap(), 1);
        let entry = if by_take {
            wait(ledger.take(row)).unwrap().unwrap()
        } else {
            // Its process is gone without a word, so an equal call goes on with it too.
            let (entry, _, adopted) = continued(&*ledger, run("a"));
            assert!(adopted);
            entry
        };
        assert_eq!((entry.row, entry.job_id.as_deref()), (row, Some("job_1")));
        assert_eq!(owners(&place), 1, "the dead one's file is removed");
    }
}

#[test]
fn an_end_in_order_leaves_no_file_of_an_owner() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = new(&*ledger, run("a"));
    end(&*ledger, call, Some(Kind::Timeout));
    assert_eq!(owners(&place), 1);
    drop(ledger);
    until("the owner's file is gone", || owners(&place) == 0);
    assert_eq!(wait(place.open().unsettled()).unwrap(), 1);
}

#[test]
fn of_processes_that_claim_at_once_one_has_it() {
    let place = TempLedger::new();
    let mut others = [(); 4].map(|()| Other::start("race", &place));
    for other in &mut others {
        assert_eq!(other.hear(), "ready");
    }
    for other in &mut others {
        other.input = None;
    }
    let mut said = others.each_mut().map(Other::hear);
    said.sort();
    assert_eq!(said, ["live", "live", "live", "new"]);
    assert_eq!(all(&*place.open()).len(), 1);
}

#[test]
fn processes_that_write_at_once_lose_nothing() {
    let place = TempLedger::new();
    let others = [(); 3].map(|()| Other::start("many", &place));
    others.into_iter().for_each(Other::end);
    let found = wait(place.open().list(Filter { limit: 1_000, ..Filter::default() })).unwrap();
    assert_eq!(found.len(), 150);
    assert!(found.iter().all(|entry| entry.state == State::Settled && !entry.live));
}

#[test]
fn no_connection_and_no_lock_file_crosses_a_fork() {
    let place = TempLedger::new();
    Other::start("forked", &place).end();
    let ledger = place.open();
    let found = all(&*ledger);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|entry| !entry.live));
}

#[test]
fn an_owners_directory_that_was_swept_comes_back() {
    let place = TempLedger::new();
    let ledger = place.open();
    let row = new(&*ledger, named("a", "held")).row;
    std::fs::remove_dir_all(place.path().with_file_name("ledger.db.owners")).unwrap();
    record(&*ledger, row, vec![Step::Note("on".to_owned())]).unwrap();
    assert_eq!(owners(&place), 1);
    let mut other = Other::start("race", &place);
    assert_eq!(other.hear(), "ready");
    other.input = None;
    assert_eq!(other.hear(), "new");
    assert!(all(&*ledger).iter().all(|entry| entry.live), "both see each other");
}
