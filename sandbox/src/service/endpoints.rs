//! What each endpoint answers, as documented.

use std::time::Duration;

use serde_json::json;

use super::job::{Job, State};
use super::scenario::{Endpoint, Fault, Layer, Scenario};
use super::store::{Keeping, Submitted};
use super::{Call, Service, breakage, files, job_id, not_found, request, unauthorized};
use crate::http::Response;

impl Service {
    /// `POST /api/v1/generate`. The docs leave open which 2xx says yes: 202 here, as the job only begins.
    pub(super) fn generate(&self, call: &mut Call<'_>) -> Response {
        let Some(bearer) = &call.bearer else { return unauthorized("the Authorization header is missing") };
        let idempotency_key = call.request.header("idempotency-key");
        if idempotency_key.is_some_and(|key| {
            !(1..=255).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic())
        }) {
            let message = "Idempotency-Key must be 1 to 255 visible ASCII characters";
            return Response::error(400, "invalid_request", message);
        }
        let wanted = match request::read(call.request) {
            Ok(wanted) => wanted,
            Err(refusal) => return refusal.response(),
        };
        let fault = call.keeping.as_ref().map(|scenario| scenario.fault);
        let keeping = Keeping {
            forgotten: fault == Some(Fault::KeysForgotten),
            in_work: fault == Some(Fault::ConflictInWork),
            per_organization: fault == Some(Fault::KeysPerOrganization),
        };
        let mut world = self.lock();
        let accepted = |id: &str, output_type: &str| {
            Response::json(202, &json!({ "job_id": id, "status": "pending", "output_type": output_type }))
        };
        let namespace = world.namespace(&call.namespace, self.speed);
        let now = namespace.clock.now();
        let mut conflict = |message: &str| {
            call.conflicts = true;
            Response::error(409, "idempotency_conflict", message)
        };
        match namespace.store.look_up(&bearer.key, idempotency_key, &wanted, keeping) {
            Submitted::Known(id, output_type) => {
                let response = accepted(&id, output_type);
                call.entry.job_id = Some(id);
                response
            }
            Submitted::Conflict => conflict("this Idempotency-Key was used with another body"),
            Submitted::InWork => conflict("the first request with this Idempotency-Key is in work"),
            Submitted::New => {
                let id = job_id(self.seed, world.jobs);
                world.jobs += 1;
                let output_type = wanted.output_type.name();
                let mut job = Job::new(&id, bearer.key.clone(), wanted, now, idempotency_key);
                job.key_scenarios.clone_from(&bearer.scenarios);
                let forgotten = world.namespace(&call.namespace, self.speed).store.insert(&id, job);
                for job in forgotten {
                    world.homes.remove(&job);
                }
                world.homes.insert(id.clone(), call.namespace.clone());
                let response = accepted(&id, output_type);
                call.entry.job_id = Some(id);
                response
            }
        }
    }

    /// `GET /api/v1/status/{job_id}`.
    pub(super) fn status(&self, call: &mut Call<'_>) -> Response {
        let (Some(bearer), Some(id)) = (&call.bearer, call.job.clone()) else { return not_found() };
        let mut world = self.lock();
        let namespace = world.namespace(&call.namespace, self.speed);
        let now = namespace.clock.now();
        if namespace.store.job(&id).is_none_or(|job| job.key != bearer.key) {
            return not_found();
        }
        // How long it takes first: what else becomes of it is seen at its end.
        if self.strike_one(&mut world, call, Endpoint::Status, Layer::Pace).is_some()
            && let Some(job) = world.namespace(&call.namespace, self.speed).store.job_mut(&id)
        {
            job.complete(now);
        }
        let struck = self.strike_one(&mut world, call, Endpoint::Status, Layer::Job);
        let namespace = world.namespace(&call.namespace, self.speed);
        let clock = namespace.clock.clone();
        let Some(job) = namespace.store.job_mut(&id) else { return not_found() };
        let url = |variant| files::url(&self.base_url, &self.signer, &clock, &id, variant);
        let told = job.poll(&id, now, struck.as_ref(), url);
        Response::json(200, &told).with("cache-control", "no-store")
    }

    /// `GET /files/{job_id}/{variant}.pptx`: needs a signature and no key.
    pub(super) fn download(&self, call: &Call<'_>, struck: Option<&Scenario>) -> Response {
        let request = call.request;
        let fault = struck.map(|scenario| scenario.fault);
        match (fault, struck) {
            (Some(Fault::SignatureRefused), _) => {
                return Response::error(403, "forbidden", "the signature is not of this URL");
            }
            (Some(Fault::Expired), Some(scenario)) => {
                let status = u16::try_from(scenario.number() as u64).unwrap_or(403).clamp(400, 499);
                return Response::error(
                    status,
                    "expired",
                    "the URL has expired; poll the job for a fresh one",
                );
            }
            (Some(Fault::RedirectTo), Some(scenario)) => {
                return Response::new(302, "text/plain", "").with("location", scenario.value.clone());
            }
            (Some(Fault::RedirectLoop | Fault::RedirectOnce), _) => {
                return files::redirect(request, &self.base_url, "1");
            }
            (Some(Fault::RedirectOtherHost), _) => {
                let base_url = self.base_url.replace("127.0.0.1", "localhost");
                return files::redirect(request, &base_url, "host");
            }
            (Some(Fault::RedirectToHttp), _) => {
                return files::redirect(request, &format!("http://{}", self.authority), "http");
            }
            _ => {}
        }
        let rendered = {
            let mut world = self.lock();
            let edition = (fault == Some(Fault::EtagChanges)).then_some(world.entries);
            let namespace = world.namespace(&call.namespace, self.speed);
            let known = call.job.as_deref().filter(|job| namespace.store.job(job).is_some());
            if let (Some(job), true) = (known, request.header("authorization").is_some()) {
                namespace.watch_download(job);
            }
            let asked = match files::check(request, &self.signer, &namespace.clock) {
                Ok(asked) => asked,
                Err(refusal) => return refusal,
            };
            // A file that was offered once stays: what a scenario completed early is complete.
            let job = namespace.store.job(&asked.job_id);
            match job.filter(|job| (1..=job.wanted.variants).contains(&asked.variant)) {
                Some(job) if job.state(Duration::MAX) != State::Failed => {
                    job.render(&asked.job_id, asked.variant, edition, &namespace.clock)
                }
                _ => return not_found(),
            }
        };
        let bytes = match rendered {
            Ok(bytes) => bytes,
            Err(error) => {
                return Response::error(500, "internal", format!("the deck could not be written: {error}"));
            }
        };
        let bytes = struck.and_then(|scenario| breakage::break_file(&bytes, scenario)).unwrap_or(bytes);
        let ranges = fault != Some(Fault::RangesIgnored);
        let overlap = struck.filter(|scenario| scenario.fault == Fault::ResumeOverlaps);
        files::deliver(bytes, request, ranges, overlap.map_or(0, |scenario| scenario.number() as usize))
    }
}
