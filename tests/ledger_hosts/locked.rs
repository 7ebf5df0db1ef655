//! Rule 20: another program keeps the ledger locked, or another process works on the submission. Calls end by
//! themselves, and none of them calls unbilled what may be billed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use crate::home::{Home, Kept, STATUS, bought, done, left_in_work, run_with};
use crate::support::api::{Client, Error, Request};
use crate::support::script::{Server, accepted};

/// Keeps the write lock: others can read.
const WRITES: &str = "BEGIN EXCLUSIVE";
/// Keeps the whole file: others can't even open it.
const ALL: &str = "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE";

const LOCKER: &str = r#"
import sqlite3, sys, time
while True:
    own = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
    try:
        for statement in sys.argv[2].split("; "):
            own.execute(statement).fetchall()
        break
    except sqlite3.OperationalError:
        own.close()
        time.sleep(0.003)
print("locked", flush=True)
sys.stdin.readline()
own.execute("ROLLBACK")
own.close()
print("released", flush=True)
"#;

/// Another program, which keeps the ledger locked.
struct Locker {
    process: Kept,
    output: BufReader<ChildStdout>,
}

impl Locker {
    fn of(ledger: &Path, how: &str) -> Locker {
        let mut command = Command::new("python3");
        command.args(["-c", LOCKER]).arg(ledger).arg(how);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut locker = Locker { process: Kept(child), output };
        assert_eq!(locker.says(), "locked");
        locker
    }

    fn says(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// It has the lock until now, whatever was called before.
    fn release(mut self) {
        assert_eq!(self.process.0.try_wait().unwrap(), None);
        self.process.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        assert_eq!(self.says(), "released");
    }
}

/// The call ended by its deadline, or because of the lock; not because half a minute had passed.
fn assert_ended(what: &str, error: &Error) {
    assert!(["LEDGER", "TIMEOUT"].contains(&error.code.as_str()), "{what}: {error:?}");
    assert!(!error.message.contains("half a minute"), "{what} does not keep its deadline: {error:?}");
}

/// A client whose time is the wall's, so that the deadlines of its calls are so, too.
fn client(home: &Home, server: &Server) -> Client {
    home.client(server, &[("time_scale", "1")])
}

#[test]
fn calls_end_by_themselves_while_another_program_keeps_the_ledger_locked() {
    const SECOND: (&str, &str) = ("timeout_ms", "1000");
    for how in [WRITES, ALL] {
        // The service has accepted the job; then its caller's deadline came.
        let (home, server) = left_in_work(&[("idempotency_key", "order-1")]);
        let (locker, asked) = (Locker::of(&home.ledger(), how), server.seen().len());
        for pairs in [vec![SECOND], vec![SECOND, ("job", "j1")], vec![SECOND, ("job", "key:order-1")]] {
            // The list can be read where only the write lock is taken: then the report says it.
            match client(&home, &server).recover(&pairs) {
                Ok(report) => {
                    let line = &report["jobs"][0];
                    assert_eq!((how, &line["outcome"]), (WRITES, &"unsettled".into()), "{report}");
                    assert!(line["billed"] != "no", "{report}");
                }
                Err(error) => {
                    assert_ended("recover", &error);
                    assert_ne!(error.detail("billed"), "no", "{error:?}");
                }
            }
        }
        match client(&home, &server).jobs(&[SECOND]) {
            Ok(jobs) => assert_eq!((how, &jobs["jobs"][0]["job_id"]), (WRITES, &"j1".into())),
            Err(error) => assert_ended("jobs", &error),
        }
        assert_ended("run", &run_with(&client(&home, &server), &home.out(), &[SECOND]).unwrap_err());
        let pairs = [SECOND, ("idempotency_key", "order-1")];
        let error = run_with(&client(&home, &server), &home.out(), &pairs).unwrap_err();
        assert_ended("run", &error);
        assert_ne!(error.detail("billed"), "no", "{error:?}");
        assert_eq!(server.seen().len(), asked, "nothing is sent");
        locker.release();
        done(&server);
        home.run(&server, &[("idempotency_key", "order-1")]).unwrap();
        assert_eq!(bought(&server), 1);
    }
}

#[test]
fn forget_ends_by_itself_while_another_program_keeps_the_ledger_locked() {
    // It takes no options: its deadline is half a minute.
    std::thread::scope(|scope| {
        for how in [WRITES, ALL] {
            scope.spawn(move || {
                let (home, server) = left_in_work(&[]);
                let locker = Locker::of(&home.ledger(), how);
                let error = client(&home, &server).forget(Some("j1")).unwrap_err();
                assert!(["LEDGER", "TIMEOUT"].contains(&error.code.as_str()), "{how}: {error:?}");
                locker.release();
                // A call that its deadline ended may be done a moment later, in the file that it waited for.
                let again = home.client(&server, &[]).forget(Some("j1"));
                assert!(again.is_ok() || again.unwrap_err().code == "NOT_FOUND", "{how}");
            });
        }
    });
}

#[test]
fn call_that_waits_for_another_process_does_not_call_its_submission_unbilled() {
    const KEY: (&str, &str) = ("idempotency_key", "order-1");
    let (home, server) = (Home::new(), Server::start());
    server.on(crate::home::GENERATE, accepted().held());
    server.on(STATUS, crate::support::script::status("processing", "[]"));
    let _free = server.free_at_last();
    let mut other = home.one_call(&server, &["run", "name=theirs", "idempotency_key=order-1"]);
    let mut other = Kept(other.stdout(Stdio::piped()).spawn().unwrap());
    server.until_seen(1);
    let waits = |pairs: &[(&str, &str)], code: &str, job_id: &str| {
        let pairs = [pairs, &[KEY, ("timeout_ms", "1000")]].concat();
        for error in [
            run_with(&client(&home, &server), &home.out(), &pairs).unwrap_err(),
            client(&home, &server).generate(&Request::deck(), &pairs).unwrap_err(),
        ] {
            let told = (error.code.as_str(), error.detail("idempotency_key"), error.detail("job_id"));
            assert_eq!(told, (code, "order-1".into(), job_id.into()), "{error:?}");
            assert_ne!(error.detail("billed"), "no", "{error:?}");
        }
    };
    // The other process has sent it and has no answer yet.
    waits(&[], "OUTCOME_UNKNOWN", "null");
    // The service has accepted it.
    server.let_go(crate::home::GENERATE);
    while server.seen_at(STATUS).is_empty() {
        std::thread::yield_now();
    }
    waits(&[], "TIMEOUT", "j1");
    waits(&[("adopt", "off")], "TIMEOUT", "j1");
    done(&server);
    let mut code = String::new();
    BufReader::new(other.0.stdout.take().unwrap()).read_line(&mut code).unwrap();
    assert_eq!(code, "OK\n");
    assert_eq!(bought(&server), 1);
}
