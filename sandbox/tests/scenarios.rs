//! Every scenario strikes as its line says, and the admin API tells what happened.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use perceptis_sandbox::{Running, Sandbox, Settings};
use serde_json::{Value, json};
use support::{Answer, ask, path_of, try_ask};

const SLIDES: &str = r#"{"prompt":"p","output_type":"single_slide","variant_count":2}"#;
const DECK: &str = r#"{"prompt":"Plan\n- One\n- Two","output_type":"deck"}"#;

/// A namespace of a sandbox whose clock stands still unless it is put forward.
struct World {
    sandbox: Running,
    key: String,
}

impl World {
    fn new() -> World {
        let world =
            World { sandbox: Sandbox::start(Settings::default()).unwrap(), key: "sk-sandbox-t".into() };
        world.admin("POST", "clock", &json!({ "frozen": true }));
        world
    }

    fn url(&self) -> &str {
        self.sandbox.base_url()
    }

    fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let path = format!("/_sandbox/{path}?namespace=t");
        let answer = ask(self.url(), method, &path, &[], text.as_bytes());
        assert!(answer.status < 300, "{path}: {answer:?}");
        answer.json()
    }

    fn advance(&self, seconds: u64) {
        self.admin("POST", "clock", &json!({ "advance_ms": seconds * 1000 }));
    }

    fn rule(&self, scenario: &str) -> u64 {
        self.admin("POST", "rules", &json!({ "scenario": scenario }))["id"].as_u64().unwrap()
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<Answer> {
        let bearer = format!("Bearer {}", self.key);
        let mut all = vec![("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        all.extend_from_slice(headers);
        try_ask(self.url(), method, path, &all, body.as_bytes())
    }

    fn generate(&self, body: &str) -> Answer {
        self.request("POST", "/api/v1/generate", &[], body).unwrap()
    }

    fn job(&self, body: &str) -> String {
        let answer = self.generate(body);
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["job_id"].as_str().unwrap().to_owned()
    }

    fn poll(&self, job: &str) -> Option<Answer> {
        self.request("GET", &format!("/api/v1/status/{job}"), &[], "")
    }

    fn state(&self, job: &str) -> Value {
        self.poll(job).unwrap().json()
    }

    /// A completed job and the paths of its files.
    fn completed(&self, body: &str) -> (String, Vec<String>) {
        let job = self.job(body);
        self.advance(3600);
        let state = self.state(&job);
        assert_eq!(state["status"], "completed");
        let downloads = state["downloads"].as_array().unwrap();
        (job, downloads.iter().map(|download| path_of(download["url"].as_str().unwrap())).collect())
    }

    fn credits(&self) -> u64 {
        self.admin("GET", "credits", &Value::Null)["credits"].as_u64().unwrap()
    }

    fn last(&self) -> Value {
        let entries = self.admin("GET", "journal", &Value::Null);
        entries["entries"].as_array().unwrap().last().unwrap().clone()
    }
}

/// The names in the table, less those that this test has dealt with.
struct Left(BTreeSet<String>);

impl Left {
    fn new() -> Left {
        let names = perceptis_sandbox::scenarios();
        // What is below has tests of its own: keys, refusals, certificates.
        let names = names.split("\n\n").nth(1).unwrap_or_default();
        let names = names.lines().filter_map(|line| line.split([' ', '=']).next());
        Left(names.map(str::to_owned).collect())
    }

    fn done<'a>(&mut self, name: &'a str) -> &'a str {
        let bare = name.split(['=', '@', '*', '+']).next().unwrap();
        assert!(self.0.remove(bare), "{bare} is not in the table, or is tested twice");
        name
    }
}

#[test]
fn every_scenario_does_what_its_line_says() {
    let mut left = Left::new();
    access(&mut left);
    idempotency(&mut left);
    statuses(&mut left);
    jobs(&mut left);
    bodies(&mut left);
    files(&mut left);
    wires(&mut left);
    assert!(left.0.is_empty(), "without a test: {:?}", left.0);
}

fn access(left: &mut Left) {
    let mut world = World::new();
    let job = world.job(DECK);
    for (name, status) in [("revoked", 401), ("unknown_key", 401), ("trial", 403)] {
        world.key = format!("sk-sandbox-t--{}", left.done(name));
        assert_eq!(world.poll(&job).unwrap().status, status, "{name}");
        assert_eq!(world.generate(DECK).status, status, "{name}");
    }
    world.key = "sk-sandbox-t--user=2".into();
    assert_eq!(world.poll(&job).unwrap().status, 404, "a second key of the organization");
    world.key = "sk-sandbox-other".into();
    assert_eq!(world.poll(&job).unwrap().status, 404, "another namespace");
}

