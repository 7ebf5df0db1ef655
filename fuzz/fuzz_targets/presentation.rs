//! A file that arrived: whether it is a whole presentation.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perceptis_core::fuzzing;

fuzz_target!(|bytes: &[u8]| fuzzing::presentation(bytes));
