//! Scenarios of downloads: URLs, ranges, damaged files, redirects.

use std::io::Read as _;

use crate::support::{Response, ask, path_of};
use crate::untested::Untested;
use crate::world::{DECK, World};

fn get(world: &World, path: &str, scenario: &str, headers: &[(&str, &str)]) -> Response {
    let mut all = vec![("X-Perceptis-Sandbox", scenario)];
    all.extend_from_slice(headers);
    ask(world.url(), "GET", path, &all, b"")
}

/// Whether this is a zip whose checksums hold.
fn is_whole(bytes: &[u8]) -> bool {
    let Ok(mut archive) = zip::ZipArchive::new(std::io::Cursor::new(bytes)) else { return false };
    (0..archive.len()).all(|at| {
        archive.by_index(at).is_ok_and(|mut file| std::io::copy(&mut file, &mut std::io::sink()).is_ok())
    })
}

pub fn urls_and_editions(untested: &mut Untested) {
    let world = World::new();
    let (_, paths) = world.completed(DECK);
    let path = &paths[0];
    let get = |name: &str, headers: &[(&str, &str)]| get(&world, path, name, headers);
    let sound = ask(world.url(), "GET", path, &[], b"");
    for status in ["401", "403", "404", "410"] {
        assert_eq!(get(&format!("expired={status}"), &[]).status.to_string(), status);
    }
    untested.take("expired");
    assert_eq!(get(untested.take("signature_refused"), &[]).status, 403);
    assert_eq!(get(untested.take("http_416"), &[("Range", "bytes=1-")]).status, 416);
    assert_eq!(get(untested.take("ranges_ignored"), &[("Range", "bytes=1-")]).status, 200);
    let name = untested.take("etag_changes");
    let (one, two) = (get(name, &[]), get(name, &[]));
    assert!(one.header("etag") != two.header("etag") && one.body != two.body && one.body != sound.body);
    assert!(is_whole(&one.body) && is_whole(&two.body), "each is a file of its own");
    // In the middle of a download: a client that goes on without If-Range gets parts of two files.
    let begun = get("etag_changes=5000", &[]);
    assert_eq!((begun.status, begun.body.len()), (200, 5000));
    let etag = begun.header("etag").unwrap();
    let careful = ask(world.url(), "GET", path, &[("Range", "bytes=5000-"), ("If-Range", etag)], b"");
    assert!(careful.status == 200 && is_whole(&careful.body), "begun anew");
    let blind = ask(world.url(), "GET", path, &[("Range", "bytes=5000-")], b"");
    assert_eq!(blind.status, 206);
    assert!(!is_whole(&[begun.body, blind.body].concat()));
}

pub fn partial_responses(untested: &mut Untested) {
    let world = World::new();
    let (_, paths) = world.completed(DECK);
    let path = &paths[0];
    let get = |name: &str, headers: &[(&str, &str)]| get(&world, path, name, headers);
    let sound = ask(world.url(), "GET", path, &[], b"");
    let cut = get(untested.take("cut_at=100"), &[]);
    assert_eq!(cut.body, sound.body[..100]);
    assert_eq!(cut.header("content-length").unwrap(), sound.body.len().to_string());
    let from = [("Range", "bytes=900-")];
    let part = get(untested.take("resume_without_etag"), &from);
    assert_eq!((part.status, part.header("etag")), (206, None));
    assert!(get(untested.take("resume_weak_etag"), &from).header("etag").unwrap().starts_with("W/\""));
    assert_eq!(get(untested.take("resume_overlaps"), &from).body, sound.body[400..]);
    let part = get(untested.take("resume_without_range"), &from);
    assert_eq!((part.status, part.header("content-range")), (206, None));
    assert_eq!(part.body, sound.body[900..]);
}

pub fn damaged_files(untested: &mut Untested) {
    let world = World::new();
    let (_, paths) = world.completed(DECK);
    let path = &paths[0];
    let get = |name: &str, headers: &[(&str, &str)]| get(&world, path, name, headers);
    let sound = ask(world.url(), "GET", path, &[], b"");
    let short = get(untested.take("wrong_length"), &[]);
    assert!(short.header("content-length").unwrap().parse::<usize>().unwrap() < sound.body.len());
    assert_eq!(get(untested.take("zip_cut"), &[]).body, sound.body[..sound.body.len() * 2 / 3]);
    let bad = get(untested.take("zip_bad_crc"), &[]).body;
    assert!(bad.len() == sound.body.len() && bad != sound.body);
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bad)).unwrap();
    let mut text = Vec::new();
    assert!(archive.by_index(0).unwrap().read_to_end(&mut text).is_err(), "the checksum does not hold");
    assert!(!get(untested.take("not_a_zip"), &[]).body.starts_with(b"PK"));
    let other = get(untested.take("zip_without_presentation"), &[]).body;
    let other = zip::ZipArchive::new(std::io::Cursor::new(other)).unwrap();
    assert!(other.file_names().all(|name| !name.unwrap().contains("presentation")));
    assert!(get(untested.take("zero_bytes"), &[]).body.is_empty());
    let large = get(untested.take("gigabyte=3000000"), &[("Range", "bytes=5-")]);
    assert_eq!((large.status, large.header("content-range"), large.body.len()), (200, None, 3_000_000));
}

pub fn redirects(untested: &mut Untested) {
    let world = World::new();
    let (_, paths) = world.completed(DECK);
    let path = &paths[0];
    let get = |name: &str, headers: &[(&str, &str)]| get(&world, path, name, headers);
    let sound = ask(world.url(), "GET", path, &[], b"");
    let once = get(untested.take("redirect_once"), &[]);
    let next = path_of(once.header("location").unwrap());
    let again = ask(world.url(), "GET", &next, &[("X-Perceptis-Sandbox", "redirect_once")], b"");
    assert_eq!((again.status, again.body), (200, sound.body.clone()));
    let round = get(untested.take("redirect_loop"), &[]);
    let next = path_of(round.header("location").unwrap());
    assert_eq!(ask(world.url(), "GET", &next, &[("X-Perceptis-Sandbox", "redirect_loop")], b"").status, 302);
    assert_eq!(get(untested.take("redirect_to"), &[]).header("location"), Some("http://192.0.2.1/file"));
    for (name, to) in [
        (untested.take("redirect_other_host"), world.url().replace("127.0.0.1", "localhost")),
        (untested.take("redirect_to_http"), world.url().to_owned()),
    ] {
        let location = get(name, &[]).header("location").unwrap().to_owned();
        assert!(location.starts_with(&format!("{to}/files/")), "{name}: {location}");
        let host = to.strip_prefix("http://").unwrap();
        let next = path_of(&location);
        let again = ask(world.url(), "GET", &next, &[("X-Perceptis-Sandbox", name), ("Host", host)], b"");
        assert_eq!((again.status, again.body), (200, sound.body.clone()), "{name}");
    }
}
