//! Rule 20: the idempotency key of one submission is the job id of another. What is said about one leaves the
//! other alone.

use serde_json::Value;

use crate::home::{GENERATE, Home, bought};
use crate::support::api::{Client, Error, Request};
use crate::support::deck::deck;
use crate::support::queue::Queue;
use crate::support::script::{Answer, Server, accepted};

/// Two submissions that were generated: `order-1` is the job `j1`, and the key `j1` is the job `j2`.
struct Story {
    home: Home,
    server: Server,
    client: Client,
}

/// Keys and whether they wait to be settled, in the order of submission.
type Rows = Vec<(String, bool)>;

fn rows(jobs: &Value) -> Rows {
    let row = |job: &Value| {
        (job["idempotency_key"].as_str().unwrap().to_owned(), job["unsettled"].as_bool().unwrap())
    };
    jobs["jobs"].as_array().unwrap().iter().rev().map(row).collect()
}

fn expected(rows: &[(&str, bool)]) -> Rows {
    rows.iter().map(|(key, unsettled)| ((*key).to_owned(), *unsettled)).collect()
}

impl Story {
    fn new() -> Story {
        let (home, server) = (Home::new(), Server::start());
        server.on(GENERATE, accepted());
        server.on(GENERATE, Answer::json(202, r#"{"job_id":"j2","status":"pending"}"#));
        for job in ["j1", "j2"] {
            let url = format!("{}/{job}.pptx", server.base_url);
            let body = format!(
                r#"{{"job_id":"{job}","status":"completed","output_type":"deck","error":null,
                    "downloads":[{{"url":"{url}","format":"pptx","variant":1}}]}}"#
            );
            server.on(&format!("/api/v1/status/{job}"), Answer::json(200, &body));
            server.on(&format!("/{job}.pptx"), Answer::file(&deck(job)));
        }
        let client = home.client(&server, &[]);
        for key in ["order-1", "j1"] {
            client.generate(&Request::deck(), &[("idempotency_key", key)]).unwrap();
        }
        Story { home, server, client }
    }

    fn named(&self, name: &str) -> Result<Rows, Error> {
        self.client.jobs(&[("job", name)]).map(|jobs| rows(&jobs))
    }

    fn all(&self) -> Rows {
        rows(&self.client.jobs(&[]).unwrap())
    }

    /// The keys that a report is about.
    fn recovered(&self, name: &str) -> Vec<String> {
        let report = self.client.recover(&[("job", name)]).unwrap();
        let key = |line: &Value| line["idempotency_key"].as_str().unwrap().to_owned();
        report["jobs"].as_array().unwrap().iter().map(key).collect()
    }
}

#[test]
fn name_that_is_a_job_id_and_a_key_is_a_conflict_without_its_prefix() {
    let story = Story::new();
    let asked = story.server.seen().len();
    for error in [
        story.named("j1").unwrap_err(),
        story.client.recover(&[("job", "j1")]).unwrap_err(),
        story.client.forget(Some("j1")).unwrap_err(),
    ] {
        assert_eq!(error.code, "CONFLICT", "{error:?}");
        assert!(error.message.contains("job:") && error.message.contains("key:"), "{error:?}");
    }
    assert_eq!(story.all(), expected(&[("order-1", true), ("j1", true)]));
    for (name, key) in [("job:j1", "order-1"), ("key:j1", "j1"), ("order-1", "order-1"), ("j2", "j1")] {
        assert_eq!(story.named(name).unwrap(), expected(&[(key, true)]), "{name}");
    }
    for name in ["nobody", "job:nobody", "key:nobody", "job:order-1", "key:j2"] {
        for error in [
            story.named(name).unwrap_err(),
            story.client.recover(&[("job", name)]).unwrap_err(),
            story.client.forget(Some(name)).unwrap_err(),
        ] {
            assert_eq!(error.code, "NOT_FOUND", "{name}: {error:?}");
        }
    }
    assert_eq!(story.server.seen().len(), asked, "nothing is sent");
    assert_eq!(story.all().len(), 2, "nothing is forgotten");
}

#[test]
fn recover_settles_the_submission_that_its_prefix_names() {
    for (name, settled, rows) in [
        ("job:j1", "order-1", [("order-1", false), ("j1", true)]),
        ("key:j1", "j1", [("order-1", true), ("j1", false)]),
    ] {
        let story = Story::new();
        assert_eq!(story.recovered(name), [settled]);
        assert_eq!(story.all(), expected(&rows), "{name}");
    }
}

#[test]
fn download_of_a_job_settles_its_own_submission_only() {
    let story = Story::new();
    let out = story.home.out();
    let result = story.client.download("j1", &[("directory", out.to_str().unwrap())]).unwrap();
    let path = result["files"][0]["path"].as_str().unwrap();
    assert_eq!(std::fs::read(path).unwrap(), deck("j1"));
    assert_eq!(story.all(), expected(&[("order-1", false), ("j1", true)]));
    // The paid one under the key is still to be settled, and is.
    assert_eq!(story.recovered("key:j1"), ["j1"]);
    assert_eq!(bought(&story.server), 2);
}

#[test]
fn forget_of_a_job_leaves_the_paid_submission_under_the_key() {
    let story = Story::new();
    story.client.forget(Some("job:j1")).unwrap();
    assert_eq!(story.all(), expected(&[("j1", true)]));
    // Now the name has one meaning, and the same call with the key is the submission that was paid.
    assert_eq!(story.named("j1").unwrap(), expected(&[("j1", true)]));
    let again = story.client.generate(&Request::deck(), &[("idempotency_key", "j1")]).unwrap();
    assert_eq!((&again["job_id"], bought(&story.server)), (&"j2".into(), 2));

    let story = Story::new();
    story.client.forget(Some("key:j1")).unwrap();
    assert_eq!(story.all(), expected(&[("order-1", true)]));
}

#[test]
fn told_is_null_until_the_caller_has_the_end_and_ok_after_that() {
    let story = Story::new();
    let told = || story.client.jobs(&[("job", "key:order-3")]).unwrap()["jobs"][0]["told"].clone();
    let (queue, request, line) = (Queue::new(), Request::deck(), [("idempotency_key", "order-3")]);
    queue.generate(&story.client, &request, &line, 1).unwrap();
    assert_eq!(queue.take_held(1, -1).unwrap().pop().unwrap().discard().code(), "OK");
    assert_eq!(told(), Value::Null);
    story.client.generate(&request, &line).unwrap();
    assert_eq!(told(), "OK");
    assert_eq!(bought(&story.server), 3);
}
