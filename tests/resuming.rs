//! Downloads through odd servers and proxies: a whole zip is taken, however it came, and a resume gets on or
//! says so.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fmt::Write as _;
use std::fs;

use support::api::{Error, Request};
use support::deck::deck;
use support::listing;
use support::script::{Answer, Server};

/// What a proxy lets through of each answer.
const PIECE: usize = 100;

/// The bytes of an answer with this status line and these header lines, after which the connection ends.
fn raw(status: &str, lines: &str, body: &[u8]) -> Answer {
    Answer::Raw([format!("HTTP/1.1 {status}\r\n{lines}\r\n").as_bytes(), body].concat())
}

/// From where a piece comes that was asked for from a byte on, and the header lines that it comes with.
type Form<'a> = &'a dyn Fn(usize) -> (usize, String);

/// The first piece of a file.
fn begun(bytes: &[u8]) -> Answer {
    raw("200 OK", &format!("ETag: \"one\"\r\nContent-Length: {}\r\n", bytes.len()), &bytes[..PIECE])
}

/// A piece of a file from this byte on, with these header lines. Of what comes, a proxy cuts the rest.
fn piece(bytes: &[u8], from: usize, lines: &str) -> Answer {
    let end = bytes.len().min(from + PIECE);
    raw(
        "206 Partial Content",
        &format!("Content-Length: {}\r\n{lines}", bytes.len() - from),
        &bytes[from..end],
    )
}

fn content_range(bytes: &[u8], from: usize) -> String {
    format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len())
}

/// Runs a job whose file is at this server's `/f`; what is at the end of it, and in the directory.
fn run(server: &Server) -> (Result<Vec<u8>, Error>, Vec<String>) {
    server.job(&["/f"]);
    let directory = tempfile::tempdir().unwrap();
    let options = [("directory", directory.path().to_str().unwrap()), ("name", "q3")];
    let end = server.client().run(&Request::deck(), &options);
    (end.map(|_| fs::read(directory.path().join("q3.pptx")).unwrap()), listing(directory.path()))
}

/// Fetches a deck whose first answers are these, with as many requests.
fn fetches(what: &str, bytes: &[u8], answers: Vec<Answer>) {
    let server = Server::start();
    let count = answers.len();
    for answer in answers {
        server.on("/f", answer);
    }
    let (end, names) = run(&server);
    assert!(end.as_ref().is_ok_and(|got| got == bytes), "{what}: {:?}", end.map(|got| got.len()));
    assert_eq!(names, ["q3.pptx"], "{what}");
    assert_eq!(server.seen_at("/f").len(), count, "{what}");
}

