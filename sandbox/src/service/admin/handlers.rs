//! The handlers of the admin API, but for the clock.

use serde_json::{Value, json};

use super::admin_request::{AdminRequest, bad};
use super::clock;
use crate::http::{EventStream, Response, Wire};
use crate::page::svg;
use crate::service::journal::Entry;
use crate::service::scenario::MAX_REFUSAL_MS;
use crate::service::submission::whole;
use crate::service::{catalogue, keys};
use crate::tls::Certificate;

const MAX_LISTED: usize = 1000;
/// The number of jobs that the page shows.
const MAX_SHOWN: usize = 100;
const DEFAULT_LIMIT: u64 = 100;

type Handled = Result<Response, Response>;

/// `GET scenarios`. It is mostly asked for by hand, so that it is a text unless JSON is accepted.
pub fn scenarios(admin: &AdminRequest<'_>) -> Handled {
    if admin.request.header("accept").is_some_and(|accept| accept.contains("application/json")) {
        return list("scenarios", catalogue::described());
    }
    Ok(Response::new(200, "text/plain; charset=utf-8", catalogue::listing()))
}

/// `GET rules`.
pub fn rules(admin: &AdminRequest<'_>) -> Handled {
    list("rules", admin.with_namespace(|namespace| namespace.rules.list()))
}

/// `POST rules`.
pub fn add_rule(admin: &AdminRequest<'_>) -> Handled {
    let rule = admin.with_namespace(|namespace| namespace.rules.add(&admin.body)).map_err(bad)?;
    Ok(Response::json(201, &rule))
}

/// `DELETE rules`.
pub fn remove_rules(admin: &AdminRequest<'_>) -> Handled {
    admin.with_namespace(|namespace| namespace.rules.remove(None));
    Ok(done())
}

/// `DELETE rules/ID`.
pub fn remove_rule(admin: &AdminRequest<'_>) -> Handled {
    let remove = |id| admin.with_namespace(|namespace| namespace.rules.remove(Some(id)));
    match admin.rest.parse().is_ok_and(remove) {
        true => Ok(done()),
        false => Err(Response::error(404, "not_found", "there is no such rule")),
    }
}

/// `GET journal`.
pub fn journal(admin: &AdminRequest<'_>) -> Handled {
    let limit = admin.number("limit")?.unwrap_or(DEFAULT_LIMIT).min(MAX_LISTED as u64);
    let (after, newest) = (admin.number("after")?, admin.number("newest")?);
    let entries = admin.with_namespace(|namespace| {
        let begin = namespace.journal.begins(after, newest);
        let entries = namespace.journal.after(begin, usize::try_from(limit).unwrap_or(MAX_LISTED));
        entries.map(Entry::describe).collect()
    });
    list("entries", entries)
}

/// `GET events`: the journal as a stream.
pub fn events(admin: &AdminRequest<'_>) -> Handled {
    let (after, newest) = (admin.number("after")?, admin.number("newest")?);
    let after = admin.with_namespace(|namespace| namespace.journal.begins(after, newest));
    let mut response = Response::new(200, "text/event-stream", "").with("cache-control", "no-store");
    response.events = Some(EventStream { namespace: admin.namespace.clone(), after });
    Ok(response)
}

/// `GET jobs`.
pub fn jobs(admin: &AdminRequest<'_>) -> Handled {
    list("jobs", admin.with_namespace(|namespace| namespace.jobs(MAX_LISTED)))
}

/// `GET jobs/ID` and `GET jobs/ID/slides/NUMBER.svg`.
pub fn job_or_slide(admin: &AdminRequest<'_>) -> Handled {
    let found = match admin.rest.split_once("/slides/") {
        Some((id, file)) => slide(admin, id, file),
        None => admin.with_namespace(|namespace| {
            let url = |variant| admin.context.file_url(&namespace.clock, admin.rest, variant);
            Some(Response::json(200, &namespace.job(admin.rest, url)?))
        }),
    };
    found.ok_or_else(|| Response::error(404, "not_found", "there is no such job or slide in this namespace"))
}

