//! Answers of the service in odd forms: one that is a whole JSON object is taken, however it was delivered.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fmt::Write as _;

use support::api::{Client, Request};
use support::script::{Answer, Server};

const GENERATE: &str = "/api/v1/generate";
const STATUS: &str = "/api/v1/status/j1";

/// An accepted submission and a completed job, with these fields besides.
fn bodies(fields: &str) -> [String; 2] {
    [
        format!(r#"{{{fields},"job_id":"j1","status":"pending"}}"#),
        format!(r#"{{{fields},"job_id":"j1","status":"completed","downloads":[{{"url":"/f"}}]}}"#),
    ]
}

/// A server whose answers are made of these bodies.
fn server(bodies: &[String; 2], answer: impl Fn(u16, &str) -> Answer) -> Server {
    let server = Server::start();
    server.on(GENERATE, answer(202, &bodies[0])).on(STATUS, answer(200, &bodies[1]));
    server
}

/// Submits and waits, each with one request; what the program got.
fn one_each(server: &Server, what: &str) -> [String; 2] {
    let client = server.client();
    let accepted =
        client.generate(&Request::deck(), &[]).map_err(|error| format!("{what}: {error:?}")).unwrap();
    assert_eq!(accepted["job_id"], "j1", "{what}");
    let waited = client.wait("j1", &[]).map_err(|error| format!("{what}: {error:?}")).unwrap();
    assert_eq!((server.seen_at(GENERATE).len(), server.seen_at(STATUS).len()), (1, 1), "{what}");
    [accepted["answer"].to_string(), waited]
}

/// The same without a look at what the program got as JSON, which a strict reader refuses.
fn settles(client: &Client, server: &Server, what: &str) -> String {
    let accepted = client.generate_text(&Request::deck(), &[]);
    assert!(accepted.is_ok_and(|text| text.contains(r#""job_id":"j1""#)), "{what}");
    let waited = client.wait("j1", &[]).map_err(|error| format!("{what}: {error:?}")).unwrap();
    assert_eq!((server.seen_at(GENERATE).len(), server.seen_at(STATUS).len()), (1, 1), "{what}");
    waited
}

#[test]
fn what_is_not_read_is_skipped_and_handed_on_as_it_came() {
    let deep = format!(r#""deep":{}{}"#, "[".repeat(1000), "]".repeat(1000));
    for field in [
        r#""title":"cut in an emoji \ud83d""#,
        r#""\udc00":"a name""#,
        r#""big":1e400,"small":-1e-400"#,
        &deep,
    ] {
        let bodies = bodies(field);
        let server = server(&bodies, Answer::json);
        assert_eq!(settles(&server.client(), &server, field), bodies[1]);
    }
}

#[test]
fn numbers_that_json_does_not_have_are_null() {
    let bodies = bodies(r#""score":NaN,"bounds":[-Infinity,Infinity],"title":"NaN""#);
    let server = server(&bodies, Answer::json);
    let [accepted, waited] = one_each(&server, "NaN");
    let fields = r#""score":null,"bounds":[null,null],"title":"NaN""#;
    assert!(waited.contains(fields), "{waited}");
    assert!(accepted.contains(r#""score":null"#), "{accepted}");
}

#[test]
fn what_is_read_is_readable() {
    let server = Server::start();
    let error = r#"{"job_id":"j1","status":"failed","error":{"code":"x","message":"cut \ud83d"}}"#;
    server.on(STATUS, Answer::json(200, error));
    let error = server.client().wait("j1", &[]).unwrap_err();
    assert_eq!(error.code, "JOB_FAILED");
    assert!(error.message.contains("x: cut \u{fffd}"), "{error:?}");
}

#[test]
fn labels_that_are_no_coding_are_none() {
    for label in ["aws-chunked", "utf-8", "none", "Identity", "", "gzip"] {
        let bodies = bodies(r#""a":1"#);
        let server =
            server(&bodies, |status, body| Answer::json(status, body).with("Content-Encoding", label));
        one_each(&server, label);
        for seen in server.seen() {
            assert_eq!(seen.header("accept-encoding"), Some("identity"));
        }
    }
    // A coding that is one.
    let server = Server::start();
    let body = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    server.on(STATUS, Answer::Full(200, vec![("Content-Encoding".into(), "GZip".into())], body));
    let error = server.client().get_status("j1", &[]).unwrap_err();
    assert_eq!(error.code, "PROTOCOL");
    assert!(error.message.contains("is compressed, which was not asked for"), "{error:?}");
}

#[test]
fn a_whole_object_proves_that_nothing_is_missing() {
    for head in ["Content-Length: 5000", "Transfer-Encoding: chunked", "X-Length: none"] {
        let raw = |status: u16, body: &str| {
            let body = if head.contains("chunked") {
                format!("{:x}\r\n{body}", body.len())
            } else {
                body.to_owned()
            };
            Answer::Raw(format!("HTTP/1.1 {status} Any\r\n{head}\r\n\r\n{body}").into())
        };
        one_each(&server(&bodies(r#""a":"}""#), raw), head);
    }
    // An end in which something is missing is none.
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"status\":\"completed\",\"a\":{}".to_vec();
    let server = Server::start();
    server.on(STATUS, Answer::Raw(cut)).on(STATUS, Answer::json(200, &bodies(r#""a":1"#)[1]));
    server.client().wait("j1", &[]).unwrap();
    assert_eq!(server.seen_at(STATUS).len(), 2);
}

#[test]
fn an_answer_that_repeats_what_was_sent_is_read() {
    let image = [b"\x89PNG\r\n\x1a\n", &*vec![b'x'; 3 << 20]].concat();
    let request = Request::slides(1);
    request.add_image(&image, "image/png").unwrap();
    let bodies = bodies(&format!(r#""request":{}"#, request.to_text().unwrap()));
    let server = server(&bodies, Answer::json);
    let client = server.client();
    let accepted = client.generate(&request, &[]).unwrap();
    assert_eq!(accepted["job_id"], "j1");
    let answer = accepted["answer"].to_string();
    assert!(answer.len() < 1000 && answer.contains("left out"), "{answer:.300}");
    // Another client has sent nothing, and can't know how much it was.
    let waited = server.client().wait("j1", &[]).unwrap();
    assert!(waited.len() < 1000 && waited.contains("left out"), "{waited:.300}");
    assert_eq!((server.seen_at(GENERATE).len(), server.seen_at(STATUS).len()), (1, 1));
}

#[test]
fn an_answer_without_bounds_is_refused() {
    let many = "\"a\":1,".repeat(300_000);
    let server = Server::start();
    server.on(STATUS, Answer::json(200, &bodies(&format!("{many}\"b\":1"))[1]));
    let error = server.client().get_status("j1", &[]).unwrap_err();
    assert_eq!(error.code, "PROTOCOL");
    assert!(error.message.contains("above 1 MiB, also without its long texts"), "{error:?}");
    // A submission's answer repeats no more than was sent.
    let server = Server::start();
    server.on(GENERATE, Answer::json(202, &bodies(&format!("\"a\":\"{}\"", "x".repeat(2 << 20)))[0]));
    let error = server.client().generate(&Request::deck(), &[("timeout_ms", "60000")]).unwrap_err();
    assert_eq!(error.code, "OUTCOME_UNKNOWN");
    assert!(error.message.contains("is above 10486"), "{error:?}");
}

#[test]
fn heads_are_read_whatever_else_is_in_them() {
    let many = (0..300).fold(String::new(), |mut text, at| {
        let _ = write!(text, "X-Line-{at}: x\r\n");
        text
    });
    for lines in [&*many, "X-Folded: a\r\n  b\r\n", "No colon\r\nBad name: x\r\n", "X-Space : x\r\n"] {
        let raw = |status: u16, body: &str| {
            let length = body.len();
            let text = format!("HTTP/1.1 {status} Any\r\n{lines}Content-Length: {length}\r\n\r\n{body}");
            Answer::Raw(text.into())
        };
        one_each(&server(&bodies(r#""a":1"#), raw), &lines[..20.min(lines.len())]);
    }
}

#[test]
fn a_job_id_that_cannot_be_used_is_told() {
    let long = "x".repeat(201);
    for id in ["jobs/7", &long] {
        let server = Server::start();
        server.on(GENERATE, Answer::json(202, &format!(r#"{{"job_id":"{id}"}}"#)));
        let error = server.client().generate(&Request::deck(), &[("timeout_ms", "60000")]).unwrap_err();
        assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("OUTCOME_UNKNOWN", "unknown"));
        assert!(error.message.contains(id), "{error:?}");
        assert!(error.message.contains("1 to 200 bytes without '/'"), "{error:?}");
    }
}
