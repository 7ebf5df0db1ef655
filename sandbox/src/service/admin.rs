//! The admin API, under `/_sandbox/`: rules, clock, journal, jobs, credits, violations, reset.
//!
//! Every path takes `?namespace=NAME`, or `"namespace"` in its body; without one it is about `default`.

use std::time::Duration;

use serde_json::{Value, json};

use super::files;
use super::keys::{self, DEFAULT, NAMESPACES, is_namespace};
use super::namespace::{Namespace, millis};
use super::request::whole;
use super::scenario::LONGEST_REFUSAL_MS;
use super::{Service, table};
use crate::clock::SPEEDS;
use crate::http::{EventStream, Request, Response, Wire};
use crate::page::svg;
use crate::tls::Certificate;

/// Where it is.
pub const PREFIX: &str = "/_sandbox/";
const MAX_LISTED: usize = 1000;
/// Jobs on the page.
const MAX_SHOWN: usize = 100;
const LONGEST_ADVANCE_MS: u64 = 10 * 365 * 24 * 3600 * 1000;

impl Service {
    /// Answers a request of the admin API.
    pub(super) fn administer(&self, request: &Request) -> Response {
        match self.administered(request) {
            Ok(response) | Err(response) => response,
        }
    }

    fn administered(&self, request: &Request) -> Result<Response, Response> {
        let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
        let (area, rest) = path.split_once('/').unwrap_or((path, ""));
        let allowed = allowed(area, rest).ok_or_else(no_path)?;
        if !allowed.split(", ").any(|method| method == request.method) {
            let message = format!("this path takes {allowed}");
            return Err(Response::error(405, "invalid_request", message).with("allow", allowed));
        }
        let body = read_body(request)?;
        let name = namespace_of(request, &body).ok_or_else(|| bad(NAMESPACES))?;
        let mut world = self.lock();
        let namespace = world.namespace(name, self.speed);
        let list = |name: &str, values: Vec<Value>| Ok(Response::json(200, &json!({ name: values })));
        match (request.method.as_str(), area, rest) {
            ("GET", "scenarios", "") => {
                // By default as people read it: it is mostly asked for by hand.
                if request.header("accept").is_some_and(|accept| accept.contains("application/json")) {
                    return list("scenarios", table::described());
                }
                Ok(Response::new(200, "text/plain; charset=utf-8", super::listing()))
            }
            ("GET", "rules", "") => list("rules", namespace.rules.list()),
            ("POST", "rules", "") => match namespace.rules.add(&body) {
                Ok(rule) => Ok(Response::json(201, &rule)),
                Err(message) => Err(bad(message)),
            },
            ("DELETE", "rules", "") => {
                namespace.rules.remove(None);
                Ok(done())
            }
            ("DELETE", "rules", id) => match id.parse().ok().filter(|id| namespace.rules.remove(Some(*id))) {
                Some(_) => Ok(done()),
                None => Err(Response::error(404, "not_found", "there is no such rule")),
            },
            ("GET", "clock", "") => Ok(Response::json(200, &clock(namespace))),
            ("POST", "clock", "") => {
                set_clock(namespace, &body)?;
                Ok(Response::json(200, &clock(namespace)))
            }
            ("GET", "journal", "") => {
                let most = count(request, "limit")?.map_or(100, |most| most.min(MAX_LISTED as u64));
                let after = namespace.journal.begins(count(request, "after")?, count(request, "newest")?);
                let entries = namespace.journal.after(after, usize::try_from(most).unwrap_or(MAX_LISTED));
                list("entries", entries.map(super::Entry::describe).collect())
            }
            ("GET", "events", "") => {
                let after = namespace.journal.begins(count(request, "after")?, count(request, "newest")?);
                let mut response =
                    Response::new(200, "text/event-stream", "").with("cache-control", "no-store");
                response.events = Some(EventStream { namespace: name.to_owned(), after });
                Ok(response)
            }
            ("GET", "jobs", "") => list("jobs", namespace.jobs(MAX_LISTED)),
            ("GET", "jobs", rest) => match rest.split_once("/slides/") {
                Some((id, file)) => slide(namespace, id, file, request).ok_or_else(no_job),
                None => {
                    let url =
                        |variant| files::url(&self.base_url, &self.signer, &namespace.clock, rest, variant);
                    Ok(Response::json(200, &namespace.job(rest, url).ok_or_else(no_job)?))
                }
            },
            ("GET", "overview", "") => {
                let mut told = overview(name, namespace);
                told["namespaces"] = world.names().into();
                Ok(Response::json(200, &told))
            }
            ("GET", "credits", "") => Ok(Response::json(200, &namespace.credits())),
            ("GET", "violations", "") => {
                Ok(Response::json(200, &json!({ "violations": namespace.violations() })))
            }
            ("GET", "namespaces", "") => list("namespaces", world.names()),
            ("POST", "reset", "") => {
                check_keys(&body, &["namespace"])?;
                let (name, speed) = (name.to_owned(), self.speed);
                world.homes.retain(|_, home| *home != name);
                world.namespaces.insert(name, Namespace::new(speed));
                Ok(done())
            }
            ("GET", "tls", "") => match &self.tls {
                Some(tls) => Ok(Response::json(200, &tls.describe())),
                None => Err(no_tls()),
            },
            ("POST", "tls", "") => {
                let tls = self.tls.as_ref().ok_or_else(no_tls)?;
                let (certificate, times) = certificate(&body)?;
                tls.show(certificate, times);
                Ok(Response::json(200, &tls.describe()))
            }
            ("POST", "refuse", "") => {
                check_keys(&body, &["namespace", "ms"])?;
                let time = body.get("ms").and_then(whole);
                let Some(time) = time.filter(|ms| *ms <= LONGEST_REFUSAL_MS) else {
                    return Err(bad(format!("ms must be a whole number from 0 to {LONGEST_REFUSAL_MS}")));
                };
                let mut response = done();
                response.wire = Wire::ThenRefused(time);
                Ok(response)
            }
            _ => Err(no_job()),
        }
    }
}

