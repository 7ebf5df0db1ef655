//! The service: what each request is answered with. Knows nothing of connections, but says what is to be done
//! on them.

mod admin;
mod breakage;
mod endpoints;
mod files;
mod instead;
mod job;
mod journal;
mod keys;
mod layers;
mod namespace;
mod request;
mod rules;
mod scenario;
mod store;
mod table;

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::hash::{self, Signer};
use crate::http::{EventStream, RefuseConnections, Request, Response};
use crate::page;
use crate::tls::Tls;
use journal::Entry;
use keys::{ApiKey, Bearer, DEFAULT, Refused};
use layers::strike;
use namespace::Namespace;
use scenario::{Endpoint, Fault, Layer, Scenario};

/// Everything that can be made to go wrong, as people read it.
pub fn listing() -> String {
    table::listing() + &crate::tls::listing()
}

/// The API's description, written by hand.
const OPENAPI: &str = include_str!("../../openapi.json");

const GENERATE: &str = "/api/v1/generate";
const STATUS: &str = "/api/v1/status/";
const FILES: &str = "/files/";
const HEADER: &str = "x-perceptis-sandbox";
const MAX_NAMESPACES: usize = 1000;

/// The service's whole state, in memory.
pub struct Service {
    base_url: String,
    /// `host:port` of the base URL; no other host is answered, so that no web page can reach it by a name.
    authority: String,
    speed: f64,
    signer: Signer,
    seed: u64,
    log: bool,
    world: Mutex<World>,
    journal_changes: watch::Sender<u64>,
    tls: Option<Arc<Tls>>,
    control: mpsc::Sender<RefuseConnections>,
}

/// What the lock guards.
#[derive(Default)]
struct World {
    namespaces: HashMap<String, Namespace>,
    /// The namespaces, the oldest first.
    order: VecDeque<String>,
    /// Which namespace a job is in.
    homes: HashMap<String, String>,
    jobs: u64,
    entries: u64,
}

impl World {
    fn namespace(&mut self, name: &str, speed: f64) -> &mut Namespace {
        if self.namespaces.len() >= MAX_NAMESPACES && !self.namespaces.contains_key(name) {
            // A program that makes a thousand namespaces is done with the first of them.
            if let Some(oldest) = self.order.pop_front() {
                self.namespaces.remove(&oldest);
                self.homes.retain(|_, home| *home != oldest);
            }
        }
        if !self.namespaces.contains_key(name) {
            self.order.push_back(name.to_owned());
        }
        self.namespaces.entry(name.to_owned()).or_insert_with(|| Namespace::new(speed))
    }

    /// The namespaces by name, with how many jobs each has.
    fn names(&self) -> Vec<Value> {
        let mut names: Vec<Value> = self
            .namespaces
            .iter()
            .map(|(name, namespace)| json!({ "namespace": name, "jobs": namespace.store.len() }))
            .collect();
        names.sort_by_key(|one| one["namespace"].to_string());
        names
    }
}

/// A request on its way through the layers.
struct Call<'a> {
    request: &'a Request,
    namespace: String,
    bearer: Option<Bearer>,
    header: Vec<Scenario>,
    job: Option<String>,
    /// What a submission's own prompt asks for.
    own: Vec<Scenario>,
    /// How its idempotency key is kept.
    keeping: Option<Scenario>,
    /// Whether its idempotency key is another submission's.
    conflicts: bool,
    entry: Entry,
}

impl<'a> Call<'a> {
    fn new(request: &'a Request, namespace: String, entry: Entry) -> Call<'a> {
        Call {
            request,
            namespace,
            bearer: None,
            header: Vec::new(),
            job: None,
            own: Vec::new(),
            keeping: None,
            conflicts: false,
            entry,
        }
    }

    /// Whose errors are kept under which key, if they are.
    fn keeps_errors(&self) -> Option<(&ApiKey, &str)> {
        let keeps = self.keeping.as_ref().is_some_and(|scenario| scenario.fault == Fault::ErrorsKept);
        let (bearer, text) = (self.bearer.as_ref()?, self.request.header("idempotency-key")?);
        keeps.then_some((&bearer.key, text))
    }
}

/// Where a request is in the journals.
pub struct EntryPosition {
    namespace: String,
    number: u64,
}

/// How a service is set up.
pub struct Setup {
    /// `127.0.0.1:port`.
    pub authority: String,
    /// How fast namespaces' clocks run at first.
    pub speed: f64,
    /// What job ids come from.
    pub seed: u64,
    /// What URLs are signed with.
    pub secret: [u8; 32],
    /// Whether the journal goes to standard error, too.
    pub log: bool,
    /// Its TLS, where it speaks it.
    pub tls: Option<Arc<Tls>>,
    /// Where the listener is told what to do.
    pub control: mpsc::Sender<RefuseConnections>,
}

impl Service {
    /// A service with nothing in it.
    pub fn new(setup: Setup) -> Service {
        Service {
            base_url: format!("{}://{}", if setup.tls.is_some() { "https" } else { "http" }, setup.authority),
            authority: setup.authority,
            speed: setup.speed,
            signer: Signer::new(&setup.secret),
            seed: setup.seed,
            log: setup.log,
            world: Mutex::default(),
            journal_changes: watch::Sender::new(0),
            tls: setup.tls,
            control: setup.control,
        }
    }

