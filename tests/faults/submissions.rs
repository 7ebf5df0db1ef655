//! What a table can't say of submissions: distances over many of them, limits that are the key's, refusals that stay.

use crate::books::Books;
use crate::play::at_once;
use crate::rows::Kind;
use crate::service::Namespace;
use crate::settle::FOREVER;

/// Full jitter makes any one distance anything from nothing to its ceiling, so that only many of them show that the
/// ceiling grows from half a second to thirty.
#[test]
fn the_distances_between_submissions_grow() {
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
    let distances = std::sync::Mutex::new(Vec::new());
    let failed = at_once(fates.repeat(4), 16, |fate| {
        let namespace = Namespace::new(200);
        namespace.rule(&format!("{fate}@generate*10"));
        let options = [("timeout_ms", FOREVER)];
        namespace.client(&[]).generate(&Kind::Deck.request(1), &options).unwrap();
        let sent: Vec<u64> = namespace.journal(0).iter().map(|entry| entry.at_ms).collect();
        assert_eq!(sent.len(), 11);
        distances.lock().unwrap().push(sent.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>());
        None
    });
    assert!(failed.is_empty(), "{failed:?}");
    let distances = distances.into_inner().unwrap();
    let mean = |from: usize, to: usize| {
        let all: Vec<u64> = distances.iter().flat_map(|of_one| of_one[from..to].to_vec()).collect();
        all.iter().sum::<u64>() as f64 / all.len() as f64
    };
    // The means are of 0.5, 1 and 2 s halved, and of 30 s halved: 0.6 and 15 s, and what the machine adds.
    let (early, late) = (mean(0, 3), mean(6, 10));
    assert!(late - early > 8000.0, "at first {early} ms, then {late} ms");
}

#[test]
fn a_limit_on_submissions_is_the_keys_and_not_one_requests() {
    let namespace = Namespace::new(200);
    let client = namespace.client(&[]);
    namespace.rule("http_429=300@generate*1");
    let request = Kind::Slides(1).request(1);
    let error = client.generate(&request, &[("timeout_ms", "280000")]).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("RATE_LIMITED", "no"), "{error:?}");
    client.generate(&request, &[("timeout_ms", FOREVER)]).unwrap();
    let sent = namespace.journal(0);
    assert_eq!(sent.len(), 2);
    assert!(sent[1].at_ms - sent[0].at_ms >= 300_000, "{sent:?}");
}

#[test]
fn an_error_that_is_kept_under_its_key_stays_one() {
    let namespace = Namespace::new(200);
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
    let namespace = Namespace::new(200);
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