/// The paths, and the methods that each takes.
const AREAS: [(&str, &str); 13] = [
    ("clock", "GET, POST"),
    ("credits", "GET"),
    ("events", "GET"),
    ("jobs", "GET"),
    ("journal", "GET"),
    ("namespaces", "GET"),
    ("overview", "GET"),
    ("refuse", "POST"),
    ("reset", "POST"),
    ("rules", "GET, POST, DELETE"),
    ("scenarios", "GET"),
    ("tls", "GET, POST"),
    ("violations", "GET"),
];

/// The methods of a path, if there is one.
fn allowed(area: &str, rest: &str) -> Option<&'static str> {
    match (area, rest) {
        ("rules", id) if !id.is_empty() => Some("DELETE"),
        ("jobs", _) | (_, "") => AREAS.iter().find(|(known, _)| *known == area).map(|(_, methods)| *methods),
        _ => None,
    }
}

fn no_path() -> Response {
    let known: Vec<&str> = AREAS.iter().map(|(area, _)| *area).collect();
    let message = format!("the admin API has no such path; it has {}", known.join(", "));
    Response::error(404, "not_found", message)
}

/// Which namespace a request is about: its body's, its query's, or the default.
fn namespace_of<'a>(request: &'a Request, body: &'a Value) -> Option<&'a str> {
    let asked = request.parameter("namespace").unwrap_or(DEFAULT);
    let named = match body.get("namespace") {
        None => asked,
        Some(name) => name.as_str()?,
    };
    [asked, named].into_iter().all(is_namespace).then_some(named)
}

/// A whole number out of the query.
fn count(request: &Request, name: &str) -> Result<Option<u64>, Response> {
    let Some(text) = request.parameter(name) else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Beyond 64 bits it is more than there will ever be.
    match digits.then(|| text.parse().unwrap_or(u64::MAX)) {
        Some(number) => Ok(Some(number)),
        None => Err(bad(format!("{name} must be a whole number"))),
    }
}

fn check_keys(body: &Value, known: &[&str]) -> Result<(), Response> {
    let unknown =
        body.as_object().and_then(|fields| fields.keys().find(|key| !known.contains(&key.as_str())));
    match unknown {
        Some(unknown) => Err(bad(format!("unknown key {unknown:?}; known are {}", known.join(", ")))),
        None => Ok(()),
    }
}

