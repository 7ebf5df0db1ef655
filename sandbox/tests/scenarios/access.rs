//! Scenarios of access and of idempotency keys.

use crate::support::Response;
use crate::untested::Untested;
use crate::world::{DECK, SLIDES, World};

pub fn access(untested: &mut Untested) {
    let mut world = World::new();
    let job = world.job(DECK);
    for (name, status) in [("revoked", 401), ("unknown_key", 401), ("trial", 403)] {
        world.key = format!("sk-sandbox-t--{}", untested.take(name));
        assert_eq!(world.poll(&job).unwrap().status, status, "{name}");
        assert_eq!(world.generate(DECK).status, status, "{name}");
    }
    world.key = "sk-sandbox-t--user=2".into();
    assert_eq!(world.poll(&job).unwrap().status, 404, "a second key of the organization");
    world.key = "sk-sandbox-other".into();
    assert_eq!(world.poll(&job).unwrap().status, 404, "another namespace");
}

pub fn idempotency(untested: &mut Untested) {
    let world = World::new();
    let submit = |world: &World, key: &str, body: &str| {
        world.request("POST", "/api/v1/generate", &[("Idempotency-Key", key)], body).unwrap()
    };
    let id = |response: &Response| response.json()["job_id"].as_str().unwrap().to_owned();
    let first = id(&submit(&world, "k", DECK));
    let rule = world.rule(untested.take("keys_forgotten=60"));
    assert_eq!(id(&submit(&world, "k", DECK)), first);
    world.advance(61);
    assert_ne!(id(&submit(&world, "k", DECK)), first);
    world.remove_rule(rule);

    let mut other = World { sandbox: world.sandbox, key: "sk-sandbox-t--user=2".into() };
    let mine = id(&submit(&other, "shared", DECK));
    other.key = "sk-sandbox-t".into();
    assert_ne!(id(&submit(&other, "shared", DECK)), mine);
    let rule = other.rule(untested.take("keys_per_organization"));
    other.key = "sk-sandbox-t--user=3".into();
    assert_eq!(submit(&other, "shared", DECK).status, 202);
    other.remove_rule(rule);

    let rule = other.rule(untested.take("conflict_in_work=10"));
    submit(&other, "busy", DECK);
    assert_eq!(submit(&other, "busy", DECK).code(), "idempotency_conflict");
    other.advance(11);
    assert_eq!(submit(&other, "busy", DECK).status, 202);
    other.remove_rule(rule);

    // Every error is kept, whatever became of the job. A rate limit and a conflict are not: they end some
    // time.
    other.rule(untested.take("errors_kept"));
    assert_eq!(submit(&other, "bad", "{}").status, 400);
    assert_eq!(submit(&other, "bad", DECK).status, 400, "the error is repeated");
    for (scenario, made, then) in [
        ("http_500", 0, 500),
        ("http_400", 0, 400),
        ("made_then_500", 1, 500),
        ("http_429", 0, 202),
        ("request_in_progress", 0, 202),
        ("reset_after", 1, 202),
    ] {
        let before = other.jobs();
        let headers = [("Idempotency-Key", scenario), ("X-Perceptis-Sandbox", scenario)];
        let first = other.request("POST", "/api/v1/generate", &headers, DECK);
        assert_eq!(other.jobs(), before + made, "{scenario}");
        let again = submit(&other, scenario, DECK);
        assert_eq!(again.status, then, "{scenario}");
        if then != 202 {
            assert_eq!(again.body, first.unwrap().body, "{scenario}: the same body");
        }
    }
    submit(&other, "sound", DECK);
    assert_eq!(submit(&other, "sound", SLIDES).code(), "idempotency_conflict");
    assert_eq!(submit(&other, "sound", DECK).status, 202, "a conflict is not kept");
}
