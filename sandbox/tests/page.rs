//! The page, as it is served. Its work in a browser is tested in `tests/python`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use perceptis_sandbox::{Sandbox, Settings};
use serde_json::json;
use support::ask;

#[test]
fn page_is_complete_and_closed_to_other_origins() {
    let sandbox = Sandbox::start(Settings::default()).unwrap();
    let url = sandbox.base_url();
    // No rule applies to the page: a user who turned a fault on must be able to turn it off.
    let rule = json!({ "scenario": "reset_before" }).to_string();
    assert_eq!(ask(url, "POST", "/_sandbox/rules", &[], rule.as_bytes()).status, 201);
    let read = |path: &str| ask(url, "GET", path, &[], b"");
    let page = String::from_utf8(read("/?namespace=x").body).unwrap();
    let script = String::from_utf8(read("/page.js").body).unwrap();
    let mut paths = vec!["/", "/page/tools.js"];
    for text in [&page, &script] {
        let quoted = text.split(['"', '\'']).filter(|part| part.contains("page") && part.contains('.'));
        paths.extend(quoted.map(|part| part.trim_start_matches('.')).filter(|part| !part.contains(' ')));
    }
    assert!(paths.len() > 7, "{paths:?}");
    for path in paths {
        let response = read(path);
        let kind = match path.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!((response.status, response.header("content-type")), (200, Some(kind)), "{path}");
        let policy = response.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part) && !policy.contains("unsafe"), "{path}: {policy}");
        }
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let text = String::from_utf8(response.body).unwrap();
        let foreign = text.replace("http://www.w3.org/2000/svg", "").contains("://");
        assert!(!foreign, "{path} names another host");
        assert!(!text.contains("innerHTML") && !text.contains(" style="), "{path}");
    }
    let head = ask(url, "HEAD", "/", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(ask(url, "GET", "/", &[("Host", "evil.test")], b"").status, 421);
    assert_eq!(ask(url, "GET", "/", &[("Origin", "http://evil.test")], b"").status, 403);
    let journal = read("/_sandbox/journal").json();
    let described: Vec<_> =
        journal["entries"].as_array().unwrap().iter().map(|entry| &entry["status"]).collect();
    assert_eq!(described, [421, 403], "the page itself is not journaled");
}
