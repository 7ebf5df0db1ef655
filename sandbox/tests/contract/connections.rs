//! HTTP: paths, methods, hosts, connections.

use std::io::Write as _;
use std::net::TcpStream;

use crate::support::{KEY, ask, ask_each, generate, raw};
use crate::{DECK, SLIDE, start};

#[test]
fn response_has_a_date_and_an_id_of_its_own() {
    let sandbox = start(1.0);
    let url = sandbox.base_url();
    let bearer = format!("Bearer {KEY}");
    let mut ids = std::collections::HashSet::new();
    for (method, path, host, status) in [
        ("GET", "/api/v1/status/none", None, 404),
        ("GET", "/api/v1/generate", None, 405),
        ("POST", "/api/v1/generate", None, 400),
        ("GET", "/nope", None, 404),
        ("GET", "/files/none/1.pptx", None, 403),
        ("GET", "/api/v1/status/none", Some("evil.test"), 421),
    ] {
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(host.map(|host| ("Host", host)));
        let response = ask(url, method, path, &headers, b"");
        assert_eq!(response.status, status, "{method} {path}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        response.code();
        let date = response.header("date").unwrap();
        assert!(date.len() == 29 && date.ends_with(" GMT"), "RFC 9110, 5.6.7: {date}");
        assert!(ids.insert(response.header("x-request-id").unwrap().to_owned()), "{response:?}");
    }
}

#[test]
fn other_paths_methods_and_hosts_are_refused() {
    let sandbox = start(1.0);
    let url = sandbox.base_url();
    let port = url.rsplit(':').next().unwrap();
    for (method, path, allow) in [
        ("GET", "/nope", None),
        ("GET", "/page.html", None),
        ("POST", "/", None),
        ("GET", "/api/v1/status/", None),
        ("GET", "/api/v1/status/a/b", None),
        ("POST", "/api/v1/generate/", None),
        ("POST", "/API/V1/GENERATE", None),
        ("GET", "/api/v1/generate", Some("POST")),
        ("POST", "/api/v1/status/job", Some("GET")),
        ("DELETE", "/files/x/1.pptx", Some("GET, HEAD")),
    ] {
        let response = ask(url, method, path, &[("Authorization", &format!("Bearer {KEY}"))], b"");
        assert_eq!(response.status, if allow.is_some() { 405 } else { 404 }, "{method} {path}");
        response.code();
        assert_eq!(response.header("allow"), allow, "{method} {path}");
    }
    let twice =
        format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.test\r\nConnection: close\r\n\r\n");
    assert!(raw(url, twice.as_bytes()).starts_with(b"HTTP/1.1 400 "), "two hosts");
    // RFC 9112, 3.2. HTTP/1.0 needs no Host, but without one a page could evade the check.
    let none = raw(url, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(none.starts_with(b"HTTP/1.1 400 "), "no host: {:?}", String::from_utf8_lossy(&none));
    assert!(raw(url, b"GET / HTTP/1.0\r\n\r\n").starts_with(b"HTTP/1.1 421 "), "no host in HTTP/1.0");
    for (host, status) in [
        (format!("localhost:{port}"), 401),
        (format!("127.0.0.1:{port}"), 401),
        (format!("[::1]:{port}"), 401),
        ("127.0.0.1".to_owned(), 421),
        ("evil.test".to_owned(), 421),
        (format!("evil.test:{port}"), 421),
    ] {
        assert_eq!(ask(url, "GET", "/api/v1/status/x", &[("Host", &host)], b"").status, status, "{host}");
    }
}

#[test]
fn broken_connections_do_not_stop_the_others() {
    let sandbox = start(1.0);
    let url = sandbox.base_url();
    let address = url.strip_prefix("http://").unwrap();
    let mut half_open: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    for stream in &mut half_open {
        stream.write_all(b"POST /api/v1/generate HTTP/1.1\r\nHost: ").unwrap();
    }
    for garbage in
        [&b"\0\xff\xfe garbage\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n", b"\r\n\r\n\r\n\r\n"]
    {
        raw_closing(url, garbage);
    }
    assert_eq!(generate(url, KEY, None, DECK).status, 202);
}

#[test]
fn one_connection_takes_many_requests() {
    let sandbox = start(1.0);
    let url = sandbox.base_url();
    let host = url.strip_prefix("http://").unwrap();
    let head = format!(
        "POST /api/v1/generate HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\n"
    );
    let known = format!("{head}Content-Length: {}\r\n\r\n{DECK}", DECK.len());
    let (first, second) = DECK.split_at(7);
    let chunks = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:X};ignored=1\r\n{second}\r\n0\r\n\
         Trailer: x\r\n\r\n",
        first.len(),
        second.len()
    );
    let last = format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n{SLIDE}", SLIDE.len());
    // The requests come one after the other, and then all in one packet.
    for whole in [vec![known.clone(), chunks.clone(), last.clone()], vec![known + &chunks + &last]] {
        let responses = ask_each(url, &whole, 3);
        let types: Vec<_> = responses.iter().map(|response| response.json()["output_type"].clone()).collect();
        assert_eq!(types, ["deck", "deck", "single_slide"]);
        assert!(responses.iter().all(|response| response.status == 202));
    }
}

#[test]
fn body_above_the_limit_is_refused() {
    let sandbox = start(1.0);
    let url = sandbox.base_url();
    let host = url.strip_prefix("http://").unwrap();
    let head = format!(
        "POST /api/v1/generate HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\n"
    );
    for rest in [
        "Content-Length: 100663297\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\nffffffffffffffff\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n6000000\r\n",
    ] {
        let mut stream = TcpStream::connect(host).unwrap();
        stream.write_all(format!("{head}{rest}").as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let response = std::io::read_to_string(stream).unwrap();
        assert!(response.starts_with("HTTP/1.1 413 "), "{rest:?}: {response:?}");
        assert!(response.contains("invalid_request"), "{response}");
    }
    assert_eq!(generate(url, KEY, None, DECK).status, 202);
}

/// Sends bytes and closes the sending side, like a client that gives up.
fn raw_closing(url: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

#[test]
fn description_lists_all_paths() {
    let sandbox = start(1.0);
    let response = ask(sandbox.base_url(), "GET", "/openapi.json", &[], b"");
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    assert_eq!(response.json()["openapi"], "3.1.0");
    let paths = response.json()["paths"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    // `tests/admin.rs` compares the paths of the admin API.
    let service: Vec<_> = paths.iter().filter(|path| !path.starts_with("/_sandbox/")).collect();
    assert_eq!(service, ["/api/v1/generate", "/api/v1/status/{job_id}", "/files/{job_id}/{variant}.pptx"]);
}

#[test]
fn sandbox_is_gone_when_it_is_dropped() {
    let sandbox = start(1.0);
    let url = sandbox.base_url().to_owned();
    assert!(!raw(&url, b"GET / HTTP/1.0\r\n\r\n").is_empty());
    drop(sandbox);
    assert!(TcpStream::connect(url.strip_prefix("http://").unwrap()).is_err());
}