fn idempotency(left: &mut Left) {
    let world = World::new();
    let submit = |world: &World, key: &str, body: &str| {
        world.request("POST", "/api/v1/generate", &[("Idempotency-Key", key)], body).unwrap()
    };
    let id = |answer: &Answer| answer.json()["job_id"].as_str().unwrap().to_owned();
    let first = id(&submit(&world, "k", DECK));
    let rule = world.rule(left.done("keys_forgotten=60"));
    assert_eq!(id(&submit(&world, "k", DECK)), first);
    world.advance(61);
    assert_ne!(id(&submit(&world, "k", DECK)), first);
    world.admin("DELETE", &format!("rules/{rule}"), &Value::Null);

    let mut other = World { sandbox: world.sandbox, key: "sk-sandbox-t--user=2".into() };
    let mine = id(&submit(&other, "shared", DECK));
    other.key = "sk-sandbox-t".into();
    assert_ne!(id(&submit(&other, "shared", DECK)), mine);
    let rule = other.rule(left.done("keys_per_organization"));
    other.key = "sk-sandbox-t--user=3".into();
    assert_eq!(submit(&other, "shared", DECK).status, 202);
    other.admin("DELETE", &format!("rules/{rule}"), &Value::Null);

    let rule = other.rule(left.done("conflict_in_work=10"));
    submit(&other, "busy", DECK);
    assert_eq!(submit(&other, "busy", DECK).code(), "idempotency_conflict");
    other.advance(11);
    assert_eq!(submit(&other, "busy", DECK).status, 202);
    other.admin("DELETE", &format!("rules/{rule}"), &Value::Null);

    // Whatever the error was, and whatever became of the job; but a limit and a conflict are over some time.
    other.rule(left.done("errors_kept"));
    assert_eq!(submit(&other, "bad", "{}").status, 400);
    assert_eq!(submit(&other, "bad", DECK).status, 400, "the refusal is repeated");
    let jobs = || other.admin("GET", "jobs", &Value::Null)["jobs"].as_array().unwrap().len();
    for (scenario, made, then) in [
        ("http_500", 0, 500),
        ("http_400", 0, 400),
        ("made_then_500", 1, 500),
        ("http_429", 0, 202),
        ("request_in_progress", 0, 202),
        ("reset_after", 1, 202),
    ] {
        let before = jobs();
        let headers = [("Idempotency-Key", scenario), ("X-Perceptis-Sandbox", scenario)];
        let first = other.request("POST", "/api/v1/generate", &headers, DECK);
        assert_eq!(jobs(), before + made, "{scenario}");
        let again = submit(&other, scenario, DECK);
        assert_eq!(again.status, then, "{scenario}");
        if then != 202 {
            assert_eq!(again.body, first.unwrap().body, "{scenario}: the same words");
        }
    }
    submit(&other, "sound", DECK);
    assert_eq!(submit(&other, "sound", SLIDES).code(), "idempotency_conflict");
    assert_eq!(submit(&other, "sound", DECK).status, 202, "a conflict is not the key's own error");
}

fn statuses(left: &mut Left) {
    let world = World::new();
    let job = world.job(DECK);
    for (name, status) in [
        ("http_400", 400),
        ("http_401", 401),
        ("http_403", 403),
        ("http_404", 404),
        ("http_408", 408),
        ("http_409", 409),
        ("http_410", 410),
        ("http_422", 422),
        ("http_425", 425),
        ("http_500", 500),
        ("http_502", 502),
        ("http_503", 503),
        ("http_504", 504),
    ] {
        let header = [("X-Perceptis-Sandbox", left.done(name))];
        let path = format!("/api/v1/status/{job}");
        let answer = world.request("GET", &path, &header, "").unwrap();
        assert_eq!(answer.status, status, "{name}");
        answer.code();
        assert_eq!(
            world.request("POST", "/api/v1/generate", &header, DECK).unwrap().status,
            status,
            "{name}"
        );
    }
    let submit = |scenario: &str| {
        world.request("POST", "/api/v1/generate", &[("X-Perceptis-Sandbox", scenario)], DECK).unwrap()
    };
    assert_eq!(submit(left.done("ambiguous_template")).code(), "ambiguous_template_name");
    let poor = submit(left.done("insufficient_credits"));
    assert_eq!((poor.status, poor.code().as_str()), (402, "insufficient_credits"));
    assert_eq!(submit("insufficient_credits=403").status, 403);
    let in_progress = submit(left.done("request_in_progress"));
    assert_eq!((in_progress.status, in_progress.code().as_str()), (409, "request_in_progress"));
    for (name, says) in [
        ("http_429=7", Some("7")),
        ("http_429_date=9", Some("GMT")),
        ("http_429_fraction", Some("1.5")),
        ("http_429_negative", Some("-5")),
        ("http_429_past", Some("GMT")),
        ("http_429_text=inf", Some("inf")),
        ("http_429_huge", Some("99999999999999999999")),
        ("http_429_missing", None),
    ] {
        let answer = submit(left.done(name));
        assert_eq!((answer.status, answer.code().as_str()), (429, "rate_limit_exceeded"), "{name}");
        let told = answer.header("retry-after");
        assert!(
            told.map_or(says.is_none(), |told| says.is_some_and(|says| told.ends_with(says))),
            "{name}: {told:?}"
        );
    }
    for (name, status) in
        [("made_then_500", 500), ("made_then_408", 408), ("made_then_302", 302), ("made_then_401", 401)]
    {
        let jobs = || world.admin("GET", "jobs", &Value::Null)["jobs"].as_array().unwrap().len();
        let before = jobs();
        assert_eq!(submit(left.done(name)).status, status);
        assert_eq!(jobs(), before + 1, "{name}: the job is made");
    }
    for name in ["redirect_302", "redirect_307=/x"] {
        let answer = submit(left.done(name));
        assert!(answer.header("location").is_some() && matches!(answer.status, 302 | 307), "{name}");
    }
    world.rule(left.done("not_found_at_first=10"));
    let fresh = world.job(DECK);
    assert_eq!(world.poll(&fresh).unwrap().status, 404);
    world.advance(11);
    assert_eq!(world.poll(&fresh).unwrap().status, 200);
    world.admin("DELETE", "rules", &Value::Null);

    world.rule(left.done("rate_limit=2@status"));
    let codes: Vec<u16> = (0..3).map(|_| world.poll(&fresh).unwrap().status).collect();
    assert_eq!(codes, [200, 200, 429]);
    world.advance(1);
    assert_eq!(world.poll(&fresh).unwrap().status, 200);
}

