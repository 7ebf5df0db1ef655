//! Scenarios of jobs: how long they take, how they end, and what their status says.

use serde_json::{Value, json};

use crate::untested::Untested;
use crate::world::{SLIDES, World};

/// A job whose prompt has this directive.
fn directed(directive: &str) -> (World, String) {
    let world = World::new();
    let job = world.job(&SLIDES.replace("\"p\"", &format!("\"p [[sandbox: {directive}]]\"")));
    (world, job)
}

pub fn pace(untested: &mut Untested) {
    let (world, job) = directed(untested.take("takes=5"));
    assert_eq!(world.state(&job)["status"], "pending");
    world.advance(6);
    assert_eq!(world.state(&job)["status"], "completed");
    assert_eq!(world.credits(), 2, "a credit for each variant");
    // From a rule: a job that was completed stays completed, and is billed when the rule is gone.
    let world = World::new();
    let job = world.job(SLIDES);
    world.rule("takes=5");
    world.advance(6);
    assert_eq!((world.credits(), &world.state(&job)["status"]), (0, &json!("completed")));
    world.admin("DELETE", "rules", &Value::Null);
    assert_eq!((world.credits(), &world.state(&job)["status"]), (2, &json!("completed")));

    // The pace is a layer of its own: it goes together with a scenario of how the job ends.
    let (world, job) = directed("takes=5, fewer_variants");
    world.advance(6);
    assert_eq!(world.state(&job)["downloads"].as_array().unwrap().len(), 1);
    let mut world = World::new();
    world.key = "sk-sandbox-t--takes=5--no_downloads".into();
    let job = world.job(SLIDES);
    world.advance(6);
    let state = world.state(&job);
    assert_eq!((&state["status"], &state["downloads"]), (&json!("completed"), &json!([])));
}

pub fn failures(untested: &mut Untested) {
    for (name, error) in [
        ("fail_after=2", json!({ "code": "generation_failed", "message": "the slides could not be made" })),
        ("fail_code_only=2", json!({ "code": "generation_failed" })),
        ("fail_message_only=2", json!({ "message": "the slides could not be made" })),
        ("fail_text=2", json!("the slides could not be made")),
        ("fail_null=2", Value::Null),
    ] {
        let (world, job) = directed(untested.take(name));
        assert_eq!(world.state(&job)["status"], "pending");
        let failed = world.state(&job);
        assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &error), "{name}");
        world.advance(3600);
        assert_eq!(world.state(&job)["status"], "failed", "for good");
        assert_eq!(world.credits(), 0, "a failure costs nothing");
    }
    let (world, job) = directed(untested.take("fail_nested"));
    assert_eq!(world.state(&job)["error"]["error"]["code"], "generation_failed");
}

pub fn statuses(untested: &mut Untested) {
    let (world, job) = directed(untested.take("never_ends"));
    world.advance(1_000_000);
    assert_eq!(world.state(&job)["status"], "processing");
    assert_eq!(world.credits(), 0);

    let (world, job) = directed(untested.take("unknown_status=dreaming"));
    assert_eq!(world.state(&job)["status"], "dreaming");
    world.advance(3600);
    assert_eq!(world.state(&job)["status"], "completed");

    let (world, job) = directed(untested.take("step_back"));
    world.advance(60);
    let states: Vec<Value> = (0..4).map(|_| world.state(&job)["status"].clone()).collect();
    assert_eq!(states, ["processing", "pending", "processing", "pending"]);
}

pub fn downloads(untested: &mut Untested) {
    for (name, check) in [
        ("no_downloads", (|state| state["downloads"] == json!([])) as fn(&Value) -> bool),
        ("downloads_null", |state| state["downloads"].is_null()),
        ("fewer_variants", |state| state["downloads"].as_array().unwrap().len() == 1),
        ("other_format=key", |state| state["downloads"][1]["format"] == "key"),
        ("unknown_fields", |state| state["progress"]["percent"] == 41.5),
        ("numbers_for_text", |state| state["output_type"] == 7 && state["downloads"][1]["variant"] == "2"),
    ] {
        let (world, job) = directed(untested.take(name));
        world.advance(3600);
        let state = world.state(&job);
        assert_eq!(state["status"], "completed");
        assert!(check(&state), "{name}: {state}");
    }
    let (world, job) = directed(untested.take("late_downloads=2"));
    world.advance(3600);
    let counts: Vec<usize> =
        (0..4).map(|_| world.state(&job)["downloads"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [0, 0, 2, 2]);
}
