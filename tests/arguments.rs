//! Every function under every wrong pointer and text: an error that names the argument, never a crash.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::undocumented_unsafe_blocks
)]

mod support;

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};

use support::api::{self, Client, Opaque, Request, borrowed, c, call, functions, owned};
use support::queue::Queue;

const NOT_UTF8: &CStr = c"a\xffb";

/// Calls a function twice: with a place for the error, which must name the argument, and without one.
fn refuses(name: &str, function: impl Fn(*mut Opaque) -> i32) {
    let error = call(&function).unwrap_err();
    assert_eq!(error.code, "INVALID_ARGUMENT", "{error:?}");
    assert!(error.message.contains(&format!("argument {name} ")), "{name}: {error:?}");
    assert_eq!(error.detail("billed"), "no");
    assert_eq!(function(null_mut()), 1, "the same without a place for the error");
}

fn client() -> Client {
    Client::new(&[("api_key", "sk-1"), ("api_base_url", "http://127.0.0.1:9")]).unwrap()
}

#[test]
fn the_library_tells_what_it_is() {
    let api = functions();
    unsafe {
        assert_eq!(borrowed((api.perceptis_version)()), env!("CARGO_PKG_VERSION"));
        assert_eq!((api.perceptis_abi_version)(), 3);
        assert_eq!(borrowed((api.perceptis_code_name)(0)), "OK");
        assert_eq!(borrowed((api.perceptis_code_name)(13)), "TIMEOUT");
        assert_eq!(borrowed((api.perceptis_code_name)(22)), "INTERNAL");
        for unknown in [23, -1, i32::MIN, i32::MAX] {
            assert_eq!(borrowed((api.perceptis_code_name)(unknown)), "UNKNOWN");
        }
    }
}

#[test]
fn null_is_nothing_to_free_and_nothing_to_read() {
    let api = functions();
    unsafe {
        (api.perceptis_string_free)(null_mut());
        for free in [
            api.perceptis_error_free,
            api.perceptis_config_free,
            api.perceptis_client_free,
            api.perceptis_request_free,
            api.perceptis_options_free,
            api.perceptis_queue_free,
            api.perceptis_event_free,
            api.perceptis_event_discard,
        ] {
            free(null_mut());
        }
        assert_eq!((api.perceptis_error_code)(null_mut()), 0);
        assert_eq!(borrowed((api.perceptis_error_message)(null_mut())), "");
        assert_eq!(borrowed((api.perceptis_error_details)(null_mut())), "");
        assert_eq!((api.perceptis_queue_fd)(null_mut()), -1);
        assert_eq!((api.perceptis_event_tag)(null_mut()), 0);
        assert_eq!((api.perceptis_event_kind)(null_mut()), -1);
        assert_eq!((api.perceptis_event_code)(null_mut()), 0);
        assert_eq!(borrowed((api.perceptis_event_json)(null_mut())), "");
        assert!((api.perceptis_event_error)(null_mut()).is_null());
    }
}

