//! What each endpoint answers, as documented.

use std::time::Duration;

use serde_json::json;

use super::job::{Job, State};
use super::scenario::{Endpoint, Fault, Layer, Scenario};
use super::store::{Keeping, Submitted};
use super::{Call, Service, breakage, files, job_id, not_found, request, strike, unauthorized};
use crate::http::{Answer, Body};

impl Service {
    /// `POST /api/v1/generate`. The docs leave open which 2xx says yes: 202 here, as the job only begins.
    pub(super) fn generate(&self, call: &mut Call<'_>) -> Answer {
        let Some(bearer) = &call.bearer else { return unauthorized("the Authorization header is missing") };
        let idempotency_key = call.question.header("idempotency-key");
        if idempotency_key.is_some_and(|key| {
            !(1..=255).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic())
        }) {
            let message = "Idempotency-Key must be 1 to 255 visible ASCII characters";
            return Answer::error(400, "invalid_request", message);
        }
        let mut world = self.lock();
        let kept = strike(&mut world, self.speed, call, Endpoint::Generate, &[Layer::Idempotency]);
        call.entry.faults.extend(kept.iter().map(|scenario| scenario.text.clone()));
        let kept = kept.into_iter().next();
        let repeats = kept.as_ref().is_some_and(|scenario| scenario.fault == Fault::RefusalsKept);
        if let (true, Some(text)) = (repeats, idempotency_key)
            && let Some((status, body)) =
                world.namespace(&call.namespace, self.speed).store.refusal(&bearer.key, text)
        {
            return Answer::new(*status, "application/json", body.clone());
        }
        let wanted = match request::read(call.question) {
            Ok(wanted) => wanted,
            Err(refusal) => {
                let answer = refusal.answer();
                if let (true, Some(text), Body::Bytes(body)) = (repeats, idempotency_key, &answer.body) {
                    let namespace = world.namespace(&call.namespace, self.speed);
                    namespace.store.keep_refusal(&bearer.key, text, answer.status, body);
                }
                return answer;
            }
        };
        let seconds = |fault: Fault| {
            let scenario = kept.as_ref().filter(|scenario| scenario.fault == fault)?;
            Duration::try_from_secs_f64(scenario.number()).ok()
        };
        let keeping = Keeping {
            forgotten_after: seconds(Fault::KeysForgotten),
            in_work: seconds(Fault::ConflictInWork),
            per_organization: kept
                .as_ref()
                .is_some_and(|scenario| scenario.fault == Fault::KeysPerOrganization),
        };
        let accepted = |id: &str, output_type: &str| {
            Answer::json(202, &json!({ "job_id": id, "status": "pending", "output_type": output_type }))
        };
        let namespace = world.namespace(&call.namespace, self.speed);
        let now = namespace.clock.now();
        match namespace.store.look_up(&bearer.key, idempotency_key, &wanted, now, keeping) {
            Submitted::Known(id, output_type) => {
                let answer = accepted(&id, output_type);
                call.entry.job_id = Some(id);
                answer
            }
            Submitted::Conflict => {
                Answer::error(409, "idempotency_conflict", "this Idempotency-Key was used with another body")
            }
            Submitted::InWork => Answer::error(
                409,
                "idempotency_conflict",
                "the first request with this Idempotency-Key is in work",
            ),
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
                let answer = accepted(&id, output_type);
                call.entry.job_id = Some(id);
                answer
            }
        }
    }

    /// `GET /api/v1/status/{job_id}`.
    pub(super) fn status(&self, call: &mut Call<'_>) -> Answer {
        let (Some(bearer), Some(id)) = (&call.bearer, call.job.clone()) else { return not_found() };
        let mut world = self.lock();
        let struck = strike(&mut world, self.speed, call, Endpoint::Status, &[Layer::Job]);
        call.entry.faults.extend(struck.iter().map(|scenario| scenario.text.clone()));
        let namespace = world.namespace(&call.namespace, self.speed);
        let now = namespace.clock.now();
        if namespace.store.job(&id).is_none_or(|job| job.key != bearer.key) {
            return not_found();
        }
        namespace.watch_pace(&id, now);
        let clock = namespace.clock.clone();
        let Some(job) = namespace.store.job_mut(&id) else { return not_found() };
        let url = |variant| files::url(&self.base_url, &self.signer, &clock, &id, variant);
        let told = job.poll(&id, now, struck.first(), url);
        Answer::json(200, &told).with("cache-control", "no-store")
    }

    /// `GET /files/{job_id}/{variant}.pptx`: needs a signature and no key.
    pub(super) fn download(&self, call: &Call<'_>, struck: Option<&Scenario>) -> Answer {
        let question = call.question;
        let fault = struck.map(|scenario| scenario.fault);
        match (fault, struck) {
            (Some(Fault::SignatureRefused), _) => {
                return Answer::error(403, "forbidden", "the signature is not of this URL");
            }
            (Some(Fault::Expired), Some(scenario)) => {
                let status = u16::try_from(scenario.number() as u64).unwrap_or(403).clamp(400, 499);
                return Answer::error(status, "expired", "the URL has expired; poll the job for a fresh one");
            }
            (Some(Fault::RedirectToHost), Some(scenario)) => {
                return Answer::new(302, "text/plain", "").with("location", scenario.value.clone());
            }
            (Some(Fault::RedirectLoop), _) => return files::redirect(question, &self.base_url),
            (Some(Fault::RedirectOnce), _) if question.parameter("again").is_none() => {
                return files::redirect(question, &self.base_url);
            }
            _ => {}
        }
        let rendered = {
            let mut world = self.lock();
            let namespace = world.namespace(&call.namespace, self.speed);
            let asked = match files::check(question, &self.signer, &namespace.clock) {
                Ok(asked) => asked,
                Err(refusal) => return refusal,
            };
            // A file that was offered once stays: what a scenario completed early is complete.
            let job = namespace.store.job(&asked.job_id);
            match job.filter(|job| (1..=job.wanted.variants).contains(&asked.variant)) {
                Some(job) if job.state(Duration::MAX) != State::Failed => {
                    job.render(&asked.job_id, asked.variant, &namespace.clock)
                }
                _ => return not_found(),
            }
        };
        let bytes = match rendered {
            Ok(bytes) => bytes,
            Err(error) => {
                return Answer::error(500, "internal", format!("the deck could not be written: {error}"));
            }
        };
        let bytes = struck.and_then(|scenario| breakage::break_file(&bytes, scenario)).unwrap_or(bytes);
        let ranges = fault != Some(Fault::RangesIgnored);
        let salt = if fault == Some(Fault::EtagChanges) { self.lock().entries } else { 0 };
        files::deliver(bytes, question, ranges, salt)
    }
}
