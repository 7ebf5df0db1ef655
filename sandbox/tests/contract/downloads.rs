//! Downloads: signatures and ranges.

use crate::support::{KEY, accepted, ask, completed, path_of};
use crate::{DECK, start};

#[test]
fn downloads_are_signed_and_need_no_key() {
    let sandbox = start(10_000.0);
    let url = sandbox.base_url();
    let job_id = accepted(url, r#"{"prompt":"p","output_type":"single_slide","variant_count":2}"#);
    let job = completed(url, &job_id);
    let path = path_of(job["downloads"][0]["url"].as_str().unwrap());
    let file = ask(url, "GET", &path, &[], b"");
    assert_eq!(file.status, 200);
    assert_eq!(&file.body[..2], b"PK");
    assert_eq!(file.header("content-length").unwrap(), file.body.len().to_string());
    assert_eq!(ask(url, "GET", &path, &[], b"").body, file.body, "the same bytes each time");
    let second = path_of(job["downloads"][1]["url"].as_str().unwrap());
    assert_ne!(ask(url, "GET", &second, &[], b"").body, file.body, "variants differ");

    let again = completed(url, &job_id);
    assert_ne!(again["downloads"][0]["url"], job["downloads"][0]["url"], "each poll makes fresh URLs");

    let expires = path.split("expires=").nth(1).unwrap().split('&').next().unwrap();
    let (before, signature) = path.split_at(path.len() - 1);
    let changed = format!("{before}{}", if signature == "0" { "1" } else { "0" });
    let later = path.replace(expires, &format!("9{expires}"));
    let other = path.replace("/1.pptx", "/2.pptx");
    let bare = path.split('?').next().unwrap().to_owned();
    for bad in [changed, later, other, bare, format!("/files/{job_id}/1.pptx?expires=1&signature=zz")] {
        let response = ask(url, "GET", &bad, &[("Authorization", &format!("Bearer {KEY}"))], b"");
        assert_eq!((response.status, response.code().as_str()), (403, "forbidden"), "{bad}");
    }
}

#[test]
fn downloads_resume() {
    let sandbox = start(10_000.0);
    let url = sandbox.base_url();
    let job = completed(url, &accepted(url, DECK));
    let path = path_of(job["downloads"][0]["url"].as_str().unwrap());
    let whole = ask(url, "GET", &path, &[], b"");
    let (length, etag) = (whole.body.len(), whole.header("etag").unwrap().to_owned());
    let rest = ask(url, "GET", &path, &[("Range", "bytes=100-"), ("If-Range", &etag)], b"");
    assert_eq!(rest.status, 206);
    assert_eq!(rest.body, whole.body[100..]);
    assert_eq!(rest.header("content-range").unwrap(), format!("bytes 100-{}/{length}", length - 1));
    let changed = ask(url, "GET", &path, &[("Range", "bytes=100-"), ("If-Range", "\"other\"")], b"");
    assert_eq!((changed.status, changed.body.len()), (200, length), "another file is sent whole");
    let beyond = ask(url, "GET", &path, &[("Range", &format!("bytes={length}-"))], b"");
    assert_eq!(
        (beyond.status, beyond.header("content-range").unwrap()),
        (416, &*format!("bytes */{length}"))
    );
    let head = ask(url, "HEAD", &path, &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length").unwrap(), length.to_string());
    assert_eq!((head.header("etag"), head.header("accept-ranges")), (Some(&*etag), Some("bytes")));
    // Only a GET has ranges (RFC 9110, 14.2).
    let head = ask(url, "HEAD", &path, &[("Range", "bytes=0-9")], b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some(&*length.to_string())));
    for (range, from, to) in
        [("bytes=0-0", 0, 1), ("bytes=-5", length - 5, length), ("bytes=3-99999999", 3, length)]
    {
        let part = ask(url, "GET", &path, &[("Range", range)], b"");
        assert_eq!((part.status, &part.body[..]), (206, &whole.body[from..to]), "{range}");
        assert_eq!(part.header("content-range").unwrap(), format!("bytes {from}-{}/{length}", to - 1));
        assert_eq!(part.header("content-length").unwrap(), (to - from).to_string());
        assert_eq!(part.header("etag"), Some(&*etag), "it is the same file");
    }
    for range in ["bytes=5-4", "bytes=+4-5", "bytes=4-+5", "bytes=-+5", "bytes=0-1,3-4", "words=0-1", "bytes"]
    {
        let all = ask(url, "GET", &path, &[("Range", range)], b"");
        assert_eq!(
            (all.status, all.body.len()),
            (200, length),
            "a range that can't be read is ignored: {range}"
        );
    }
    let again = completed(url, job["job_id"].as_str().unwrap());
    let fresh = path_of(again["downloads"][0]["url"].as_str().unwrap());
    assert_ne!(fresh, path);
    let rest = ask(url, "GET", &fresh, &[("Range", "bytes=100-"), ("If-Range", &etag)], b"");
    assert_eq!((rest.status, &rest.body[..]), (206, &whole.body[100..]), "a fresh URL has the same file");
}
