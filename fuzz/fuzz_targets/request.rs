//! The JSON of a request that a caller hands in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perceptis_core::fuzzing;

fuzz_target!(|json: &str| fuzzing::request(json));
