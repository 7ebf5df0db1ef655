//! The service: what it accepts, what it knows of jobs and keys, and what becomes of a request that trouble
//! strikes. Its state follows from what it was asked and from its clock; nothing happens in it by itself.
//! `api-contract.md`.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::facts::{Answer, Attempt, Body, Facts, Job, Request};
use crate::history::{Endpoint, REQUESTS, Trouble};
use crate::http::{Asking, Door, Reply, sha256};
use crate::support::deck::{damaged, deck};

/// How many times as fast as the wall's the clients' and the service's time runs.
pub const SCALE: u64 = 1000;
pub const HOUR_MS: u64 = 3_600_000;
/// How long the service keeps an idempotency key. Clients send again for up to `WINDOW_MS`.
const KEEP_MS: u64 = 15 * HOUR_MS;
pub const WINDOW_MS: u64 = 10 * HOUR_MS;
/// How long a job is not found where young ones are not, and how long a download's URL holds.
const YOUNG_MS: u64 = 10_000;
const URL_MS: u64 = 30 * 60_000;
/// The longest that an answer is held: by the wall's clock, so that a fault of the test ends.
const MAX_HOLD: Duration = Duration::from_secs(60);

/// What the test, the service's threads and those that read the workers' answers share.
pub struct Shared {
    pub facts: Mutex<Facts>,
    pub changed: Condvar,
    pub door: Door,
    started: Instant,
}

impl Shared {
    pub fn new() -> Arc<Shared> {
        Arc::new(Shared {
            facts: Mutex::default(),
            changed: Condvar::new(),
            door: Door::default(),
            started: Instant::now(),
        })
    }

    pub fn lock(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap()
    }

    /// The service's time.
    pub fn now_ms(&self, facts: &Facts) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap() * SCALE / 1000 + facts.service.passed_ms
    }

    /// The date, whatever the clients' clocks show.
    pub fn true_date(&self) -> SystemTime {
        SystemTime::now() + Duration::from_millis(self.lock().service.passed_ms / SCALE)
    }
}

/// Answers a request.
pub fn answer(shared: &Shared, asking: &Asking) -> Reply {
    let on = match (asking.method.as_str(), asking.path.as_str()) {
        ("POST", "/api/v1/generate") => Endpoint::Submit,
        ("GET", path) if path.starts_with("/api/v1/status/") => Endpoint::Status,
        ("GET", path) if path.starts_with("/files/") => Endpoint::File,
        _ => return refusal(404, "not_found", 0),
    };
    let mut facts = shared.lock();
    let trouble = take(&mut facts, on);
    let (before, after) = match trouble {
        Some(trouble) if comes_after(&trouble) => (None, Some(trouble)),
        other => (other, None),
    };
    let attempt = (on == Endpoint::Submit).then(|| note_attempt(&mut facts, shared, asking));
    let mut facts = facts;
    if let Some(Trouble::Hold { .. }) = before {
        facts = hold(shared, facts, asking.process);
    }
    let mut reply = match &before {
        Some(trouble) if !matches!(trouble, Trouble::Hold { .. }) && is_final(trouble) => {
            troubled(&facts, trouble, asking, None)
        }
        _ => match on {
            Endpoint::Submit => submit(&mut facts, shared, asking, attempt.unwrap()),
            Endpoint::Status => status(&mut facts, shared, asking),
            Endpoint::File => file(&mut facts, shared, asking, before.as_ref()),
        },
    };
    if let Some(trouble) = &after {
        if let Trouble::Hold { .. } = trouble {
            facts = hold(shared, facts, asking.process);
        }
        reply = troubled(&facts, trouble, asking, Some(reply));
    }
    let at = facts.next();
    let job = reply.job;
    facts.requests.push(Request { at, process: asking.process, on, job });
    if let Some(attempt) = attempt {
        facts.attempts[attempt].answer = reply.meaning();
        facts.attempts[attempt].job = job;
    }
    shared.changed.notify_all();
    reply
}

fn take(facts: &mut Facts, on: Endpoint) -> Option<Trouble> {
    let troubles = &mut facts.service.troubles;
    let at = troubles.iter().position(|(where_, _, _)| *where_ == on)?;
    let trouble = troubles[at].1.clone();
    troubles[at].2 -= 1;
    if troubles[at].2 == 0 {
        troubles.remove(at);
    }
    Some(trouble)
}

fn comes_after(trouble: &Trouble) -> bool {
    matches!(
        trouble,
        Trouble::Lose { after: true }
            | Trouble::Hold { after: true }
            | Trouble::Kill { after: true }
            | Trouble::Answer { after: true, .. }
            | Trouble::Garbage { after: true }
    )
}