#[test]
fn json_get_finds_values_and_survives_what_is_none() {
    let get = |json: *const c_char, pointer: *const c_char| {
        owned(unsafe { (functions().perceptis_json_get)(json, pointer) })
    };
    let json = c(r#"{"files":[{"path":"/a b"}],"n":1.50,"t":true,"o":{"x":null}}"#);
    let at = |pointer: &str| get(json.as_ptr(), c(pointer).as_ptr());
    assert_eq!(at("/files/0/path").as_deref(), Some("/a b"));
    assert_eq!(at("/n").as_deref(), Some("1.50"));
    assert_eq!(at("/t").as_deref(), Some("true"));
    assert_eq!(at("/o").as_deref(), Some(r#"{"x":null}"#));
    assert_eq!(at("/o/x").as_deref(), Some("null"));
    assert_eq!(at("/files/1"), None);
    assert_eq!(at("files"), None);
    assert_eq!(get(null(), c("/").as_ptr()), None);
    assert_eq!(get(json.as_ptr(), null()), None);
    assert_eq!(get(NOT_UTF8.as_ptr(), c("").as_ptr()), None);
    assert_eq!(get(json.as_ptr(), NOT_UTF8.as_ptr()), None);
    assert_eq!(get(c("{").as_ptr(), c("").as_ptr()), None);
    let deep = c(&"[".repeat(1_000_000));
    assert_eq!(get(deep.as_ptr(), c("/0/0").as_ptr()), None);
}

#[test]
fn json_type_tells_null_from_a_string_and_from_nothing() {
    let of = |json: *const c_char, pointer: *const c_char| {
        let found = unsafe { (functions().perceptis_json_type)(json, pointer) };
        (!found.is_null()).then(|| borrowed(found))
    };
    let json = c(r#"{"null":null,"text":"null","list":[true,1],"object":{}}"#);
    for (pointer, expected) in [
        ("", Some("object")),
        ("/null", Some("null")),
        ("/text", Some("string")),
        ("/list", Some("array")),
        ("/list/0", Some("boolean")),
        ("/list/1", Some("number")),
        ("/object", Some("object")),
        ("/none", None),
        ("none", None),
    ] {
        assert_eq!(of(json.as_ptr(), c(pointer).as_ptr()).as_deref(), expected, "{pointer}");
    }
    for (bad, pointer) in [(null(), c"".as_ptr()), (json.as_ptr(), null()), (NOT_UTF8.as_ptr(), c"".as_ptr())]
    {
        assert_eq!(of(bad, pointer), None);
    }
    assert_eq!(of(c("{").as_ptr(), c("").as_ptr()), None);
}

#[test]
fn setters_and_makers_name_what_is_wrong() {
    let api = functions();
    let config = api::Handle(unsafe { (api.perceptis_config_new)() }, api.perceptis_config_free);
    let options = api::options(&[]).unwrap();
    let request = Request::deck();
    let good = c("x");
    let mut out: Opaque = null_mut();
    let out = &raw mut out;
    let mut text: *mut c_char = null_mut();
    let text = &raw mut text;
    unsafe {
        refuses("config", |e| (api.perceptis_config_set)(null_mut(), good.as_ptr(), good.as_ptr(), e));
        refuses("options", |e| (api.perceptis_options_set)(null_mut(), good.as_ptr(), good.as_ptr(), e));
        refuses("request", |e| (api.perceptis_request_set)(null_mut(), good.as_ptr(), good.as_ptr(), e));
        refuses("request", |e| (api.perceptis_request_set_json)(null_mut(), good.as_ptr(), good.as_ptr(), e));
        for bad in [null(), NOT_UTF8.as_ptr()] {
            refuses("key", |e| (api.perceptis_config_set)(config.0, bad, good.as_ptr(), e));
            refuses("value", |e| (api.perceptis_config_set)(config.0, good.as_ptr(), bad, e));
            refuses("key", |e| (api.perceptis_options_set)(options.0, bad, good.as_ptr(), e));
            refuses("value", |e| (api.perceptis_options_set)(options.0, good.as_ptr(), bad, e));
            refuses("json", |e| (api.perceptis_options_from_json)(bad, out, e));
            refuses("field", |e| (api.perceptis_request_set)(request.0.0, bad, good.as_ptr(), e));
            refuses("value", |e| (api.perceptis_request_set)(request.0.0, good.as_ptr(), bad, e));
            refuses("field", |e| (api.perceptis_request_set_json)(request.0.0, bad, good.as_ptr(), e));
            refuses("json", |e| (api.perceptis_request_set_json)(request.0.0, good.as_ptr(), bad, e));
            refuses("output_type", |e| (api.perceptis_request_new)(bad, good.as_ptr(), out, e));
            refuses("prompt", |e| (api.perceptis_request_new)(good.as_ptr(), bad, out, e));
            refuses("json", |e| (api.perceptis_request_from_json)(bad, out, e));
            refuses("path", |e| (api.perceptis_request_add_image_file)(request.0.0, bad, e));
            let data: *const c_void = b"x".as_ptr().cast();
            refuses("mime_type", |e| (api.perceptis_request_add_image)(request.0.0, data, 1, bad, e));
        }
        refuses("request", |e| (api.perceptis_request_add_image_file)(null_mut(), good.as_ptr(), e));
        refuses("request", |e| (api.perceptis_request_add_image)(null_mut(), null(), 0, good.as_ptr(), e));
        refuses("data", |e| (api.perceptis_request_add_image)(request.0.0, null(), 1, good.as_ptr(), e));
        let data: *const c_void = b"x".as_ptr().cast();
        refuses("data", |e| {
            (api.perceptis_request_add_image)(request.0.0, data, usize::MAX, good.as_ptr(), e)
        });
        refuses("request", |e| (api.perceptis_request_to_json)(null_mut(), text, e));
        refuses("json", |e| (api.perceptis_request_to_json)(request.0.0, null_mut(), e));
        refuses("request", |e| (api.perceptis_request_new)(good.as_ptr(), good.as_ptr(), null_mut(), e));
        refuses("request", |e| (api.perceptis_request_from_json)(good.as_ptr(), null_mut(), e));
        refuses("options", |e| (api.perceptis_options_from_json)(good.as_ptr(), null_mut(), e));
        refuses("client", |e| (api.perceptis_client_new)(config.0, null_mut(), e));
    }
}

#[test]
fn operations_name_what_is_wrong() {
    let api = functions();
    let client = client();
    let handle = client.0.0;
    let request = Request::deck();
    let good = c("j1");
    let mut text: *mut c_char = null_mut();
    let text = &raw mut text;
    type About = unsafe extern "C" fn(Opaque, *const c_char, Opaque, *mut *mut c_char, *mut Opaque) -> i32;
    let about: [(About, &str); 3] = [
        (api.perceptis_get_status, "status"),
        (api.perceptis_wait, "status"),
        (api.perceptis_download, "result"),
    ];
    unsafe {
        for (function, place) in about {
            refuses("client", |e| function(null_mut(), good.as_ptr(), null_mut(), text, e));
            refuses("job_id", |e| function(handle, null(), null_mut(), text, e));
            refuses("job_id", |e| function(handle, NOT_UTF8.as_ptr(), null_mut(), text, e));
            refuses(place, |e| function(handle, good.as_ptr(), null_mut(), null_mut(), e));
        }
        for (function, place) in [(api.perceptis_run, "result"), (api.perceptis_generate, "accepted")] {
            refuses("client", |e| function(null_mut(), request.0.0, null_mut(), text, e));
            refuses("request", |e| function(handle, null_mut(), null_mut(), text, e));
            refuses(place, |e| function(handle, request.0.0, null_mut(), null_mut(), e));
        }
        refuses("client", |e| (api.perceptis_client_activity)(null_mut(), text, e));
        refuses("activity", |e| (api.perceptis_client_activity)(handle, null_mut(), e));
        refuses("client", |e| (api.perceptis_client_close)(null_mut(), 0, e));
        for bad in [-1, i64::MIN, i64::MAX] {
            refuses("timeout_ms", |e| (api.perceptis_client_close)(handle, bad, e));
        }
    }
}

/// A call that was refused releases nothing.
unsafe extern "C" fn released(_: Opaque) {
    std::process::abort();
}

#[test]
fn queues_name_what_is_wrong() {
    let api = functions();
    let (client, queue, request) = (client(), Queue::new(), Request::deck());
    let (handle, queue) = (client.0.0, queue.0.0);
    let good = c("j1");
    let mut events: [Opaque; 1] = [null_mut()];
    let events = events.as_mut_ptr();
    let mut taken = usize::MAX;
    let place = &raw mut taken;
    type About = unsafe extern "C" fn(Opaque, *const c_char, Opaque, Opaque, u64, *mut Opaque) -> i32;
    let about: [About; 3] =
        [api.perceptis_get_status_async, api.perceptis_wait_async, api.perceptis_download_async];
    unsafe {
        for function in about {
            refuses("client", |e| function(null_mut(), good.as_ptr(), null_mut(), queue, 1, e));
            refuses("queue", |e| function(handle, good.as_ptr(), null_mut(), null_mut(), 1, e));
            refuses("job_id", |e| function(handle, null(), null_mut(), queue, 1, e));
            refuses("job_id", |e| function(handle, NOT_UTF8.as_ptr(), null_mut(), queue, 1, e));
        }
        for function in [api.perceptis_run_async, api.perceptis_generate_async] {
            refuses("client", |e| function(null_mut(), request.0.0, null_mut(), queue, 1, e));
            refuses("queue", |e| function(handle, request.0.0, null_mut(), null_mut(), 1, e));
            refuses("request", |e| function(handle, null_mut(), null_mut(), queue, 1, e));
        }
        refuses("queue", |e| (api.perceptis_queue_new)(null_mut(), e));
        refuses("queue", |e| (api.perceptis_queue_set_wakeup)(null_mut(), None, null_mut(), e));
        refuses("queue", |e| {
            (api.perceptis_queue_set_wakeup_with_release)(null_mut(), None, null_mut(), Some(released), e)
        });
        refuses("queue", |e| (api.perceptis_queue_cancel)(null_mut(), 1, e));
        refuses("queue", |e| (api.perceptis_queue_close)(null_mut(), e));
        refuses("queue", |e| (api.perceptis_queue_take)(null_mut(), events, 1, 0, place, e));
        assert_eq!(taken, 0);
        refuses("events", |e| (api.perceptis_queue_take)(queue, null_mut(), 1, 0, place, e));
        refuses("taken", |e| (api.perceptis_queue_take)(queue, events, 1, 0, null_mut(), e));
        refuses("capacity", |e| (api.perceptis_queue_take)(queue, events, 0, 0, place, e));
        for bad in [-2, i64::MIN, i64::MAX] {
            refuses("timeout_ms", |e| (api.perceptis_queue_take)(queue, events, 1, bad, place, e));
        }
        // Nothing of all this was accepted.
        assert_eq!((api.perceptis_queue_take)(queue, events, usize::MAX, 0, place, null_mut()), 0);
        assert_eq!(taken, 0);
    }
}

#[test]
fn unknown_keys_are_refused_with_the_known_ones() {
    let error = Client::new(&[("api_kye", "x")]).map(|_| ()).unwrap_err();
    assert_eq!(error.code, "INVALID_ARGUMENT");
    for known in
        ["api_key", "api_base_url", "ca_file", "download_idle_timeout_ms", "time_scale", "jitter_seed"]
    {
        assert!(error.message.contains(known), "{error:?}");
    }
    let error = api::options(&[("dir", "x")]).map(|_| ()).unwrap_err();
    for known in ["timeout_ms", "directory", "name", "overwrite", "idempotency_key", "progress"] {
        assert!(error.message.contains(known), "{error:?}");
    }
    let error = Request::deck().set("promt", "x").unwrap_err();
    for known in ["prompt", "template_name", "variant_count", "use_web_search", "use_knowledge_base"] {
        assert!(error.message.contains(known), "{error:?}");
    }
}

#[test]
fn texts_are_accepted_up_to_their_limits() {
    let api = functions();
    let text = |size: usize| c(&"x".repeat(size));
    let config = api::Handle(unsafe { (api.perceptis_config_new)() }, api.perceptis_config_free);
    let (request, options) = (Request::deck(), api::options(&[]).unwrap());
    let prompt = c("prompt");
    let directory = c("directory");
    type Call<'a> = Box<dyn Fn(*const c_char, *mut Opaque) -> i32 + 'a>;
    let cases: Vec<(&str, usize, Call<'_>)> = unsafe {
        vec![
            ("key", 512, Box::new(|t, e| (api.perceptis_config_set)(config.0, t, c"1".as_ptr(), e))),
            ("key", 512, Box::new(|t, e| (api.perceptis_options_set)(options.0, t, c"1".as_ptr(), e))),
            (
                "value",
                4095,
                Box::new(|t, e| (api.perceptis_options_set)(options.0, directory.as_ptr(), t, e)),
            ),
            (
                "field",
                512,
                Box::new(|t, e| (api.perceptis_request_set_json)(request.0.0, t, c"1".as_ptr(), e)),
            ),
            ("path", 4095, Box::new(|t, e| (api.perceptis_request_add_image_file)(request.0.0, t, e))),
            (
                "value",
                64 << 20,
                Box::new(|t, e| (api.perceptis_request_set)(request.0.0, prompt.as_ptr(), t, e)),
            ),
        ]
    };
    for (argument, limit, function) in cases {
        let longest = text(limit);
        if let Err(error) = call(|error| function(longest.as_ptr(), error)) {
            assert!(!error.message.contains("longer than"), "{argument} of {limit} bytes: {error:?}");
        }
        let longer = text(limit + 1);
        let error = call(|error| function(longer.as_ptr(), error)).unwrap_err();
        let says = format!("argument {argument} is longer than {limit} bytes");
        assert!(error.message.starts_with(&says) && error.code == "INVALID_ARGUMENT", "{error:?}");
    }
}

#[test]
fn messages_quote_a_bounded_part_of_a_text() {
    let long = "y".repeat(1000);
    let json = c(&format!("\"{long}\""));
    let (api, mut out): (_, Opaque) = (functions(), null_mut());
    let out = &raw mut out;
    let request = Request::deck();
    let errors = unsafe {
        [
            call(|e| (api.perceptis_options_from_json)(json.as_ptr(), out, e)),
            call(|e| (api.perceptis_request_from_json)(json.as_ptr(), out, e)),
            request.set_json("variant_count", json.to_str().unwrap()),
            request.set(&long[..512], "x"),
            request.add_image_file(&long),
            api::options(&[("timeout_ms", &long)]).map(|_| ()),
        ]
    };
    for error in errors {
        let error = error.unwrap_err();
        assert!(!error.message.contains(&long[..81]), "{error:?}");
    }
}

#[test]
fn a_client_can_not_be_made_wrongly() {
    // Of this process: the make target has unset every variable that would say otherwise.
    let directory = tempfile::tempdir().unwrap();
    let no_ca = directory.path().join("empty.pem");
    std::fs::write(&no_ca, "nothing").unwrap();
    let (no_ca, key) = (no_ca.to_str().unwrap(), ("api_key", "sk-1"));
    for (pairs, says) in [
        (vec![], "PERCEPTIS_API_KEY"),
        (vec![key, ("api_base_url", "https://a.test/api")], "path"),
        (vec![key, ("api_base_url", "https://a.test?q=1")], "query"),
        (vec![key, ("api_base_url", "https://me:pass@a.test")], "user info"),
        (vec![key, ("api_base_url", "file:///etc/passwd")], "scheme"),
        (vec![key, ("api_base_url", "http://192.0.2.1")], "allow_http"),
        (vec![key, ("ca_file", "/nonexistent.pem")], "nonexistent.pem"),
        (vec![key, ("ca_file", no_ca)], "no certificate"),
        (vec![key, ("ca_file", "/")], "not a file"),
        (vec![key, ("time_scale", "2")], "loopback"),
        (vec![key, ("jitter_seed", "2")], "loopback"),
        (vec![key, ("poll_first_ms", "9000"), ("poll_max_ms", "8000")], "poll_max_ms"),
    ] {
        let error = Client::new(&pairs).map(|_| ()).unwrap_err();
        assert_eq!(error.code, "CONFIGURATION", "{pairs:?}: {error:?}");
        assert!(error.message.contains(says), "{pairs:?}: {error:?}");
        assert!(!error.message.contains("pass@"), "{error:?}");
    }
    Client::new(&[key, ("api_base_url", "http://192.0.2.1"), ("allow_http", "true")]).unwrap();
    Client::new(&[key, ("api_base_url", "https://a.test/")]).unwrap();
}

#[test]
fn a_request_says_what_it_is() {
    let request = Request::slides(2);
    request.add_image(b"\x89PNG\r\n\x1a\n0", "image/png").unwrap();
    let json = request.to_json().unwrap();
    assert_eq!(json["variant_count"], 2);
    assert_eq!(json["reference_images"][0]["mime_type"], "image/png");
    assert_eq!(json["reference_images"][0]["data"], "iVBORw0KGgow");
    request.set_json("reference_images", "null").unwrap();
    request.set_json("variant_count", "null").unwrap();
    assert_eq!(request.to_json().unwrap().as_object().unwrap().len(), 2);
    assert!(request.set_json("x", "{").unwrap_err().message.contains("not JSON"));
    assert!(request.set_json("use_web_search", "1").unwrap_err().message.contains("true or false"));
    assert_eq!(request.add_image_file("/nonexistent.png").unwrap_err().code, "FILE");
    assert_eq!(request.add_image_file("/").unwrap_err().code, "FILE");
    assert!(request.add_image(b"", "image/png").unwrap_err().message.contains("no image"));
}

/// `promise.md`, 12: what has no canonical form is no request.
#[test]
fn json_without_a_canonical_form_is_refused() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for (value, says) in [
        (r#"[0,{"a":{"b":1,"\u0062":1}}]"#, r#"at $.x[1].a: the name "b" stands twice"#),
        (r#"{"a":"\ud83d"}"#, r"at $.x.a: the escape \ud83d is half of a surrogate pair"),
        (&*deep(128), "nested more than 128 deep"),
        (&*deep(1 << 20), "nested more than 128 deep"),
    ] {
        let request = Request::deck();
        let whole = format!(r#"{{"output_type":"deck","prompt":"p","x":{value}}}"#);
        for error in
            [request.set_json("x", value).unwrap_err(), Request::from_json(&whole).map(drop).unwrap_err()]
        {
            assert_eq!(error.code, "INVALID_ARGUMENT", "{error:?}");
            assert!(error.message.contains(says) && error.message.len() < 600, "{error:?}");
        }
        assert_eq!(request.to_json().unwrap().as_object().unwrap().len(), 2, "nothing of it is kept");
        request.set_json("x", &deep(127)).unwrap();
    }
    let error =
        Request::from_json(r#"{"output_type":"deck","prompt":"p","\u0070rompt":"q"}"#).map(drop).unwrap_err();
    assert!(error.message.contains(r#"at $: the name "prompt" stands twice"#), "{error:?}");
}

#[test]
fn no_body_grows_beyond_its_bound() {
    let request = Request::deck();
    let large = format!("\"{}\"", "x".repeat(65 << 20));
    let error = request.set_json("notes", &large).unwrap_err();
    assert!(error.message.contains("64 MiB"), "{error:?}");
    assert_eq!(request.to_json().unwrap().as_object().unwrap().len(), 2, "nothing of it is kept");
}

#[test]
fn a_closed_client_says_so() {
    let client = client();
    client.close(0).unwrap();
    client.close(1000).unwrap();
    assert_eq!(client.get_status("j1", &[]).unwrap_err().code, "CLOSED");
    assert_eq!(client.run(&Request::deck(), &[]).unwrap_err().code, "CLOSED");
}
