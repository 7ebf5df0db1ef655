//! Doing what an error says: it has to bring the file, at no further bill.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::books::Books;
use crate::rows::Kind;
use crate::service::Namespace;
use crate::support::api::Error;
use crate::support::deck::presentation;
use crate::support::listing;

/// Longer than anything takes: a week of virtual time.
pub const FOREVER: &str = "604800000";

/// With all faults gone, follows the error to the files of its job, with a client that knows nothing. What there is to
/// do is in the details alone: a job's id, else an idempotency key under which the same request can be repeated.
pub fn settle(
    namespace: &Namespace<'_>,
    error: &Error,
    (kind, takes): (Kind, u64),
    directory: &Path,
) -> Result<(), String> {
    let client = namespace.client(&[]);
    let path = directory.to_str().unwrap();
    let text = |name: &str| error.details[name].as_str().map(str::to_owned);
    let said = format!("{}: {} {}", error.code, error.message, error.details);
    let result = if let Some(job_id) = text("job_id") {
        let options = [("directory", path), ("overwrite", "true"), ("timeout_ms", FOREVER)];
        let waited = client.wait(&job_id, &[("timeout_ms", FOREVER)]);
        waited.and_then(|_| client.download(&job_id, &options))
    } else if let Some(key) = text("idempotency_key") {
        let options = [
            ("directory", path),
            ("overwrite", "true"),
            ("timeout_ms", FOREVER),
            ("idempotency_key", key.as_str()),
        ];
        client.run(&kind.request(takes), &options)
    } else {
        return Err(format!("says neither a job nor a key to go on with: {said}"));
    };
    let result = result.map_err(|again| format!("does not lead to the files: {said}\n  then {again:?}"))?;
    whole(&result, kind.variants(), directory)
        .map_err(|wrong| format!("leads to files that {wrong}: {said}"))?;
    let books = Books::read(namespace);
    if books.jobs.len() != 1 || books.billed.len() != 1 {
        return Err(format!("costs more than one job, {books:?}: {said}"));
    }
    Ok(())
}

/// Whether a result's files are on disk, whole, and as many as were asked for.
pub fn whole(result: &Value, variants: u32, directory: &Path) -> Result<(), String> {
    let files = result["files"].as_array().ok_or("are not listed")?;
    if files.len() != variants as usize {
        return Err(format!("are {} and not {variants}", files.len()));
    }
    for file in files {
        let path = Path::new(file["path"].as_str().unwrap_or_default());
        if path.parent() != Some(directory) {
            return Err(format!("are elsewhere: {}", path.display()));
        }
        let size = fs::metadata(path).map_err(|error| format!("are not there: {error}"))?.len();
        if file["size"] != size {
            return Err(format!("are of {size} bytes, not {}", file["size"]));
        }
        presentation(path)?;
    }
    Ok(())
}

/// What lies in a directory besides whole files: names ending in `.part` and `.unverified`, and what is wrong there.
/// A final name is never that of half a file, and nothing hidden is left behind.
pub struct Left {
    pub parts: Vec<String>,
    pub unverified: Vec<String>,
    pub complaints: Vec<String>,
}

impl Left {
    pub fn read(directory: &Path) -> Left {
        let mut left = Left { parts: Vec::new(), unverified: Vec::new(), complaints: Vec::new() };
        for name in listing(directory) {
            if name.ends_with(".part") {
                // An empty one holds nothing that could be lost.
                let size = fs::metadata(directory.join(&name)).map_or(0, |found| found.len());
                if size > 0 {
                    left.parts.push(name);
                }
            } else if name.ends_with(".unverified") {
                left.unverified.push(name);
            } else if name.starts_with('.') {
                left.complaints.push(format!("{name} was left behind"));
            } else if let Err(wrong) = presentation(&directory.join(&name)) {
                left.complaints.push(format!("files under their final names {wrong}"));
            }
        }
        left
    }
}
