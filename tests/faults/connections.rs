//! Faults before there is a request: connections refused, and certificates that a client has to refuse. They strike
//! whoever comes, so that each test has a sandbox of its own.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::books::{self, Books};
use crate::rows::{Kind, Operation};
use crate::service::{Namespace, ask, directory};
use crate::settle::{FOREVER, settle, whole};
use crate::support::admin::Refusal;
use crate::support::api::{Client, Error};
use crate::support::heard::Heard;
use crate::support::{Sandbox, listing};

const OPERATIONS: [Operation; 5] =
    [Operation::Generate, Operation::Run, Operation::GetStatus, Operation::Wait, Operation::Download];
const KIND: Kind = Kind::Slides(1);

/// A job that is done, made without the library, for the operations that are about one.
fn job_for(namespace: &Namespace<'_>, operation: Operation) -> Option<String> {
    let about_one = !matches!(operation, Operation::Generate | Operation::Run);
    about_one.then(|| {
        let job = namespace.submit(&KIND.body(1));
        namespace.advance(60);
        job
    })
}

fn call(
    client: &Client,
    operation: Operation,
    job: Option<&str>,
    directory: &Path,
    timeout_ms: &str,
) -> Result<Value, Error> {
    let patient = ("timeout_ms", timeout_ms);
    let files = [patient, ("directory", directory.to_str().unwrap())];
    let job = job.unwrap_or_default();
    let parsed = |text: String| serde_json::from_str(&text).unwrap();
    match operation {
        Operation::Generate => client.generate(&KIND.request(1), &[patient]),
        Operation::Run => client.run(&KIND.request(1), &files),
        Operation::GetStatus => client.get_status(job, &[patient]).map(parsed),
        Operation::Wait => client.wait(job, &[patient]).map(parsed),
        Operation::Download => client.download(job, &files),
    }
}

/// Refused for a while: every operation bears it.
#[test]
fn connections_refused_for_a_while() {
    let sandbox = Sandbox::start(10);
    for operation in OPERATIONS {
        let namespace = Namespace::within(&sandbox, 10).with_jitter(1);
        let (directory, heard) = (directory(), Heard::default());
        let job = job_for(&namespace, operation);
        let client = namespace.heard(&heard, &[]);
        let before = namespace.journal(0).last().map_or(0, |entry| entry.number);
        let refusal = Refusal::of(&sandbox.base_url);
        let result = std::thread::scope(|scope| {
            let call = scope.spawn(|| call(&client, operation, job.as_deref(), directory.path(), FOREVER));
            let borne = if operation == Operation::Wait { "poll failed" } else { "retrying" };
            heard.wait_for(borne, 2);
            drop(refusal);
            call.join().unwrap()
        });
        let result = result.unwrap_or_else(|error| panic!("{operation:?}: {error:?}"));
        if matches!(operation, Operation::Run | Operation::Download) {
            whole(&result, 1, directory.path()).unwrap();
        }
        assert_eq!(books::complaints(&namespace.journal(before)), Vec::<String>::new(), "{operation:?}");
        assert_eq!(Books::read(&namespace).jobs.len(), 1, "{operation:?}");
        client.close(60_000).unwrap();
    }
}

