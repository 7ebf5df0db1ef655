//! `promise.md`, 12 to 20: what was begun is continued and not bought again, by whoever comes next.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::api::{Client, Error, Request};
use support::deck::deck;
use support::queue::Queue;
use support::script::{Answer, Server, accepted, status};
use support::{in_time, listing};

const GENERATE: &str = "/api/v1/generate";
const STATUS: &str = "/api/v1/status/j1";

/// A ledger and a directory for files, for clients that come one after the other.
struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("out")).unwrap();
        Home { directory }
    }

    fn ledger(&self) -> String {
        self.directory.path().join("state/ledger.db").to_str().unwrap().to_owned()
    }

    fn out(&self) -> String {
        self.directory.path().join("out").to_str().unwrap().to_owned()
    }

    /// A client of this server, as a new process would have it.
    fn client(&self, server: &Server, pairs: &[(&str, &str)]) -> Client {
        let ledger = self.ledger();
        let mut all = vec![("ledger", ledger.as_str())];
        all.extend_from_slice(pairs);
        server.client_with(&all)
    }

    fn run(&self, server: &Server, pairs: &[(&str, &str)]) -> Result<Value, Error> {
        let out = self.out();
        let mut all = vec![("directory", out.as_str()), ("name", "q3")];
        all.extend_from_slice(pairs);
        self.client(server, &[]).run(&Request::deck(), &all)
    }

    fn jobs(&self, server: &Server, pairs: &[(&str, &str)]) -> Vec<Value> {
        self.client(server, &[]).jobs(pairs).unwrap()["jobs"].as_array().unwrap().clone()
    }
}

/// A server whose job takes until it is told that it is done.
fn working() -> Server {
    let server = Server::start();
    server.on(GENERATE, accepted()).on(STATUS, status("processing", "[]"));
    server
}

