//! Holds what came of a case against its row, and against what is true of every case.

use serde_json::Value;

use crate::books;
use crate::play::{Case, Played, takes_a_timeout};
use crate::rows::{Billed, End, Leaves, Operation};
use crate::service::Namespace;
use crate::settle::{Left, settle, whole};
use crate::support::api::Error;

/// What is wrong.
pub fn judge(case: &Case, namespace: &Namespace<'_>, job: Option<&str>, played: &Played) -> Vec<String> {
    let row = case.row;
    let end = if case.always { &row.always } else { &row.struck };
    let mut found = Vec::new();
    if played.fired == 0 && !row.quiet {
        found.push("the fault never struck".to_owned());
    }
    requests(case, end, played, &mut found);
    if takes_a_timeout(row.name()) {
        found.extend(books::sameness(&played.entries));
    } else {
        found.extend(books::complaints(&played.entries));
        found.extend(books::violations(namespace));
    }
    found.extend(played.later.complaints());

    let left = Left::read(played.directory.path());
    let leaves = match (left.parts.len(), left.unverified.len()) {
        (0, 0) => Leaves::Nothing,
        (1, 0) => Leaves::Part,
        (0, 1) => Leaves::Unverified,
        _ => Leaves::PerhapsPart,
    };
    let either = end.leaves == Leaves::PerhapsPart && matches!(leaves, Leaves::Nothing | Leaves::Part);
    if leaves != end.leaves && !either {
        found.push(format!("leaves {:?} and {:?}, not {:?}", left.parts, left.unverified, end.leaves));
    }
    found.extend(left.complaints);

    let code = played.result.as_ref().err().map_or("OK", |error| error.code.as_str());
    if !end.code.split('|').any(|one| one == code) {
        let said = played.result.as_ref().err().map(|error| format!(": {} {}", error.message, error.details));
        found.push(format!("is {code} and not {}{}", end.code, said.unwrap_or_default()));
    }
    match &played.result {
        Ok(result) => success(case, result, played, &mut found),
        Err(error) => failure(case, namespace, job, error, end, played, &mut found),
    }
    found
}

fn requests(case: &Case, end: &End, played: &Played, found: &mut Vec<String>) {
    let at = case.row.at;
    let count = played.entries.iter().filter(|entry| entry.endpoint() == at).count() as u64;
    let (least, most) = end.requests;
    if !(least..=most).contains(&count) {
        found.push(format!("{count} requests to {at}, not {least} to {most}"));
    }
    let floor = case.row.floor_ms();
    found.extend(books::undercuts(&played.entries, at, case.row.name(), floor));
}

fn success(case: &Case, result: &Value, played: &Played, found: &mut Vec<String>) {
    match case.operation {
        Operation::Run | Operation::Download => {
            if let Err(wrong) = whole(result, case.row.kind.variants(), played.directory.path()) {
                found.push(format!("the files {wrong}"));
            }
            if result["billed"] != "yes" || played.now.billed.len() != 1 {
                found.push(format!("says billed: {}; the books say {:?}", result["billed"], played.now));
            }
        }
        Operation::Wait if result["status"] != "completed" => found.push(format!("waited for {result}")),
        _ => {}
    }
    if played.later.jobs.len() != 1 || result["job_id"] != played.later.jobs[0].as_str() {
        found.push(format!("is about job {}, and the jobs are {:?}", result["job_id"], played.later.jobs));
    }
}

fn failure(
    case: &Case,
    namespace: &Namespace<'_>,
    job: Option<&str>,
    error: &Error,
    end: &End,
    played: &Played,
    found: &mut Vec<String>,
) {
    let said = match end.billed {
        Billed::No => "no",
        Billed::Unknown => "unknown",
        Billed::Yes => "yes",
        Billed::AsInTheBooks => error.details["billed"].as_str().unwrap_or_default(),
    };
    if error.details["billed"] != said {
        found.push(format!("says billed: {}, not {said}", error.details["billed"]));
    }
    if !case.row.lies
        && let Err(wrong) = books::is_true(error, &played.now, &played.later)
    {
        found.push(wrong);
    }
    let text = |name: &str| error.details[name].as_str();
    // Whoever submitted beyond a refusal can settle it, and whoever has a job knows which.
    let accepted = case.row.at != "generate" && matches!(case.operation, Operation::Run);
    let known = job.or(if accepted { played.now.jobs.first().map(String::as_str) } else { None });
    if text("job_id") != known {
        found.push(format!("is about job {}, not {known:?}", error.details["job_id"]));
    }
    if case.row.at == "generate" {
        // What is not known is not denied, and what is known is not left open.
        let fate = if error.code == "OUTCOME_UNKNOWN" { "unknown" } else { "no" };
        if error.details["billed"] != fate {
            found.push(format!("is {} and says billed: {}", error.code, error.details["billed"]));
        }
    }
    if error.code == "OUTCOME_UNKNOWN" {
        let sent = played.entries.iter().find_map(|entry| entry.idempotency_key.as_deref());
        if text("idempotency_key") != sent || sent.is_none_or(|key| !error.message.contains(key)) {
            found.push(format!("does not say the key {sent:?}: {} {}", error.message, error.details));
        }
    }
    let floor = case.row.floor_ms();
    let asked = error.details["retry_after_ms"].as_u64();
    if (error.code == "RATE_LIMITED" || floor == u64::MAX) && floor > 0 && error.code != "OUTCOME_UNKNOWN" {
        // The longest is as good as for ever, however it is told.
        let least = if floor == u64::MAX { 100 * 365 * 24 * 3600 * 1000 } else { floor };
        if asked.is_none_or(|asked| asked < least) {
            found.push(format!("asks to wait {asked:?} ms, not {least}"));
        }
    }
    let shown = format!("{} {}", error.message, error.details);
    if shown.contains(&namespace.key()) || shown.contains("signature=") || shown.contains("expires=") {
        found.push(format!("tells a secret: {shown}"));
    }
    let nothing_to_do = error.details["billed"] == "no" || case.row.lies || error.code == "JOB_FAILED";
    if found.is_empty() && !nothing_to_do {
        namespace.clear();
        let asked = (case.row.kind, case.row.takes);
        if let Err(wrong) = settle(namespace, error, asked, played.directory.path()) {
            found.push(wrong);
        }
    }
}
