//! Scenarios with canned responses: statuses, rate limits, redirects.

use serde_json::Value;

use crate::support::Response;
use crate::untested::Untested;
use crate::world::{DECK, World};

fn submit(world: &World, scenario: &str) -> Response {
    world.request("POST", "/api/v1/generate", &[("X-Perceptis-Sandbox", scenario)], DECK).unwrap()
}

pub fn statuses(untested: &mut Untested) {
    let world = World::new();
    let job = world.job(DECK);
    for (name, status) in [
        ("http_400", 400),
        ("http_401", 401),
        ("http_403", 403),
        ("http_404", 404),
        ("http_408", 408),
        ("http_409", 409),
        ("http_410", 410),
        ("http_422", 422),
        ("http_425", 425),
        ("http_500", 500),
        ("http_502", 502),
        ("http_503", 503),
        ("http_504", 504),
    ] {
        let header = [("X-Perceptis-Sandbox", untested.take(name))];
        let path = format!("/api/v1/status/{job}");
        let response = world.request("GET", &path, &header, "").unwrap();
        assert_eq!(response.status, status, "{name}");
        response.code();
        assert_eq!(
            world.request("POST", "/api/v1/generate", &header, DECK).unwrap().status,
            status,
            "{name}"
        );
    }
}

pub fn codes_of_submissions(untested: &mut Untested) {
    let world = World::new();
    let submit = |scenario: &str| submit(&world, scenario);
    assert_eq!(submit(untested.take("ambiguous_template")).code(), "ambiguous_template_name");
    let poor = submit(untested.take("insufficient_credits"));
    assert_eq!((poor.status, poor.code().as_str()), (402, "insufficient_credits"));
    assert_eq!(submit("insufficient_credits=403").status, 403);
    let in_progress = submit(untested.take("request_in_progress"));
    assert_eq!((in_progress.status, in_progress.code().as_str()), (409, "request_in_progress"));
}

pub fn retry_after(untested: &mut Untested) {
    let world = World::new();
    let submit = |scenario: &str| submit(&world, scenario);
    for (name, says) in [
        ("http_429=7", Some("7")),
        ("http_429_date=9", Some("GMT")),
        ("http_429_fraction", Some("1.5")),
        ("http_429_negative", Some("-5")),
        ("http_429_past", Some("GMT")),
        ("http_429_text=inf", Some("inf")),
        ("http_429_huge", Some("99999999999999999999")),
        ("http_429_missing", None),
    ] {
        let response = submit(untested.take(name));
        assert_eq!((response.status, response.code().as_str()), (429, "rate_limit_exceeded"), "{name}");
        let described = response.header("retry-after");
        assert!(
            described.map_or(says.is_none(), |described| says.is_some_and(|says| described.ends_with(says))),
            "{name}: {described:?}"
        );
    }
}

pub fn made_then_hidden(untested: &mut Untested) {
    let world = World::new();
    let submit = |scenario: &str| submit(&world, scenario);
    for (name, status) in
        [("made_then_500", 500), ("made_then_408", 408), ("made_then_302", 302), ("made_then_401", 401)]
    {
        let before = world.jobs();
        assert_eq!(submit(untested.take(name)).status, status);
        assert_eq!(world.jobs(), before + 1, "{name}: the job is made");
    }
    for name in ["redirect_302", "redirect_307=/x"] {
        let response = submit(untested.take(name));
        assert!(response.header("location").is_some() && matches!(response.status, 302 | 307), "{name}");
    }
}

pub fn polls(untested: &mut Untested) {
    let world = World::new();
    world.rule(untested.take("not_found_at_first=10"));
    let fresh = world.job(DECK);
    assert_eq!(world.poll(&fresh).unwrap().status, 404);
    world.advance(11);
    assert_eq!(world.poll(&fresh).unwrap().status, 200);
    world.admin("DELETE", "rules", &Value::Null);

    world.rule(untested.take("rate_limit=2@status"));
    let codes: Vec<u16> = (0..3).map(|_| world.poll(&fresh).unwrap().status).collect();
    assert_eq!(codes, [200, 200, 429]);
    world.advance(1);
    assert_eq!(world.poll(&fresh).unwrap().status, 200);
}
