//! What must be true in a scene once its lines have ended.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::scene::{Line, Scene};
use crate::support::deck::presentation;
use crate::support::listing;

impl Scene {
    /// What is wrong with the books, the files and the ledger, where these lines were run, each to its end.
    pub fn judge(&self, lines: &[Line], ledger: &Value) -> Vec<String> {
        let mut found = self.judge_books(lines.len());
        found.extend(self.judge_files(lines));
        found.extend(self.judge_ledger(ledger, lines.len()));
        if !found.is_empty() {
            found.push(format!("the ledger says {ledger}"));
        }
        found
    }

    /// Jobs billed are requests made.
    pub fn judge_books(&self, requests: usize) -> Vec<String> {
        let mut found = Vec::new();
        let jobs = self.jobs();
        if jobs.len() != requests {
            found.push(format!("{requests} requests made {} jobs", jobs.len()));
        }
        let credits = self.namespace.get("credits");
        let keys = credits["keys"].as_array().unwrap();
        let billed = keys.iter().flat_map(|key| key["jobs"].as_array().unwrap()).count();
        if billed != requests {
            found.push(format!("{billed} jobs are billed for {requests} requests"));
        }
        found
    }

    pub fn jobs(&self) -> BTreeSet<String> {
        let jobs = self.namespace.get("jobs");
        let id = |job: &Value| job["job_id"].as_str().unwrap().to_owned();
        jobs["jobs"].as_array().unwrap().iter().map(id).collect()
    }

    /// Files on disk are jobs completed, each whole and under its name.
    pub fn judge_files(&self, lines: &[Line]) -> Vec<String> {
        let mut found = Vec::new();
        let mut expected = BTreeSet::new();
        let mut by_job = 0;
        for line in lines {
            match &line.name {
                Some(name) if line.variants() == 1 => drop(expected.insert(format!("{name}.pptx"))),
                Some(name) => expected.extend((1..=line.variants()).map(|at| format!("{name}-{at}.pptx"))),
                None => by_job += line.variants(),
            }
        }
        let jobs = self.jobs();
        for name in listing(&self.out()) {
            if name.ends_with(".part") {
                continue;
            }
            if let Err(wrong) = presentation(&self.out().join(&name)) {
                found.push(format!("files under their final names {wrong}"));
            }
            if expected.remove(&name) {
                continue;
            }
            if by_job > 0 && name.strip_suffix(".pptx").is_some_and(|stem| jobs.contains(stem)) {
                by_job -= 1;
                continue;
            }
            found.push(format!("{name} should not be there"));
        }
        if by_job > 0 || !expected.is_empty() {
            found.push(format!("{expected:?} and {by_job} files named by jobs are missing"));
        }
        found
    }

    /// Nothing is left to settle, and nothing of the dead.
    fn judge_ledger(&self, ledger: &Value, requests: usize) -> Vec<String> {
        let mut found = Vec::new();
        let jobs = ledger["jobs"].as_array().unwrap();
        let settled = jobs.iter().filter(|job| job["state"] == "settled").count();
        let open = jobs.iter().filter(|job| job["unsettled"] == true || job["live"] == true).count();
        if ledger["unsettled"] != 0 || open > 0 || settled != requests {
            found.push(format!("{settled} of {requests} requests are settled in the ledger"));
        }
        // Of two who close it at the same time neither may be the last, so that the log can stay; nothing else can.
        let ours = ["ledger.db", "ledger.db-shm", "ledger.db-wal", "ledger.db.owners"];
        let owners = self.state().join("ledger.db.owners");
        let owners = if owners.is_dir() { listing(&owners) } else { Vec::new() };
        let left: Vec<String> =
            listing(&self.state()).into_iter().filter(|name| !ours.contains(&&**name)).collect();
        if !left.is_empty() || !owners.is_empty() {
            found.push(format!("beside the ledger are {left:?}, of its owners {owners:?}"));
        }
        found
    }
}