    /// Where it is.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Notes what a connection was shown in the place of a sound certificate.
    pub fn record_certificate(&self, certificate: &str) {
        let entry = Entry { faults: vec![format!("tls_{certificate}")], ..Entry::default() };
        let (_, number) = self.journaled(Response::new(0, "", ""), DEFAULT, entry);
        self.record_sent(number, 0);
    }

    /// Answers a request, and says where it is in the journals, if it is.
    pub fn answer(&self, request: &Request) -> (Response, Option<EntryPosition>) {
        if let Err(refusal) = self.check_host(request) {
            return self.journaled(refusal, DEFAULT, Entry::of(request));
        }
        if request.path.starts_with(admin::PREFIX) {
            return (self.administer(request), None);
        }
        if request.path == "/openapi.json" && request.method == "GET" {
            return (Response::new(200, "application/json", OPENAPI), None);
        }
        if let Some(response) = page::answer(request) {
            return (response, None);
        }
        let mut call = match self.call(request) {
            Ok(call) => call,
            Err((response, entry)) => return self.journaled(response, DEFAULT, *entry),
        };
        let path = request.path.as_str();
        let (allowed, endpoint) = if path == GENERATE {
            ("POST", Endpoint::Generate)
        } else if job_in(path, STATUS).is_some() {
            ("GET", Endpoint::Status)
        } else if path.starts_with(FILES) {
            ("GET, HEAD", Endpoint::Download)
        } else {
            return self.journaled(not_found(), &call.namespace, call.entry);
        };
        let response = if allowed.split(", ").any(|method| request.method == method) {
            self.through_the_layers(&mut call, endpoint)
        } else {
            Response::error(405, "invalid_request", format!("this path takes {allowed}"))
                .with("allow", allowed)
        };
        self.journaled(response, &call.namespace, call.entry)
    }

    /// Whether a request is reset before it is read. Asked before [`Service::response`].
    pub fn resets_before(&self, request: &Request) -> bool {
        if self.check_host(request).is_err() || request.path.starts_with(admin::PREFIX) {
            return false;
        }
        let Ok(mut call) = self.call(request) else { return false };
        let Some(endpoint) = endpoint_of(&request.path) else { return false };
        let struck = strike(&mut self.lock(), self.speed, &call, endpoint, &[Layer::Before]);
        let resets = !struck.is_empty();
        if resets {
            call.entry.faults = struck.into_iter().map(|scenario| scenario.text).collect();
            let (_, noted) = self.journaled(Response::new(0, "", ""), &call.namespace, call.entry);
            self.record_sent(noted, 0);
        }
        resets
    }

    /// Notes a request that could not be read, but perhaps its head.
    pub fn record_bad_request(&self, response: &Response, head: Option<&Request>) -> Option<EntryPosition> {
        let (namespace, entry) = match head.map(|head| self.call(head)) {
            Some(Ok(call)) => (call.namespace, call.entry),
            Some(Err((_, entry))) => (DEFAULT.to_owned(), *entry),
            None => (DEFAULT.to_owned(), Entry::default()),
        };
        self.journaled(response.clone(), &namespace, entry).1
    }

    /// Notes how many bytes really went onto the wire.
    pub fn record_sent(&self, noted: Option<EntryPosition>, bytes: u64) {
        let Some(EntryPosition { namespace, number }) = noted else { return };
        let mut world = self.lock();
        let namespace = world.namespaces.get_mut(&namespace);
        let entry = namespace.and_then(|namespace| namespace.journal.sent(number, bytes));
        let line = entry.filter(|_| self.log).map(|entry| entry.describe().to_string());
        drop(world);
        if let Some(line) = line {
            use std::io::Write as _;
            // Who reads it may be gone; the sandbox stays.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
        self.journal_changes.send_replace(number);
    }

    /// Changes whenever the journal does.
    pub fn journal_changes(&self) -> watch::Receiver<u64> {
        self.journal_changes.subscribe()
    }

    /// Reads or changes a namespace's clock.
    ///
    /// # Errors
    /// When the namespace can't be called so.
    pub fn clock<T>(&self, name: &str, with: impl FnOnce(&mut Clock) -> T) -> Result<T, &'static str> {
        if !keys::is_namespace(name) {
            return Err(keys::NAMESPACES);
        }
        Ok(with(&mut self.lock().namespace(name, self.speed).clock))
    }

    /// What is new in a journal, as server-sent events; passes over it.
    pub fn journal_events(&self, events: &mut EventStream) -> String {
        let mut world = self.lock();
        let namespace = world.namespace(&events.namespace, self.speed);
        let mut text = String::new();
        for entry in namespace.journal.after(events.after, 500) {
            events.after = entry.number;
            let _ = write!(text, "id: {}\ndata: {}\n\n", entry.number, entry.describe());
        }
        text
    }

