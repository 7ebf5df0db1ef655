//! The page for people, at `/`: files within the binary, which ask for nothing from anywhere else.

pub mod svg;

use crate::http::{Request, Response};

/// Each file's path, type and text.
const FILES: [(&str, &str, &str); 9] = [
    ("/", HTML, include_str!("index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page.css")),
    ("/page.js", SCRIPT, include_str!("page.js")),
    ("/page/faults.js", SCRIPT, include_str!("faults.js")),
    ("/page/jobs.js", SCRIPT, include_str!("jobs.js")),
    ("/page/journal.js", SCRIPT, include_str!("journal.js")),
    ("/page/tools.js", SCRIPT, include_str!("tools.js")),
    ("/page/icon.svg", ICON, include_str!("icon.svg")),
    // Browsers ask for it beside a slide or an answer that has no page to name another.
    ("/favicon.ico", ICON, include_str!("icon.svg")),
];
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const ICON: &str = "image/svg+xml";
/// The page drives the admin API: no other script runs in it, and no other page frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The file of the page that is asked for, where it is one.
pub fn answer(request: &Request) -> Option<Response> {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return None;
    }
    let (_, kind, text) = FILES.iter().find(|(path, ..)| *path == request.path)?;
    let response = Response::new(200, kind, *text)
        .with("content-security-policy", POLICY)
        .with("x-content-type-options", "nosniff")
        .with("referrer-policy", "no-referrer")
        // The next sandbox on this port may be of another version.
        .with("cache-control", "no-store");
    Some(response)
}
