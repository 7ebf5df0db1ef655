//! Pointers that are not the handle that a function asks for: freed ones, those of other kinds, and any
//! others.
//!
//! One test has all that is freed: the library remembers a bounded number of freed handles of a kind.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::undocumented_unsafe_blocks
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{c_char, c_void};
use std::process::Command;
use std::ptr::null_mut;

use support::api::{self, Opaque, Request, borrowed, c, call, functions};
use support::program::{build, valgrind};
use support::queue::Queue;
use support::{Sandbox, library_directory, succeed};

/// A function with one of its arguments open, and a place for its error.
type WithError = Box<dyn Fn(Opaque, *mut Opaque) -> i32>;

/// What handles there are, by their kinds.
struct Handles(BTreeMap<&'static str, Opaque>);

impl Handles {
    fn new() -> Handles {
        let api = functions();
        let client =
            api::Client::new(&[("api_key", "sk-1"), ("api_base_url", "http://127.0.0.1:9")]).unwrap();
        let (queue, request) = (Queue::new(), Request::deck());
        // Refused, so that there is an event with an error without a request.
        queue.wait(&client, "j1", &[("timeout_ms", "1")], 1).unwrap();
        let (mut events, mut taken): ([Opaque; 1], usize) = ([null_mut()], 0);
        call(|error| unsafe {
            (api.perceptis_queue_take)(queue.0.0, events.as_mut_ptr(), 1, -1, &raw mut taken, error)
        })
        .unwrap();
        let mut error: Opaque = null_mut();
        unsafe { (api.perceptis_queue_new)(null_mut(), &raw mut error) };
        let all = [
            ("a client", client.0.0),
            ("a queue", queue.0.0),
            ("a request", request.0.0),
            ("a configuration", unsafe { (api.perceptis_config_new)() }),
            ("an options handle", unsafe { (api.perceptis_options_new)() }),
            ("an event", events[0]),
            ("an error", error),
        ];
        std::mem::forget((client, queue, request));
        Handles(all.into_iter().collect())
    }

    fn get(&self, kind: &str) -> Opaque {
        self.0[kind]
    }

    /// Those of all other kinds.
    fn others(&self, kind: &str) -> impl Iterator<Item = Opaque> {
        self.0.iter().filter(move |(other, _)| **other != kind).map(|(_, handle)| *handle)
    }
}

/// What frees a handle of a kind.
fn free_of(kind: &str) -> (&'static str, unsafe extern "C" fn(Opaque)) {
    let api = functions();
    match kind {
        "a client" => ("perceptis_client_free", api.perceptis_client_free),
        "a queue" => ("perceptis_queue_free", api.perceptis_queue_free),
        "a request" => ("perceptis_request_free", api.perceptis_request_free),
        "a configuration" => ("perceptis_config_free", api.perceptis_config_free),
        "an options handle" => ("perceptis_options_free", api.perceptis_options_free),
        "an event" => ("perceptis_event_free", api.perceptis_event_free),
        _ => ("perceptis_error_free", api.perceptis_error_free),
    }
}

/// Every function with a place for an error, once for each handle that it takes: its name, the argument's,
/// its kind.
fn with_error(handles: &Handles) -> Vec<(&'static str, &'static str, &'static str, WithError)> {
    let api = functions();
    let (client, queue) = (handles.get("a client"), handles.get("a queue"));
    let (request, config) = (handles.get("a request"), handles.get("a configuration"));
    let text: *const c_char = c("j1").into_raw();
    let data: *const c_void = text.cast();
    // Places that live as long as the test.
    let place: *mut Opaque = Box::leak(Box::new(null_mut()));
    let json: *mut *mut c_char = place.cast();
    let taken: *mut usize = Box::leak(Box::new(0));
    let mut all: Vec<(&'static str, &'static str, &'static str, WithError)> = Vec::new();
    macro_rules! add {
        ($($name:ident $argument:literal $kind:literal |$h:ident, $e:ident| ($($value:expr),*);)*) => {
            $(all.push((
                stringify!($name),
                $argument,
                $kind,
                Box::new(move |$h, $e| unsafe { (api.$name)($($value),*) }),
            ));)*
        };
    }
    add! {
        perceptis_config_set "config" "a configuration" |h, e| (h, text, text, e);
        perceptis_config_set_log "config" "a configuration" |h, e| (h, None, null_mut(), e);
        perceptis_config_set_log_queue "config" "a configuration" |h, e| (h, queue, e);
        perceptis_config_set_log_queue "queue" "a queue" |h, e| (config, h, e);
        perceptis_client_new "config" "a configuration" |h, e| (h, place, e);
        perceptis_client_activity "client" "a client" |h, e| (h, json, e);
        perceptis_client_close "client" "a client" |h, e| (h, 0, e);
        perceptis_request_set "request" "a request" |h, e| (h, text, text, e);
        perceptis_request_set_json "request" "a request" |h, e| (h, text, text, e);
        perceptis_request_add_image "request" "a request" |h, e| (h, data, 1, text, e);
        perceptis_request_add_image_file "request" "a request" |h, e| (h, text, e);
        perceptis_request_to_json "request" "a request" |h, e| (h, json, e);
        perceptis_options_set "options" "an options handle" |h, e| (h, text, text, e);
        perceptis_get_status "client" "a client" |h, e| (h, text, null_mut(), json, e);
        perceptis_get_status "options" "an options handle" |h, e| (client, text, h, json, e);
        perceptis_wait "client" "a client" |h, e| (h, text, null_mut(), json, e);
        perceptis_wait "options" "an options handle" |h, e| (client, text, h, json, e);
        perceptis_download "client" "a client" |h, e| (h, text, null_mut(), json, e);
        perceptis_download "options" "an options handle" |h, e| (client, text, h, json, e);
        perceptis_generate "client" "a client" |h, e| (h, request, null_mut(), json, e);
        perceptis_generate "request" "a request" |h, e| (client, h, null_mut(), json, e);
        perceptis_generate "options" "an options handle" |h, e| (client, request, h, json, e);
        perceptis_run "client" "a client" |h, e| (h, request, null_mut(), json, e);
        perceptis_run "request" "a request" |h, e| (client, h, null_mut(), json, e);
        perceptis_run "options" "an options handle" |h, e| (client, request, h, json, e);
        perceptis_recover "client" "a client" |h, e| (h, null_mut(), json, e);
        perceptis_recover "options" "an options handle" |h, e| (client, h, json, e);
        perceptis_jobs "client" "a client" |h, e| (h, null_mut(), json, e);
        perceptis_jobs "options" "an options handle" |h, e| (client, h, json, e);
        perceptis_forget "client" "a client" |h, e| (h, text, e);
        perceptis_get_status_async "client" "a client" |h, e| (h, text, null_mut(), queue, 1, e);
        perceptis_get_status_async "options" "an options handle" |h, e| (client, text, h, queue, 1, e);
        perceptis_get_status_async "queue" "a queue" |h, e| (client, text, null_mut(), h, 1, e);
        perceptis_wait_async "client" "a client" |h, e| (h, text, null_mut(), queue, 1, e);
        perceptis_wait_async "options" "an options handle" |h, e| (client, text, h, queue, 1, e);
        perceptis_wait_async "queue" "a queue" |h, e| (client, text, null_mut(), h, 1, e);
        perceptis_download_async "client" "a client" |h, e| (h, text, null_mut(), queue, 1, e);
        perceptis_download_async "options" "an options handle" |h, e| (client, text, h, queue, 1, e);
        perceptis_download_async "queue" "a queue" |h, e| (client, text, null_mut(), h, 1, e);
        perceptis_generate_async "client" "a client" |h, e| (h, request, null_mut(), queue, 1, e);
        perceptis_generate_async "request" "a request" |h, e| (client, h, null_mut(), queue, 1, e);
        perceptis_generate_async "options" "an options handle" |h, e| (client, request, h, queue, 1, e);
        perceptis_generate_async "queue" "a queue" |h, e| (client, request, null_mut(), h, 1, e);
        perceptis_run_async "client" "a client" |h, e| (h, request, null_mut(), queue, 1, e);
        perceptis_run_async "request" "a request" |h, e| (client, h, null_mut(), queue, 1, e);
        perceptis_run_async "options" "an options handle" |h, e| (client, request, h, queue, 1, e);
        perceptis_run_async "queue" "a queue" |h, e| (client, request, null_mut(), h, 1, e);
        perceptis_recover_async "client" "a client" |h, e| (h, null_mut(), queue, 1, e);
        perceptis_recover_async "options" "an options handle" |h, e| (client, h, queue, 1, e);
        perceptis_recover_async "queue" "a queue" |h, e| (client, null_mut(), h, 1, e);
        perceptis_queue_set_wakeup "queue" "a queue" |h, e| (h, None, null_mut(), e);
        perceptis_queue_set_wakeup_with_release "queue" "a queue" |h, e| (h, None, null_mut(), None, e);
        perceptis_queue_take "queue" "a queue" |h, e| (h, place, 1, 0, taken, e);
        perceptis_queue_cancel "queue" "a queue" |h, e| (h, 1, e);
        perceptis_queue_close "queue" "a queue" |h, e| (h, e);
    }
    all
}

/// What a function without a place for an error answers, as text: its name, its kind, the function.
type Answer = Box<dyn Fn(Opaque) -> String>;

fn without_error() -> Vec<(&'static str, &'static str, Answer)> {
    let api = functions();
    vec![
        (
            "perceptis_error_code",
            "an error",
            number(move |h| unsafe { (api.perceptis_error_code)(h) }.into()),
        ),
        ("perceptis_error_message", "an error", text(api.perceptis_error_message)),
        ("perceptis_error_details", "an error", text(api.perceptis_error_details)),
        ("perceptis_queue_fd", "a queue", number(move |h| unsafe { (api.perceptis_queue_fd)(h) }.into())),
        (
            "perceptis_event_tag",
            "an event",
            number(move |h| i64::try_from(unsafe { (api.perceptis_event_tag)(h) }).unwrap()),
        ),
        (
            "perceptis_event_kind",
            "an event",
            number(move |h| unsafe { (api.perceptis_event_kind)(h) }.into()),
        ),
        (
            "perceptis_event_code",
            "an event",
            number(move |h| unsafe { (api.perceptis_event_code)(h) }.into()),
        ),
        ("perceptis_event_json", "an event", text(api.perceptis_event_json)),
        (
            "perceptis_event_error",
            "an event",
            number(move |h| i64::from(!unsafe { (api.perceptis_event_error)(h) }.is_null())),
        ),
    ]
}

fn number(function: impl Fn(Opaque) -> i64 + 'static) -> Answer {
    Box::new(move |handle| function(handle).to_string())
}

fn text(function: unsafe extern "C" fn(Opaque) -> *const c_char) -> Answer {
    Box::new(move |handle| borrowed(unsafe { function(handle) }))
}

/// Pointers that no handle is at: to memory of something else, between two words, and to a text.
fn foreign() -> Vec<Opaque> {
    static WORDS: [u64; 4] = [0, u64::MAX, 0x6563_7265_7000_0000, 1];
    let words = WORDS.as_ptr().cast_mut().cast::<c_void>();
    let mut all: Vec<Opaque> = (0..3).map(|at| words.wrapping_byte_add(8 * at)).collect();
    all.extend((1..8).map(|at| words.wrapping_byte_add(at)));
    all.push(c("a text that is long enough").into_raw().cast());
    all
}

/// It is refused, by a message that says this.
fn refuses(function: &dyn Fn(*mut Opaque) -> i32, says: &str) {
    let error = call(function).unwrap_err();
    assert_eq!(
        (error.code.as_str(), error.detail("billed").as_str()),
        ("INVALID_ARGUMENT", "no"),
        "{error:?}"
    );
    assert_eq!(error.message, says);
    assert_eq!(function(null_mut()), 1, "the same without a place for the error");
}

/// Tries every function that has a place for an error, with what is no handle of the kind that it takes.
fn try_with_error(handles: &Handles, tried: &mut BTreeSet<&'static str>) {
    for (name, argument, kind, function) in with_error(handles) {
        tried.insert(name);
        for (other, handle) in &handles.0 {
            if *other != kind {
                let says = format!("argument {argument} is {other}; accepted is {kind}");
                refuses(&|error| function(*handle, error), &says);
            }
        }
        for pointer in foreign() {
            let says = format!("argument {argument} is no handle of this library; accepted is {kind}");
            refuses(&|error| function(pointer, error), &says);
        }
        let freed = Handles::new();
        unsafe { free_of(kind).1(freed.get(kind)) };
        let says = format!("argument {argument} has been freed");
        refuses(&|error| function(freed.get(kind), error), &says);
    }
}

/// The same with those that have none: they answer as for NULL.
fn try_without_error(handles: &Handles, tried: &mut BTreeSet<&'static str>) {
    for (name, kind, answer) in without_error() {
        tried.insert(name);
        let none = answer(null_mut());
        let freed = Handles::new();
        unsafe { free_of(kind).1(freed.get(kind)) };
        assert_eq!(answer(freed.get(kind)), none, "{name} of a freed handle");
        for pointer in handles.others(kind).chain(foreign()) {
            assert_eq!(answer(pointer), none, "{name} of what is no handle of its kind");
        }
    }
}

/// The same with those that free: what they do not free is left as it was; what they free, they free once.
fn try_to_free(handles: &Handles, tried: &mut BTreeSet<&'static str>) {
    let discard = ("an event", ("perceptis_event_discard", functions().perceptis_event_discard));
    for (kind, (name, free)) in handles.0.keys().map(|kind| (*kind, free_of(kind))).chain([discard]) {
        tried.insert(name);
        for pointer in handles.others(kind).chain(foreign()) {
            unsafe { free(pointer) };
        }
        let fresh = Handles::new().get(kind);
        for _ in 0..3 {
            unsafe { free(fresh) };
        }
    }
}

#[test]
fn handles_that_are_none_are_refused_everywhere() {
    let handles = Handles::new();
    let answers = || -> Vec<String> {
        without_error().iter().map(|(_, kind, answer)| answer(handles.get(kind))).collect()
    };
    let before = answers();
    let mut tried = BTreeSet::from([
        // These take none.
        "perceptis_version",
        "perceptis_abi_version",
        "perceptis_code_name",
        "perceptis_string_free",
        "perceptis_json_get",
        "perceptis_json_type",
        "perceptis_config_new",
        "perceptis_request_new",
        "perceptis_request_from_json",
        "perceptis_options_new",
        "perceptis_options_from_json",
        "perceptis_queue_new",
    ]);
    try_with_error(&handles, &mut tried);
    try_without_error(&handles, &mut tried);
    try_to_free(&handles, &mut tried);
    assert_eq!(answers(), before, "nothing has freed one of these");
    let missing: Vec<_> = api::NAMES.iter().filter(|name| !tried.contains(*name)).collect();
    assert!(missing.is_empty(), "these functions were not tried: {missing:?}");

    // An event's error is the event's: to be read, and not to be freed.
    let api = functions();
    unsafe {
        let error = (api.perceptis_event_error)(handles.get("an event"));
        (api.perceptis_error_free)(error);
        assert_eq!(borrowed((api.perceptis_code_name)((api.perceptis_error_code)(error))), "TIMEOUT");
        (api.perceptis_event_free)(handles.get("an event"));
        assert_eq!((api.perceptis_error_code)(error), 0);
    }
}

#[test]
fn handles_that_were_freed_are_memory_still() {
    let (library, work, sandbox) = (library_directory(), tempfile::tempdir().unwrap(), Sandbox::start(1));
    let program = build("tests/programs/handles.c", work.path(), library.path());
    for checked in [false, true] {
        let mut command = if checked { valgrind(&program) } else { Command::new(&program) };
        sandbox.environment(&mut command);
        if !checked {
            command.arg("fork");
        }
        let output = succeed(command.env("LD_LIBRARY_PATH", library.path()));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}
