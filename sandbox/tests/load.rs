//! Ten thousand jobs at one time: memory and size. `cargo bench` measures the time.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use serde_json::Value;
use support::child::{Connection, Program};
use support::get;

const JOBS: usize = 10_000;
const KEY: &str = "sk-sandbox-load";

#[test]
fn ten_thousand_jobs_take_little_memory() {
    let program = Program::start();
    let idle = program.memory();
    let mut connection = Connection::to(&program.url, KEY);
    let ids: Vec<String> = (0..JOBS).map(|number| connection.submit(number)).collect();
    let memory = program.memory();
    // Measured: 14 MiB, in release and debug builds alike.
    assert!(memory - idle < 30 << 10, "{idle} KiB, and {memory} KiB with {JOBS} jobs");

    connection.ask("POST", "/_sandbox/clock", r#"{"namespace":"load","advance_ms":3600000}"#);
    for id in ids.iter().step_by(97).chain(ids.last()) {
        let response: Value =
            serde_json::from_str(&connection.ask("GET", &format!("/api/v1/status/{id}"), "")).unwrap();
        assert_eq!(
            (&response["job_id"], &response["status"]),
            (&Value::from(id.as_str()), &"completed".into())
        );
    }
    let credits = get(&program.url, KEY, "/_sandbox/credits?namespace=load").json();
    assert_eq!(credits["keys"][0]["jobs"].as_array().unwrap().len(), JOBS);
    assert_eq!(program.end(), "");
}

#[test]
fn program_is_small() {
    // The size of a debug build says nothing of the program that is shipped.
    if cfg!(debug_assertions) {
        return;
    }
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_perceptis-sandbox")).unwrap().len();
    assert!(size <= 4 << 20, "{size} bytes");
    let idle = Program::start().memory();
    assert!(idle < 8 << 10, "{idle} KiB");
}