fn jobs(left: &mut Left) {
    let directed = |directive: &str| {
        let world = World::new();
        let job = world.job(&SLIDES.replace("\"p\"", &format!("\"p [[sandbox: {directive}]]\"")));
        (world, job)
    };
    let (world, job) = directed(left.done("takes=5"));
    assert_eq!(world.state(&job)["status"], "pending");
    world.advance(6);
    assert_eq!(world.state(&job)["status"], "completed");
    assert_eq!(world.credits(), 2, "a credit a variant");
    // From a rule: what was completed stays so, and is billed, when the rule is gone.
    let world = World::new();
    let job = world.job(SLIDES);
    world.rule("takes=5");
    world.advance(6);
    assert_eq!((world.credits(), &world.state(&job)["status"]), (0, &json!("completed")));
    world.admin("DELETE", "rules", &Value::Null);
    assert_eq!((world.credits(), &world.state(&job)["status"]), (2, &json!("completed")));

    for (name, error) in [
        ("fail_after=2", json!({ "code": "generation_failed", "message": "the slides could not be made" })),
        ("fail_code_only=2", json!({ "code": "generation_failed" })),
        ("fail_message_only=2", json!({ "message": "the slides could not be made" })),
        ("fail_text=2", json!("the slides could not be made")),
        ("fail_null=2", Value::Null),
    ] {
        let (world, job) = directed(left.done(name));
        assert_eq!(world.state(&job)["status"], "pending");
        let failed = world.state(&job);
        assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &error), "{name}");
        world.advance(3600);
        assert_eq!(world.state(&job)["status"], "failed", "for good");
        assert_eq!(world.credits(), 0, "a failure costs nothing");
    }
    let (world, job) = directed(left.done("fail_nested"));
    assert_eq!(world.state(&job)["error"]["error"]["code"], "generation_failed");

    let (world, job) = directed(left.done("never_ends"));
    world.advance(1_000_000);
    assert_eq!(world.state(&job)["status"], "processing");
    assert_eq!(world.credits(), 0);

    let (world, job) = directed(left.done("unknown_status=dreaming"));
    assert_eq!(world.state(&job)["status"], "dreaming");
    world.advance(3600);
    assert_eq!(world.state(&job)["status"], "completed");

    let (world, job) = directed(left.done("step_back"));
    world.advance(60);
    let states: Vec<Value> = (0..4).map(|_| world.state(&job)["status"].clone()).collect();
    assert_eq!(states, ["processing", "pending", "processing", "pending"]);

    for (name, check) in [
        ("no_downloads", (|state| state["downloads"] == json!([])) as fn(&Value) -> bool),
        ("downloads_null", |state| state["downloads"].is_null()),
        ("fewer_variants", |state| state["downloads"].as_array().unwrap().len() == 1),
        ("other_format=key", |state| state["downloads"][1]["format"] == "key"),
        ("unknown_fields", |state| state["progress"]["percent"] == 41.5),
        ("numbers_for_text", |state| state["output_type"] == 7 && state["downloads"][1]["variant"] == "2"),
    ] {
        let (world, job) = directed(left.done(name));
        world.advance(3600);
        let state = world.state(&job);
        assert_eq!(state["status"], "completed");
        assert!(check(&state), "{name}: {state}");
    }
    // The time it takes is a layer of its own: it goes together with what becomes of the job.
    let (world, job) = directed("takes=5, fewer_variants");
    world.advance(6);
    assert_eq!(world.state(&job)["downloads"].as_array().unwrap().len(), 1);
    let mut world = World::new();
    world.key = "sk-sandbox-t--takes=5--no_downloads".into();
    let job = world.job(SLIDES);
    world.advance(6);
    let state = world.state(&job);
    assert_eq!((&state["status"], &state["downloads"]), (&json!("completed"), &json!([])));

    let (world, job) = directed(left.done("late_downloads=2"));
    world.advance(3600);
    let counts: Vec<usize> =
        (0..4).map(|_| world.state(&job)["downloads"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [0, 0, 2, 2]);
}

