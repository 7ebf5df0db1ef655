//! The contract: the documented service, over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod connections;
mod downloads;
mod jobs;
mod submissions;
#[path = "../support/mod.rs"]
mod support;

use perceptis_sandbox::{Running, Sandbox, Settings};

const DECK: &str = r#"{"prompt":"Why teams adopt Rust","output_type":"deck"}"#;
const SLIDE: &str = r#"{"prompt":"One slide","output_type":"single_slide"}"#;

fn start(speed: f64) -> Running {
    Sandbox::start(Settings { speed, ..Settings::default() }).unwrap()
}