fn read_body(request: &Request) -> Result<Value, Response> {
    if request.body.is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_slice::<Value>(&request.body) {
        Ok(value) if value.is_object() => Ok(value),
        _ => Err(bad("the body must be a JSON object")),
    }
}

fn set_clock(namespace: &mut Namespace, body: &Value) -> Result<(), Response> {
    check_keys(body, &["namespace", "advance_ms", "speed", "frozen"])?;
    let fields = body.as_object().ok_or_else(|| bad("the body must be a JSON object"))?;
    // All is checked before anything is done.
    let advance = match fields.get("advance_ms") {
        None => None,
        Some(value) => match whole(value).filter(|ms| *ms <= LONGEST_ADVANCE_MS) {
            Some(ms) => Some(Duration::from_millis(ms)),
            None => return Err(bad("advance_ms must be a whole number, at most ten years")),
        },
    };
    let speed = match fields.get("speed") {
        None => None,
        Some(value) => match value.as_f64().filter(|speed| SPEEDS.contains(speed)) {
            Some(speed) => Some(speed),
            None => return Err(bad("speed must be a number from 0.001 to 100000")),
        },
    };
    let frozen = match fields.get("frozen") {
        None => None,
        Some(value) => Some(value.as_bool().ok_or_else(|| bad("frozen must be true or false"))?),
    };
    if let Some(frozen) = frozen {
        namespace.clock.set_frozen(frozen);
    }
    if let Some(speed) = speed {
        namespace.clock.set_speed(speed);
    }
    if let Some(advance) = advance {
        namespace.clock.advance(advance);
    }
    Ok(())
}

fn clock(namespace: &Namespace) -> Value {
    let clock = &namespace.clock;
    let now = clock.now();
    json!({
        "now_ms": millis(now), "unix": clock.unix(now), "speed": clock.speed(), "frozen": clock.is_frozen(),
    })
}

/// What the page shows of a namespace, of one moment and in one answer.
fn overview(name: &str, namespace: &Namespace) -> Value {
    let api_key = format!("sk-sandbox-{name}");
    let fingerprint =
        keys::read(Some(&format!("Bearer {api_key}"))).ok().map(|bearer| bearer.key.fingerprint());
    json!({
        "namespace": name, "api_key": api_key, "key": fingerprint, "clock": clock(namespace),
        "jobs": namespace.jobs(MAX_SHOWN), "rules": namespace.rules.list(),
        "credits": namespace.credits()["credits"],
    })
}

/// `NUMBER.svg`: a slide of a variant, drawn.
fn slide(namespace: &Namespace, id: &str, file: &str, request: &Request) -> Option<Response> {
    let number: usize = file.strip_suffix(".svg")?.parse().ok()?;
    let job = namespace.store.job(id)?;
    let variant = request.parameter("variant").map_or(Ok(1), str::parse).ok()?;
    if !(1..=job.wanted.variants).contains(&variant) {
        return None;
    }
    let deck = job.deck(variant);
    let drawn = svg::draw(&deck, deck.slides.get(number.checked_sub(1)?)?);
    let response = Response::new(200, "image/svg+xml", drawn)
        .with("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
        .with("x-content-type-options", "nosniff")
        .with("cache-control", "no-store");
    Some(response)
}

fn no_job() -> Response {
    Response::error(404, "not_found", "there is no such job or slide in this namespace")
}

fn certificate(body: &Value) -> Result<(Certificate, Option<u64>), Response> {
    check_keys(body, &["namespace", "certificate", "times"])?;
    let name = body.get("certificate").and_then(Value::as_str).unwrap_or_default();
    let certificate = Certificate::parse(name).map_err(bad)?;
    match body.get("times") {
        None | Some(Value::Null) => Ok((certificate, None)),
        Some(times) => match whole(times).filter(|times| *times > 0) {
            Some(times) => Ok((certificate, Some(times))),
            None => Err(bad("times must be a whole number from 1")),
        },
    }
}

fn no_tls() -> Response {
    Response::error(404, "not_found", "this sandbox speaks no TLS: it was started without --tls")
}

fn done() -> Response {
    Response::json(200, &json!({ "done": true }))
}

fn bad(message: impl Into<String>) -> Response {
    Response::error(400, "invalid_request", message)
}
