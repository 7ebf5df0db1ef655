//! What a table can't say of downloads: other processes' parts, several variants at once, bounds.

use crate::rows::Kind;
use crate::service::{Namespace, SPEED, directory};
use crate::settle::{FOREVER, whole};
use crate::support::api::{Client, Request};
use crate::support::deck::deck;
use crate::support::in_time;
use crate::support::script::{Answer, Server};

#[test]
fn a_cut_file_is_gone_on_with_by_another_client_that_knows_the_job_alone() {
    let (namespace, directory, error) = in_time(|timeout_ms| {
        let (namespace, directory) = (Namespace::new(SPEED), directory());
        let options = [("directory", directory.path().to_str().unwrap()), ("timeout_ms", timeout_ms)];
        namespace.rule("cut_at=5000@download*1");
        let rule = namespace.rule("cut_at=0@download");
        let error = namespace.client(&[]).run(&Kind::Slides(1).request(1), &options).unwrap_err();
        (namespace.fired(rule) > 0).then_some((namespace, directory, error))
    });
    namespace.clear();
    let options = [("directory", directory.path().to_str().unwrap()), ("timeout_ms", FOREVER)];
    let before = namespace.journal(0).last().unwrap().number;
    let client = namespace.client(&[]);
    let result = client.download(&error.detail("job_id"), &options).unwrap();
    whole(&result, 1, directory.path()).unwrap();
    let asked: Vec<_> = namespace.journal(before).into_iter().filter_map(|entry| entry.range).collect();
    assert_eq!(asked, ["bytes=5000-"], "what arrived is not fetched again");
    assert_eq!(crate::support::listing(directory.path()).len(), 1);
}

/// No file comes before the test lets it, so that a request for one more can't have been waiting for another to be done.
#[test]
fn several_variants_are_fetched_at_once_and_no_more_than_four() {
    const VARIANTS: usize = 6;
    let (server, directory) = (Server::start(), directory());
    let urls: Vec<String> = (1..=VARIANTS).map(|number| format!("/f{number}")).collect();
    server.job(&urls.iter().map(String::as_str).collect::<Vec<_>>());
    for url in &urls {
        server.on(url, Answer::file(&deck(url)).held());
    }
    let (client, path) = (server.client(), directory.path().to_str().unwrap());
    let result = std::thread::scope(|scope| {
        let _free = server.free_at_last();
        let call = scope.spawn(|| client.run(&Request::slides(VARIANTS as u32), &[("directory", path)]));
        let files = || server.seen().iter().filter(|seen| seen.path.starts_with("/f")).count();
        for (come, url) in urls.iter().enumerate() {
            let asked = (come + 4).min(VARIANTS);
            while files() < asked {
                std::thread::yield_now();
            }
            assert_eq!(files(), asked, "{come} have come");
            server.let_go(url);
        }
        call.join().unwrap().unwrap()
    });
    whole(&result, 6, directory.path()).unwrap();
}

/// Of several variants one is lost: the others are there, and the error tells which one is not and why.
#[test]
fn a_variant_that_does_not_come_takes_no_other_with_it() {
    let namespace = Namespace::new(SPEED);
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
    let namespace = Namespace::new(SPEED);
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