fn done(server: &Server) {
    let files = format!(r#"[{{"url":"{}/f","format":"pptx","variant":1}}]"#, server.base_url);
    server.on(STATUS, status("completed", &files)).on("/f", Answer::file(&deck("one")));
}

fn bought(server: &Server) -> usize {
    server.seen_at(GENERATE).len()
}

/// A run that its deadline ended while its job went on, with this for its line.
fn left_in_work(line: &[(&str, &str)]) -> (Home, Server, Error) {
    in_time(|timeout_ms| {
        let (home, server) = (Home::new(), working());
        let error = home.run(&server, &[line, &[("timeout_ms", timeout_ms)]].concat()).unwrap_err();
        (!server.seen_at(STATUS).is_empty()).then_some((home, server, error))
    })
}

/// A server to which the outcome of a submission stays unknown, as often as it is sent.
fn doubtful() -> Server {
    let server = Server::start();
    server.on(GENERATE, Answer::Drop).on(GENERATE, Answer::error(401, "unauthorized"));
    server
}

#[test]
fn the_same_line_again_goes_on_with_the_job() {
    for (first, second) in
        [(vec![], vec![]), (vec![("idempotency_key", "order-1")], vec![("idempotency_key", "order-1")])]
    {
        let (home, server, error) = left_in_work(&first);
        assert_eq!(error.code, "TIMEOUT", "{error:?}");
        done(&server);
        let result = home.run(&server, &second).unwrap();
        assert_eq!(bought(&server), 1);
        assert_eq!(result["adopted"], second.is_empty(), "{result}");
        assert_eq!(
            (&result["recorded"], &result["unsettled"], &result["billed"]),
            (&true.into(), &0.into(), &"yes".into())
        );
        assert_eq!(result["idempotency_key"].as_str(), error.details["idempotency_key"].as_str());
        assert_eq!(listing(Path::new(&home.out())), ["q3.pptx"]);
    }
}

#[test]
fn only_an_equal_call_is_adopted() {
    for (others, times) in [
        (vec![("adopt", "off")], 2),
        (vec![("name", "q4")], 2),
        (vec![("idempotency_key", "order-2")], 2),
        (vec![("overwrite", "true")], 1),
    ] {
        let (home, server, _) = left_in_work(&[]);
        done(&server);
        let result = home.run(&server, &others).unwrap();
        assert_eq!(bought(&server), times, "{others:?}: {result}");
        assert_eq!(result["unsettled"], times - 1, "{others:?}: {result}");
    }
    // What ended well is not continued: whoever asks again wants another.
    let (home, server) = (Home::new(), working());
    done(&server);
    for at in 1..=2 {
        home.client(&server, &[]).generate(&Request::deck(), &[]).unwrap();
        assert_eq!(bought(&server), at);
    }
}

#[test]
fn what_somebody_else_did_about_a_job_does_not_hide_it_from_its_caller() {
    // Told TIMEOUT, and then waited for as the error says: the same line again must not buy another.
    let (home, server, _) = left_in_work(&[]);
    done(&server);
    home.client(&server, &[]).wait("j1", &[]).unwrap();
    home.client(&server, &[]).get_status("j1", &[]).unwrap();
    assert_eq!(home.run(&server, &[]).unwrap()["adopted"], true);
    assert_eq!(bought(&server), 1);

    // Told TRANSPORT over a job that is completed; recover and download fared no better.
    let (home, server) = (Home::new(), working());
    let files = format!(r#"[{{"url":"{}/f","format":"pptx","variant":1}}]"#, server.base_url);
    server.on(STATUS, status("completed", &files)).on("/f", Answer::Drop);
    let error = home.run(&server, &[]).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("TRANSPORT", "yes"), "{error:?}");
    assert_eq!(home.client(&server, &[]).recover(&[]).unwrap()["jobs"][0]["outcome"], "unsettled");
    home.client(&server, &[]).download("j1", &[("directory", &home.out())]).unwrap_err();
    server.on("/f", Answer::file(&deck("one")));
    assert_eq!(home.run(&server, &[]).unwrap()["adopted"], true);
    assert_eq!(bought(&server), 1);

    // A call that ended well stays one, whoever works on its job later: the next is a purchase of its own.
    let (home, server) = (Home::new(), working());
    home.client(&server, &[]).generate(&Request::deck(), &[]).unwrap();
    home.client(&server, &[]).recover(&[("timeout_ms", "60000")]).unwrap();
    home.client(&server, &[]).generate(&Request::deck(), &[]).unwrap();
    assert_eq!(bought(&server), 2);
}

#[test]
fn a_file_that_is_there_needs_no_request() {
    let (home, server) = (Home::new(), working());
    done(&server);
    let line = [("idempotency_key", "order-1")];
    let first = home.run(&server, &line).unwrap();
    let asked = server.seen().len();
    let again = home.run(&server, &line).unwrap();
    assert_eq!(server.seen().len(), asked, "nothing was sent");
    assert_eq!(again["files"][0]["sha256"], first["files"][0]["sha256"]);
    assert_eq!(
        (&again["job"], &again["job_id"], &again["adopted"]),
        (&Value::Null, &"j1".into(), &false.into())
    );

    // Gone or damaged, it is fetched again, and nothing is bought; a damaged one is kept.
    let file = format!("{}/q3.pptx", home.out());
    fs::remove_file(&file).unwrap();
    home.run(&server, &line).unwrap();
    assert_eq!((fs::read(&file).unwrap(), bought(&server)), (deck("one"), 1));
    fs::write(&file, "mine now").unwrap();
    let beside = home.run(&server, &line).unwrap();
    assert_eq!(beside["files"][0]["path"], format!("{}/q3-j1.pptx", home.out()));
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), bought(&server)), ("mine now", 1));

    // Another name gets a file of its own.
    home.run(&server, &[("idempotency_key", "order-1"), ("name", "copy")]).unwrap();
    assert_eq!(
        (listing(Path::new(&home.out())), bought(&server)),
        (vec!["copy.pptx".into(), "q3-j1.pptx".into(), "q3.pptx".into()], 1)
    );
}

