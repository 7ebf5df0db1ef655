//! Scenarios of response bodies.

use std::io::Write as _;

use crate::untested::Untested;
use crate::world::{DECK, World};

pub fn bodies(untested: &mut Untested) {
    let world = World::new();
    let job = world.job(DECK);
    let path = format!("/api/v1/status/{job}");
    let sound = world.poll(&job).unwrap().body;
    let body = |name: &str| world.request("GET", &path, &[("X-Perceptis-Sandbox", name)], "").unwrap();
    let html = body(untested.take("html"));
    assert!(html.status == 200 && html.header("content-type").unwrap().starts_with("text/html"));
    assert!(body(untested.take("empty")).body.is_empty());
    assert_eq!(body(untested.take("cut_json")).body, sound[..sound.len() / 2]);
    assert!(std::str::from_utf8(&body(untested.take("not_utf8")).body).is_err());
    assert_eq!(body(untested.take("bom")).body, [b"\xef\xbb\xbf", &sound[..]].concat());
    assert!(body(untested.take("deep=100000")).body.ends_with(b"]]]]}"));
    let twice = body(untested.take("duplicate_keys"));
    assert_eq!(twice.json()["job_id"], job);
    assert_eq!(String::from_utf8_lossy(&twice.body).matches("\"job_id\"").count(), 2);
    assert_eq!(body(untested.take("large_body=5000000")).body.len(), 5_000_000);
    assert_eq!(body(untested.take("wrong_content_type")).header("content-type"), Some("text/plain"));
    let with = |fields: &str| [b"{", fields.as_bytes(), b",", &sound[1..]].concat();
    assert_eq!(body(untested.take("lone_surrogate")).body, with(r#""title":"A deck about \ud83d""#));
    assert_eq!(body(untested.take("not_a_number")).body, with(r#""score":NaN,"least":-Infinity"#));
    assert_eq!(body(untested.take("long_text=3")).body, with(r#""request":"xxx""#));
    let labelled = body(untested.take("content_encoding=none"));
    assert_eq!((labelled.header("content-encoding"), &labelled.body), (Some("none"), &sound));
    for (name, unpacked) in [("gzip", sound.len()), ("gzip_bomb", 103_200_001)] {
        let packed = body(untested.take(name));
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        let mut gunzip = std::process::Command::new("gzip")
            .args(["-dc"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = gunzip.stdin.take().unwrap();
        let writer = std::thread::spawn(move || input.write_all(&packed.body).unwrap());
        let output = gunzip.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success(), "{name} is sound gzip");
        assert_eq!(output.stdout.len(), unpacked, "{name}");
    }
}
