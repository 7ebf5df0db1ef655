//! The sources of scenarios: rules, headers, keys and prompts, and which of them applies.

use serde_json::{Value, json};

use crate::support::{Response, ask};
use crate::world::{DECK, World};

#[test]
fn unknown_scenario_is_refused_with_the_list() {
    let mut world = World::new();
    let says = |response: Response| response.json()["error"]["message"].as_str().unwrap().to_owned();
    let header = [("X-Perceptis-Sandbox", "nonsense")];
    let refused = world.request("POST", "/api/v1/generate", &header, DECK).unwrap();
    assert!(refused.status == 400 && says(refused).contains("half_answer"));
    let prompt = world.generate(r#"{"prompt":"[[sandbox: nonsense]]","output_type":"deck"}"#);
    assert!(prompt.status == 400 && says(prompt).contains("half_answer"));
    let rule = ask(world.url(), "POST", "/_sandbox/rules", &[], br#"{"scenario":"nonsense"}"#);
    assert!(rule.status == 400 && says(rule).contains("half_answer"));
    world.key = "sk-sandbox-t--nonsense".into();
    let key = says(world.generate(DECK));
    assert!(key.contains("half_answer") && key.contains("user=N"), "{key}");
    world.key = "sk-sandbox-t/1".into();
    let key = world.generate(DECK);
    assert!(key.status == 400 && says(key).contains("a namespace is"));
    for bad in [
        json!({ "scenario": "html", "tiems": 1 }),
        json!({}),
        json!({ "scenario": "html", "times": -1 }),
        json!({ "scenario": "html", "probability": 2 }),
    ] {
        let response = ask(world.url(), "POST", "/_sandbox/rules", &[], bad.to_string().as_bytes());
        assert_eq!(response.status, 400, "{bad}");
    }
}

#[test]
fn strongest_source_wins_and_layers_go_together() {
    let mut world = World::new();
    let job = world.job(r#"{"prompt":"p [[sandbox: http_503@status]]","output_type":"deck"}"#);
    assert_eq!(world.poll(&job).unwrap().status, 503, "the prompt's");
    world.key = "sk-sandbox-t--http_502@status".into();
    assert_eq!(world.poll(&job).unwrap().status, 502, "the key's");
    let path = format!("/api/v1/status/{job}");
    let header = [("X-Perceptis-Sandbox", "http_500")];
    assert_eq!(world.request("GET", &path, &header, "").unwrap().status, 500, "the header's");
    world.admin("POST", "rules", &json!({ "scenario": "http_504", "job": job, "times": 2 }));
    assert_eq!(world.request("GET", &path, &header, "").unwrap().status, 504, "the rule's");
    world.rule("wrong_content_type@status");
    let both = world.poll(&job).unwrap();
    assert_eq!((both.status, both.header("content-type")), (504, Some("text/plain")));
    assert_eq!(world.poll(&job).unwrap().status, 502, "the rule applies two times");
    let rules = world.admin("GET", "rules", &Value::Null);
    assert_eq!(rules["rules"][0]["fired"], 2, "{rules}");
}

#[test]
fn rule_fires_when_it_changes_something() {
    let world = World::new();
    let job = world.job(DECK);
    let path = format!("/api/v1/status/{job}");
    let fired = |id: u64| {
        let rules = world.admin("GET", "rules", &Value::Null);
        let rule = rules["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == id).unwrap().clone();
        rule["fired"].as_u64().unwrap()
    };
    let limit = world.rule("rate_limit=2@status*1");
    let codes: Vec<u16> = (0..4).map(|_| world.poll(&job).unwrap().status).collect();
    assert_eq!(codes, [200, 200, 429, 200], "the limit counts refusals, not requests");
    assert_eq!(fired(limit), 1);
    let late = world.rule("not_found_at_first=5");
    world.advance(10);
    assert_eq!((world.poll(&job).unwrap().status, fired(late)), (200, 0));
    let early = world.rule("no_downloads*1");
    world.poll(&job);
    assert_eq!((fired(early), &world.last()["faults"]), (0, &json!([])), "nothing is completed yet");
    let fails = world.admin("POST", "rules", &json!({ "scenario": "fail_after=7", "times": 1, "job": job }));
    assert_eq!(world.state(&job)["status"], "processing");
    assert_eq!(world.state(&job)["status"], "failed", "at its seventh poll");
    assert_eq!(fired(fails["id"].as_u64().unwrap()), 1);
    assert_eq!(world.last()["faults"], json!(["fail_after=7"]));

    let matched = |fields: Value| {
        let mut rule = json!({ "scenario": "http_500" });
        rule.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        world.admin("POST", "rules", &rule)["id"].as_u64().unwrap()
    };
    for (fields, fires) in [
        (json!({ "method": "POST" }), 0),
        (json!({ "method": "get", "times": 1 }), 1),
        (json!({ "path": "/api/v1/generate" }), 0),
        (json!({ "path": "/api/*/status/*", "times": 1 }), 1),
        (json!({ "job": "job_other" }), 0),
        (json!({ "job": job, "times": 1 }), 1),
        (json!({ "probability": 0.0 }), 0),
        (json!({ "probability": 1.0, "seed": 7, "times": 1 }), 1),
    ] {
        let id = matched(fields.clone());
        let status = world.request("GET", &path, &[], "").unwrap().status;
        assert_eq!((fired(id), status == 500), (fires, fires == 1), "{fields}");
    }
}

#[test]
fn scenarios_of_a_key_apply_to_its_downloads() {
    let mut world = World::new();
    world.key = "sk-sandbox-t--zip_cut*1".into();
    let (_, paths) = world.completed(DECK);
    let lengths: Vec<usize> =
        (0..2).map(|_| ask(world.url(), "GET", &paths[0], &[], b"").body.len()).collect();
    assert!(lengths[0] < lengths[1], "{lengths:?}");
}