#[test]
fn a_key_that_is_known_for_something_else_buys_nothing() {
    let (home, server) = (Home::new(), working());
    done(&server);
    let line = [("idempotency_key", "order-1")];
    home.run(&server, &line).unwrap();
    let asked = server.seen().len();
    let error = home.client(&server, &[]).generate(&Request::slides(2), &line).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("CONFLICT", "no"), "{error:?}");
    assert_eq!((error.detail("job_id").as_str(), server.seen().len()), ("j1", asked), "{error:?}");

    let other = home.client(&server, &[("api_key", "sk-another")]);
    let error = other.generate(&Request::deck(), &line).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("job_id").as_str()), ("CONFLICT", "j1"), "{error:?}");
    assert!(error.message.contains("on_other_key"), "{error:?}");
    assert_eq!(server.seen().len(), asked);
    assert!(other.jobs(&[]).unwrap()["jobs"].as_array().unwrap().iter().all(|job| job["own_key"] == false));
    let anew = [("idempotency_key", "order-1"), ("on_other_key", "submit")];
    other.generate(&Request::deck(), &anew).unwrap();
    assert_eq!(bought(&server), 2);
}

#[test]
fn a_job_that_somebody_works_on_is_waited_for() {
    let (home, server) = (Home::new(), working());
    let line = [("idempotency_key", "order-1")];
    std::thread::scope(|scope| {
        let first = scope.spawn(|| home.run(&server, &line).unwrap());
        while server.seen_at(STATUS).is_empty() {
            std::thread::yield_now();
        }
        let live = home.jobs(&server, &[]);
        assert_eq!((&live[0]["live"], &live[0]["state"]), (&true.into(), &"accepted".into()));
        // Not adopted, since its caller is there; by its key it is waited for.
        let error = in_time(|timeout_ms| {
            let line = [("idempotency_key", "order-1"), ("timeout_ms", timeout_ms)];
            let error = home.run(&server, &line).unwrap_err();
            error.details["job_id"].is_string().then_some(error)
        });
        assert_eq!((error.code.as_str(), error.detail("job_id").as_str()), ("TIMEOUT", "j1"), "{error:?}");
        let second =
            scope.spawn(|| home.run(&server, &[("idempotency_key", "order-1"), ("name", "copy")]).unwrap());
        let report = home.client(&server, &[]).recover(&[]).unwrap();
        assert_eq!(report["jobs"][0]["outcome"], "in_work", "{report}");
        assert_eq!(home.client(&server, &[]).forget(Some("j1")).unwrap_err().code, "CONFLICT");
        done(&server);
        first.join().unwrap();
        second.join().unwrap();
    });
    assert_eq!(bought(&server), 1);
    assert_eq!(listing(Path::new(&home.out())), ["copy.pptx", "q3.pptx"]);
}

#[test]
fn recover_settles_what_was_left() {
    // A submission in doubt: sent again, the same bytes under the same key.
    let (home, server) = (Home::new(), doubtful());
    let error = home.run(&server, &[]).unwrap_err();
    assert_eq!(error.code, "OUTCOME_UNKNOWN", "{error:?}");
    let waiting = home.client(&server, &[]);
    let report = waiting.recover(&[]).unwrap();
    assert_eq!(
        (&report["jobs"][0]["outcome"], &report["unsettled"]),
        (&"unknown".into(), &1.into()),
        "{report}"
    );
    server.only(GENERATE, accepted()).on(STATUS, status("processing", "[]"));
    done(&server);
    let report = home.client(&server, &[]).recover(&[]).unwrap();
    let line = &report["jobs"][0];
    assert_eq!(
        (&line["outcome"], &line["billed"], &report["unsettled"]),
        (&"delivered".into(), &"yes".into(), &0.into())
    );
    assert_eq!(line["result"]["files"][0]["path"], format!("{}/q3.pptx", home.out()));
    let sent = server.seen_at(GENERATE);
    assert!(sent.len() > 2);
    for again in &sent {
        assert_eq!(again.header("idempotency-key"), sent[0].header("idempotency-key"));
        assert_eq!(again.body, sent[0].body);
    }
    assert_eq!(home.client(&server, &[]).recover(&[]).unwrap()["jobs"].as_array().unwrap().len(), 0);
}

