//! What explains a refusal: its status, type, request id and body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perceptis_core::fuzzing;

fuzz_target!(|input: (u16, &[u8], &[u8], &[u8])| {
    let (status, content_type, request_id, body) = input;
    fuzzing::error_body(300 + status % 300, content_type, request_id, body);
});
