//! The admin API, under `/_sandbox/`: rules, clock, journal, jobs, credits, violations, reset.
//!
//! Every path takes `?namespace=NAME`, or `"namespace"` in its body. Without one it is about `default`.

mod admin_request;
mod clock;
mod handlers;

use admin_request::AdminRequest;

use super::context::Context;
use super::refusals::method_not_allowed;
use crate::http::{Request, Response};

/// The folder of its paths.
pub const PREFIX: &str = "/_sandbox/";

type Handler = fn(&AdminRequest<'_>) -> Result<Response, Response>;

/// The routes: method, path and handler. `/*` stands for a rest of the path, which is not empty.
const ROUTES: [(&str, &str, Handler); 19] = [
    ("GET", "clock", clock::get),
    ("POST", "clock", clock::set),
    ("GET", "credits", handlers::credits),
    ("GET", "events", handlers::events),
    ("GET", "jobs", handlers::jobs),
    ("GET", "jobs/*", handlers::job_or_slide),
    ("GET", "journal", handlers::journal),
    ("GET", "namespaces", handlers::namespaces),
    ("GET", "overview", handlers::overview),
    ("POST", "refuse", handlers::refuse_connections),
    ("POST", "reset", handlers::reset),
    ("GET", "rules", handlers::rules),
    ("POST", "rules", handlers::add_rule),
    ("DELETE", "rules", handlers::remove_rules),
    ("DELETE", "rules/*", handlers::remove_rule),
    ("GET", "scenarios", handlers::scenarios),
    ("GET", "tls", handlers::tls),
    ("POST", "tls", handlers::set_certificate),
    ("GET", "violations", handlers::violations),
];

/// Answers a request of the admin API.
pub fn answer(context: &Context, request: &Request) -> Response {
    match route(context, request) {
        Ok(response) | Err(response) => response,
    }
}

fn route(context: &Context, request: &Request) -> Result<Response, Response> {
    let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
    let (area, rest) = path.split_once('/').unwrap_or((path, ""));
    let here = |pattern: &str| match pattern.strip_suffix("/*") {
        Some(of) => of == area && !rest.is_empty(),
        None => pattern == area && rest.is_empty(),
    };
    let routes: Vec<_> = ROUTES.iter().filter(|(_, pattern, _)| here(pattern)).collect();
    if routes.is_empty() {
        return Err(no_such_path());
    }
    let Some((.., handler)) = routes.iter().find(|(method, ..)| *method == request.method) else {
        let methods: Vec<&str> = routes.iter().map(|(method, ..)| *method).collect();
        return Err(method_not_allowed(&methods.join(", ")));
    };
    handler(&AdminRequest::read(context, request, rest)?)
}

fn no_such_path() -> Response {
    let mut areas: Vec<&str> =
        ROUTES.iter().map(|(_, path, _)| *path).filter(|path| !path.contains('/')).collect();
    areas.dedup();
    let message = format!("the admin API has no such path; it has {}", areas.join(", "));
    Response::error(404, "not_found", message)
}
