//! The page for browsers, at `/`. Its files are in the binary and load nothing from other hosts.

pub mod svg;

use crate::http::{Request, Response};

/// The path, type and text of each file.
const FILES: [(&str, &str, &str); 9] = [
    ("/", HTML, include_str!("index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page.css")),
    ("/page.js", SCRIPT, include_str!("page.js")),
    ("/page/faults.js", SCRIPT, include_str!("faults.js")),
    ("/page/jobs.js", SCRIPT, include_str!("jobs.js")),
    ("/page/journal.js", SCRIPT, include_str!("journal.js")),
    ("/page/tools.js", SCRIPT, include_str!("tools.js")),
    ("/page/icon.svg", ICON, include_str!("icon.svg")),
    // Browsers ask for this icon when they show a slide or a response without a page.
    ("/favicon.ico", ICON, include_str!("icon.svg")),
];
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const ICON: &str = "image/svg+xml";
/// The page uses the admin API: no other script may run in it, and no other page may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The file of the page that a request asks for, if there is one.
pub fn answer(request: &Request) -> Option<Response> {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return None;
    }
    let (_, kind, text) = FILES.iter().find(|(path, ..)| *path == request.path)?;
    let response = Response::new(200, kind, *text)
        .with("content-security-policy", POLICY)
        .with("x-content-type-options", "nosniff")
        .with("referrer-policy", "no-referrer")
        // The next sandbox on this port may have another version.
        .with("cache-control", "no-store");
    Some(response)
}