#[test]
fn what_was_recovered_for_a_caller_that_is_gone_is_handed_to_it_when_it_comes_back() {
    // A process of its own, killed while its job runs.
    let (home, server) = (Home::new(), working());
    let mut victim = std::process::Command::new("python3");
    victim.args(["-c", VICTIM]).env("LIBRARY", support::library()).env("OUT", home.out());
    victim.env("PERCEPTIS_LEDGER", home.ledger()).env("PERCEPTIS_API_KEY", "sk-test-secret");
    victim.env("PERCEPTIS_API_BASE_URL", &server.base_url);
    let mut victim = victim.spawn().unwrap();
    while server.seen_at(STATUS).is_empty() {
        assert_eq!(victim.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    victim.kill().unwrap();
    victim.wait().unwrap();
    done(&server);
    assert_eq!(home.client(&server, &[]).recover(&[]).unwrap()["jobs"][0]["outcome"], "delivered");
    // The same line again, without a key or a name: its deck is there. The next is a purchase of its own.
    let out = home.out();
    let again = || home.client(&server, &[]).run(&Request::deck(), &[("directory", &out)]).unwrap();
    let result = again();
    assert_eq!((&result["adopted"], &result["job_id"]), (&true.into(), &"j1".into()), "{result}");
    assert_eq!(bought(&server), 1);
    again();
    assert_eq!(bought(&server), 2);
}

/// The line of `Home::run` without a name, by nothing but the C functions.
const VICTIM: &str = r#"
import ctypes, os
p = ctypes.CDLL(os.environ["LIBRARY"])
null, byref = ctypes.c_void_p(), ctypes.byref
client, request, options, result, error = (ctypes.c_void_p() for _ in range(5))
assert p.perceptis_client_new(None, byref(client), byref(error)) == 0
assert p.perceptis_request_new(b"deck", b"Why teams adopt Rust", byref(request), byref(error)) == 0
p.perceptis_options_new.restype = ctypes.c_void_p
options = ctypes.c_void_p(p.perceptis_options_new())
assert p.perceptis_options_set(options, b"directory", os.environ["OUT"].encode(), byref(error)) == 0
p.perceptis_run(client, request, options, byref(result), byref(error))
"#;

#[test]
fn what_the_service_may_have_forgotten_is_recovered_only_if_told() {
    let (home, server) = (Home::new(), doubtful());
    home.run(&server, &[]).unwrap_err();
    let sent = bought(&server);
    let late = home.client(&server, &[("resubmit_window_ms", "1")]);
    let report = late.recover(&[]).unwrap();
    let line = &report["jobs"][0];
    assert_eq!((&line["outcome"], &line["billed"]), (&"unknown".into(), &"unknown".into()), "{report}");
    assert!(line["message"].as_str().unwrap().contains("resubmit"), "{report}");
    // The same line again is told so, too.
    let options = [("directory", &*home.out()), ("name", "q3")].map(|(key, value)| (key, value.to_owned()));
    let options = options.iter().map(|(key, value)| (*key, value.as_str())).collect::<Vec<_>>();
    let error = late.run(&Request::deck(), &options).unwrap_err();
    assert_eq!(
        (error.code.as_str(), error.detail("billed").as_str()),
        ("OUTCOME_UNKNOWN", "unknown"),
        "{error:?}"
    );
    assert_eq!(bought(&server), sent, "nothing was sent");
    server.only(GENERATE, accepted()).on(STATUS, status("processing", "[]"));
    done(&server);
    assert_eq!(late.recover(&[("resubmit", "true")]).unwrap()["jobs"][0]["outcome"], "delivered");
}

#[test]
fn a_generate_is_settled_and_not_downloaded() {
    let (home, server) = (Home::new(), working());
    done(&server);
    home.client(&server, &[]).generate(&Request::deck(), &[]).unwrap();
    assert_eq!(home.jobs(&server, &[("unsettled", "true")]).len(), 1);
    let report = home.client(&server, &[]).recover(&[]).unwrap();
    assert_eq!(report["jobs"][0]["outcome"], "settled", "{report}");
    assert!(server.seen_at("/f").is_empty());

    // Whoever waits for it, or asks and sees its end, settles it as well.
    for asks in [true, false] {
        let (home, server) = (Home::new(), Server::start());
        server.on(GENERATE, accepted());
        done(&server);
        let client = home.client(&server, &[]);
        client.generate(&Request::deck(), &[]).unwrap();
        if asks { client.get_status("j1", &[]) } else { client.wait("j1", &[]) }.unwrap();
        let jobs = home.jobs(&server, &[]);
        assert_eq!(
            (&jobs[0]["state"], &jobs[0]["unsettled"]),
            (&"settled".into(), &false.into()),
            "{jobs:?}"
        );
    }
}

#[test]
fn a_refusal_is_settled_and_leaves_the_key_free() {
    let (home, server) = (Home::new(), Server::start());
    server.on(GENERATE, Answer::error(401, "unauthorized")).on(GENERATE, accepted());
    server.on(STATUS, status("processing", "[]"));
    done(&server);
    let line = [("idempotency_key", "order-1")];
    assert_eq!(home.run(&server, &line).unwrap_err().code, "UNAUTHENTICATED");
    let jobs = home.jobs(&server, &[("state", "refused")]);
    assert_eq!((jobs.len(), &jobs[0]["told"]), (1, &"UNAUTHENTICATED".into()), "{jobs:?}");
    home.run(&server, &line).unwrap();
    assert_eq!(bought(&server), 2);

    // Nor is a failed job bought again: the caller sees how it ended.
    let (home, server) = (Home::new(), Server::start());
    server.on(GENERATE, accepted());
    server.on(STATUS, Answer::json(200, r#"{"job_id":"j1","status":"failed","error":{"code":"no"}}"#));
    for _ in 0..2 {
        let error = home.run(&server, &line).unwrap_err();
        assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("JOB_FAILED", "no"), "{error:?}");
    }
    assert_eq!((bought(&server), home.jobs(&server, &[("state", "failed")]).len()), (1, 1));
}

#[test]
fn a_call_is_told_when_its_final_event_is_freed() {
    let (home, server) = (Home::new(), Server::start());
    server.on(GENERATE, accepted());
    server.on(STATUS, status("processing", "[]"));
    done(&server);
    let (client, queue) = (home.client(&server, &[]), Queue::new());
    let (out, request) = (home.out(), Request::deck());
    let line = [("directory", out.as_str()), ("name", "q3")];
    let told = || home.jobs(&server, &[])[0]["told"].clone();
    let end = |tag| {
        queue.run(&client, &request, &line, tag).unwrap();
        queue.take_held(1, -1).unwrap().pop().unwrap()
    };

    // The program never got the first end: the same call gets it, and so does the next one after that.
    assert_eq!(end(1).discard().code(), "OK");
    assert_eq!((bought(&server), told()), (1, Value::Null));
    let again = end(2).discard();
    assert_eq!((again.code(), &again.value()["adopted"], bought(&server)), ("OK", &true.into(), 1));
    // It gets this one. The name is the delivered deck's from now on.
    let again = end(3).free();
    assert_eq!((again.code(), &again.value()["adopted"], bought(&server)), ("OK", &true.into(), 1));
    client.close(5000).unwrap();
    assert_eq!(told(), "OK");
    let refused = home.run(&server, &[]).unwrap_err();
    let key = again.value()["idempotency_key"].as_str().unwrap().to_owned();
    assert!(refused.code == "FILE" && refused.message.contains(&key), "{refused:?}");
    home.run(&server, &[("overwrite", "true")]).unwrap();
    assert_eq!(bought(&server), 2, "what was told OK is bought anew");
}

#[test]
fn what_was_given_up_before_it_was_sent_is_bought_by_nobody() {
    // Nobody listens there: the call waits to connect, and is closed.
    let (_taken, port) = support::refusing_port();
    let home = Home::new();
    let ledger = home.ledger();
    let url = format!("http://127.0.0.1:{port}");
    let pairs = [("api_key", "sk-test-secret"), ("api_base_url", &*url), ("ledger", &*ledger)];
    let client = Client::new(&pairs).unwrap();
    let error = std::thread::scope(|scope| {
        let call = scope.spawn(|| client.generate(&Request::deck(), &[]).unwrap_err());
        while client.activity().unwrap()["operations"][0]["phase"] != "submitting" {
            std::thread::yield_now();
        }
        client.close(10_000).unwrap();
        call.join().unwrap()
    });
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("CLOSED", "no"), "{error:?}");
    let jobs = Client::new(&pairs).unwrap().jobs(&[]).unwrap();
    assert_eq!((&jobs["jobs"][0]["state"], &jobs["unsettled"]), (&"refused".into(), &0.into()), "{jobs}");
}

#[test]
fn the_list_tells_what_happened_and_no_secret() {
    let (home, server) = (Home::new(), working());
    done(&server);
    home.run(&server, &[("idempotency_key", "order-1")]).unwrap();
    let jobs = home.jobs(&server, &[("job", "order-1"), ("history", "true")]);
    let job = &jobs[0];
    for (field, value) in [
        ("job_id", "j1"),
        ("idempotency_key", "order-1"),
        ("state", "settled"),
        ("operation", "run"),
        ("output_type", "deck"),
        ("name", "q3"),
    ] {
        assert_eq!(job[field], value, "{job}");
    }
    assert_eq!(
        (&job["files"][0]["delivered"], &job["own_key"], &job["live"]),
        (&true.into(), &true.into(), &false.into())
    );
    let history: Vec<_> = (job["history"].as_array().unwrap().iter())
        .map(|event| event["event"].as_str().unwrap().to_owned())
        .collect();
    for word in ["recorded", "accepted j1", "completed", "renaming", "delivered", "settled"] {
        assert!(history.iter().any(|event| event.starts_with(word)), "no {word} in {history:?}");
    }
    for name in ["nothing", "job:order-1", "key:j1"] {
        let client = home.client(&server, &[]);
        for error in [
            client.jobs(&[("job", name)]).unwrap_err(),
            client.recover(&[("job", name)]).unwrap_err(),
            client.forget(Some(name)).unwrap_err(),
        ] {
            assert_eq!(error.code, "NOT_FOUND", "{error:?}");
        }
    }
    assert_eq!(home.jobs(&server, &[("max_age_ms", "3600000"), ("limit", "1")]).len(), 1);

    let error = home.client(&server, &[]).jobs(&[("state", "lost")]).unwrap_err();
    assert!(error.message.contains("submitting, accepted, completed"), "{error:?}");
    // Neither key nor prompt nor URL is on the disk, in whatever form the database keeps them.
    for file in listing(Path::new(&home.ledger()).parent().unwrap()) {
        let path = Path::new(&home.ledger()).parent().unwrap().join(&file);
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            for secret in ["sk-test-secret", "Why teams adopt Rust", "/f"] {
                // Until the log is folded in, a prompt that was dropped may stand in it.
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(
                    !found || file.ends_with("-wal") && secret.starts_with("Why"),
                    "{secret} is in {file}"
                );
            }
        }
    }
    let mode = |path: &Path| {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
    };
    assert_eq!(mode(Path::new(&home.ledger())), 0o600);
    assert_eq!(mode(Path::new(&home.ledger()).parent().unwrap()), 0o700);
}

#[test]
fn what_is_forgotten_is_not_bought_again_in_silence() {
    let (home, server, _) = left_in_work(&[("idempotency_key", "order-1")]);
    let client = home.client(&server, &[]);
    assert_eq!(client.forget(Some("nobody")).unwrap_err().code, "NOT_FOUND");
    client.forget(None).unwrap();
    assert_eq!(home.jobs(&server, &[]).len(), 1, "nothing unsettled is forgotten unless it is named");
    client.forget(Some("order-1")).unwrap();
    assert_eq!(home.jobs(&server, &[]).len(), 0);
    let error = home.run(&server, &[("idempotency_key", "order-1")]).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("job_id").as_str()), ("CONFLICT", "j1"), "{error:?}");
    assert_eq!(bought(&server), 1);
}

