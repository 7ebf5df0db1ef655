//! The fixture of the scenario tests: a sandbox, and a client of one of its namespaces.

use perceptis_sandbox::{Running, Sandbox, Settings};
use serde_json::{Value, json};

use crate::support::{Response, ask, path_of, try_ask};

pub const SLIDES: &str = r#"{"prompt":"p","output_type":"single_slide","variant_count":2}"#;
pub const DECK: &str = r#"{"prompt":"Plan\n- One\n- Two","output_type":"deck"}"#;

/// A namespace of a sandbox. Its clock is stopped, so that a test advances it.
pub struct World {
    pub sandbox: Running,
    pub key: String,
}

impl World {
    pub fn new() -> World {
        let world =
            World { sandbox: Sandbox::start(Settings::default()).unwrap(), key: "sk-sandbox-t".into() };
        world.admin("POST", "clock", &json!({ "frozen": true }));
        world
    }

    pub fn url(&self) -> &str {
        self.sandbox.base_url()
    }

    pub fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let path = format!("/_sandbox/{path}?namespace=t");
        let response = ask(self.url(), method, &path, &[], text.as_bytes());
        assert!(response.status < 300, "{path}: {response:?}");
        response.json()
    }

    pub fn advance(&self, seconds: u64) {
        self.admin("POST", "clock", &json!({ "advance_ms": seconds * 1000 }));
    }

    pub fn rule(&self, scenario: &str) -> u64 {
        self.admin("POST", "rules", &json!({ "scenario": scenario }))["id"].as_u64().unwrap()
    }

    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Response> {
        let bearer = format!("Bearer {}", self.key);
        let mut all = vec![("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        all.extend_from_slice(headers);
        try_ask(self.url(), method, path, &all, body.as_bytes())
    }

    pub fn generate(&self, body: &str) -> Response {
        self.request("POST", "/api/v1/generate", &[], body).unwrap()
    }

    /// Submits a job.
    pub fn job(&self, body: &str) -> String {
        let response = self.generate(body);
        assert_eq!(response.status, 202, "{response:?}");
        response.json()["job_id"].as_str().unwrap().to_owned()
    }

    pub fn poll(&self, job: &str) -> Option<Response> {
        self.request("GET", &format!("/api/v1/status/{job}"), &[], "")
    }

    pub fn state(&self, job: &str) -> Value {
        self.poll(job).unwrap().json()
    }

    /// A completed job, with the paths of its files.
    pub fn completed(&self, body: &str) -> (String, Vec<String>) {
        let job = self.job(body);
        self.advance(3600);
        let state = self.state(&job);
        assert_eq!(state["status"], "completed");
        let downloads = state["downloads"].as_array().unwrap();
        (job, downloads.iter().map(|download| path_of(download["url"].as_str().unwrap())).collect())
    }

    pub fn credits(&self) -> u64 {
        self.admin("GET", "credits", &Value::Null)["credits"].as_u64().unwrap()
    }

    /// The newest entry of the journal.
    pub fn last(&self) -> Value {
        let entries = self.admin("GET", "journal", &Value::Null);
        entries["entries"].as_array().unwrap().last().unwrap().clone()
    }

    /// The number of jobs.
    pub fn jobs(&self) -> usize {
        self.admin("GET", "jobs", &Value::Null)["jobs"].as_array().unwrap().len()
    }

    pub fn remove_rule(&self, id: u64) {
        self.admin("DELETE", &format!("rules/{id}"), &Value::Null);
    }
}
