//! When a world is still: each call has ended or waits for something that only a later event brings. Nothing
//! sleeps for a time that is thought to be enough; where nothing else says that a process waits, nothing has
//! changed for a while.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::facts::{Call, Facts};
use crate::files;
use crate::history::{Endpoint, Form};
use crate::service::Shared;
use crate::ticks;
use crate::world::{GRACE, OWN_GRACE, World, deadline};

/// How long nothing may change before the world counts as still where nothing else says so.
const STILL: Duration = Duration::from_millis(40);
/// The longest wait for stillness.
const MAX_UNREST: Duration = Duration::from_secs(3);

impl World {
    /// Waits until each call has ended or waits for something that only a later event brings.
    pub fn settle(&mut self) {
        let began = Instant::now();
        let mut last = (Instant::now(), String::new());
        while began.elapsed() < MAX_UNREST + GRACE {
            self.bury_dead();
            let mut all_still = true;
            let mut signature = String::new();
            let shared = Arc::clone(&self.shared);
            for process in self.slots.iter_mut().flatten() {
                let running = runs(&shared.lock(), process.id);
                if running == 0 {
                    continue;
                }
                let before = shared.lock().processes[process.id].looked;
                process.send("look");
                process.until(&shared, |facts| facts.processes[process.id].looked > before);
                let mut facts = shared.lock();
                all_still &= is_still(&mut facts, process.id);
                signature += &sign(&facts, process.id);
            }
            note_files(&shared, &self.base);
            let short = is_short_running(&shared.lock());
            if all_still && !short {
                return;
            }
            if signature != last.1 {
                last = (Instant::now(), signature);
            } else if !short && last.0.elapsed() > STILL {
                return;
            }
            if began.elapsed() > MAX_UNREST && !short {
                return;
            }
            let facts = shared.lock();
            drop(shared.changed.wait_timeout(facts, Duration::from_millis(2)).unwrap());
        }
    }
}

/// Whether a call has not ended, or its program has not freed the end that it frees at once.
fn is_open(call: &Call) -> bool {
    call.ended.is_none() || call.form == Form::Queue && call.told.is_none()
}

/// How many calls of a process are open, as far as it is known.
fn runs(facts: &Facts, process: usize) -> usize {
    facts.calls.iter().filter(|call| call.process == process && is_open(call)).count()
}

/// Whether a call with a short deadline runs that is not overdue: it ends by itself.
fn is_short_running(facts: &Facts) -> bool {
    facts.calls.iter().any(|call| {
        let alive = facts.processes[call.process].gone.is_none() && !facts.processes[call.process].eof;
        let open = call.ended.is_none() && call.form != Form::Keep && alive;
        open && deadline(call)
            .is_some_and(|short| ticks::now() < call.ticks.0 + ticks::of(short + GRACE + OWN_GRACE))
    })
}

fn operations(facts: &Facts, process: usize) -> Vec<&Value> {
    let clients = facts.processes[process].activity.values();
    clients.filter_map(|activity| activity["operations"].as_array()).flatten().collect()
}

/// Whether all that a process does waits for an event. Notes the calls that are seen to be under way.
fn is_still(facts: &mut Facts, process: usize) -> bool {
    let open: Vec<usize> = (0..facts.calls.len())
        .filter(|at| facts.calls[*at].process == process && is_open(&facts.calls[*at]))
        .collect();
    let (kept, others): (Vec<usize>, Vec<usize>) =
        open.into_iter().partition(|at| facts.calls[*at].form == Form::Keep);
    let holds = facts.service.holding.contains(&process);
    let running = operations(facts, process).len();
    let waiting = |operation: &&&Value| {
        let job = facts.jobs.iter().find(|job| operation["job_id"] == job.id.as_str());
        let works = matches!(operation["status"].as_str(), Some("processing" | "pending"));
        operation["phase"] == "waiting" && works && job.is_some_and(|job| job.held && job.end.is_none())
    };
    let still = operations(facts, process).iter().filter(waiting).count();
    let all = running == still || holds;
    let counted = running >= others.len() && running <= others.len() + kept.len();
    // A call that has sent nothing, or waits for an equal one in another process, works on nothing, and has perhaps
    // reserved no name. The second has a job or a key, and no status.
    let idle = |operation: &&Value| {
        operation["phase"] == "preparing" || operation["phase"] == "waiting" && operation["status"].is_null()
    };
    if all && counted && kept.is_empty() && !operations(facts, process).iter().any(idle) {
        let now = facts.next();
        for at in others {
            facts.calls[at].under_way.get_or_insert(now);
        }
    }
    all && counted
}

/// What must not change any more.
fn sign(facts: &Facts, process: usize) -> String {
    let asked = facts.requests.iter().filter(|request| request.on != Endpoint::Status).count();
    let mut text = format!("{process}: {asked} {} ", runs(facts, process));
    for operation in operations(facts, process) {
        for field in ["operation", "phase", "job_id", "status", "idempotency_key"] {
            text += &format!("{} ", operation[field]);
        }
    }
    text
}

/// Looks at the files of results that have just come.
fn note_files(shared: &Shared, base: &Path) {
    let mut facts = shared.lock();
    for call in facts.calls.iter_mut().filter(|call| call.ended.is_some() && call.seen.is_empty()) {
        let mut lists = vec![&call.result["files"]];
        if let Some(jobs) = call.result["jobs"].as_array() {
            lists.extend(jobs.iter().map(|job| &job["result"]["files"]));
        }
        let files = lists.into_iter().filter_map(Value::as_array).flatten();
        let paths = files.filter_map(|file| file["path"].as_str());
        call.seen = paths.map(|path| (files::real(Path::new(path)), files::hash(Path::new(path)))).collect();
        if call.code == "INCOMPLETE" && call.kept.is_empty() {
            call.kept = files::all(base).into_values().collect();
        }
    }
}
