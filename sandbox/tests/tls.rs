//! TLS: a certificate that a client can verify, and those that it has to refuse.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use perceptis_sandbox::{Certificate, Running, Sandbox, Settings};
use serde_json::{Value, json};
use support::ask;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

fn start(certificate: Certificate) -> Running {
    Sandbox::start(Settings { tls: Some(certificate), ..Settings::default() }).unwrap()
}

/// The port, by a URL of plain HTTP.
fn plain(sandbox: &Running) -> String {
    sandbox.base_url().replace("https://", "http://")
}

fn admin(sandbox: &Running, method: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = ask(&plain(sandbox), method, "/_sandbox/tls", &[], body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// One request by a client that verifies whom it speaks to; what it says of that when it does not like it.
fn verified(sandbox: &Running, host: &str, head: &str) -> Result<String, String> {
    sent(sandbox, host, head, "")
}

fn sent(sandbox: &Running, host: &str, head: &str, body: &str) -> Result<String, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(sandbox.ca_file().unwrap()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let authority = sandbox.base_url().strip_prefix("https://").unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(authority).unwrap());
    let text = format!("{head}\r\nHost: {authority}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
    Ok(answer)
}

const STATUS: &str = "GET /api/v1/status/none HTTP/1.1\r\nAuthorization: Bearer sk-1";

#[test]
fn a_sound_certificate_is_verified_by_every_name_of_this_machine() {
    let sandbox = start(Certificate::Sound);
    for host in ["localhost", "127.0.0.1", "::1"] {
        let answer = verified(&sandbox, host, STATUS).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("not_found"), "{answer}");
    }
    assert_eq!(admin(&sandbox, "GET", &Value::Null)["shown"]["sound"], 3);
}

#[test]
fn every_other_is_refused_for_what_is_wrong_with_it_and_then_all_is_well() {
    let sandbox = start(Certificate::Sound);
    for (name, says) in [
        ("self_signed", "UnknownIssuer"),
        ("expired", "expired"),
        ("wrong_host", "not valid for name"),
        ("plain_http", "corrupt message"),
    ] {
        let told = admin(&sandbox, "POST", &json!({ "certificate": name, "times": 2 }));
        assert_eq!((&told["certificate"], &told["times"]), (&json!(name), &json!(2)));
        for _ in 0..2 {
            let error = verified(&sandbox, "localhost", STATUS).unwrap_err();
            assert!(error.contains(says), "{name}: {error}");
        }
        verified(&sandbox, "localhost", STATUS).unwrap();
        assert_eq!(admin(&sandbox, "GET", &Value::Null)["shown"][name], 2);
    }
    let journal = ask(&plain(&sandbox), "GET", "/_sandbox/journal", &[], b"").json();
    let struck = |fault: &str| {
        let entries = journal["entries"].as_array().unwrap();
        entries.iter().filter(|entry| entry["faults"] == json!([fault])).count()
    };
    assert_eq!((struck("tls_expired"), struck("tls_plain_http"), struck("tls_sound")), (2, 2, 0));
}

#[test]
fn a_wrong_certificate_can_be_there_from_the_start() {
    let sandbox = start(Certificate::WrongHost);
    assert!(verified(&sandbox, "localhost", STATUS).is_err());
    assert!(verified(&sandbox, "elsewhere.example", STATUS).is_ok(), "it is somebody's");
    admin(&sandbox, "POST", &json!({ "certificate": "sound" }));
    assert!(verified(&sandbox, "localhost", STATUS).is_ok());
}

#[test]
fn plain_http_gets_no_further_than_the_admin_api() {
    let sandbox = start(Certificate::Sound);
    for path in ["/api/v1/status/none", "/", "/openapi.json", "/_sandboxes/", "/files/x/1.pptx"] {
        let answer = ask(&plain(&sandbox), "GET", path, &[("Authorization", "Bearer sk-1")], b"");
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{path}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains("https"));
    }
    assert_eq!(ask(&plain(&sandbox), "GET", "/_sandbox/clock", &[], b"").status, 200);
}

