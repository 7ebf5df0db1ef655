//! The service: answers requests, and keeps the journal of them. It does not know connections, but a response
//! says how it is to be written.
//!
//! A request goes from here to the admin API ([`admin`]), to the page, or as a [`Call`] through the
//! [`layers`] to one of the [`endpoints`].

mod admin;
mod call;
mod canned;
mod catalogue;
mod context;
mod corruption;
mod downloads;
mod endpoints;
mod fault;
mod host_check;
mod job;
mod journal;
mod keys;
mod layers;
mod namespace;
mod refusals;
mod routes;
mod rules;
mod scenario;
mod store;
mod submission;
mod world;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::http::{EventStream, RefuseConnections, Request, Response};
use crate::page;
use crate::tls::Tls;
use call::Call;
pub use catalogue::listing;
use context::Context;
use fault::Layer;
use journal::Entry;
use keys::DEFAULT;
pub use world::EntryPosition;

/// The description of the API, written by hand.
const OPENAPI: &str = include_str!("../../openapi.json");
/// How many entries one event message holds.
const MAX_ENTRIES_PER_EVENT: usize = 500;

/// The service.
pub struct Service {
    context: Context,
    /// Whether the journal also goes to standard error.
    log: bool,
    /// The number of the newest entry.
    changes: watch::Sender<u64>,
    /// Where the listener takes orders.
    control: mpsc::Sender<RefuseConnections>,
}

/// The settings of a service.
pub struct Setup {
    /// `127.0.0.1:port`.
    pub authority: String,
    /// How fast the clock of a new namespace runs.
    pub speed: f64,
    /// What job ids are made from.
    pub seed: u64,
    /// What signs the URLs of downloads.
    pub secret: [u8; 32],
    /// Whether the journal also goes to standard error.
    pub log: bool,
    /// The TLS of the sandbox, if it speaks TLS.
    pub tls: Option<Arc<Tls>>,
    /// Where the listener takes orders.
    pub control: mpsc::Sender<RefuseConnections>,
}

impl Service {
    /// A service without jobs.
    pub fn new(setup: Setup) -> Service {
        Service {
            context: Context::new(setup.authority, setup.speed, setup.seed, &setup.secret, setup.tls),
            log: setup.log,
            changes: watch::Sender::new(0),
            control: setup.control,
        }
    }

    /// The URL of the sandbox.
    pub fn base_url(&self) -> &str {
        &self.context.base_url
    }

    /// Answers a request. Also returns the position of its entry, unless it is not journaled: requests for
    /// the page, the description and the admin API are not.
    pub fn answer(&self, request: &Request) -> (Response, Option<EntryPosition>) {
        if let Err(refusal) = host_check::check(&self.context.authority, request) {
            return self.recorded(refusal, DEFAULT, Entry::of(request));
        }
        if request.path.starts_with(admin::PREFIX) {
            return (admin::answer(&self.context, request), None);
        }
        if request.path == "/openapi.json" && request.method == "GET" {
            return (Response::new(200, "application/json", OPENAPI), None);
        }
        if let Some(response) = page::answer(request) {
            return (response, None);
        }
        let mut call = match Call::read(&self.context, request) {
            Ok(call) => call,
            Err(refused) => {
                let (response, entry) = *refused;
                return self.recorded(response, DEFAULT, entry);
            }
        };
        let response = match routes::endpoint_of(&request.path) {
            None => refusals::not_found(),
            Some(endpoint) => {
                let methods = routes::methods_of(endpoint);
                if routes::is_allowed(methods, &request.method) {
                    layers::answer(&self.context, &mut call, endpoint)
                } else {
                    refusals::method_not_allowed(methods)
                }
            }
        };
        self.recorded(response, &call.namespace, call.entry)
    }