fn bodies(left: &mut Left) {
    let world = World::new();
    let job = world.job(DECK);
    let path = format!("/api/v1/status/{job}");
    let sound = world.poll(&job).unwrap().body;
    let body = |name: &str| world.request("GET", &path, &[("X-Perceptis-Sandbox", name)], "").unwrap();
    let html = body(left.done("html"));
    assert!(html.status == 200 && html.header("content-type").unwrap().starts_with("text/html"));
    assert!(body(left.done("empty")).body.is_empty());
    assert_eq!(body(left.done("cut_json")).body, sound[..sound.len() / 2]);
    assert!(std::str::from_utf8(&body(left.done("not_utf8")).body).is_err());
    assert_eq!(body(left.done("bom")).body, [b"\xef\xbb\xbf", &sound[..]].concat());
    assert!(body(left.done("deep=100000")).body.ends_with(b"]]]]}"));
    let twice = body(left.done("duplicate_keys"));
    assert_eq!(twice.json()["job_id"], job);
    assert_eq!(String::from_utf8_lossy(&twice.body).matches("\"job_id\"").count(), 2);
    assert_eq!(body(left.done("large_body=5000000")).body.len(), 5_000_000);
    assert_eq!(body(left.done("wrong_content_type")).header("content-type"), Some("text/plain"));
    let with = |fields: &str| [b"{", fields.as_bytes(), b",", &sound[1..]].concat();
    assert_eq!(body(left.done("lone_surrogate")).body, with(r#""title":"A deck about \ud83d""#));
    assert_eq!(body(left.done("not_a_number")).body, with(r#""score":NaN,"least":-Infinity"#));
    assert_eq!(body(left.done("long_text=3")).body, with(r#""request":"xxx""#));
    let labelled = body(left.done("content_encoding=none"));
    assert_eq!((labelled.header("content-encoding"), &labelled.body), (Some("none"), &sound));
    for (name, unpacked) in [("gzip", sound.len()), ("gzip_bomb", 103_200_001)] {
        let packed = body(left.done(name));
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        let mut gunzip = std::process::Command::new("gzip")
            .args(["-dc"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = gunzip.stdin.take().unwrap();
        let writer = std::thread::spawn(move || input.write_all(&packed.body).unwrap());
        let output = gunzip.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success(), "{name} is sound gzip");
        assert_eq!(output.stdout.len(), unpacked, "{name}");
    }
}

/// Whether this is a zip whose checksums hold.
fn is_whole(bytes: &[u8]) -> bool {
    let Ok(mut archive) = zip::ZipArchive::new(std::io::Cursor::new(bytes)) else { return false };
    (0..archive.len()).all(|at| {
        archive.by_index(at).is_ok_and(|mut file| std::io::copy(&mut file, &mut std::io::sink()).is_ok())
    })
}

fn files(left: &mut Left) {
    let world = World::new();
    let (_, paths) = world.completed(DECK);
    let path = &paths[0];
    let get = |name: &str, headers: &[(&str, &str)]| {
        let mut all = vec![("X-Perceptis-Sandbox", name)];
        all.extend_from_slice(headers);
        ask(world.url(), "GET", path, &all, b"")
    };
    let sound = ask(world.url(), "GET", path, &[], b"");
    for status in ["401", "403", "404", "410"] {
        assert_eq!(get(&format!("expired={status}"), &[]).status.to_string(), status);
    }
    left.done("expired");
    assert_eq!(get(left.done("signature_refused"), &[]).status, 403);
    assert_eq!(get(left.done("http_416"), &[("Range", "bytes=1-")]).status, 416);
    assert_eq!(get(left.done("ranges_ignored"), &[("Range", "bytes=1-")]).status, 200);
    let name = left.done("etag_changes");
    let (one, two) = (get(name, &[]), get(name, &[]));
    assert!(one.header("etag") != two.header("etag") && one.body != two.body && one.body != sound.body);
    assert!(is_whole(&one.body) && is_whole(&two.body), "each is a file of its own");
    // In mid-download: whoever goes on without asking for the same file gets one that is none.
    let begun = get("etag_changes=5000", &[]);
    assert_eq!((begun.status, begun.body.len()), (200, 5000));
    let etag = begun.header("etag").unwrap();
    let careful = ask(world.url(), "GET", path, &[("Range", "bytes=5000-"), ("If-Range", etag)], b"");
    assert!(careful.status == 200 && is_whole(&careful.body), "begun anew");
    let blind = ask(world.url(), "GET", path, &[("Range", "bytes=5000-")], b"");
    assert_eq!(blind.status, 206);
    assert!(!is_whole(&[begun.body, blind.body].concat()));
    let cut = get(left.done("cut_at=100"), &[]);
    assert_eq!(cut.body, sound.body[..100]);
    assert_eq!(cut.header("content-length").unwrap(), sound.body.len().to_string());
    let from = [("Range", "bytes=900-")];
    let part = get(left.done("resume_without_etag"), &from);
    assert_eq!((part.status, part.header("etag")), (206, None));
    assert!(get(left.done("resume_weak_etag"), &from).header("etag").unwrap().starts_with("W/\""));
    assert_eq!(get(left.done("resume_overlaps"), &from).body, sound.body[400..]);
    let part = get(left.done("resume_without_range"), &from);
    assert_eq!((part.status, part.header("content-range")), (206, None));
    assert_eq!(part.body, sound.body[900..]);
    let short = get(left.done("wrong_length"), &[]);
    assert!(short.header("content-length").unwrap().parse::<usize>().unwrap() < sound.body.len());
    assert_eq!(get(left.done("zip_cut"), &[]).body, sound.body[..sound.body.len() * 2 / 3]);
    let bad = get(left.done("zip_bad_crc"), &[]).body;
    assert!(bad.len() == sound.body.len() && bad != sound.body);
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bad)).unwrap();
    let mut text = Vec::new();
    assert!(archive.by_index(0).unwrap().read_to_end(&mut text).is_err(), "the checksum does not hold");
    assert!(!get(left.done("not_a_zip"), &[]).body.starts_with(b"PK"));
    let other = get(left.done("zip_without_presentation"), &[]).body;
    let other = zip::ZipArchive::new(std::io::Cursor::new(other)).unwrap();
    assert!(other.file_names().all(|name| !name.unwrap().contains("presentation")));
    assert!(get(left.done("zero_bytes"), &[]).body.is_empty());
    let large = get(left.done("gigabyte=3000000"), &[("Range", "bytes=5-")]);
    assert_eq!((large.status, large.header("content-range"), large.body.len()), (200, None, 3_000_000));
    let once = get(left.done("redirect_once"), &[]);
    let next = path_of(once.header("location").unwrap());
    let again = ask(world.url(), "GET", &next, &[("X-Perceptis-Sandbox", "redirect_once")], b"");
    assert_eq!((again.status, again.body), (200, sound.body.clone()));
    let round = get(left.done("redirect_loop"), &[]);
    let next = path_of(round.header("location").unwrap());
    assert_eq!(ask(world.url(), "GET", &next, &[("X-Perceptis-Sandbox", "redirect_loop")], b"").status, 302);
    assert_eq!(get(left.done("redirect_to"), &[]).header("location"), Some("http://192.0.2.1/file"));
    for (name, to) in [
        (left.done("redirect_other_host"), world.url().replace("127.0.0.1", "localhost")),
        (left.done("redirect_to_http"), world.url().to_owned()),
    ] {
        let location = get(name, &[]).header("location").unwrap().to_owned();
        assert!(location.starts_with(&format!("{to}/files/")), "{name}: {location}");
        let host = to.strip_prefix("http://").unwrap();
        let next = path_of(&location);
        let again = ask(world.url(), "GET", &next, &[("X-Perceptis-Sandbox", name), ("Host", host)], b"");
        assert_eq!((again.status, again.body), (200, sound.body.clone()), "{name}");
    }
}

fn wires(left: &mut Left) {
    let world = World::new();
    let job = world.job(DECK);
    let sound = world.poll(&job).unwrap();
    let jobs = || world.admin("GET", "jobs", &Value::Null)["jobs"].as_array().unwrap().len();
    for (name, made) in [("reset_before", 0), ("reset_after", 1), ("close_after", 1)] {
        let before = jobs();
        world.rule(&format!("{}@generate*1", left.done(name)));
        assert!(world.request("POST", "/api/v1/generate", &[], DECK).is_none(), "{name}: no answer");
        assert_eq!(jobs(), before + made, "{name}");
        assert_eq!(world.last()["faults"], json!([format!("{name}@generate*1")]));
        assert_eq!(world.generate(DECK).status, 202, "once");
    }
    let address = world.url().strip_prefix("http://").unwrap().to_owned();
    // Reads until so much is there, or the end; then what comes in a moment more, where nothing should.
    let raw = |name: &str, there: &dyn Fn(&str) -> bool| {
        let mut stream = TcpStream::connect(&address).unwrap();
        let request = format!(
            "GET /api/v1/status/{job} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
             X-Perceptis-Sandbox: {name}\r\n\r\n",
            world.key
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (mut bytes, mut block) = (Vec::new(), [0; 4096]);
        let mut end = Ok(0);
        while !there(&String::from_utf8_lossy(&bytes)) {
            end = stream.read(&mut block);
            match end {
                Ok(count) if count > 0 => bytes.extend_from_slice(&block[..count]),
                _ => break,
            }
        }
        if matches!(end, Ok(count) if count > 0 || bytes.is_empty()) {
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            end = stream.read_to_end(&mut bytes);
        }
        (
            String::from_utf8_lossy(&bytes).into_owned(),
            end.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset),
            stream,
        )
    };
    let body = String::from_utf8(sound.body.clone()).unwrap();
    let (to_the_end, whole) = (|_: &str| false, |text: &str| text.ends_with(&body));
    let (all, reset, _) = raw(left.done("ends_by_reset"), &to_the_end);
    assert!(reset && whole(&all) && !all.contains("content-length"), "{all}");
    let (many, _, _) = raw(left.done("many_headers=150"), &whole);
    assert!(whole(&many) && many.matches("x-line-").count() == 150, "{many}");
    let (folded, _, _) = raw(left.done("folded_headers"), &whole);
    assert!(whole(&folded) && folded.contains("x-folded: one\r\n  two\r\n"), "{folded}");
    let (half, reset, _) = raw(left.done("half_answer"), &to_the_end);
    assert!(half.starts_with("HTTP/1.1 200") && !half.contains(&body) && reset, "{half}");
    let (dripped, _, _) = raw(left.done("drip=60000"), &|text| !text.is_empty());
    assert!(dripped.len() < 20 && "HTTP/1.1 200".starts_with(&dripped[..dripped.len().min(12)]), "{dripped}");
    assert_eq!(raw(left.done("no_answer"), &|_| true).0, "");
    let (begun, _, _) = raw(left.done("stall_head"), &|text| text.starts_with("HTTP/1.1 200 "));
    assert!(begun.starts_with("HTTP/1.1 200 ") && !begun.contains("\r\n\r\n"), "{begun}");
    let (stalled, _, _) = raw(left.done("stall_body"), &|text| text.contains("\r\n\r\n"));
    assert!(stalled.contains("\r\n\r\n") && !stalled.contains(&body), "{stalled}");
    let (long, _, _) = raw(left.done("length_long"), &whole);
    assert!(
        long.contains(&format!("content-length: {}", body.len() + 100)) && long.ends_with(&body),
        "{long}"
    );
    let (short, _, _) = raw(left.done("length_short"), &whole);
    assert!(
        short.ends_with(&body) && !short.contains(&format!("content-length: {}\r", body.len())),
        "{short}"
    );
    let (continued, _, _) = raw(left.done("continue_100"), &whole);
    assert!(continued.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), "{continued}");
    let (hinted, _, _) = raw(left.done("early_hints_103"), &whole);
    assert!(hinted.starts_with("HTTP/1.1 103") && hinted.contains("HTTP/1.1 200"), "{hinted}");
    assert!(raw(left.done("huge_headers=64"), &whole).0.len() > 64_000);
    assert!(raw(left.done("forbidden_headers"), &whole).0.contains("\r\nno colon at all\r\n"));
    let (first, _, mut stream) = raw(left.done("dies_between"), &whole);
    assert!(first.ends_with(&body), "{first}");
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut more = Vec::new();
    let end = stream.read_to_end(&mut more);
    assert!(end.is_err() && more.is_empty(), "the connection is reset at the next request");

    // Last, as it strikes all: by the time the answer is there, nobody is let in any more.
    let mut kept = TcpStream::connect(&address).unwrap();
    let answer = raw(left.done("connection_refused=60000"), &to_the_end).0;
    assert!(answer.ends_with(&body) && answer.contains("connection: close"), "{answer}");
    assert!(is_refused(&address));
    refuse(&mut kept, 0);
    until_accepted(&address);
    assert_eq!(world.last()["faults"], json!(["connection_refused=60000"]));
}

/// Has connections refused for so long, by one that there is, which ends with that.
fn refuse(kept: &mut TcpStream, ms: u32) {
    let (host, body) = (kept.peer_addr().unwrap(), format!("{{\"ms\":{ms}}}"));
    let head = format!("POST /_sandbox/refuse HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}", body.len());
    kept.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    kept.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

fn is_refused(address: &str) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Looks until it is so, up to a bound that is never reached.
fn until_accepted(address: &str) {
    let begin = std::time::Instant::now();
    while is_refused(address) {
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn what_is_unknown_is_refused_with_the_list() {
    let mut world = World::new();
    let says = |answer: Answer| answer.json()["error"]["message"].as_str().unwrap().to_owned();
    let header = [("X-Perceptis-Sandbox", "nonsense")];
    let refused = world.request("POST", "/api/v1/generate", &header, DECK).unwrap();
    assert!(refused.status == 400 && says(refused).contains("half_answer"));
    let prompt = world.generate(r#"{"prompt":"[[sandbox: nonsense]]","output_type":"deck"}"#);
    assert!(prompt.status == 400 && says(prompt).contains("half_answer"));
    let rule = ask(world.url(), "POST", "/_sandbox/rules", &[], br#"{"scenario":"nonsense"}"#);
    assert!(rule.status == 400 && says(rule).contains("half_answer"));
    world.key = "sk-sandbox-t--nonsense".into();
    let key = says(world.generate(DECK));
    assert!(key.contains("half_answer") && key.contains("user=N"), "{key}");
    world.key = "sk-sandbox-t/1".into();
    let key = world.generate(DECK);
    assert!(key.status == 400 && says(key).contains("a namespace is"));
    for bad in [
        json!({ "scenario": "html", "tiems": 1 }),
        json!({}),
        json!({ "scenario": "html", "times": -1 }),
        json!({ "scenario": "html", "probability": 2 }),
    ] {
        let answer = ask(world.url(), "POST", "/_sandbox/rules", &[], bad.to_string().as_bytes());
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[test]
fn the_strongest_source_wins_and_layers_go_together() {
    let mut world = World::new();
    let job = world.job(r#"{"prompt":"p [[sandbox: http_503@status]]","output_type":"deck"}"#);
    assert_eq!(world.poll(&job).unwrap().status, 503, "the prompt's");
    world.key = "sk-sandbox-t--http_502@status".into();
    assert_eq!(world.poll(&job).unwrap().status, 502, "the key's");
    let path = format!("/api/v1/status/{job}");
    let header = [("X-Perceptis-Sandbox", "http_500")];
    assert_eq!(world.request("GET", &path, &header, "").unwrap().status, 500, "the header's");
    world.admin("POST", "rules", &json!({ "scenario": "http_504", "job": job, "times": 2 }));
    assert_eq!(world.request("GET", &path, &header, "").unwrap().status, 504, "the rule's");
    world.rule("wrong_content_type@status");
    let both = world.poll(&job).unwrap();
    assert_eq!((both.status, both.header("content-type")), (504, Some("text/plain")));
    assert_eq!(world.poll(&job).unwrap().status, 502, "after two times the rule is over");
    let rules = world.admin("GET", "rules", &Value::Null);
    assert_eq!(rules["rules"][0]["fired"], 2, "{rules}");
}

#[test]
fn a_rule_fires_when_it_changes_something() {
    let world = World::new();
    let job = world.job(DECK);
    let path = format!("/api/v1/status/{job}");
    let fired = |id: u64| {
        let rules = world.admin("GET", "rules", &Value::Null);
        let rule = rules["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == id).unwrap().clone();
        rule["fired"].as_u64().unwrap()
    };
    let limit = world.rule("rate_limit=2@status*1");
    let codes: Vec<u16> = (0..4).map(|_| world.poll(&job).unwrap().status).collect();
    assert_eq!(codes, [200, 200, 429, 200], "one refusal, not one request");
    assert_eq!(fired(limit), 1);
    let late = world.rule("not_found_at_first=5");
    world.advance(10);
    assert_eq!((world.poll(&job).unwrap().status, fired(late)), (200, 0));
    let early = world.rule("no_downloads*1");
    world.poll(&job);
    assert_eq!((fired(early), &world.last()["faults"]), (0, &json!([])), "nothing is completed yet");
    let fails = world.admin("POST", "rules", &json!({ "scenario": "fail_after=7", "times": 1, "job": job }));
    assert_eq!(world.state(&job)["status"], "processing");
    assert_eq!(world.state(&job)["status"], "failed", "at its seventh poll");
    assert_eq!(fired(fails["id"].as_u64().unwrap()), 1);
    assert_eq!(world.last()["faults"], json!(["fail_after=7"]));

    let matched = |fields: Value| {
        let mut rule = json!({ "scenario": "http_500" });
        rule.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        world.admin("POST", "rules", &rule)["id"].as_u64().unwrap()
    };
    for (fields, fires) in [
        (json!({ "method": "POST" }), 0),
        (json!({ "method": "get", "times": 1 }), 1),
        (json!({ "path": "/api/v1/generate" }), 0),
        (json!({ "path": "/api/*/status/*", "times": 1 }), 1),
        (json!({ "job": "job_other" }), 0),
        (json!({ "job": job, "times": 1 }), 1),
        (json!({ "probability": 0.0 }), 0),
        (json!({ "probability": 1.0, "seed": 7, "times": 1 }), 1),
    ] {
        let id = matched(fields.clone());
        let status = world.request("GET", &path, &[], "").unwrap().status;
        assert_eq!((fired(id), status == 500), (fires, fires == 1), "{fields}");
    }
}

#[test]
fn a_keys_scenarios_strike_its_downloads_too() {
    let mut world = World::new();
    world.key = "sk-sandbox-t--zip_cut*1".into();
    let (_, paths) = world.completed(DECK);
    let lengths: Vec<usize> =
        (0..2).map(|_| ask(world.url(), "GET", &paths[0], &[], b"").body.len()).collect();
    assert!(lengths[0] < lengths[1], "{lengths:?}");
}

#[test]
fn namespaces_share_nothing_and_can_be_reset() {
    let world = World::new();
    let job = world.job(DECK);
    world.rule("http_500");
    let clock =
        |name: &str| ask(world.url(), "GET", &format!("/_sandbox/clock?namespace={name}"), &[], b"").json();
    assert_eq!((&clock("t")["frozen"], &clock("u")["frozen"]), (&json!(true), &json!(false)));
    let other = World { sandbox: world.sandbox, key: "sk-sandbox-u".into() };
    assert_eq!(other.generate(DECK).status, 202, "the rule is not theirs");
    let jobs = |name: &str| {
        let answer = ask(other.url(), "GET", &format!("/_sandbox/jobs?namespace={name}"), &[], b"").json();
        answer["jobs"].as_array().unwrap().len()
    };
    assert_eq!((jobs("t"), jobs("u")), (1, 1));
    other.admin("POST", "reset", &Value::Null);
    assert_eq!((jobs("t"), jobs("u")), (0, 1));
    let other = World { sandbox: other.sandbox, key: "sk-sandbox-t".into() };
    assert_eq!(other.poll(&job).unwrap().status, 404);
}

#[test]
fn the_clock_is_put_forward_sped_up_and_stopped() {
    let world = World::new();
    let now = || world.admin("GET", "clock", &Value::Null)["now_ms"].as_u64().unwrap();
    let before = now();
    assert_eq!(now(), before, "it stands still");
    world.advance(3600);
    assert_eq!(now(), before + 3_600_000);
    world.admin("POST", "clock", &json!({ "frozen": false, "speed": 100_000 }));
    let running = now();
    while now() < running + 100_000 {}
    for bad in
        [json!({ "speed": 0 }), json!({ "advance_ms": -1 }), json!({ "frozen": 1 }), json!({ "sped": 2 })]
    {
        let answer = ask(world.url(), "POST", "/_sandbox/clock", &[], bad.to_string().as_bytes());
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[test]
fn the_clock_is_in_a_rust_tests_hands_without_http() {
    let world = World::new();
    let job = world.job(DECK);
    let clock = world.sandbox.clock("t").unwrap();
    assert!(clock.is_frozen());
    let before = clock.now();
    assert_eq!(clock.now(), before, "it stands still");
    clock.advance(Duration::from_secs(3600));
    assert_eq!(clock.now(), before + Duration::from_secs(3600));
    assert_eq!(world.state(&job)["status"], "completed", "what HTTP is told is of the same clock");
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
    // The end of time is no panic.
    clock.advance(Duration::MAX);
    clock.advance(Duration::MAX);
    clock.set_frozen(false);
    assert_eq!(clock.now(), Duration::MAX);
    assert_eq!(world.state(&job)["status"], "completed");
}

#[test]
fn the_journal_tells_what_was_asked_and_sent_and_no_key() {
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

    // The same as it happens.
    let address = world.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /_sandbox/events?namespace=t HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    world.generate(DECK);
    let mut seen = String::new();
    let mut bytes = [0; 4096];
    while seen.matches("data: {").count() < 3 {
        let count = stream.read(&mut bytes).unwrap();
        assert!(count > 0, "it ended: {seen}");
        seen += &String::from_utf8_lossy(&bytes[..count]);
    }
    assert!(seen.contains("text/event-stream"));
}

#[test]
fn what_is_delivered_is_billed_once() {
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
fn polls_that_come_too_soon_are_noted() {
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
    // Whatever a poll is answered.
    world.rule("http_503@status*1");
    assert_eq!(world.poll(&job).unwrap().status, 503);
    assert_eq!(violations(), 2);
    world.advance(1);
    // Nor does a key belong to a download, which may be another host's.
    let (job, paths) = world.completed(DECK);
    assert_eq!(ask(world.url(), "GET", &paths[0], &[], b"").status, 200);
    assert_eq!((violations(), &world.last()["key"]), (2, &Value::Null));
    assert_eq!(world.request("GET", &paths[0], &[], "").unwrap().status, 200);
    let told = world.admin("GET", "violations", &Value::Null)["violations"][2].clone();
    assert_eq!((&told["rule"], &told["job_id"]), (&json!("no key with a download"), &json!(job)));
    assert!(world.last()["key"].as_str().unwrap().starts_with("key_"));
}

#[test]
fn connections_can_be_refused_for_a_while() {
    let world = World::new();
    let address = world.url().strip_prefix("http://").unwrap();
    let begin = std::time::Instant::now();
    world.admin("POST", "refuse", &json!({ "ms": 300 }));
    until_accepted(address);
    assert!(begin.elapsed() >= Duration::from_millis(290));

    // Those that are there already go on, and can ask for more of it, or for its end.
    let [mut first, mut second, mut third] = [0; 3].map(|_| TcpStream::connect(address).unwrap());
    // A later one than these is served, so that none of them only waits to be accepted.
    world.admin("GET", "clock", &Value::Null);
    refuse(&mut first, 60_000);
    assert!(is_refused(address), "from the moment at which it is answered");
    refuse(&mut second, 1);
    std::thread::sleep(Duration::from_millis(20));
    assert!(is_refused(address), "for the longer of both");
    refuse(&mut third, 0);
    until_accepted(address);
    // Where none is refused there is nothing to end.
    world.admin("POST", "refuse", &json!({ "ms": 0 }));
    assert_eq!(world.generate(DECK).status, 202);
}

#[test]
fn no_page_drives_it() {
    let world = World::new();
    for (name, value, status) in
        [("Origin", "https://evil.test", 403), ("Origin", "null", 403), ("Host", "evil.test", 421)]
    {
        let answer = ask(world.url(), "POST", "/_sandbox/reset", &[(name, value)], b"");
        assert_eq!(answer.status, status, "{name}: {value}");
    }
    assert_eq!(ask(world.url(), "POST", "/_sandbox/reset", &[("Origin", world.url())], b"").status, 200);
    assert_eq!(ask(world.url(), "GET", "/_sandbox/nope", &[], b"").status, 404);
    assert_eq!(ask(world.url(), "DELETE", "/_sandbox/clock", &[], b"").status, 405);
}