#[test]
fn a_resume_gets_on_whatever_a_proxy_does_to_its_head() {
    let bytes = deck(&"a deck behind a proxy that cuts ".repeat(3));
    assert!((PIECE * 3..PIECE * 4).contains(&bytes.len()), "{}", bytes.len());
    let forms: [(&str, Form<'_>); 5] = [
        ("without ETag", &|from| (from, content_range(&bytes, from))),
        ("a weak ETag", &|from| (from, format!("ETag: W/\"one\"\r\n{}", content_range(&bytes, from)))),
        ("overlapping", &|from| {
            (from - 30, format!("ETag: \"one\"\r\n{}", content_range(&bytes, from - 30)))
        }),
        ("without Content-Range", &|from| (from, "ETag: \"one\"\r\n".into())),
        ("with neither", &|from| (from, String::new())),
    ];
    for (what, form) in forms {
        let (mut answers, mut there) = (vec![begun(&bytes)], PIECE);
        while there < bytes.len() {
            let (from, lines) = form(there);
            answers.push(piece(&bytes, from, &lines));
            there = from + PIECE;
        }
        fetches(what, &bytes, answers);
    }
}

#[test]
fn ten_requests_that_bring_nothing_new_end_a_download() {
    let bytes = deck(&"a deck behind a proxy that cuts ".repeat(3));
    let nothing = piece(&bytes, 0, &content_range(&bytes, 0));
    for (what, answer) in [("ranges are ignored", begun(&bytes)), ("from the beginning", nothing)] {
        let server = Server::start();
        server.on("/f", begun(&bytes)).on("/f", answer);
        let (end, names) = run(&server);
        let error = end.unwrap_err();
        assert!(error.message.contains("10 requests in a row brought nothing new"), "{what}: {error:?}");
        assert!(error.message.contains("100 bytes are kept"), "{what}: {error:?}");
        assert_eq!((error.detail("billed").as_str(), error.detail("job_id").as_str()), ("yes", "j1"));
        assert_eq!(error.details["retryable"], true, "{error:?}");
        assert_eq!(server.seen_at("/f").len(), 11, "{what}");
        assert!(names.contains(&"q3.j1.part".to_owned()), "{what}: {names:?}");
    }
}

#[test]
fn a_whole_zip_is_taken_whatever_is_said_of_it() {
    let bytes = deck("one");
    let with = |lines: &str| raw("200 OK", lines, &bytes);
    let many = (0..300).fold(String::new(), |mut text, at| {
        let _ = write!(text, "X-Line-{at}: x\r\n");
        text
    });
    for lines in [
        "Content-Encoding: aws-chunked\r\n",
        "Content-Encoding: UTF-8\r\n",
        "Content-Encoding: Identity\r\n",
        "Content-Encoding:\r\n",
        "Content-Encoding: gzip\r\n",
        "Content-Length: 5000\r\n",
        "X-Folded: a\r\n  b\r\n",
        "No colon\r\n",
        &many,
    ] {
        fetches(lines, &bytes, vec![with(lines)]);
    }
    // What is compressed is none, and not kept.
    let server = Server::start();
    server.on("/f", raw("200 OK", "Content-Encoding: GZIP\r\n", b"\x1f\x8b\x08\0\0\0\0\0"));
    let (end, names) = run(&server);
    let error = end.unwrap_err();
    assert!(error.message.contains("is compressed, which was not asked for"), "{error:?}");
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn an_end_that_is_not_told_is_none() {
    let bytes = deck(&"a deck of a server that tells no length ".repeat(3));
    let cut = raw("200 OK", "ETag: \"one\"\r\n", &bytes[..PIECE]);
    let rest = raw("206 Partial Content", &content_range(&bytes, PIECE), &bytes[PIECE..]);
    fetches("no length", &bytes, vec![cut, rest]);
}

#[test]
fn a_signed_url_goes_out_byte_for_byte() {
    let bytes = deck("one");
    let signed = "/f'1'?name='q3'&sig=a%2Bb|c;d&e={f}";
    let server = Server::start();
    server.job(&[signed]).on(signed, Answer::file(&bytes));
    let directory = tempfile::tempdir().unwrap();
    let options = [("directory", directory.path().to_str().unwrap())];
    server.client().run(&Request::deck(), &options).unwrap();
    assert_eq!(server.seen_at(signed).len(), 1);
}

#[test]
fn a_redirect_goes_out_byte_for_byte() {
    let bytes = deck("one");
    let signed = "/g?name='q3'&sig=a%2Bb";
    for (location, there) in [
        (format!("{{}}{signed}"), signed),
        (signed.to_owned(), signed),
        ("/grün/ä?x='".to_owned(), "/gr%C3%BCn/%C3%A4?x='"),
    ] {
        let server = Server::start();
        let location = location.replace("{}", &server.base_url);
        server.on("/f", Answer::Full(302, vec![("Location".into(), location)], vec![]));
        server.on(there, Answer::file(&bytes));
        let (end, _) = run(&server);
        assert!(end.is_ok_and(|got| got == bytes), "{there}");
        assert_eq!(server.seen_at(there).len(), 1);
    }
}