/// A drawing of one slide of a variant.
fn slide(admin: &AdminRequest<'_>, id: &str, file: &str) -> Option<Response> {
    let number: usize = file.strip_suffix(".svg")?.parse().ok()?;
    let variant = admin.request.parameter("variant").map_or(Ok(1), str::parse).ok()?;
    let deck = admin.with_namespace(|namespace| {
        let job = namespace.store.job(id)?;
        (1..=job.submission.variants).contains(&variant).then(|| job.deck(variant))
    })?;
    let drawing = svg::draw(&deck, deck.slides.get(number.checked_sub(1)?)?);
    let response = Response::new(200, "image/svg+xml", drawing)
        .with("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
        .with("x-content-type-options", "nosniff")
        .with("cache-control", "no-store");
    Some(response)
}

/// `GET overview`: what the page shows of a namespace, all of one moment.
pub fn overview(admin: &AdminRequest<'_>) -> Handled {
    let api_key = format!("sk-sandbox-{}", admin.namespace);
    let bearer = keys::read(Some(&format!("Bearer {api_key}"))).ok();
    let mut world = admin.context.lock();
    let namespaces = world.list();
    let namespace = world.namespace(&admin.namespace);
    let overview = json!({
        "namespace": admin.namespace, "api_key": api_key,
        "key": bearer.map(|bearer| bearer.key.fingerprint()), "clock": clock::describe(namespace),
        "jobs": namespace.jobs(MAX_SHOWN), "rules": namespace.rules.list(),
        "credits": namespace.credits()["credits"], "namespaces": namespaces,
    });
    Ok(Response::json(200, &overview))
}

/// `GET credits`.
pub fn credits(admin: &AdminRequest<'_>) -> Handled {
    Ok(Response::json(200, &admin.with_namespace(|namespace| namespace.credits())))
}

/// `GET violations`.
pub fn violations(admin: &AdminRequest<'_>) -> Handled {
    list("violations", admin.with_namespace(|namespace| namespace.violations()))
}

/// `GET namespaces`.
pub fn namespaces(admin: &AdminRequest<'_>) -> Handled {
    list("namespaces", admin.context.lock().list())
}

/// `POST reset`.
pub fn reset(admin: &AdminRequest<'_>) -> Handled {
    admin.check_keys(&[])?;
    admin.context.lock().reset(&admin.namespace);
    Ok(done())
}

/// `GET tls`.
pub fn tls(admin: &AdminRequest<'_>) -> Handled {
    let tls = admin.context.tls.as_ref().ok_or_else(no_tls)?;
    Ok(Response::json(200, &tls.describe()))
}

/// `POST tls`.
pub fn set_certificate(admin: &AdminRequest<'_>) -> Handled {
    let tls = admin.context.tls.as_ref().ok_or_else(no_tls)?;
    admin.check_keys(&["certificate", "times"])?;
    let name = admin.body.get("certificate").and_then(Value::as_str).unwrap_or_default();
    let certificate = Certificate::parse(name).map_err(bad)?;
    let times = match admin.body.get("times") {
        None | Some(Value::Null) => None,
        Some(times) => match whole(times).filter(|times| *times > 0) {
            Some(times) => Some(times),
            None => return Err(bad("times must be a whole number from 1")),
        },
    };
    tls.show(certificate, times);
    Ok(Response::json(200, &tls.describe()))
}

/// `POST refuse`.
pub fn refuse_connections(admin: &AdminRequest<'_>) -> Handled {
    admin.check_keys(&["ms"])?;
    let time = admin.body.get("ms").and_then(whole).filter(|ms| *ms <= MAX_REFUSAL_MS);
    let Some(time) = time else {
        return Err(bad(format!("ms must be a whole number from 0 to {MAX_REFUSAL_MS}")));
    };
    let mut response = done();
    response.wire = Wire::ThenRefused(time);
    Ok(response)
}

fn no_tls() -> Response {
    Response::error(404, "not_found", "this sandbox speaks no TLS: it was started without --tls")
}

fn list(name: &str, values: Vec<Value>) -> Handled {
    Ok(Response::json(200, &json!({ name: values })))
}

fn done() -> Response {
    Response::json(200, &json!({ "done": true }))
}
