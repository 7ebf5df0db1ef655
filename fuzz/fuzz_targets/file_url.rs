//! The URL of a file, and in the second line where a redirect leads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perceptis_core::fuzzing;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let url = String::from_utf8_lossy(lines.next().unwrap_or_default());
    fuzzing::file_url(&url, lines.next().unwrap_or_default());
});
