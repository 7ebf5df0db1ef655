//! Namespaces: their clock, journal, credits and violations.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use perceptis_sandbox::{Sandbox, Settings};
use serde_json::{Value, json};

use crate::support::ask;
use crate::world::{DECK, SLIDES, World};

#[test]
fn namespaces_share_nothing_and_can_be_reset() {
    let world = World::new();
    let job = world.job(DECK);
    world.rule("http_500");
    let clock =
        |name: &str| ask(world.url(), "GET", &format!("/_sandbox/clock?namespace={name}"), &[], b"").json();
    assert_eq!((&clock("t")["frozen"], &clock("u")["frozen"]), (&json!(true), &json!(false)));
    let other = World { sandbox: world.sandbox, key: "sk-sandbox-u".into() };
    assert_eq!(other.generate(DECK).status, 202, "the rule belongs to the other namespace");
    let jobs = |name: &str| {
        let response = ask(other.url(), "GET", &format!("/_sandbox/jobs?namespace={name}"), &[], b"").json();
        response["jobs"].as_array().unwrap().len()
    };
    assert_eq!((jobs("t"), jobs("u")), (1, 1));
    other.admin("POST", "reset", &Value::Null);
    assert_eq!((jobs("t"), jobs("u")), (0, 1));
    let other = World { sandbox: other.sandbox, key: "sk-sandbox-t".into() };
    assert_eq!(other.poll(&job).unwrap().status, 404);
}

#[test]
fn clock_is_advanced_sped_up_and_stopped() {
    let world = World::new();
    let now = || world.admin("GET", "clock", &Value::Null)["now_ms"].as_u64().unwrap();
    let before = now();
    assert_eq!(now(), before, "it is stopped");
    world.advance(3600);
    assert_eq!(now(), before + 3_600_000);
    world.admin("POST", "clock", &json!({ "frozen": false, "speed": 100_000 }));
    let running = now();
    while now() < running + 100_000 {}
    for bad in
        [json!({ "speed": 0 }), json!({ "advance_ms": -1 }), json!({ "frozen": 1 }), json!({ "sped": 2 })]
    {
        let response = ask(world.url(), "POST", "/_sandbox/clock", &[], bad.to_string().as_bytes());
        assert_eq!(response.status, 400, "{bad}");
    }
}

#[test]
fn clock_of_a_namespace_works_without_http() {
    let world = World::new();
    let job = world.job(DECK);
    let clock = world.sandbox.clock("t").unwrap();
    assert!(clock.is_frozen());
    let before = clock.now();
    assert_eq!(clock.now(), before, "it is stopped");
    clock.advance(Duration::from_secs(3600));
    assert_eq!(clock.now(), before + Duration::from_secs(3600));
    assert_eq!(world.state(&job)["status"], "completed", "HTTP uses the same clock");
    assert_eq!(world.admin("GET", "clock", &Value::Null)["now_ms"], clock.now().as_millis() as u64);
    let other = world.sandbox.clock("other").unwrap();
    assert!(!other.is_frozen() && other.now() < Duration::from_secs(600), "each namespace has its own");
    other.set_speed(50_000.0).unwrap();
    assert_eq!(other.speed(), 50_000.0);
    let running = other.now();
    while other.now() < running + Duration::from_secs(100) {}
    other.set_frozen(true);
    assert_eq!(other.now(), other.now());
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY, 100_001.0] {
        assert!(other.set_speed(speed).is_err(), "{speed}");
        assert!(Sandbox::start(Settings { speed, ..Settings::default() }).is_err(), "{speed}");
    }
    assert!(world.sandbox.clock("").is_err() && world.sandbox.clock("a/b").is_err());
    // Overflow is no panic.
    clock.advance(Duration::MAX);
    clock.advance(Duration::MAX);
    clock.set_frozen(false);
    assert_eq!(clock.now(), Duration::MAX);
    assert_eq!(world.state(&job)["status"], "completed");
}