#[test]
fn download_urls_speak_tls_too() {
    let sandbox = start(Certificate::Sound);
    let body = r#"{"prompt":"p [[sandbox: takes=0]]","output_type":"deck"}"#;
    let head = format!(
        "POST /api/v1/generate HTTP/1.1\r\nAuthorization: Bearer sk-1\r\nContent-Type: application/json\r\nContent-Length: {}",
        body.len()
    );
    let answer = sent(&sandbox, "localhost", &head, body).unwrap();
    let json: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let job = json["job_id"].as_str().unwrap();
    let status = format!("GET /api/v1/status/{job} HTTP/1.1\r\nAuthorization: Bearer sk-1");
    let answer = verified(&sandbox, "localhost", &status).unwrap();
    assert!(answer.contains(&format!("\"url\":\"{}/files/", sandbox.base_url())), "{answer}");
}

#[test]
fn a_download_can_be_redirected_from_https_to_http() {
    let sandbox = start(Certificate::Sound);
    let body = r#"{"prompt":"p [[sandbox: takes=0, redirect_to_http]]","output_type":"deck"}"#;
    let head = format!(
        "POST /api/v1/generate HTTP/1.1\r\nAuthorization: Bearer sk-1\r\nContent-Type: application/json\r\nContent-Length: {}",
        body.len()
    );
    let answer = sent(&sandbox, "localhost", &head, body).unwrap();
    let json: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let path = format!("/_sandbox/jobs/{}", json["job_id"].as_str().unwrap());
    let told = ask(&plain(&sandbox), "GET", &path, &[], b"").json();
    let url = told["downloads"][0]["url"].as_str().unwrap();
    let path = url.strip_prefix(sandbox.base_url()).unwrap();
    let answer = verified(&sandbox, "localhost", &format!("GET {path} HTTP/1.1")).unwrap();
    assert!(answer.starts_with("HTTP/1.1 302 "), "{answer}");
    let location = answer.split("\r\nlocation: ").nth(1).unwrap().lines().next().unwrap();
    // Whoever follows gets the file, and is seen to have followed.
    let followed = ask(&plain(&sandbox), "GET", location.strip_prefix(&plain(&sandbox)).unwrap(), &[], b"");
    assert_eq!((followed.status, &followed.body[..2]), (200, &b"PK"[..]));
    assert_eq!(ask(&plain(&sandbox), "GET", path, &[], b"").status, 400, "by http only where that leads");
    let journal = ask(&plain(&sandbox), "GET", "/_sandbox/journal", &[], b"").json();
    assert_eq!(journal["entries"][1]["faults"], json!(["redirect_to_http"]));
    assert_eq!(
        (&journal["entries"][2]["status"], &journal["entries"][2]["faults"]),
        (&json!(200), &json!([]))
    );
}

#[test]
fn the_authoritys_file_is_for_this_user_and_gone_at_the_end_and_no_key_is_in_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = start(Certificate::Sound);
    let file = sandbox.ca_file().unwrap().to_owned();
    let directory = file.parent().unwrap().to_owned();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("-----BEGIN CERTIFICATE-----") && !text.contains("KEY"));
    assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    let names: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["ca.pem"]);
    drop(sandbox);
    assert!(!Path::new(&directory).exists());
}

#[test]
fn what_is_asked_wrong_is_told_so() {
    let sandbox = start(Certificate::Sound);
    for body in [
        r#"{}"#,
        r#"{"certificate":"odd"}"#,
        r#"{"certificate":"sound","times":0}"#,
        r#"{"certficate":"sound"}"#,
    ] {
        let answer = ask(&plain(&sandbox), "POST", "/_sandbox/tls", &[], body.as_bytes());
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{body}");
    }
    let without = Sandbox::start(Settings::default()).unwrap();
    assert_eq!(without.ca_file(), None);
    assert_eq!(ask(without.base_url(), "GET", "/_sandbox/tls", &[], b"").status, 404);
}
