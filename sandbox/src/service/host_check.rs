//! The check of the `Host` and `Origin` headers. It keeps web pages from driving the sandbox: a page can
//! reach this port, also under a name that its own server controls.

use crate::http::{Request, Response};

/// Refuses a request that names another host than this machine, or that a page of another origin sends.
pub fn check(authority: &str, request: &Request) -> Result<(), Response> {
    let port = authority.rsplit(':').next().unwrap_or_default();
    let is_own = |host: &str| {
        host == authority
            || host.eq_ignore_ascii_case(&format!("localhost:{port}"))
            || host == format!("[::1]:{port}")
    };
    if !request.header("host").is_some_and(is_own) {
        let message = "the Host header names another host than this machine";
        return Err(Response::error(421, "invalid_request", message));
    }
    let is_foreign = request
        .header("origin")
        .is_some_and(|origin| !origin.split_once("://").is_some_and(|(_, host)| is_own(host)));
    if is_foreign {
        let message = "the Origin header names another origin than this sandbox";
        return Err(Response::error(403, "forbidden", message));
    }
    Ok(())
}