#[test]
fn a_ledger_that_can_not_be_used_costs_nothing() {
    let home = Home::new();
    let damaged = format!("{}/damaged.db", home.out());
    fs::write(&damaged, b"SQLite format 3\0 but not really".repeat(300)).unwrap();
    let before = fs::read(&damaged).unwrap();
    for path in ["/proc/nowhere/ledger.db", &home.out(), &damaged] {
        let server = working();
        done(&server);
        let client = server.client_with(&[("ledger", path)]);
        for (error, billed) in [
            (client.run(&Request::deck(), &[("directory", &home.out())]).unwrap_err(), "no"),
            (client.generate(&Request::deck(), &[]).unwrap_err(), "no"),
            (client.jobs(&[]).unwrap_err(), "no"),
            // What waits for it, and what another process has sent under this key, can't be seen.
            (client.recover(&[]).unwrap_err(), "unknown"),
            (client.generate(&Request::deck(), &[("idempotency_key", "k")]).unwrap_err(), "unknown"),
        ] {
            assert_eq!(
                (error.code.as_str(), error.detail("billed").as_str()),
                ("LEDGER", billed),
                "{error:?}"
            );
            for way_out in ["PERCEPTIS_LEDGER=<path>", "off"] {
                assert!(error.message.contains(way_out), "{error:?}");
            }
        }
        assert!(server.seen().is_empty(), "nothing was sent");
        // What costs nothing works without one.
        client.wait("j1", &[]).unwrap();
        client.get_status("j1", &[]).unwrap();
        client.download("j1", &[("directory", &home.out()), ("overwrite", "true")]).unwrap();
    }
    assert_eq!(fs::read(&damaged).unwrap(), before, "not touched");
    let error = Client::new(&[("api_key", "sk-1"), ("ledger", "")]).map(drop).unwrap_err();
    assert!(error.message.contains("the path of a file, or off"), "{error:?}");
}

