//! `Content-Range`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perceptis_core::fuzzing;

fuzz_target!(|text: &[u8]| fuzzing::range(text));
