//! TLS: the certificate that a client can verify, and those that it has to refuse.
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

/// The URL of the sandbox with plain HTTP.
fn plain(sandbox: &Running) -> String {
    sandbox.base_url().replace("https://", "http://")
}

fn admin(sandbox: &Running, method: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = ask(&plain(sandbox), method, "/_sandbox/tls", &[], body.as_bytes());
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

/// One request by a client that verifies the certificate. The error is that of the verification.
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
    let mut response = String::new();
    stream.read_to_string(&mut response).map_err(|error| error.to_string())?;
    Ok(response)
}

const STATUS: &str = "GET /api/v1/status/none HTTP/1.1\r\nAuthorization: Bearer sk-1";

#[test]
fn sound_certificate_has_every_name_of_this_machine() {
    let sandbox = start(Certificate::Sound);
    for host in ["localhost", "127.0.0.1", "::1"] {
        let response = verified(&sandbox, host, STATUS).unwrap();
        assert!(response.starts_with("HTTP/1.1 404 ") && response.contains("not_found"), "{response}");
    }
    assert_eq!(admin(&sandbox, "GET", &Value::Null)["shown"]["sound"], 3);
}

#[test]
fn wrong_certificates_are_refused_for_their_faults() {
    let sandbox = start(Certificate::Sound);
    for (name, says) in [
        ("self_signed", "UnknownIssuer"),
        ("expired", "expired"),
        ("wrong_host", "not valid for name"),
        ("plain_http", "corrupt message"),
    ] {
        let described = admin(&sandbox, "POST", &json!({ "certificate": name, "times": 2 }));
        assert_eq!((&described["certificate"], &described["times"]), (&json!(name), &json!(2)));
        for _ in 0..2 {
            let error = verified(&sandbox, "localhost", STATUS).unwrap_err();
            assert!(error.contains(says), "{name}: {error}");
        }
        verified(&sandbox, "localhost", STATUS).unwrap();
        assert_eq!(admin(&sandbox, "GET", &Value::Null)["shown"][name], 2);
    }
    let journal = ask(&plain(&sandbox), "GET", "/_sandbox/journal", &[], b"").json();
    let with_fault = |fault: &str| {
        let entries = journal["entries"].as_array().unwrap();
        entries.iter().filter(|entry| entry["faults"] == json!([fault])).count()
    };
    assert_eq!((with_fault("tls_expired"), with_fault("tls_plain_http"), with_fault("tls_sound")), (2, 2, 0));
}

#[test]
fn wrong_certificate_can_be_set_at_the_start() {
    let sandbox = start(Certificate::WrongHost);
    assert!(verified(&sandbox, "localhost", STATUS).is_err());
    assert!(verified(&sandbox, "elsewhere.example", STATUS).is_ok(), "the certificate is for this host");
    admin(&sandbox, "POST", &json!({ "certificate": "sound" }));
    assert!(verified(&sandbox, "localhost", STATUS).is_ok());
}

#[test]
fn plain_http_reaches_the_admin_api_only() {
    let sandbox = start(Certificate::Sound);
    for path in ["/api/v1/status/none", "/", "/openapi.json", "/_sandboxes/", "/files/x/1.pptx"] {
        let response = ask(&plain(&sandbox), "GET", path, &[("Authorization", "Bearer sk-1")], b"");
        assert_eq!((response.status, response.code().as_str()), (400, "invalid_request"), "{path}");
        assert!(response.json()["error"]["message"].as_str().unwrap().contains("https"));
    }
    assert_eq!(ask(&plain(&sandbox), "GET", "/_sandbox/clock", &[], b"").status, 200);
}

#[test]
fn download_urls_speak_tls_too() {
    let sandbox = start(Certificate::Sound);
    let body = r#"{"prompt":"p [[sandbox: takes=0]]","output_type":"deck"}"#;
    let head = format!(
        "POST /api/v1/generate HTTP/1.1\r\nAuthorization: Bearer sk-1\r\nContent-Type: application/json\r\n\
         Content-Length: {}",
        body.len()
    );
    let response = sent(&sandbox, "localhost", &head, body).unwrap();
    let json: Value = serde_json::from_str(response.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let job = json["job_id"].as_str().unwrap();
    let status = format!("GET /api/v1/status/{job} HTTP/1.1\r\nAuthorization: Bearer sk-1");
    let response = verified(&sandbox, "localhost", &status).unwrap();
    assert!(response.contains(&format!("\"url\":\"{}/files/", sandbox.base_url())), "{response}");
}

#[test]
fn download_can_be_redirected_from_https_to_http() {
    let sandbox = start(Certificate::Sound);
    let body = r#"{"prompt":"p [[sandbox: takes=0, redirect_to_http]]","output_type":"deck"}"#;
    let head = format!(
        "POST /api/v1/generate HTTP/1.1\r\nAuthorization: Bearer sk-1\r\nContent-Type: application/json\r\n\
         Content-Length: {}",
        body.len()
    );
    let response = sent(&sandbox, "localhost", &head, body).unwrap();
    let json: Value = serde_json::from_str(response.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let path = format!("/_sandbox/jobs/{}", json["job_id"].as_str().unwrap());
    let described = ask(&plain(&sandbox), "GET", &path, &[], b"").json();
    let url = described["downloads"][0]["url"].as_str().unwrap();
    let path = url.strip_prefix(sandbox.base_url()).unwrap();
    let response = verified(&sandbox, "localhost", &format!("GET {path} HTTP/1.1")).unwrap();
    assert!(response.starts_with("HTTP/1.1 302 "), "{response}");
    let location = response.split("\r\nlocation: ").nth(1).unwrap().lines().next().unwrap();
    // A client that follows gets the file, and the journal shows that it followed.
    let followed = ask(&plain(&sandbox), "GET", location.strip_prefix(&plain(&sandbox)).unwrap(), &[], b"");
    assert_eq!((followed.status, &followed.body[..2]), (200, &b"PK"[..]));
    assert_eq!(
        ask(&plain(&sandbox), "GET", path, &[], b"").status,
        400,
        "plain HTTP is open to the redirect only"
    );
    let journal = ask(&plain(&sandbox), "GET", "/_sandbox/journal", &[], b"").json();
    assert_eq!(journal["entries"][1]["faults"], json!(["redirect_to_http"]));
    assert_eq!(
        (&journal["entries"][2]["status"], &journal["entries"][2]["faults"]),
        (&json!(200), &json!([]))
    );
}

#[test]
fn authority_file_is_private_temporary_and_without_key() {
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
fn bad_tls_requests_get_an_error() {
    let sandbox = start(Certificate::Sound);
    for body in [
        r#"{}"#,
        r#"{"certificate":"odd"}"#,
        r#"{"certificate":"sound","times":0}"#,
        r#"{"certficate":"sound"}"#,
    ] {
        let response = ask(&plain(&sandbox), "POST", "/_sandbox/tls", &[], body.as_bytes());
        assert_eq!((response.status, response.code().as_str()), (400, "invalid_request"), "{body}");
    }
    let without = Sandbox::start(Settings::default()).unwrap();
    assert_eq!(without.ca_file(), None);
    assert_eq!(ask(without.base_url(), "GET", "/_sandbox/tls", &[], b"").status, 404);
}