/// Whether it is all that comes of the request.
fn is_final(trouble: &Trouble) -> bool {
    !matches!(trouble, Trouble::Cut { .. } | Trouble::Damage { .. } | Trouble::Other)
}

/// Waits until answers are released. Nothing is locked meanwhile.
fn hold<'a>(shared: &'a Shared, mut facts: MutexGuard<'a, Facts>, process: usize) -> MutexGuard<'a, Facts> {
    let before = facts.service.released;
    facts.service.holding.push(process);
    shared.changed.notify_all();
    let held = |facts: &mut Facts| facts.service.released == before;
    let mut facts = shared.changed.wait_timeout_while(facts, MAX_HOLD, held).unwrap().0;
    if let Some(at) = facts.service.holding.iter().position(|other| *other == process) {
        facts.service.holding.remove(at);
    }
    facts
}

/// The answer that trouble makes of the right one.
fn troubled(facts: &Facts, trouble: &Trouble, asking: &Asking, right: Option<Reply>) -> Reply {
    let job = right.as_ref().and_then(|right| right.job);
    let reply = match trouble {
        Trouble::Lose { .. } => Reply::nothing(),
        Trouble::Kill { .. } => {
            let pid = facts.processes[asking.process].pid;
            if facts.processes[asking.process].gone.is_none() {
                // SAFETY: a process of this history, which is marked as gone before it is waited for.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
            Reply::nothing()
        }
        Trouble::Answer { status, code, retry_s, .. } => refusal(*status, code, *retry_s),
        Trouble::Garbage { .. } => Reply::text(200, "<html>welcome</html>"),
        _ => return right.unwrap_or_else(Reply::nothing),
    };
    Reply { job, ..reply }
}

pub fn refusal(status: u16, code: &str, retry_s: u32) -> Reply {
    let mut reply = Reply::json(status, &json!({"error": {"code": code, "message": "said so"}}));
    if retry_s > 0 {
        reply.headers.push(("Retry-After".to_owned(), retry_s.to_string()));
    }
    if status == 302 {
        reply.headers.push(("Location".to_owned(), "/elsewhere".to_owned()));
    }
    reply
}

/// Remembers a submission before anything is made of it.
fn note_attempt(facts: &mut Facts, shared: &Shared, asking: &Asking) -> usize {
    let (at, at_ms) = (facts.next(), shared.now_ms(facts));
    facts.attempts.push(Attempt {
        at,
        process: asking.process,
        api: asking.api,
        key: asking.header("idempotency-key").unwrap_or_default().to_owned(),
        body: asking.body.clone(),
        request: request_of(&asking.body),
        answer: Answer::Unknown,
        at_ms,
        job: None,
    });
    shared.changed.notify_all();
    facts.attempts.len() - 1
}

/// Which of the requests a body is.
fn request_of(body: &str) -> u8 {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let is = |(kind, prompt, variants): &(&str, &str, u32)| {
        body["output_type"] == *kind
            && body["prompt"] == *prompt
            && body["variant_count"].as_u64().unwrap_or(1) == u64::from(*variants)
    };
    REQUESTS.iter().position(is).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

fn submit(facts: &mut Facts, shared: &Shared, asking: &Asking, attempt: usize) -> Reply {
    let Attempt { api, key, body, request, .. } = facts.attempts[attempt].clone();
    if usize::from(request) >= REQUESTS.len() {
        return refusal(400, "invalid_request", 0);
    }
    let now = shared.now_ms(facts);
    let known = facts.service.keys.get(&(api, key.clone())).copied();
    let job = match known.filter(|(_, since)| now.saturating_sub(*since) < KEEP_MS && !key.is_empty()) {
        Some((job, _)) if facts.jobs[job].body != body => return refusal(409, "idempotency_conflict", 0),
        Some((job, _)) => job,
        None => make(facts, &facts.attempts[attempt].clone(), now),
    };
    facts.service.keys.entry((api, key)).and_modify(|known| known.0 = job).or_insert((job, now));
    let _ = asking;
    let mut reply = Reply::json(202, &json!({"job_id": facts.jobs[job].id, "status": "pending"}));
    reply.job = Some(job);
    reply
}

fn make(facts: &mut Facts, attempt: &Attempt, now: u64) -> usize {
    let made = facts.next();
    let number = facts.jobs.len() + 1;
    let held = facts.service.hold;
    facts.service.keys.remove(&(attempt.api, attempt.key.clone()));
    facts.jobs.push(Job {
        number: number - 1,
        id: format!("job_{number}"),
        api: attempt.api,
        key: attempt.key.clone(),
        body: attempt.body.clone(),
        request: attempt.request,
        made,
        made_ms: now,
        held,
        end: None,
        ended: None,
        dropped: false,
        late: facts.service.late,
        polls: 0,
        editions: std::collections::BTreeMap::new(),
    });
    number - 1
}

fn job_named(facts: &Facts, id: &str) -> Option<usize> {
    facts.jobs.iter().position(|job| job.id == id)
}

fn status(facts: &mut Facts, shared: &Shared, asking: &Asking) -> Reply {
    let id = asking.path.rsplit('/').next().unwrap_or_default();
    let now = shared.now_ms(facts);
    let Some(at) = job_named(facts, id).filter(|at| facts.jobs[*at].api == asking.api) else {
        return refusal(404, "not_found", 0);
    };
    let young = facts.service.young && now.saturating_sub(facts.jobs[at].made_ms) < YOUNG_MS;
    if young || facts.jobs[at].dropped {
        return Reply { job: Some(at), ..refusal(404, "not_found", 0) };
    }
    if !facts.jobs[at].held && facts.jobs[at].end.is_none() {
        let stamp = facts.next();
        (facts.jobs[at].end, facts.jobs[at].ended) = (Some(true), Some(stamp));
    }
    let pdf = facts.service.pdf;
    let job = &mut facts.jobs[at];
    let (kind, _, variants) = REQUESTS[usize::from(job.request)];
    let word = match job.end {
        None => "processing",
        Some(true) => "completed",
        Some(false) => "failed",
    };
    let mut files = Vec::new();
    if job.end == Some(true) {
        let offered = if job.late > 0 { variants - 1 } else { variants };
        job.late = job.late.saturating_sub(1);
        job.polls += 1;
        for variant in 1..=offered {
            files.push((variant, "pptx"));
        }
        if pdf && offered == variants {
            files.push((1, "pdf"));
        }
    }
    let files: Vec<Value> = files
        .into_iter()
        .map(|(variant, format)| {
            json!({"url": format!("{}/files/{}/{variant}/{format}/{now}?signature=s", asking.origin, job.id),
                   "variant": variant, "format": format})
        })
        .collect();
    let error =
        if job.end == Some(false) { json!({"code": "no", "message": "gave up"}) } else { Value::Null };
    let told =
        json!({"job_id": job.id, "status": word, "output_type": kind, "downloads": files, "error": error});
    Reply { job: Some(at), ..Reply::json(200, &told) }
}

/// The bytes of an edition of a file; a damaged one breaks its checksum.
fn bytes(job: &Job, variant: u32, format: &str, edition: u32, broken: bool) -> Vec<u8> {
    let salt = format!("{} {} variant {variant} edition {edition} {}", job.id, job.request, "x".repeat(300));
    match format {
        "pptx" if broken => damaged(&salt),
        "pptx" => deck(&salt),
        _ => format!("%PDF {salt}").into_bytes(),
    }
}

fn file(facts: &mut Facts, shared: &Shared, asking: &Asking, trouble: Option<&Trouble>) -> Reply {
    let path = asking.path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.trim_start_matches("/files/").split('/').collect();
    let [id, variant, format, issued] = parts[..] else { return refusal(404, "not_found", 0) };
    let (variant, issued): (u32, u64) = (variant.parse().unwrap_or(0), issued.parse().unwrap_or(0));
    let Some(at) = job_named(facts, id).filter(|at| !facts.jobs[*at].dropped) else {
        return refusal(404, "not_found", 0);
    };
    if shared.now_ms(facts).saturating_sub(issued) > URL_MS {
        return Reply { job: Some(at), ..refusal(403, "expired", 0) };
    }
    let edition = facts.jobs[at].editions.entry((variant, format.to_owned())).or_insert(0);
    if matches!(trouble, Some(Trouble::Other | Trouble::Damage { varied: true })) {
        *edition += 1;
    }
    let edition = *edition;
    let broken = matches!(trouble, Some(Trouble::Damage { .. })) && format == "pptx";
    let whole = bytes(&facts.jobs[at], variant, format, edition, broken);
    let hash = sha256(&whole);
    let body = facts.bodies.iter().position(|body| body.hash == hash).unwrap_or_else(|| {
        let format = format.to_owned();
        facts.bodies.push(Body { job: at, variant, format, hash: hash.clone(), sound: !broken, sent: None });
        facts.bodies.len() - 1
    });
    let mut reply = Reply::file(&whole, &format!("\"{}\"", &hash[..16]), asking);
    reply.job = Some(at);
    if let Some(Trouble::Cut { bytes }) = trouble {
        reply.cut = Some(*bytes as usize);
    } else if reply.status == 200 {
        reply.body_sent = Some(body);
    }
    reply
}
