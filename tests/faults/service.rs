//! The sandbox as a test sees it: one process for all, a namespace for each, and its admin API.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::support::Sandbox;
pub use crate::support::admin::ask;
use crate::support::api::Client;
use crate::support::heard::Heard;

/// How many times as fast as the wall's a namespace's clock runs where a test does not say: a minute is 300 ms.
pub const SPEED: u32 = 200;

/// The one sandbox that the tests share. It ends with this process, when its standard input does.
pub fn shared() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::start(SPEED))
}

/// Jobs, clock, rules, journal and credits of a test's own.
pub struct Namespace<'a> {
    sandbox: &'a Sandbox,
    pub name: String,
    pub speed: u32,
    /// Where its clients keep their ledger.
    home: tempfile::TempDir,
    /// What its clients' jitter is seeded with.
    jitter_seed: Option<String>,
}

/// What came of a story in which a request has to come to its end before a deadline, but in less time than the service asks
/// for. How long a machine takes is not what is tested: each clock runs slower than the one before, and `story` says
/// with `None` that the deadline came first.
pub fn slower<T>(story: impl FnMut(u32) -> Option<T>) -> T {
    [SPEED, 50, 10, 2].into_iter().find_map(story).expect("the deadline comes first at every speed")
}

/// A temporary directory, in memory where the system has a place for that: what is shown here is not how fast a disk
/// syncs.
pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// One request, as the journal has it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub number: u64,
    pub at_ms: u64,
    pub path: String,
    pub job_id: Option<String>,
    pub idempotency_key: Option<String>,
    pub range: Option<String>,
    pub body: String,
    pub faults: Vec<String>,
}

impl Entry {
    /// `generate`, `status` or `download`, as scenarios name it; "" for anywhere else.
    pub fn endpoint(&self) -> &'static str {
        if self.path == "/api/v1/generate" {
            "generate"
        } else if self.path.starts_with("/api/v1/status/") {
            "status"
        } else if self.path.starts_with("/files/") {
            "download"
        } else {
            ""
        }
    }
}

impl Namespace<'static> {
    /// A new one in the shared sandbox.
    pub fn new(speed: u32) -> Namespace<'static> {
        Namespace::within(shared(), speed)
    }
}

impl<'a> Namespace<'a> {
    /// A new one in this sandbox.
    pub fn within(sandbox: &'a Sandbox, speed: u32) -> Namespace<'a> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let namespace = Namespace { sandbox, name, speed, home: directory(), jitter_seed: None };
        if speed != sandbox.speed {
            namespace.post("clock", &json!({ "speed": speed }));
        }
        namespace
    }

    /// The same, where each client's jitter is of this seed.
    pub fn with_jitter(self, seed: u64) -> Namespace<'a> {
        Namespace { jitter_seed: Some(seed.to_string()), ..self }
    }

    /// The API key whose requests are this namespace's.
    pub fn key(&self) -> String {
        format!("sk-sandbox-{}", self.name)
    }

    /// A client of this namespace; `further` settings win.
    pub fn client(&self, further: &[(&str, &str)]) -> Client {
        self.configured(further, |pairs| Client::new(pairs).unwrap())
    }

    /// The same whose log is told.
    pub fn heard(&self, heard: &Heard, further: &[(&str, &str)]) -> Client {
        self.configured(further, |pairs| heard.client(pairs))
    }

    fn configured(&self, further: &[(&str, &str)], make: impl FnOnce(&[(&str, &str)]) -> Client) -> Client {
        let (key, scale) = (self.key(), self.speed.to_string());
        let ledger = self.home.path().join("ledger.db");
        let mut pairs = vec![
            ("api_key", key.as_str()),
            ("api_base_url", &self.sandbox.base_url),
            ("time_scale", &scale),
            ("ledger", ledger.to_str().unwrap()),
        ];
        pairs.extend(self.jitter_seed.as_deref().map(|seed| ("jitter_seed", seed)));
        pairs.extend_from_slice(further);
        make(&pairs)
    }

    /// Submits a request without the library; the job's id.
    pub fn submit(&self, request: &Value) -> String {
        let authorization = format!("Authorization: Bearer {}\r\n", self.key());
        let answer = self.ask("POST", "/api/v1/generate", &authorization, Some(request));
        answer["job_id"].as_str().unwrap_or_else(|| panic!("not accepted: {answer}")).to_owned()
    }

    /// Has a scenario strike from now on; rules that were added first are the stronger ones.
    pub fn rule(&self, scenario: &str) -> u64 {
        self.post("rules", &json!({ "scenario": scenario }))["id"].as_u64().unwrap()
    }

    /// How often a rule has struck.
    pub fn fired(&self, rule: u64) -> u64 {
        let rules = self.get("rules");
        let of_rule = rules["rules"].as_array().unwrap().iter().find(|one| one["id"] == rule);
        of_rule.map_or(0, |one| one["fired"].as_u64().unwrap())
    }

    /// From now on nothing goes wrong any more.
    pub fn clear(&self) {
        self.ask("DELETE", &format!("/_sandbox/rules?namespace={}", self.name), "", None);
    }

    /// Puts the sandbox's clock forward, so that jobs that go on are done.
    pub fn advance(&self, seconds: u64) {
        self.post("clock", &json!({ "advance_ms": seconds * 1000 }));
    }

    /// What was asked after this entry.
    pub fn journal(&self, after: u64) -> Vec<Entry> {
        let told = self.get_with("journal", &format!("&after={after}&limit=1000"));
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let entry = |one: &Value| Entry {
            number: one["number"].as_u64().unwrap(),
            at_ms: one["at_ms"].as_u64().unwrap(),
            path: text(&one["path"]).unwrap(),
            job_id: text(&one["job_id"]),
            idempotency_key: text(&one["idempotency_key"]),
            range: text(&one["range"]),
            body: text(&one["body"]).unwrap(),
            faults: one["faults"].as_array().unwrap().iter().filter_map(text).collect(),
        };
        told["entries"].as_array().unwrap().iter().map(entry).collect()
    }

    pub fn get(&self, area: &str) -> Value {
        self.get_with(area, "")
    }

    fn get_with(&self, area: &str, further: &str) -> Value {
        let path = format!("/_sandbox/{area}?namespace={}{further}", self.name);
        self.ask("GET", &path, "Accept: application/json\r\n", None)
    }

    pub fn post(&self, area: &str, body: &Value) -> Value {
        self.ask("POST", &format!("/_sandbox/{area}?namespace={}", self.name), "", Some(body))
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: Option<&Value>) -> Value {
        ask(&self.sandbox.base_url, method, path, headers, body)
    }
}
