//! What answers a poll or a submission.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perceptis_core::fuzzing;

fuzz_target!(|body: &[u8]| fuzzing::answer(body));