/// Refused for longer than anybody tries: who only asks is told, who waits goes on to the deadline, and what was never
/// sent is not billed.
#[test]
fn connections_refused_for_long() {
    let mut wrong = Vec::new();
    let sandbox = Sandbox::start(1000);
    for (operation, code) in OPERATIONS.into_iter().zip([
        "TRANSPORT",
        "TRANSPORT",
        "TRANSPORT|TIMEOUT",
        "TIMEOUT",
        "TRANSPORT|TIMEOUT",
    ]) {
        let namespace = Namespace::within(&sandbox, 1000);
        let directory = directory();
        let job = job_for(&namespace, operation);
        let client = namespace.client(&[]);
        let refusal = Refusal::of(&sandbox.base_url);
        let error = call(&client, operation, job.as_deref(), directory.path(), "600000").unwrap_err();
        drop(refusal);
        assert!(code.split('|').any(|code| code == error.code), "{operation:?}: {error:?}");
        assert_eq!(error.details["retryable"], true, "{operation:?}: {error:?}");
        namespace.advance(100_000);
        let books = Books::read(&namespace);
        if job.is_none() {
            assert_eq!(error.detail("billed"), "no", "{operation:?}: {error:?}");
            assert!(books.jobs.is_empty() && namespace.journal(0).is_empty(), "{operation:?}: {books:?}");
        } else {
            let settled = books::is_true(&error, &books, &books)
                .and_then(|()| settle(&namespace, &error, (KIND, 1), directory.path()));
            wrong.extend(settled.err().map(|wrong| format!("{operation:?}: {wrong}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// An outage at all levels: the wait that began before it ends after it.
#[test]
fn a_wait_that_began_before_an_outage_ends_after_it() {
    let sandbox = Sandbox::start(500);
    let namespace = Namespace::within(&sandbox, 500);
    let (directory, heard) = (directory(), Heard::default());
    let client = namespace.heard(&heard, &[]);
    // Every answer closes its connection, so that none outlives the refusal; and the job ends after it.
    namespace.rule("close_after@status+1");
    namespace.rule("never_ends");
    let result = std::thread::scope(|scope| {
        let options = [("directory", directory.path().to_str().unwrap()), ("timeout_ms", FOREVER)];
        let client = &client;
        let run = scope.spawn(move || client.run(&Kind::Deck.request(60), &options));
        heard.wait_for("poll failed", 1);
        let refusal = Refusal::of(&sandbox.base_url);
        heard.wait_for("poll failed", heard.wait_for("poll failed", 1).len() + 3);
        drop(refusal);
        namespace.clear();
        run.join().unwrap().unwrap()
    });
    whole(&result, 1, directory.path()).unwrap();
    assert_eq!(Books::read(&namespace).billed.len(), 1);
    client.close(60_000).unwrap();
}

/// What comes of a certificate that stays wrong, for `OPERATIONS` in their order: nothing is sent, and nobody believed.
#[rustfmt::skip]
const CERTIFICATES: [(&str, [&str; 5]); 7] = [
    ("self_signed", ["TRANSPORT", "TRANSPORT", "TRANSPORT", "TIMEOUT", "TRANSPORT"]),
    ("expired",     ["TRANSPORT", "TRANSPORT", "TRANSPORT", "TIMEOUT", "TRANSPORT"]),
    ("not_yet_valid", ["TRANSPORT", "TRANSPORT", "TRANSPORT", "TIMEOUT", "TRANSPORT"]),
    ("wrong_host",  ["TRANSPORT", "TRANSPORT", "TRANSPORT", "TIMEOUT", "TRANSPORT"]),
    ("authority",   ["TRANSPORT", "TRANSPORT", "TRANSPORT", "TIMEOUT", "TRANSPORT"]),
    ("plain_http",  ["TRANSPORT", "TRANSPORT", "TRANSPORT", "TIMEOUT", "TRANSPORT"]),
    // No time helps: the client has no certificate to show.
    ("client_certificate", ["TRANSPORT", "TRANSPORT", "TRANSPORT", "TRANSPORT", "TRANSPORT"]),
];

#[test]
fn a_wrong_certificate_is_believed_by_no_operation() {
    let sandbox = Sandbox::start_with(1000, &["--tls"]);
    let ca_file = sandbox.ca_file.clone().unwrap();
    let show = |certificate: &str| {
        ask(&sandbox.base_url, "POST", "/_sandbox/tls", "", Some(&json!({ "certificate": certificate })))
    };
    let known = show("sound")["shown"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let listed = CERTIFICATES.iter().map(|(name, _)| *name).chain(["sound"]).map(str::to_owned).collect();
    assert_eq!(known, listed, "each certificate of the sandbox has a row, and each row one");

    let mut wrong = Vec::new();
    for (certificate, codes) in CERTIFICATES {
        for (operation, code) in OPERATIONS.into_iter().zip(codes) {
            let namespace = Namespace::within(&sandbox, 1000);
            let directory = directory();
            let client = namespace.client(&[("ca_file", &ca_file)]);
            // Made by the library, while it is sound: over TLS there is no other way in here.
            show("sound");
            let maker = namespace.client(&[("ca_file", &ca_file)]);
            let job = (!matches!(operation, Operation::Generate | Operation::Run)).then(|| {
                let made = maker.generate(&KIND.request(1), &[("timeout_ms", FOREVER)]).unwrap();
                made["job_id"].as_str().unwrap().to_owned()
            });
            namespace.advance(60);
            let before = namespace.journal(0).last().map_or(0, |entry| entry.number);
            show(certificate);
            let error = call(&client, operation, job.as_deref(), directory.path(), "600000").unwrap_err();
            show("sound");
            let what = format!("{certificate} {operation:?}");
            assert!(code.split('|').any(|code| code == error.code), "{what}: {error:?}");
            assert!(namespace.journal(before).is_empty(), "{what}: something was sent");
            namespace.advance(100_000);
            let books = Books::read(&namespace);
            wrong
                .extend(books::is_true(&error, &books, &books).err().map(|wrong| format!("{what}: {wrong}")));
            assert_eq!(books.jobs.len(), usize::from(job.is_some()), "{what}");
            if job.is_none() {
                assert_eq!(error.detail("billed"), "no", "{what}: {error:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A certificate that is wrong once and then sound ends no wait.
#[test]
fn a_wait_outlasts_a_wrong_certificate() {
    let sandbox = Sandbox::start_with(1000, &["--tls"]);
    let ca_file = sandbox.ca_file.clone().unwrap();
    let namespace = Namespace::within(&sandbox, 1000);
    let directory = directory();
    let client = namespace.client(&[("ca_file", &ca_file)]);
    // Each poll needs a connection of its own.
    namespace.rule("close_after@status*4");
    for certificate in ["expired", "plain_http"] {
        let body = json!({ "certificate": certificate, "times": 2 });
        let accepted = client.generate(&KIND.request(1), &[]).unwrap();
        let job = accepted["job_id"].as_str().unwrap().to_owned();
        ask(&sandbox.base_url, "POST", "/_sandbox/tls", "", Some(&body));
        client.wait(&job, &[("timeout_ms", FOREVER)]).unwrap();
        let options = [("directory", directory.path().to_str().unwrap()), ("timeout_ms", FOREVER)];
        whole(&client.download(&job, &options).unwrap(), 1, directory.path()).unwrap();
    }
    let shown = ask(&sandbox.base_url, "GET", "/_sandbox/tls", "", None);
    assert!(shown["shown"]["expired"].as_u64() >= Some(1), "{shown}");
}

/// A download that leads from TLS to plain HTTP is not followed; one to another name of this machine is.
#[test]
fn a_redirect_out_of_tls_is_not_followed() {
    let sandbox = Sandbox::start_with(1000, &["--tls"]);
    let ca_file = sandbox.ca_file.clone().unwrap();
    let namespace = Namespace::within(&sandbox, 1000);
    let directory = directory();
    let client = namespace.client(&[("ca_file", &ca_file)]);
    let options = [("directory", directory.path().to_str().unwrap()), ("timeout_ms", FOREVER)];
    namespace.rule("redirect_to_http@download*1");
    let error = client.run(&KIND.request(1), &options).unwrap_err();
    assert_eq!(error.detail("billed"), "yes", "{error:?}");
    assert!(error.message.contains("https"), "{error:?}");
    let asked = namespace.journal(0).iter().filter(|entry| entry.endpoint() == "download").count();
    assert_eq!((asked, listing(directory.path()).len()), (1, 0));
    namespace.rule("redirect_other_host@download");
    whole(&client.download(&error.detail("job_id"), &options).unwrap(), 1, directory.path()).unwrap();
    assert_eq!(books::violations(&namespace), Vec::<String>::new());
}
