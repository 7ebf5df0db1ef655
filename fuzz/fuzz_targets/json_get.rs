//! `perceptis_json_get` of the shared library: a pointer in the first line, then a JSON text.
#![no_main]

use std::ffi::{CStr, CString, c_char};

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[link(name = "perceptis")]
unsafe extern "C" {
    fn perceptis_json_get(json: *const c_char, pointer: *const c_char) -> *mut c_char;
    fn perceptis_string_free(text: *mut c_char);
}

fuzz_target!(|input: &str| {
    let (pointer, json) = input.split_once('\n').unwrap_or(("", input));
    let (Ok(c_pointer), Ok(c_json)) = (CString::new(pointer), CString::new(json)) else { return };
    // SAFETY: both arguments are texts for C; what comes back is one, too, and is freed once.
    let found = unsafe {
        let text = perceptis_json_get(c_json.as_ptr(), c_pointer.as_ptr());
        let found = (!text.is_null()).then(|| CStr::from_ptr(text).to_str().expect("UTF-8").to_owned());
        perceptis_string_free(text);
        found
    };
    // What serde_json finds in a tree, the library finds in the text. A tree holds less: no deep nesting, no number
    // beyond all bounds.
    let Ok(tree) = serde_json::from_str::<Value>(json) else { return };
    let expected = tree.pointer(pointer);
    assert_eq!(found.is_some(), expected.is_some(), "{found:?} and {expected:?}");
    if let (Some(found), Some(Value::String(text))) = (found, expected) {
        assert!(found == *text || text.contains('\0'));
    }
});
