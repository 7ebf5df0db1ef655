//! The paths of the API: which endpoint each is, and which methods it takes.

use super::fault::Endpoint;

/// The path of submissions.
pub const GENERATE: &str = "/api/v1/generate";
/// The folder of files.
pub const FILES: &str = "/files/";
const STATUS: &str = "/api/v1/status/";

/// The endpoint of a path.
pub fn endpoint_of(path: &str) -> Option<Endpoint> {
    if path == GENERATE {
        Some(Endpoint::Generate)
    } else if polled_job(path).is_some() {
        Some(Endpoint::Status)
    } else if path.starts_with(FILES) {
        Some(Endpoint::Download)
    } else {
        None
    }
}

/// The methods that an endpoint takes.
pub fn methods_of(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Generate => "POST",
        Endpoint::Status => "GET",
        Endpoint::Download => "GET, HEAD",
    }
}

/// Whether a list of methods has this one.
pub fn is_allowed(methods: &str, method: &str) -> bool {
    methods.split(", ").any(|allowed| allowed == method)
}

/// The job that a path names.
pub fn job_of(path: &str) -> Option<&str> {
    let file = path.strip_prefix(FILES).and_then(|rest| rest.split('/').next());
    polled_job(path).or(file)
}

fn polled_job(path: &str) -> Option<&str> {
    path.strip_prefix(STATUS).filter(|id| !id.is_empty() && !id.contains('/'))
}