#[test]
fn journal_has_requests_and_sent_bytes_but_no_key() {
    let world = World::new();
    let job = world.request("POST", "/api/v1/generate", &[("Idempotency-Key", "order-1")], DECK).unwrap();
    let entry = world.last();
    assert_eq!((&entry["method"], &entry["path"]), (&json!("POST"), &json!("/api/v1/generate")));
    assert_eq!((&entry["idempotency_key"], &entry["status"]), (&json!("order-1"), &json!(202)));
    assert_eq!(entry["job_id"], job.json()["job_id"]);
    assert!(entry["sent_bytes"].as_u64().unwrap() > entry["answer_bytes"].as_u64().unwrap());
    assert!(entry["body"].as_str().unwrap().contains("Plan"));
    assert_eq!(serde_json::from_str::<Value>(entry["answer"].as_str().unwrap()).unwrap(), job.json());
    world.rule("half_answer*1");
    world.request("GET", &format!("/api/v1/status/{}", job.json()["job_id"].as_str().unwrap()), &[], "");
    let entry = world.last();
    assert_eq!(entry["faults"], json!(["half_answer*1"]));
    let all = world.admin("GET", "journal", &Value::Null).to_string();
    assert!(!all.contains("sk-sandbox"), "{all}");
    let (_, paths) = world.completed(SLIDES);
    let all = world.admin("GET", "journal", &Value::Null).to_string();
    let signature = paths[1].split("signature=").nth(1).unwrap();
    assert!(all.contains("&signature=...") && !all.contains(signature), "{all}");
    assert!(all.contains("key_"));

    // The same entries come as events.
    let address = world.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /_sandbox/events?namespace=t HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    world.generate(DECK);
    let mut seen = String::new();
    let mut bytes = [0; 4096];
    while seen.matches("data: {").count() < 3 {
        let count = stream.read(&mut bytes).unwrap();
        assert!(count > 0, "the stream ended: {seen}");
        seen += &String::from_utf8_lossy(&bytes[..count]);
    }
    assert!(seen.contains("text/event-stream"));
}

#[test]
fn delivered_job_is_billed_once() {
    let world = World::new();
    let (deck, _) = world.completed(DECK);
    for _ in 0..3 {
        world.state(&deck);
    }
    assert_eq!(world.credits(), 8, "two points, and the six slides that every deck has");
    let credits = world.admin("GET", "credits", &Value::Null);
    assert_eq!(credits["keys"][0]["jobs"][0]["job_id"], deck);
}

#[test]
fn violations_are_early_polls_and_keys_of_downloads() {
    let world = World::new();
    let job = world.job(DECK);
    world.state(&job);
    world.advance(1);
    world.state(&job);
    let violations =
        || world.admin("GET", "violations", &Value::Null)["violations"].as_array().unwrap().len();
    assert_eq!(violations(), 0);
    world.state(&job);
    assert_eq!(violations(), 1);
    // The response to a poll does not matter.
    world.rule("http_503@status*1");
    assert_eq!(world.poll(&job).unwrap().status, 503);
    assert_eq!(violations(), 2);
    world.advance(1);
    // A download must not be sent a key: it may be on another host.
    let (job, paths) = world.completed(DECK);
    assert_eq!(ask(world.url(), "GET", &paths[0], &[], b"").status, 200);
    assert_eq!((violations(), &world.last()["key"]), (2, &Value::Null));
    assert_eq!(world.request("GET", &paths[0], &[], "").unwrap().status, 200);
    let described = world.admin("GET", "violations", &Value::Null)["violations"][2].clone();
    assert_eq!((&described["rule"], &described["job_id"]), (&json!("no key with a download"), &json!(job)));
    assert!(world.last()["key"].as_str().unwrap().starts_with("key_"));
}

#[test]
fn web_page_of_another_origin_is_refused() {
    let world = World::new();
    for (name, value, status) in
        [("Origin", "https://evil.test", 403), ("Origin", "null", 403), ("Host", "evil.test", 421)]
    {
        let response = ask(world.url(), "POST", "/_sandbox/reset", &[(name, value)], b"");
        assert_eq!(response.status, status, "{name}: {value}");
    }
    assert_eq!(ask(world.url(), "POST", "/_sandbox/reset", &[("Origin", world.url())], b"").status, 200);
    assert_eq!(ask(world.url(), "GET", "/_sandbox/nope", &[], b"").status, 404);
    assert_eq!(ask(world.url(), "DELETE", "/_sandbox/clock", &[], b"").status, 405);
}
