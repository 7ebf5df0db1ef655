//! The endpoints of the API: what each answers, as documented.

use std::time::Duration;

use serde_json::json;

use super::call::Call;
use super::context::Context;
use super::fault::{Endpoint, Fault, Layer};
use super::job::{Job, State};
use super::refusals::{not_found, unauthorized};
use super::scenario::Scenario;
use super::store::{KeyPolicy, Lookup};
use super::{corruption, downloads, submission};
use crate::hash;
use crate::http::{Request, Response};

/// `POST /api/v1/generate`. The documentation leaves open which 2xx accepts a submission: 202 here, since the
/// job only begins.
pub fn generate(context: &Context, call: &mut Call<'_>) -> Response {
    let Some(bearer) = &call.bearer else { return unauthorized("the Authorization header is missing") };
    let idempotency_key = call.request.header("idempotency-key");
    let is_valid =
        |key: &str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if !idempotency_key.is_none_or(is_valid) {
        let message = "Idempotency-Key must be 1 to 255 visible ASCII characters";
        return Response::error(400, "invalid_request", message);
    }
    let submission = match submission::read(call.request) {
        Ok(submission) => submission,
        Err(invalid) => return invalid.response(),
    };
    let fault = call.key_policy.as_ref().map(|scenario| scenario.fault);
    let policy = KeyPolicy {
        forgotten: fault == Some(Fault::KeysForgotten),
        in_work: fault == Some(Fault::ConflictInWork),
        per_organization: fault == Some(Fault::KeysPerOrganization),
    };
    let mut world = context.lock();
    let namespace = world.namespace(&call.namespace);
    let now = namespace.clock.now();
    let (id, output_type) = match namespace.store.look_up(&bearer.key, idempotency_key, &submission, policy) {
        Lookup::Known(id, output_type) => (id, output_type),
        Lookup::Conflict => return conflict(call, "this Idempotency-Key was used with another body"),
        Lookup::InWork => {
            return conflict(call, "the first request with this Idempotency-Key is in work");
        }
        Lookup::New => {
            let id = job_id(context.seed, world.next_job());
            let output_type = submission.output_type.name();
            let mut job = Job::new(&id, bearer.key.clone(), submission, now, idempotency_key);
            job.key_scenarios.clone_from(&bearer.scenarios);
            world.add_job(&call.namespace, &id, job);
            (id, output_type)
        }
    };
    let accepted = json!({ "job_id": id, "status": "pending", "output_type": output_type });
    call.entry.job_id = Some(id);
    Response::json(202, &accepted)
}

fn conflict(call: &mut Call<'_>, message: &str) -> Response {
    call.conflicts = true;
    Response::error(409, "idempotency_conflict", message)
}

/// A job id. It looks random, and is the same for the same seed and number.
fn job_id(seed: u64, number: u64) -> String {
    let digest = hash::sha256(&[b"job", &seed.to_le_bytes(), &number.to_le_bytes()]);
    format!("job_{}", hash::hex(&digest[..12]))
}

/// `GET /api/v1/status/{job_id}`.
pub fn status(context: &Context, call: &mut Call<'_>) -> Response {
    let (Some(bearer), Some(id)) = (&call.bearer, call.job.clone()) else { return not_found() };
    let mut world = context.lock();
    let namespace = world.namespace(&call.namespace);
    let now = namespace.clock.now();
    if namespace.store.job(&id).is_none_or(|job| job.key != bearer.key) {
        return not_found();
    }
    // The pace comes first: it decides whether the job has ended, and the next layer changes how.
    if call.matching_one(&mut world, Endpoint::Status, Layer::Pace).is_some()
        && let Some(job) = world.namespace(&call.namespace).store.job_mut(&id)
    {
        job.complete(now);
    }
    let scenario = call.matching_one(&mut world, Endpoint::Status, Layer::Job);
    let namespace = world.namespace(&call.namespace);
    let clock = namespace.clock.clone();
    let Some(job) = namespace.store.job_mut(&id) else { return not_found() };
    let status = job.poll(&id, now, scenario.as_ref(), |variant| context.file_url(&clock, &id, variant));
    Response::json(200, &status).with("cache-control", "no-store")
}

/// `GET /files/{job_id}/{variant}.pptx`. It needs a signature and no key.
pub fn download(context: &Context, call: &Call<'_>, scenario: Option<&Scenario>) -> Response {
    if let Some(response) = scenario.and_then(|scenario| refusal(context, call.request, scenario)) {
        return response;
    }
    let fault = scenario.map(|scenario| scenario.fault);
    let bytes = match render(context, call, fault) {
        Ok(bytes) => bytes,
        Err(refusal) => return refusal,
    };
    let bytes = scenario.and_then(|scenario| corruption::corrupt_file(&bytes, scenario)).unwrap_or(bytes);
    let ranges = fault != Some(Fault::RangesIgnored);
    let overlap = scenario.filter(|scenario| scenario.fault == Fault::ResumeOverlaps);
    downloads::deliver(bytes, call.request, ranges, overlap.map_or(0, |scenario| scenario.number() as usize))
}

/// The error or redirect that a scenario gives in the place of a file.
fn refusal(context: &Context, request: &Request, scenario: &Scenario) -> Option<Response> {
    Some(match scenario.fault {
        Fault::SignatureRefused => downloads::bad_signature(),
        Fault::Expired => {
            let status = u16::try_from(scenario.number() as u64).unwrap_or(403).clamp(400, 499);
            Response::error(status, "expired", downloads::EXPIRED)
        }
        Fault::RedirectTo => Response::new(302, "text/plain", "").with("location", scenario.value.clone()),
        Fault::RedirectLoop | Fault::RedirectOnce => downloads::redirect(request, &context.base_url, "1"),
        Fault::RedirectOtherHost => {
            downloads::redirect(request, &context.base_url.replace("127.0.0.1", "localhost"), "host")
        }
        Fault::RedirectToHttp => {
            downloads::redirect(request, &format!("http://{}", context.authority), "http")
        }
        _ => return None,
    })
}

/// The file that a download asks for.
fn render(context: &Context, call: &Call<'_>, fault: Option<Fault>) -> Result<Vec<u8>, Response> {
    let mut world = context.lock();
    let edition = (fault == Some(Fault::EtagChanges)).then_some(world.entries());
    let namespace = world.namespace(&call.namespace);
    let known = call.job.as_deref().filter(|job| namespace.store.job(job).is_some());
    if let (Some(job), true) = (known, call.request.header("authorization").is_some()) {
        namespace.watch_download(job);
    }
    let file = downloads::check(call.request, &context.signer, &namespace.clock)?;
    let job = namespace.store.job(&file.job_id).ok_or_else(not_found)?;
    // A file that was offered once stays available, also when a scenario completed its job early.
    let exists =
        (1..=job.submission.variants).contains(&file.variant) && job.state(Duration::MAX) != State::Failed;
    if !exists {
        return Err(not_found());
    }
    let rendered = job.render(&file.job_id, file.variant, edition, &namespace.clock);
    rendered
        .map_err(|error| Response::error(500, "internal", format!("the deck could not be written: {error}")))
}
