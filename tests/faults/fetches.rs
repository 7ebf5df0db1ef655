//! What a table can't say of downloads: other processes' parts, several variants at once, bounds.

use std::collections::BTreeSet;

use crate::rows::Kind;
use crate::service::{Namespace, directory};
use crate::settle::{FOREVER, whole};
use crate::support::api::Client;

#[test]
fn a_cut_file_is_gone_on_with_by_another_client_that_knows_the_job_alone() {
    let namespace = Namespace::new(200);
    let directory = directory();
    let options = [("directory", directory.path().to_str().unwrap()), ("timeout_ms", "300000")];
    namespace.rule("cut_at=5000@download*1");
    namespace.rule("cut_at=0@download");
    let error = namespace.client(&[]).run(&Kind::Slides(1).request(1), &options).unwrap_err();
    namespace.clear();
    let before = namespace.journal(0).last().unwrap().number;
    let client = namespace.client(&[]);
    let result = client.download(&error.detail("job_id"), &options).unwrap();
    whole(&result, 1, directory.path()).unwrap();
    let asked: Vec<_> = namespace.journal(before).into_iter().filter_map(|entry| entry.range).collect();
    assert_eq!(asked, ["bytes=5000-"], "what arrived is not fetched again");
    assert_eq!(crate::support::listing(directory.path()).len(), 1);
}

/// No file comes, so that whoever asks for one more can't have been waiting for another to be done.
#[test]
fn several_variants_are_fetched_at_once_and_no_more_than_four() {
    let namespace = Namespace::new(50);
    let directory = directory();
    let job = namespace.submit(&Kind::Slides(6).body(1));
    namespace.advance(60);
    let rule = namespace.rule("stall_head@download");
    let idle_ms = 60_000;
    let client = namespace.client(&[("download_idle_timeout_ms", &idle_ms.to_string())]);
    let path = directory.path().to_str().unwrap();
    let result = std::thread::scope(|scope| {
        let call = scope.spawn(|| client.download(&job, &[("directory", path), ("timeout_ms", FOREVER)]));
        while namespace.fired(rule) < 5 && !call.is_finished() {
            std::thread::yield_now();
        }
        namespace.clear();
        call.join().unwrap().unwrap()
    });
    whole(&result, 6, directory.path()).unwrap();
    let asked: Vec<_> =
        namespace.journal(0).into_iter().filter(|entry| entry.endpoint() == "download").collect();
    let first: BTreeSet<_> = asked[..4].iter().map(|entry| &entry.path).collect();
    assert_eq!(first.len(), 4, "four variants are asked for before any of them has come");
    assert!(asked[4].at_ms >= asked[0].at_ms + idle_ms / 2, "a fifth waits for one of the four: {asked:?}");
}

/// Of several variants one is lost: the others are there, and the error tells which one is not and why.
#[test]
fn a_variant_that_does_not_come_takes_no_other_with_it() {
    let namespace = Namespace::new(200);
    let directory = directory();
    let rule = serde_json::json!({ "scenario": "http_410", "path": "/files/*/2.pptx" });
    namespace.post("rules", &rule);
    let path = directory.path().to_str().unwrap();
    let options = [("directory", path), ("name", "s"), ("timeout_ms", FOREVER)];
    let error = namespace.client(&[]).run(&Kind::Slides(4).request(1), &options).unwrap_err();
    assert_eq!((error.code.as_str(), error.detail("billed").as_str()), ("INCOMPLETE", "yes"), "{error:?}");
    assert_eq!(crate::support::listing(directory.path()), ["s-1.pptx", "s-3.pptx", "s-4.pptx"]);
    let result: serde_json::Value = serde_json::from_str(error.result.as_deref().unwrap()).unwrap();
    whole(&result, 3, directory.path()).unwrap();
    let variants: Vec<_> =
        result["files"].as_array().unwrap().iter().map(|file| file["variant"].clone()).collect();
    assert_eq!(variants, [1, 3, 4]);
}

#[test]
fn a_file_above_the_callers_own_bound_is_refused_before_it_is_fetched() {
    let namespace = Namespace::new(200);
    let directory = directory();
    let options = [("directory", directory.path().to_str().unwrap()), ("timeout_ms", FOREVER)];
    let client = |bound: &str| -> Client { namespace.client(&[("max_file_bytes", bound)]) };
    namespace.rule("gigabyte=2000001@download*1");
    let error = client("2000000").run(&Kind::Slides(1).request(1), &options).unwrap_err();
    assert_eq!(error.detail("billed"), "yes", "{error:?}");
    assert!(error.message.contains("2000000") || error.message.contains("max_file_bytes"), "{error:?}");
    assert!(crate::support::listing(directory.path()).is_empty());
    let result = client("2000000").download(&error.detail("job_id"), &options).unwrap();
    whole(&result, 1, directory.path()).unwrap();
}
