//! The errors that several handlers answer with.

use crate::http::Response;

/// 401: no key, or one that is not accepted.
pub fn unauthorized(message: &str) -> Response {
    Response::error(401, "unauthorized", message).with("www-authenticate", "Bearer")
}

/// 404. It does not tell a job of another key from one that does not exist.
pub fn not_found() -> Response {
    Response::error(404, "not_found", "nothing here is visible to this key")
}

/// 405, with the methods that the path takes.
pub fn method_not_allowed(allowed: &str) -> Response {
    Response::error(405, "invalid_request", format!("this path takes {allowed}")).with("allow", allowed)
}
