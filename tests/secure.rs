//! Over TLS, through the shared library: who is believed, and what it costs when nobody is.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use std::process::Command;

use serde_json::Value;
use support::api::Request;
use support::{Sandbox, succeed};

fn admin(sandbox: &Sandbox, path: &str, body: Option<&str>) -> Value {
    let mut command = Command::new("curl");
    command.args([
        "-sS",
        "--fail-with-body",
        "--noproxy",
        "*",
        "--cacert",
        sandbox.ca_file.as_ref().unwrap(),
    ]);
    if let Some(body) = body {
        command.args(["-d", body]);
        // Whatever the port shows to TLS.
        command.arg(format!("{}{path}", sandbox.base_url.replace("https://", "http://")));
    } else {
        command.arg(format!("{}{path}", sandbox.base_url));
    }
    serde_json::from_slice(&succeed(&mut command).stdout).unwrap()
}

#[test]
fn a_run_over_tls_ends_with_its_file() {
    let sandbox = Sandbox::start_with(200, &["--tls"]);
    let directory = tempfile::tempdir().unwrap();
    let client = sandbox.client();
    let result = client.run(&Request::deck(), &[("directory", directory.path().to_str().unwrap())]).unwrap();
    assert!(std::path::Path::new(result["files"][0]["path"].as_str().unwrap()).is_file());
    assert_eq!(admin(&sandbox, "/_sandbox/jobs", None)["jobs"].as_array().unwrap().len(), 1);
}

/// A whole object and a whole zip prove that nothing is missing, though TLS's own end does not come.
#[test]
fn an_answer_whose_connection_ends_without_tls_own_end_is_whole() {
    let sandbox = Sandbox::start_with(200, &["--tls"]);
    let directory = tempfile::tempdir().unwrap();
    let client = sandbox.client_with(&[("api_key", "sk-sandbox-default--takes=60--ends_by_reset")]);
    let options = [("directory", directory.path().to_str().unwrap()), ("timeout_ms", "3600000")];
    let result = client.run(&Request::deck(), &options).unwrap();
    assert!(std::path::Path::new(result["files"][0]["path"].as_str().unwrap()).is_file());
    let journal = admin(&sandbox, "/_sandbox/journal", None);
    let entries = journal["entries"].as_array().unwrap();
    let count = |path: &str| entries.iter().filter(|entry| entry["path"].to_string().contains(path)).count();
    assert_eq!((count("/generate"), count("/files/")), (1, 1), "{journal}");
    let struck = |entry: &&Value| entry["faults"].to_string().contains("ends_by_reset");
    assert_eq!(entries.iter().filter(struck).count(), entries.len(), "{journal}");
}

#[test]
fn a_certificate_that_is_wrong_is_not_believed_and_nothing_is_sent() {
    let sandbox = Sandbox::start_with(200, &["--tls"]);
    for (name, says) in [
        ("self_signed", "ca_file"),
        ("expired", "expired on"),
        ("not_yet_valid", "valid from 01 Jan 2090"),
        ("wrong_host", "for elsewhere.example"),
        ("authority", "CA:TRUE"),
        ("client_certificate", "client_cert_file"),
        ("plain_http", "was reached"),
    ] {
        admin(&sandbox, "/_sandbox/tls", Some(&format!("{{\"certificate\":\"{name}\"}}")));
        let error = sandbox.client().generate(&Request::deck(), &[]).unwrap_err();
        assert!(error.message.contains(says) && error.message.len() <= 200, "{name}: {error:?}");
        assert_eq!(
            (error.code.as_str(), error.detail("billed").as_str()),
            ("TRANSPORT", "no"),
            "{name}: {error:?}"
        );
    }
    let shown = admin(&sandbox, "/_sandbox/tls", Some("{\"certificate\":\"sound\"}"));
    assert!(shown["shown"]["expired"].as_u64().unwrap() >= 1);
    assert_eq!(admin(&sandbox, "/_sandbox/jobs", None)["jobs"], serde_json::json!([]));
}

#[test]
fn without_the_authoritys_file_nobody_is_believed() {
    let mut sandbox = Sandbox::start_with(200, &["--tls"]);
    let file = sandbox.ca_file.take();
    let error = sandbox.client().generate(&Request::deck(), &[]).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("TRANSPORT", "no"), "{error:?}");
    sandbox.ca_file = file;
    assert_eq!(admin(&sandbox, "/_sandbox/jobs", None)["jobs"], serde_json::json!([]));
}
