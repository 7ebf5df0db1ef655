//! Doors to the parsers for the targets in `fuzz`: each takes what the network or a caller hands in, and
//! panics where a rule does not hold.
#![allow(missing_docs, clippy::missing_panics_doc, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use hyper::header::{CONTENT_RANGE, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::Value;
use url::Url;

use crate::api::response::{read_accepted, read_job, refusal};
use crate::api::retry_after;
use crate::download::resume::{content_range, unsatisfied_length};
use crate::error::Error;
use crate::files::crc::Blocks;
use crate::files::verify::verify_pptx;
use crate::model::api_key::{ApiKey, parse_key};
use crate::model::file_url::FileUrl;
use crate::model::job_id::JobId;
use crate::request::Request;
use crate::transport::Response;

const SECRET: &str = "sk-live-secret-key";
/// A century: longer than any wait that is asked for.
const MAX_WAIT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A success that answers a poll or a submission.
pub fn answer(body: &[u8]) {
    let (key, job_id) = (key(), JobId::from_caller("job_1").unwrap());
    let reply = reply(200, &[], body);
    match read_job(&reply, &job_id, &key) {
        Ok(job) => {
            assert!(serde_json::from_str::<Value>(&job.json).map_or(true, |json| json.is_object()));
            assert!(job.error.is_none_or(|error| error.len() < 4_000));
            for download in job.downloads {
                file_url(&download.url, b"");
            }
        }
        Err(error) => check(&error),
    }
    match read_accepted(&reply, &key) {
        Ok((job_id, _)) => assert!(JobId::from_caller(job_id.as_str()).is_ok()),
        Err(error) => check(&error),
    }
}

/// An answer that is no success.
pub fn error_body(status: u16, content_type: &[u8], request_id: &[u8], body: &[u8]) {
    let headers = [(CONTENT_TYPE, content_type), (HeaderName::from_static("x-request-id"), request_id)];
    check(&refusal(&reply(status, &headers, body), &key()));
}

/// `Retry-After`, beside `retry-after-ms` and the date of the answer.
pub fn retry_after(text: &[u8], milliseconds: &[u8], date: &[u8]) {
    let in_ms = HeaderName::from_static("retry-after-ms");
    let headers = headers(&[(RETRY_AFTER, text), (in_ms, milliseconds), (DATE, date)]);
    let _ = retry_after::date(&headers);
    assert!(retry_after::retry_after(&headers).is_none_or(|wait| !wait.is_zero() && wait <= MAX_WAIT));
}

/// `Content-Range` of a part and of a 416.
pub fn range(text: &[u8]) {
    let headers = headers(&[(CONTENT_RANGE, text)]);
    assert!(content_range(&headers).is_none() || unsatisfied_length(&headers).is_none());
}

/// A file that arrived, with the checksums of its blocks as they came.
pub fn presentation(bytes: &[u8]) {
    let mut file = File::from(memfd_create("fuzz", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(bytes).unwrap();
    let mut blocks = Blocks::default();
    blocks.update(bytes);
    let with_blocks = verify_pptx(&file, &blocks);
    assert_eq!(with_blocks.is_ok(), verify_pptx(&file, &Blocks::default()).is_ok());
    if let Ok(offset) = with_blocks {
        assert!(offset < bytes.len() as u64);
    }
}

/// The body of a request that a caller hands in.
pub fn request(json: &str) {
    match Request::from_json(json) {
        Ok(request) => {
            if let Ok(body) = request.body() {
                let text = std::str::from_utf8(&body).expect("a body is text");
                let again =
                    Request::from_json(text).unwrap_or_else(|error| panic!("{text}: {}", error.message()));
                assert_eq!(again.body().unwrap(), body);
            }
        }
        Err(error) => check(&error),
    }
}

/// The URL of a file, and where a redirect from it leads.
pub fn file_url(text: &str, location: &[u8]) {
    let base = Url::parse("https://app.test/api/v1/status/job_1?old=1").unwrap();
    let Some(url) = FileUrl::resolve(&base, text) else { return };
    for url in [Some(url.clone()), url.redirected(location)].into_iter().flatten() {
        let (sent, normal) = (url.uri(), url.url());
        assert!(sent.path().starts_with('/'));
        assert_eq!(sent.scheme_str(), Some(normal.scheme()));
        assert_eq!(sent.host(), normal.host_str());
        assert_eq!(sent.port_u16(), normal.port());
    }
}

fn key() -> ApiKey {
    parse_key(SECRET).unwrap()
}

fn headers(pairs: &[(HeaderName, &[u8])]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| Some((name.clone(), HeaderValue::from_bytes(value).ok()?)));
    pairs.flatten().collect()
}

fn reply(status: u16, pairs: &[(HeaderName, &[u8])], body: &[u8]) -> Response {
    Response { status, headers: headers(pairs), body: body.to_vec().into() }
}

/// What every error keeps: it is short, one line, and without the key.
fn check(error: &Error) {
    let message = error.message();
    assert!(message.len() < 8_000, "{} bytes", message.len());
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(!message.contains(SECRET), "{message:?}");
}