#[test]
fn without_a_file_the_client_itself_remembers() {
    let home = Home::new();
    let out = home.out();
    let line = [("directory", out.as_str()), ("name", "q3")];
    let (server, client) = in_time(|timeout_ms| {
        let server = working();
        let client = server.client_with(&[("ledger", "off")]);
        client.run(&Request::deck(), &[line[0], line[1], ("timeout_ms", timeout_ms)]).unwrap_err();
        (!server.seen_at(STATUS).is_empty()).then_some((server, client))
    });
    done(&server);
    assert_eq!(client.run(&Request::deck(), &line).unwrap()["adopted"], true);
    assert_eq!(bought(&server), 1);
    assert!(!Path::new(&home.ledger()).exists());
}

/// What may be paid for is never called unpaid, also where the call that goes on with it ends at once.
#[test]
fn a_call_that_goes_on_with_a_job_and_fails_before_it_asks_does_not_call_it_unpaid() {
    let (home, server) = (Home::new(), working());
    let key = ("idempotency_key", "k1");
    home.client(&server, &[]).generate(&Request::deck(), &[key]).unwrap();
    let nowhere = ("directory", "/nonexistent/directory");
    let error = home.client(&server, &[]).run(&Request::deck(), &[key, nowhere]).unwrap_err();
    assert_eq!(error.code, "FILE", "{error:?}");
    assert_eq!((error.detail("billed").as_str(), error.detail("job_id").as_str()), ("unknown", "j1"));
    assert_eq!(bought(&server), 1);

    let server = doubtful();
    let key = ("idempotency_key", "k2");
    home.client(&server, &[]).generate(&Request::deck(), &[key]).unwrap_err();
    let sent = bought(&server);
    let error = home.client(&server, &[]).run(&Request::deck(), &[key, nowhere]).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("FILE", "unknown"), "{error:?}");
    assert_eq!(bought(&server), sent);
}
