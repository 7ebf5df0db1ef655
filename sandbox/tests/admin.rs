//! The admin API: scenarios, jobs with files and slides, the overview, the event stream, errors.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use perceptis_sandbox::{Running, Sandbox, Settings};
use serde_json::{Value, json};
use support::{KEY, Response, accepted, ask, get, path_of};

const DECK: &str = r#"{"prompt":"Plan\n- One & <b>all</b>\n- Two","output_type":"deck"}"#;
const SLIDES: &str = r#"{"prompt":"One. Two. Three.","output_type":"single_slide","variant_count":2}"#;

fn start() -> Running {
    let sandbox = Sandbox::start(Settings::default()).unwrap();
    admin(sandbox.base_url(), "POST", "clock", &json!({ "frozen": true }));
    sandbox
}

fn admin(url: &str, method: &str, path: &str, body: &Value) -> Value {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let response = ask(url, method, &format!("/_sandbox/{path}"), &[], text.as_bytes());
    assert!(response.status < 300, "{path}: {response:?}");
    response.json()
}

fn read(url: &str, path: &str) -> Response {
    ask(url, "GET", path, &[], b"")
}

#[test]
fn scenarios_are_listed_for_people_and_for_programs() {
    let sandbox = start();
    let url = sandbox.base_url();
    let text = read(url, "/_sandbox/scenarios");
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(String::from_utf8(text.body).unwrap(), perceptis_sandbox::scenarios());
    let json = ask(url, "GET", "/_sandbox/scenarios", &[("Accept", "application/json")], b"").json();
    let all = json["scenarios"].as_array().unwrap();
    // Below the scenarios are the faults that no request can ask for.
    let for_people = perceptis_sandbox::scenarios();
    let (scenarios, more) = for_people.split_once("\n\n").unwrap().1.split_once("\n\n").unwrap();
    assert_eq!(all.len(), scenarios.lines().count());
    for other in ["user=N", "refuse", "self_signed", "expired", "wrong_host", "plain_http"] {
        assert!(more.contains(&format!("\n{other} ")), "{other}: {more}");
    }
    let named = |name: &str| all.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(
        named("takes"),
        &json!({
            "name": "takes", "layer": "pace", "endpoints": ["status"], "value": "1",
            "about": "the job takes VALUE seconds",
        })
    );
    assert_eq!((&named("html")["value"], &named("http_503")["value"]), (&Value::Null, &json!("")));
}

#[test]
fn description_has_every_path_and_method() {
    let sandbox = start();
    let url = sandbox.base_url();
    let description = read(url, "/openapi.json").json();
    let paths = description["paths"].as_object().unwrap();
    let readme = include_str!("../README.md");
    for (path, methods) in paths.iter().filter(|(path, _)| path.starts_with("/_sandbox/")) {
        let asked = path.replace("{id}", "1").replace("{job_id}", "job_none").replace("{number}", "1");
        let described: Vec<String> =
            methods.as_object().unwrap().keys().map(|name| name.to_uppercase()).collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            if (method, asked.as_str()) == ("GET", "/_sandbox/events") {
                continue; // The stream does not end; other tests read it.
            }
            let response = ask(url, method, &asked, &[], b"");
            let known = described.iter().any(|name| name == method);
            assert_eq!(response.status != 405, known, "{method} {asked}: {response:?}");
            if !known {
                let mut allowed: Vec<&str> = response.header("allow").unwrap().split(", ").collect();
                allowed.sort_unstable();
                let mut described: Vec<&str> = described.iter().map(String::as_str).collect();
                described.sort_unstable();
                assert_eq!(allowed, described, "{asked}");
            }
        }
        let area = path.split('/').nth(2).unwrap();
        assert!(readme.contains(area), "{area} is not in the README");
    }
    for path in
        ["/_sandbox/", "/_sandbox/nope", "/_sandbox/clock/x", "/_sandbox/refuse/x", "/_sandbox/scenarios/x"]
    {
        let response = read(url, path);
        assert_eq!((response.status, response.code().as_str()), (404, "not_found"), "{path}");
    }
    // The error of an unknown path lists the paths of the description.
    let described = read(url, "/_sandbox/nope").json()["error"]["message"].as_str().unwrap().to_owned();
    let has: Vec<&str> = described.split("it has ").nth(1).unwrap().split(", ").collect();
    let areas =
        paths.keys().filter_map(|path| path.strip_prefix("/_sandbox/")).filter(|area| !area.contains('/'));
    assert_eq!(has, areas.collect::<Vec<_>>());
    // The paths that the help names exist.
    let help = include_str!("../src/cli/arguments.rs");
    let also = help.split("also: ").nth(1).unwrap().split('.').next().unwrap();
    for area in also.split([',', ' ', '\n']).filter(|word| !word.is_empty()) {
        assert!(paths.contains_key(&format!("/_sandbox/{area}")), "{area}");
    }
}

