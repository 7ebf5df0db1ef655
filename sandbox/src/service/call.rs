//! A call: one request to the API, with all that is known of it before it is answered: its sender, its
//! namespace and the scenarios that come with it.

use serde_json::Value;

use super::context::Context;
use super::fault::{Endpoint, Fault, Layer};
use super::journal::Entry;
use super::keys::{self, ApiKey, Bearer, DEFAULT, KeyError};
use super::refusals::unauthorized;
use super::routes::{self, FILES, GENERATE};
use super::rules::{Source, Target};
use super::scenario::Scenario;
use super::world::World;
use crate::http::{Request, Response};

const HEADER: &str = "x-perceptis-sandbox";
const DIRECTIVE: &[u8] = b"[[sandbox:";

/// A request on its way through the service.
pub struct Call<'a> {
    /// The request.
    pub request: &'a Request,
    /// The namespace that it belongs to.
    pub namespace: String,
    /// The key that came with it. A download has none.
    pub bearer: Option<Bearer>,
    /// The job that its path names.
    pub job: Option<String>,
    /// How its idempotency key is kept, if a scenario changes that.
    pub key_policy: Option<Scenario>,
    /// Whether its idempotency key belongs to another submission.
    pub conflicts: bool,
    /// Its entry in the journal, as far as it is known.
    pub entry: Entry,
    /// The scenarios of its header.
    header: Vec<Scenario>,
    /// The scenarios of its prompt, if it is a submission.
    directives: Vec<Scenario>,
}

impl<'a> Call<'a> {
    /// Reads who sent a request, its namespace and its scenarios. An error comes with the entry of the
    /// journal.
    pub fn read(context: &Context, request: &'a Request) -> Result<Call<'a>, Box<(Response, Entry)>> {
        let mut entry = Entry::of(request);
        let bad = |message: String| Response::error(400, "invalid_request", message);
        let header = match Scenario::parse_list(request.header(HEADER).unwrap_or_default()) {
            Ok(header) => header,
            Err(message) => return Err(Box::new((bad(message), entry))),
        };
        let job = routes::job_of(&request.path).map(str::to_owned);
        entry.job_id.clone_from(&job);
        let read = keys::read(request.header("authorization"));
        entry.key = read.as_ref().ok().map(|bearer| bearer.key.fingerprint());
        if request.path.starts_with(FILES) {
            // A download needs no key. It belongs to the namespace of its job.
            let home = job.as_deref().and_then(|job| context.lock().home_of(job).map(str::to_owned));
            let namespace = home.unwrap_or_else(|| DEFAULT.to_owned());
            return Ok(Call { header, job, ..Call::new(request, namespace, entry) });
        }
        match read {
            Ok(bearer) => {
                let namespace = bearer.namespace.clone();
                // The directives of a submission also apply to the submission itself.
                let directives =
                    if request.path == GENERATE { directives_in(&request.body) } else { Vec::new() };
                let bearer = Some(bearer);
                Ok(Call { bearer, header, job, directives, ..Call::new(request, namespace, entry) })
            }
            Err(KeyError::Malformed(message)) => Err(Box::new((bad(message), entry))),
            Err(KeyError::Invalid(message)) if routes::endpoint_of(&request.path).is_some() => {
                Err(Box::new((unauthorized(message), entry)))
            }
            Err(KeyError::Invalid(_)) => {
                Ok(Call { header, job, ..Call::new(request, DEFAULT.to_owned(), entry) })
            }
        }
    }

    fn new(request: &'a Request, namespace: String, entry: Entry) -> Call<'a> {
        Call {
            request,
            namespace,
            bearer: None,
            job: None,
            key_policy: None,
            conflicts: false,
            entry,
            header: Vec::new(),
            directives: Vec::new(),
        }
    }

    /// The API key and the idempotency key under which errors of this call are kept, if they are.
    pub fn keeps_errors(&self) -> Option<(&ApiKey, &str)> {
        let keeps = self.key_policy.as_ref().is_some_and(|scenario| scenario.fault == Fault::ErrorsKept);
        let (bearer, text) = (self.bearer.as_ref()?, self.request.header("idempotency-key")?);
        keeps.then_some((&bearer.key, text))
    }

    /// The scenarios of these layers that apply to this call, the strongest of each layer. They are counted.
    pub fn matching(&self, world: &mut World, endpoint: Endpoint, layers: &[Layer]) -> Vec<Scenario> {
        let namespace = world.namespace(&self.namespace);
        let job = self.job.as_deref();
        let known = job.and_then(|job| namespace.store.job(job));
        let of_prompt = known.map_or_else(|| self.directives.clone(), |job| job.submission.scenarios.clone());
        let of_key = match &self.bearer {
            Some(bearer) => bearer.scenarios.clone(),
            None => known.map(|job| job.key_scenarios.clone()).unwrap_or_default(),
        };
        let sources = [
            Source { name: "header", scenarios: &self.header },
            Source { name: "key", scenarios: &of_key },
            Source { name: job.unwrap_or("prompt"), scenarios: &of_prompt },
        ];
        let target = Target {
            endpoint,
            method: &self.request.method,
            path: &self.request.path,
            job,
            key: self.bearer.as_ref().map(|bearer| &bearer.key),
            idempotency_key: self.request.header("idempotency-key"),
            is_redirected: self.request.parameter("again").is_some(),
        };
        namespace.matching(&target, &sources, layers)
    }

    /// The scenario of one layer that applies to this call. It is counted, and noted in the entry.
    pub fn matching_one(&mut self, world: &mut World, endpoint: Endpoint, layer: Layer) -> Option<Scenario> {
        let scenario = self.matching(world, endpoint, &[layer]).into_iter().next()?;
        self.entry.faults.push(scenario.text.clone());
        Some(scenario)
    }
}

/// The directives in the prompt of a submission. Errors in them are reported when the body is validated.
fn directives_in(body: &[u8]) -> Vec<Scenario> {
    // A cheap search first: a body can be 60 MB of images, and parsing it takes long.
    if !body.windows(DIRECTIVE.len()).any(|window| window == DIRECTIVE) {
        return Vec::new();
    }
    let body = serde_json::from_slice::<Value>(body).ok();
    let prompt = body.as_ref().and_then(|body| body.get("prompt")?.as_str()).unwrap_or_default();
    Scenario::in_prompt(prompt).unwrap_or_default()
}
