//! What a table can't say of submissions: distances over many of them, limits that are the key's, refusals that stay.

use serde_json::json;

use crate::books::Books;
use crate::play::at_once;
use crate::rows::Kind;
use crate::service::{Namespace, SPEED, slower};
use crate::settle::FOREVER;
use crate::support::heard::Heard;

/// Full jitter makes any one distance anything from nothing to its ceiling, which grows from half a second to thirty. The
/// log says how long it is, and the sandbox's clock that it is kept.
#[test]
fn the_distances_between_submissions_grow() {
    const RETRIES: usize = 10;
    let fates = [
        "http_500",
        "http_408",
        "reset_after",
        "close_after",
        "half_answer",
        "html",
        "made_then_500",
        "reset_before",
    ];
    let longest = std::sync::Mutex::new([0; RETRIES]);
    let ceilings: [u64; RETRIES] = std::array::from_fn(|at| (500 << at).min(30_000));
    let seeded: Vec<_> = (1..).zip(fates.repeat(4)).collect();
    let failed = at_once(seeded, 16, |(seed, fate)| {
        let (namespace, heard) = (Namespace::new(SPEED).with_jitter(*seed), Heard::default());
        namespace.rule(&format!("{fate}@generate*{RETRIES}"));
        let client = namespace.heard(&heard, &[]);
        client.generate(&Kind::Deck.request(1), &[("timeout_ms", FOREVER)]).unwrap();
        client.close(60_000).unwrap();
        let waits = heard.wait_for("retrying", RETRIES);
        let waits: Vec<u64> = waits.iter().map(|record| record["wait_ms"].as_u64().unwrap()).collect();
        let sent: Vec<u64> = namespace.journal(0).iter().map(|entry| entry.at_ms).collect();
        assert_eq!((waits.len(), sent.len()), (RETRIES, RETRIES + 1));
        for (at, wait) in waits.iter().enumerate() {
            assert!(*wait <= ceilings[at], "{wait} ms after {at} retries");
            // Times are cut to milliseconds.
            assert!(sent[at + 1] - sent[at] + 1 >= *wait, "{sent:?} {waits:?}");
            let mut longest = longest.lock().unwrap();
            longest[at] = longest[at].max(*wait);
        }
        None
    });
    assert!(failed.is_empty(), "{failed:?}");
    for (longest, ceiling) in longest.into_inner().unwrap().into_iter().zip(ceilings) {
        assert!(longest * 2 > ceiling, "of 32 seeds the longest is {longest} ms of {ceiling}");
    }
}

#[test]
fn a_limit_on_submissions_is_the_keys_and_not_one_requests() {
    let request = Kind::Slides(1).request(1);
    let (namespace, client, error) = slower(|speed| {
        let namespace = Namespace::new(speed);
        let client = namespace.client(&[]);
        namespace.rule("http_429=300@generate*1");
        let error = client.generate(&request, &[("timeout_ms", "280000")]).unwrap_err();
        (error.code == "RATE_LIMITED").then_some((namespace, client, error))
    });
    assert_eq!(error.detail("billed"), "no", "{error:?}");
    client.generate(&request, &[("timeout_ms", FOREVER)]).unwrap();
    let sent = namespace.journal(0);
    assert_eq!(sent.len(), 2);
    assert!(sent[1].at_ms - sent[0].at_ms >= 300_000, "{sent:?}");
}

#[test]
fn an_error_that_is_kept_under_its_key_stays_one() {
    let namespace = Namespace::new(SPEED);
    let rule = namespace.rule("errors_kept@generate");
    let request = Kind::Slides(1).request(1);
    request.set("template_name", "Quarterly Review").unwrap();
    let client = namespace.client(&[]);
    for _ in 0..2 {
        let error = client.generate(&request, &[("idempotency_key", "order-1")]).unwrap_err();
        assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("CONFLICT", "no"), "{error:?}");
    }
    assert!(namespace.fired(rule) > 0);
    assert!(Books::read(&namespace).jobs.is_empty());
}

#[test]
fn another_request_under_a_known_key_is_a_conflict_and_buys_nothing() {
    let namespace = Namespace::new(SPEED);
    let client = namespace.client(&[]);
    client.generate(&Kind::Slides(1).request(1), &[("idempotency_key", "order-1")]).unwrap();
    let error = client.generate(&Kind::Deck.request(1), &[("idempotency_key", "order-1")]).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("CONFLICT", "no"), "{error:?}");
    assert_eq!(Books::read(&namespace).jobs.len(), 1);

    // Also where keys are the organization's, and another API key has used it.
    let rule = namespace.rule("keys_per_organization@generate");
    let key = format!("{}--user=2", namespace.key());
    let another = namespace.client(&[("api_key", &key), ("ledger", "off")]);
    let error = another.generate(&Kind::Deck.request(1), &[("idempotency_key", "order-1")]).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("CONFLICT", "no"), "{error:?}");
    assert_eq!((namespace.fired(rule), Books::read(&namespace).jobs.len()), (1, 1));
}

/// `promise.md`, 4: a service that may have forgotten a key by now is not sent it again, unless the caller says so.
#[test]
fn what_the_service_may_have_forgotten_is_not_sent_again_without_asking() {
    let namespace = Namespace::new(1000);
    // It has all the time of the world to remember.
    namespace.post("clock", &json!({ "frozen": true }));
    let client = namespace.client(&[]);
    let forgets = namespace.rule("keys_forgotten=3600@generate");
    namespace.rule("reset_after@generate*1");
    namespace.rule("http_429=4000@generate*1+1");
    let options = [("timeout_ms", FOREVER), ("idempotency_key", "order-1")];
    let request = Kind::Slides(1).request(1);
    let error = client.generate(&request, &options).unwrap_err();
    assert_eq!(
        (error.code.as_str(), error.detail("billed").as_str()),
        ("OUTCOME_UNKNOWN", "unknown"),
        "{error:?}"
    );
    assert!(error.message.contains("resubmit"), "{error:?}");
    assert_eq!((namespace.journal(0).len(), namespace.fired(forgets)), (2, 0));
    assert_eq!(Books::read(&namespace).jobs.len(), 1);
    // The way out that it names, while the service remembers.
    let resubmit = [("timeout_ms", FOREVER), ("idempotency_key", "order-1"), ("resubmit", "true")];
    namespace.clear();
    namespace.client(&[]).generate(&request, &resubmit).unwrap();
    assert_eq!(Books::read(&namespace).jobs.len(), 1);
}
