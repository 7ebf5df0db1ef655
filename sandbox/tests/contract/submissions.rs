//! Submissions: validation, templates, idempotency keys.

use serde_json::json;

use crate::support::{KEY, Response, ask, generate};
use crate::{DECK, SLIDE, start};

/// Bodies that are refused, and a part of the error's message.
#[rustfmt::skip]
const INVALID: [(&str, &str); 33] = [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "object"),
        (r#"{"output_type":"deck"}"#, "prompt"),
        (r#"{"prompt":"","output_type":"deck"}"#, "prompt"),
        (r#"{"prompt":7,"output_type":"deck"}"#, "prompt"),
        (r#"{"prompt":null,"output_type":"deck"}"#, "prompt"),
        (r#"{"prompt":" \n\t ","output_type":"deck"}"#, "prompt"),
        (r#"{"prompt":"\ud800","output_type":"deck"}"#, "not JSON"),
        (r#"{"prompt":"p","output_type":"deck"} {}"#, "not JSON"),
        (r#""deck""#, "object"),
        (r#"{"prompt":"p"}"#, "output_type"),
        (r#"{"prompt":"p","output_type":"video"}"#, "output_type"),
        (r#"{"prompt":"p","output_type":"Deck"}"#, "output_type"),
        (r#"{"prompt":"p","output_type":["deck"]}"#, "output_type"),
        (r#"{"prompt":"p","output_type":"deck","variant_count":1}"#, "variant_count"),
        (r#"{"prompt":"p","output_type":"single_slide","variant_count":0}"#, "variant_count"),
        (r#"{"prompt":"p","output_type":"single_slide","variant_count":11}"#, "variant_count"),
        (r#"{"prompt":"p","output_type":"single_slide","variant_count":1.5}"#, "variant_count"),
        (r#"{"prompt":"p","output_type":"single_slide","variant_count":-1}"#, "variant_count"),
        (r#"{"prompt":"p","output_type":"single_slide","variant_count":1e300}"#, "variant_count"),
        (r#"{"prompt":"p","output_type":"single_slide","variant_count":"2"}"#, "variant_count"),
        (r#"{"prompt":"p","output_type":"deck","use_web_search":"yes"}"#, "use_web_search"),
        (r#"{"prompt":"p","output_type":"deck","use_knowledge_base":1}"#, "use_knowledge_base"),
        (r#"{"prompt":"p","output_type":"deck","template_name":5}"#, "template_name"),
        (r#"{"prompt":"p","output_type":"deck","template_name":""}"#, "template_name"),
        (r#"{"prompt":"p","output_type":"deck","reference_images":[]}"#, "reference_images"),
        (r#"{"prompt":"p","output_type":"single_slide","reference_images":{}}"#, "reference_images"),
        (
            r#"{"prompt":"p","output_type":"single_slide",
                "reference_images":[{"data":"!","mime_type":"image/png"}]}"#,
            "reference_images[0].data",
        ),
        (
            r#"{"prompt":"p","output_type":"single_slide",
                "reference_images":[{"data":"aGk=","mime_type":"text/html"}]}"#,
            "reference_images[0].mime_type",
        ),
        (
            r#"{"prompt":"p","output_type":"single_slide",
                "reference_images":[{"data":"aGk=","mime_type":"image/png"},
                    {"data":"","mime_type":"image/png"}]}"#,
            "reference_images[1].data",
        ),
        (
            r#"{"prompt":"p","output_type":"single_slide","reference_images":[{"data":"aGk="}]}"#,
            "reference_images[0].mime_type",
        ),
        (r#"{"prompt":"p","output_type":"single_slide","reference_images":["x"]}"#, "reference_images[0]"),
];

#[test]
fn bodies_are_validated() {
    let sandbox = start(1.0);
    let url = sandbox.base_url();
    for (body, says) in INVALID {
        let response = generate(url, KEY, None, body);
        assert_eq!((response.status, response.code().as_str()), (400, "invalid_request"), "{body}");
        let message = response.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{body}: {message}");
    }
}

#[test]
fn content_types_are_validated() {
    let sandbox = start(1.0);
    let url = sandbox.base_url();
    let bearer = format!("Bearer {KEY}");
    for kind in [None, Some("text/plain"), Some("application/jsonp")] {
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(kind.map(|kind| ("Content-Type", kind)));
        let response = ask(url, "POST", "/api/v1/generate", &headers, DECK.as_bytes());
        assert_eq!((response.status, response.code().as_str()), (400, "invalid_request"));
    }
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let response =
        ask(url, "POST", "/api/v1/generate", &headers, b"{\"prompt\":\"\xff\",\"output_type\":\"deck\"}");
    assert_eq!((response.status, response.code().as_str()), (400, "invalid_request"), "not UTF-8");
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        let headers = [("Authorization", bearer.as_str()), ("content-type", kind)];
        assert_eq!(ask(url, "POST", "/api/v1/generate", &headers, DECK.as_bytes()).status, 202, "{kind}");
    }
}

#[test]
fn optional_fields_are_accepted() {
    let sandbox = start(1.0);
    let url = sandbox.base_url();
    for good in [
        r#"{"prompt":"p","output_type":"single_slide","variant_count":3.0}"#,
        r#"{"prompt":"p","output_type":"single_slide","variant_count":10,"reference_images":[]}"#,
        r#"{"prompt":"p","output_type":"deck","reference_images":null,"template_name":null}"#,
        r#"{"prompt":"p","output_type":"deck","tomorrow":{"a":1},"variant_count":null}"#,
        r#"{"prompt":"p","output_type":"single_slide",
                "reference_images":[{"data":"aGk=","mime_type":"image/png"}]}"#,
        r#"{"prompt":"p","output_type":"deck","template_name":"Plum",
                "use_web_search":true,"use_knowledge_base":false}"#,
    ] {
        assert_eq!(generate(url, KEY, None, good).status, 202, "{good}");
    }
}

#[test]
fn templates_are_found_by_name() {
    let sandbox = start(1.0);
    let url = sandbox.base_url();
    for (name, status, code) in [
        ("Harbour", 202, ""),
        ("harbour", 404, "not_found"),
        ("Unknown", 404, "not_found"),
        ("Quarterly Review", 409, "ambiguous_template_name"),
    ] {
        for output_type in ["deck", "single_slide"] {
            let body =
                json!({ "prompt": "p", "output_type": output_type, "template_name": name }).to_string();
            let response = generate(url, KEY, None, &body);
            assert_eq!(response.status, status, "{name}");
            if status != 202 {
                assert_eq!(response.code(), code);
                let message = response.json()["error"]["message"].as_str().unwrap().to_owned();
                assert!(
                    status == 409 || message.contains("Orchard"),
                    "the error lists the templates: {message}"
                );
            }
        }
    }
}

#[test]
fn idempotency_key_is_one_job() {
    let sandbox = start(1.0);
    let url = sandbox.base_url();
    let first = generate(url, KEY, Some("k1"), DECK);
    let again =
        generate(url, KEY, Some("k1"), r#" {"output_type": "deck", "prompt": "Why teams adopt Rust"} "#);
    assert_eq!((first.status, first.body), (202, again.body), "another order of fields is the same body");
    let other = generate(url, KEY, Some("k1"), SLIDE);
    assert_eq!((other.status, other.code().as_str()), (409, "idempotency_conflict"));
    let id = |response: Response| response.json()["job_id"].as_str().unwrap().to_owned();
    let ids = [
        id(generate(url, KEY, Some("k1"), DECK)),
        id(generate(url, KEY, Some("k2"), DECK)),
        id(generate(url, KEY, None, DECK)),
        id(generate(url, KEY, None, DECK)),
        id(generate(url, "sk-test-2", Some("k1"), DECK)),
    ];
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), 5);
    for bad in ["k".repeat(256).as_str(), "", "a b", "\u{e9}"] {
        assert_eq!(generate(url, KEY, Some(bad), DECK).code(), "invalid_request", "{bad:?}");
    }
}

#[test]
fn idempotency_key_compares_the_meaning_of_bodies() {
    let sandbox = start(1.0);
    let url = sandbox.base_url();
    let body = r#"{"prompt":"p\u00e9","output_type":"single_slide","variant_count":2,
        "reference_images":[{"data":"aGk=","mime_type":"image/png"}]}"#;
    let same = "{ \"variant_count\" :2,\r\n\t\"reference_images\": [ {\"mime_type\":\"image/png\", \
        \"data\":\"aGk=\"} ], \"output_type\":\"single_slide\",\"prompt\":\"p\u{e9}\"}";
    assert_eq!(
        generate(url, KEY, Some("k"), r#"{"prompt":"p"}"#).status,
        400,
        "a refused body does not use up the key"
    );
    let first = generate(url, KEY, Some("k"), body);
    assert_eq!(first.status, 202);
    for other in [
        body.replace("u00e9", "u00c9"),
        body.replace("\"variant_count\":2", "\"variant_count\":1"),
        body.replace("aGk=", "aGo="),
        body.replace("\"prompt\"", "\"use_web_search\":true,\"prompt\""),
    ] {
        assert_ne!(other, body);
        let response = generate(url, KEY, Some("k"), &other);
        assert_eq!((response.status, response.code().as_str()), (409, "idempotency_conflict"), "{other}");
    }
    let again = generate(url, KEY, Some("k"), same);
    assert_eq!((again.status, again.body), (202, first.body), "the same response as before");
    let jobs = ask(url, "GET", "/_sandbox/jobs", &[], b"").json();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1, "{jobs}");
}