    /// Whether a scenario resets the connection before the request is read. Asked before [`Service::answer`].
    pub fn resets_before(&self, request: &Request) -> bool {
        if host_check::check(&self.context.authority, request).is_err()
            || request.path.starts_with(admin::PREFIX)
        {
            return false;
        }
        let Some(endpoint) = routes::endpoint_of(&request.path) else { return false };
        let Ok(mut call) = Call::read(&self.context, request) else { return false };
        let scenarios = call.matching(&mut self.context.lock(), endpoint, &[Layer::Before]);
        if scenarios.is_empty() {
            return false;
        }
        call.entry.faults = scenarios.into_iter().map(|scenario| scenario.text).collect();
        self.record_without_response(&call.namespace, call.entry);
        true
    }

    /// Records that a connection was shown another certificate than the sound one.
    pub fn record_certificate(&self, certificate: &str) {
        let entry = Entry { faults: vec![format!("tls_{certificate}")], ..Entry::default() };
        self.record_without_response(DEFAULT, entry);
    }

    /// Records a request that could not be read, with its head where that could be read.
    pub fn record_bad_request(&self, response: &Response, head: Option<&Request>) -> Option<EntryPosition> {
        let (namespace, entry) = match head.map(|head| Call::read(&self.context, head)) {
            Some(Ok(call)) => (call.namespace, call.entry),
            Some(Err(refused)) => (DEFAULT.to_owned(), refused.1),
            None => (DEFAULT.to_owned(), Entry::default()),
        };
        Some(self.record(response, &namespace, entry))
    }

    /// Records how many bytes of a response were sent. This ends its entry, which is logged now.
    pub fn record_sent(&self, entry: Option<EntryPosition>, bytes: u64) {
        let Some(position) = entry else { return };
        let mut world = self.context.lock();
        let entry = world.record_sent(&position, bytes);
        let line = entry.filter(|_| self.log).map(|entry| entry.describe().to_string());
        drop(world);
        if let Some(line) = line {
            use std::io::Write as _;
            // Standard error may be closed. The sandbox goes on.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
        self.changes.send_replace(position.number());
    }

    /// Changes whenever an entry of a journal is complete.
    pub fn journal_changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The next entries of an event stream, as server-sent events.
    pub fn journal_events(&self, events: &mut EventStream) -> String {
        let mut world = self.context.lock();
        let namespace = world.namespace(&events.namespace);
        let mut text = String::new();
        for entry in namespace.journal.after(events.after, MAX_ENTRIES_PER_EVENT) {
            events.after = entry.number;
            let _ = write!(text, "id: {}\ndata: {}\n\n", entry.number, entry.describe());
        }
        text
    }

    /// Reads or changes the clock of a namespace.
    ///
    /// # Errors
    /// When the name can't be the name of a namespace.
    pub fn clock<T>(&self, name: &str, with: impl FnOnce(&mut Clock) -> T) -> Result<T, &'static str> {
        if !keys::is_namespace(name) {
            return Err(keys::NAMESPACES);
        }
        Ok(with(&mut self.context.lock().namespace(name).clock))
    }

    /// Has connections refused for a time. Returns when the listener accepts none any more.
    pub async fn refuse_connections(&self, time: Duration) {
        let (done, refused) = oneshot::channel();
        if self.control.send(RefuseConnections { time, done }).await.is_ok() {
            // An error means that the listener is gone for good, and so refuses connections, too.
            let _ = refused.await;
        }
    }

    /// Records a request that gets no response.
    fn record_without_response(&self, namespace: &str, entry: Entry) {
        let position = self.record(&Response::new(0, "", ""), namespace, entry);
        self.record_sent(Some(position), 0);
    }

    /// Records a response, and hands it on.
    fn recorded(
        &self,
        response: Response,
        namespace: &str,
        entry: Entry,
    ) -> (Response, Option<EntryPosition>) {
        let position = self.record(&response, namespace, entry);
        (response, Some(position))
    }

    fn record(&self, response: &Response, namespace: &str, mut entry: Entry) -> EntryPosition {
        entry.set_response(response);
        self.context.lock().record(namespace, entry)
    }
}