    /// Who asks, in which namespace, with which scenarios.
    fn call<'a>(&self, request: &'a Request) -> Result<Call<'a>, (Response, Box<Entry>)> {
        let mut entry = Entry::of(request);
        let header = match Scenario::parse_list(request.header(HEADER).unwrap_or_default()) {
            Ok(header) => header,
            Err(message) => return Err((Response::error(400, "invalid_request", message), Box::new(entry))),
        };
        let file = request.path.strip_prefix(FILES).and_then(|rest| rest.split('/').next());
        let job = job_in(&request.path, STATUS).or(file).map(str::to_owned);
        entry.job_id.clone_from(&job);
        if request.path.starts_with(FILES) {
            // A download needs no key: it is its job's.
            let home = job.as_ref().and_then(|job| self.lock().homes.get(job).cloned());
            let namespace = home.unwrap_or_else(|| DEFAULT.to_owned());
            if let Ok(bearer) = keys::read(request.header("authorization")) {
                entry.key = Some(bearer.key.fingerprint());
            }
            return Ok(Call { header, job, ..Call::new(request, namespace, entry) });
        }
        match keys::read(request.header("authorization")) {
            Ok(bearer) => {
                entry.key = Some(bearer.key.fingerprint());
                let namespace = bearer.namespace.clone();
                // A submission's own directives strike it, too, where they name a layer above the job's.
                let own = if request.path == GENERATE { directives(&request.body) } else { Vec::new() };
                let bearer = Some(bearer);
                Ok(Call { bearer, header, job, own, ..Call::new(request, namespace, entry) })
            }
            Err(Refused::Form(message)) => {
                Err((Response::error(400, "invalid_request", message), Box::new(entry)))
            }
            Err(Refused::Key(message)) if endpoint_of(&request.path).is_some() => {
                Err((unauthorized(message), Box::new(entry)))
            }
            Err(Refused::Key(_)) => Ok(Call { header, job, ..Call::new(request, DEFAULT.to_owned(), entry) }),
        }
    }

    /// Has connections refused for so long; returns when none is accepted any more.
    pub async fn refuse_connections(&self, time: Duration) {
        let (done, refused) = oneshot::channel();
        if self.control.send(RefuseConnections { time, done }).await.is_ok() {
            // An error is a listener that has gone for good: it refuses, too.
            let _ = refused.await;
        }
    }

    /// Writes the journal and hands the answer on.
    fn journaled(
        &self,
        response: Response,
        name: &str,
        mut entry: Entry,
    ) -> (Response, Option<EntryPosition>) {
        let mut world = self.lock();
        world.entries += 1;
        entry.number = world.entries;
        entry.answered(&response);
        entry.real_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, namespace::millis);
        let number = entry.number;
        let namespace = world.namespace(name, self.speed);
        entry.at_ms = namespace::millis(namespace.clock.now());
        namespace.journal.write(entry);
        (response, Some(EntryPosition { namespace: name.to_owned(), number }))
    }

    fn check_host(&self, request: &Request) -> Result<(), Response> {
        let port = self.authority.rsplit(':').next().unwrap_or_default();
        let is_own = |host: &str| {
            host == self.authority
                || host.eq_ignore_ascii_case(&format!("localhost:{port}"))
                || host == format!("[::1]:{port}")
        };
        if !request.header("host").is_some_and(is_own) {
            let message = "the Host header names another host than this machine";
            return Err(Response::error(421, "invalid_request", message));
        }
        let foreign = request
            .header("origin")
            .is_some_and(|origin| !origin.split_once("://").is_some_and(|(_, host)| is_own(host)));
        if foreign {
            return Err(Response::error(403, "forbidden", "no page of another origin drives this sandbox"));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The directives in a submission's prompt; what is wrong with them is said when the body is validated.
fn directives(body: &[u8]) -> Vec<Scenario> {
    // The mark first: a body can be 60 MB of images, and is parsed once more anyway.
    if !body.windows(10).any(|window| window == b"[[sandbox:") {
        return Vec::new();
    }
    let body = serde_json::from_slice::<Value>(body).ok();
    let prompt = body.as_ref().and_then(|body| body.get("prompt")?.as_str()).unwrap_or_default();
    Scenario::in_prompt(prompt).unwrap_or_default()
}

fn endpoint_of(path: &str) -> Option<Endpoint> {
    if path == GENERATE {
        Some(Endpoint::Generate)
    } else if job_in(path, STATUS).is_some() {
        Some(Endpoint::Status)
    } else if path.starts_with(FILES) {
        Some(Endpoint::Download)
    } else {
        None
    }
}

fn job_in<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|id| !id.is_empty() && !id.contains('/'))
}

fn unauthorized(message: &str) -> Response {
    Response::error(401, "unauthorized", message).with("www-authenticate", "Bearer")
}

fn not_found() -> Response {
    Response::error(404, "not_found", "there is nothing here that this key can see")
}

/// A job id: opaque, and the same for the same seed and the same number of jobs before it.
fn job_id(seed: u64, number: u64) -> String {
    let digest = hash::sha256(&[b"job", &seed.to_le_bytes(), &number.to_le_bytes()]);
    format!("job_{}", hash::hex(&digest[..12]))
}
