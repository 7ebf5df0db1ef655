//! `Retry-After`, `retry-after-ms` and `Date`, separated by line ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perceptis_core::fuzzing;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(3, |byte| *byte == b'\n').map(|line| line.trim_ascii());
    let mut next = || lines.next().unwrap_or_default();
    fuzzing::retry_after(next(), next(), next());
});