#[test]
fn bad_admin_requests_get_an_error() {
    let sandbox = start();
    let url = sandbox.base_url();
    for (method, path, body) in [
        ("GET", "journal?limit=x", ""),
        ("GET", "journal?after=-1", ""),
        ("GET", "journal?newest=", ""),
        ("GET", "events?after=1.5", ""),
        ("GET", "clock?namespace=a/b", ""),
        ("POST", "clock?namespace=a/b", r#"{"namespace":"a"}"#),
        ("POST", "clock", r#"{"namespace":7}"#),
        ("POST", "clock", r#"{"advance_ms":0.5}"#),
        ("POST", "reset", r#"{"all":true}"#),
        ("POST", "refuse", r#"{"ms":60001}"#),
        ("POST", "refuse", r#"{"ms":100,"for":1}"#),
        ("POST", "rules", "[]"),
        ("POST", "rules", "no JSON"),
    ] {
        let response = ask(url, method, &format!("/_sandbox/{path}"), &[], body.as_bytes());
        assert_eq!(
            (response.status, response.code().as_str()),
            (400, "invalid_request"),
            "{method} {path} {body}"
        );
    }
    // 5e3 is a whole number, too. The namespace of a body takes precedence.
    let described = admin(
        url,
        "POST",
        "clock?namespace=a",
        &json!({ "namespace": "b", "frozen": true, "advance_ms": 5e3 }),
    );
    assert!(described["now_ms"].as_u64().unwrap() >= 5000);
    assert_eq!(admin(url, "GET", "clock?namespace=b", &Value::Null), described);
}

#[test]
fn overview_agrees_with_the_single_paths() {
    let sandbox = start();
    let url = sandbox.base_url();
    let key = "sk-sandbox-default";
    let body = r#"{"prompt":"Plan [[sandbox: fail_after=1]]","output_type":"deck"}"#;
    let failed = support::generate(url, key, None, body).json()["job_id"].as_str().unwrap().to_owned();
    admin(url, "POST", "clock", &json!({ "advance_ms": 60_000 }));
    get(url, key, &format!("/api/v1/status/{failed}"));
    admin(url, "POST", "clock", &json!({ "advance_ms": 3_600_000 }));
    admin(url, "POST", "rules", &json!({ "scenario": "html@status" }));
    let job = accepted(url, DECK);
    let described = admin(url, "GET", "overview", &Value::Null);
    assert_eq!((&described["namespace"], &described["api_key"]), (&json!("default"), &json!(key)));
    assert_eq!(described["clock"], admin(url, "GET", "clock", &Value::Null));
    assert_eq!(described["rules"], admin(url, "GET", "rules", &Value::Null)["rules"]);
    assert_eq!(described["jobs"], admin(url, "GET", "jobs", &Value::Null)["jobs"]);
    assert_eq!(described["namespaces"], json!([{ "namespace": "default", "jobs": 2 }]));
    assert_eq!(described["credits"], 0);
    let (newest, oldest) = (&described["jobs"][0], &described["jobs"][1]);
    assert_eq!(
        (&newest["job_id"], &newest["slides"], &newest["error"]),
        (&json!(job), &json!(8), &Value::Null)
    );
    assert_ne!(newest["key"], described["key"], "the job of another key of this namespace");
    assert_eq!((&oldest["key"], &oldest["failed_at_ms"]), (&described["key"], &json!(60_000)));
    assert_eq!(oldest["error"]["code"], "generation_failed");
    assert!(oldest["pending_ms"].as_u64().unwrap() < oldest["duration_ms"].as_u64().unwrap());
}

#[test]
fn job_has_downloads_and_drawings_of_slides() {
    let sandbox = start();
    let url = sandbox.base_url();
    let (deck, slides) = (accepted(url, DECK), accepted(url, SLIDES));
    let of = |job: &str| admin(url, "GET", &format!("jobs/{job}"), &Value::Null);
    assert_eq!(of(&deck)["downloads"], json!([]), "not before it is completed");
    admin(url, "POST", "clock", &json!({ "advance_ms": 3_600_000 }));
    let described = of(&slides);
    assert_eq!(
        (&described["status"], &described["prompt"]),
        (&json!("completed"), &json!("One. Two. Three."))
    );
    assert_eq!((described["downloads"].as_array().unwrap().len(), &described["polls"]), (2, &json!(0)));
    assert_eq!(described["downloads"][1]["variant"], 2);
    let file = read(url, &path_of(described["downloads"][1]["url"].as_str().unwrap()));
    assert_eq!((file.status, &file.body[..2]), (200, &b"PK"[..]));

    let drawn = |job: &str, rest: &str| read(url, &format!("/_sandbox/jobs/{job}/slides/{rest}"));
    let svg = drawn(&deck, "3.svg");
    assert_eq!((svg.status, svg.header("content-type")), (200, Some("image/svg+xml")));
    assert!(svg.header("content-security-policy").unwrap().starts_with("default-src 'none';"));
    let text = String::from_utf8(svg.body).unwrap();
    assert!(text.contains("One &amp; &lt;b&gt;all&lt;/b&gt;"), "{text}");
    assert_ne!(drawn(&slides, "1.svg?variant=1").body, drawn(&slides, "1.svg?variant=2").body);
    for (job, rest) in [
        (deck.as_str(), "0.svg"),
        (&deck, "9.svg"),
        (&deck, "x.svg"),
        (&deck, "1"),
        (&deck, "1.svg?variant=2"),
        (&deck, "1.svg?variant=0"),
        (&deck, "1.svg?namespace=other"),
        ("job_none", "1.svg"),
    ] {
        let response = drawn(job, rest);
        assert_eq!((response.status, response.code().as_str()), (404, "not_found"), "{job} {rest}");
    }
    assert_eq!(read(url, "/_sandbox/jobs/job_none").status, 404);
}

#[test]
fn event_stream_begins_with_the_newest_entries() {
    let sandbox = start();
    let url = sandbox.base_url();
    for _ in 0..5 {
        accepted(url, DECK);
    }
    let numbers = |path: &str| {
        let described = admin(url, "GET", path, &Value::Null);
        let entries = described["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["number"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers("journal?newest=2"), [4, 5]);
    assert_eq!(numbers("journal?newest=2&after=4"), [5]);
    assert_eq!(numbers("journal?newest=9"), [1, 2, 3, 4, 5]);
    assert_eq!(numbers("journal?newest=0"), [0; 0]);

    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /_sandbox/events?newest=2 HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut seen = String::new();
    let mut until = |count: usize| {
        let mut bytes = [0; 4096];
        while seen.matches("data: {").count() < count {
            let read = stream.read(&mut bytes).unwrap();
            assert!(read > 0, "the stream ended: {seen}");
            seen += &String::from_utf8_lossy(&bytes[..read]);
        }
        seen.clone()
    };
    let text = until(2);
    assert!(text.contains("id: 4\n") && text.contains("id: 5\n") && !text.contains("id: 3\n"), "{text}");
    assert!(support::raw(url, b"NONSENSE\r\n\r\n").starts_with(b"HTTP/1.1 400 "));
    assert!(until(3).contains("\"status\":400"));
}

#[test]
fn event_stream_sends_several_batches_at_once() {
    let sandbox = start();
    let url = sandbox.base_url();
    let host = url.strip_prefix("http://").unwrap();
    let one = format!("GET /nope HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n\r\n");
    support::ask_each(url, &[one.repeat(1200)], 1200);
    let mut stream = TcpStream::connect(host).unwrap();
    // Less than the time after which an idle stream sends a line.
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    stream.write_all(format!("GET /_sandbox/events HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut bytes = [0; 65536];
    while !String::from_utf8_lossy(&seen).contains("id: 1200\n") {
        let read = stream.read(&mut bytes).unwrap();
        assert!(read > 0);
        seen.extend_from_slice(&bytes[..read]);
    }
}
