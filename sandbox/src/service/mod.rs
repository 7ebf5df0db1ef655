//! The service: what each request is answered with. Knows nothing of connections.

mod files;
mod job;
mod keys;
mod request;
mod store;

use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::{Method, StatusCode};
use serde_json::json;

use crate::clock::Clock;
use crate::hash::{self, Signer};
use crate::http::{Answer, Question};
use job::{Job, State};
use keys::ApiKey;
use store::{Store, Submitted};

const GENERATE: &str = "/api/v1/generate";
const STATUS: &str = "/api/v1/status/";
const FILES: &str = "/files/";

/// The service's whole state, in memory.
pub struct Service {
    base_url: String,
    /// `host:port` of the base URL; no other host is answered, so that no web page can reach it by a name.
    authority: String,
    clock: Clock,
    signer: Signer,
    seed: u64,
    store: Mutex<Store>,
}

impl Service {
    /// A service at this address (`127.0.0.1:port`), with a secret for its signatures.
    pub fn new(authority: String, clock: Clock, seed: u64, secret: &[u8]) -> Service {
        Service {
            base_url: format!("http://{authority}"),
            authority,
            clock,
            signer: Signer::new(secret),
            seed,
            store: Mutex::default(),
        }
    }

    /// Answers a request.
    pub fn answer(&self, question: &Question) -> Answer {
        if !self.is_own_host(question.header("host")) {
            return Answer::error(
                StatusCode::MISDIRECTED_REQUEST,
                "invalid_request",
                "the Host header names another host than this machine",
            );
        }
        let path = question.path.as_str();
        let (allowed, answer): (&str, fn(&Service, &Question) -> Answer) = if path == GENERATE {
            ("POST", Service::generate)
        } else if path.strip_prefix(STATUS).is_some_and(|id| !id.is_empty() && !id.contains('/')) {
            ("GET", Service::status)
        } else if path.starts_with(FILES) {
            ("GET, HEAD", Service::file)
        } else {
            return not_found();
        };
        let is_allowed = allowed.split(", ").any(|method| question.method.as_str() == method);
        if !is_allowed {
            let message = format!("this path takes {allowed}");
            return Answer::error(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", message)
                .with("allow", allowed);
        }
        answer(self, question)
    }

    /// `POST /api/v1/generate`. The docs leave open which 2xx says yes: 202 here, as the job only begins.
    fn generate(&self, question: &Question) -> Answer {
        let key = match self.key_of(question) {
            Ok(key) => key,
            Err(refusal) => return refusal,
        };
        let wanted = match request::read(question) {
            Ok(wanted) => wanted,
            Err(message) => return Answer::error(StatusCode::BAD_REQUEST, "invalid_request", message),
        };
        let idempotency_key = match question.headers.get("idempotency-key").map(|key| key.to_str()) {
            None => None,
            Some(Ok(key)) if (1..=255).contains(&key.len()) => Some(key),
            Some(_) => {
                let message = "Idempotency-Key must be 1 to 255 visible ASCII characters";
                return Answer::error(StatusCode::BAD_REQUEST, "invalid_request", message);
            }
        };
        let now = self.clock.now();
        let submitted = self.lock().submit(&key, idempotency_key, wanted, now, self.seed);
        match submitted {
            Submitted::Job(job_id, output_type) => Answer::json(
                StatusCode::ACCEPTED,
                &json!({ "job_id": job_id, "status": "pending", "output_type": output_type }),
            ),
            Submitted::Conflict => Answer::error(
                StatusCode::CONFLICT,
                "idempotency_conflict",
                "this Idempotency-Key was used with another body",
            ),
        }
    }

    /// `GET /api/v1/status/{job_id}`.
    fn status(&self, question: &Question) -> Answer {
        let key = match self.key_of(question) {
            Ok(key) => key,
            Err(refusal) => return refusal,
        };
        let job_id = question.path.strip_prefix(STATUS).unwrap_or_default();
        let store = self.lock();
        let Some(job) = store.job(job_id).filter(|job| job.key == key) else { return not_found() };
        let now = self.clock.now();
        let state = job.state(now);
        let downloads: Vec<_> = match state {
            State::Completed => (1..=job.wanted.variants)
                .map(|variant| {
                    let url = files::url(&self.base_url, &self.signer, &self.clock, job_id, variant);
                    json!({ "url": url, "format": "pptx", "variant": variant })
                })
                .collect(),
            State::Pending | State::Processing => Vec::new(),
        };
        Answer::json(
            StatusCode::OK,
            &json!({
                "job_id": job_id,
                "status": state.name(),
                "output_type": job.wanted.output_type.name(),
                "downloads": downloads,
                "error": null,
            }),
        )
        .with("cache-control", "no-store")
    }

    /// `GET /files/{job_id}/{variant}.pptx`: needs a signature and no key.
    fn file(&self, question: &Question) -> Answer {
        let asked = match files::check(question, &self.signer, &self.clock) {
            Ok(asked) => asked,
            Err(refusal) => return refusal,
        };
        let rendered = {
            let store = self.lock();
            let job =
                store.job(&asked.job_id).filter(|job| (1..=job.wanted.variants).contains(&asked.variant));
            let done = |job: &&Job| job.state(self.clock.now()) == State::Completed;
            match job.filter(done) {
                Some(job) => job.render(&asked.job_id, asked.variant, &self.clock),
                None => return not_found(),
            }
        };
        match rendered {
            Ok(bytes) => files::deliver(bytes, question, question.method == Method::HEAD),
            Err(error) => Answer::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                format!("the deck could not be written: {error}"),
            ),
        }
    }

    fn key_of(&self, question: &Question) -> Result<ApiKey, Answer> {
        keys::read(question.header("authorization")).map_err(|message| {
            Answer::error(StatusCode::UNAUTHORIZED, "unauthorized", message)
                .with("www-authenticate", "Bearer")
        })
    }

    fn is_own_host(&self, host: Option<&str>) -> bool {
        let port = self.authority.rsplit(':').next().unwrap_or_default();
        host.is_some_and(|host| {
            host == self.authority
                || host.eq_ignore_ascii_case(&format!("localhost:{port}"))
                || host == format!("[::1]:{port}")
        })
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_found() -> Answer {
    Answer::error(StatusCode::NOT_FOUND, "not_found", "there is nothing here that this key can see")
}

/// A job id: opaque, and the same for the same seed and the same number of jobs before it.
fn job_id(seed: u64, number: u64) -> String {
    let digest = hash::sha256(&[b"job", &seed.to_le_bytes(), &number.to_le_bytes()]);
    format!("job_{}", hash::hex(&digest[..12]))
}
