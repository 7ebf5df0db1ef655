//! Downloads: signed URLs that expire, and bytes that can be resumed.

use std::time::Duration;

use super::refusals::not_found;
use super::routes::FILES;
use crate::clock::Clock;
use crate::hash::{self, Signer};
use crate::http::{ByteRange, Request, Response, requested_range};
use bytes::Bytes;

/// The lifetime of a URL, in virtual time. The documentation says "short-lived".
const URL_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// The least lifetime in real time: a fast clock does not make programs faster.
const MIN_URL_LIFETIME: Duration = Duration::from_secs(60);
const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";

/// The message of an expired URL.
pub const EXPIRED: &str = "the URL has expired; poll the job for a fresh one";

/// A file that a request asks for with a valid signature.
pub struct RequestedFile {
    /// Its job.
    pub job_id: String,
    /// Its variant, from 1.
    pub variant: u32,
}

/// A fresh URL of a file.
pub fn url(base_url: &str, signer: &Signer, clock: &Clock, job_id: &str, variant: u32) -> String {
    let lifetime = URL_LIFETIME.max(MIN_URL_LIFETIME.mul_f64(clock.speed()));
    let expires = clock.now().saturating_add(lifetime).as_millis();
    let path = format!("{FILES}{job_id}/{variant}.pptx");
    let signature = signer.sign(&signed_text(&path, &expires.to_string()));
    format!("{base_url}{path}?expires={expires}&signature={signature}")
}

/// Checks the signature and the expiry of a URL. The documentation leaves open how an expired one is refused:
/// 403 here.
pub fn check(request: &Request, signer: &Signer, clock: &Clock) -> Result<RequestedFile, Response> {
    let parameter = |name: &str| request.parameter(name).unwrap_or_default();
    let (expires, signature) = (parameter("expires"), parameter("signature"));
    if !signer.verify(&signed_text(&request.path, expires), signature) {
        return Err(bad_signature());
    }
    if expires.parse::<u128>().map_or(true, |expires| clock.now().as_millis() >= expires) {
        return Err(Response::error(403, "forbidden", EXPIRED));
    }
    let parsed = request.path.strip_prefix(FILES).and_then(|rest| {
        let (job_id, file) = rest.split_once('/')?;
        Some(RequestedFile { job_id: job_id.to_owned(), variant: file.strip_suffix(".pptx")?.parse().ok()? })
    });
    parsed.ok_or_else(not_found)
}

/// The error of a URL whose signature is wrong.
pub fn bad_signature() -> Response {
    Response::error(403, "forbidden", "the signature does not belong to this URL")
}

/// A redirect to the same file at another place. The URL names the redirect that leads there.
pub fn redirect(request: &Request, base_url: &str, again: &str) -> Response {
    let url = format!("{base_url}{}?{}&again={again}", request.path, request.query);
    Response::new(302, "text/plain", "").with("location", url)
}

/// A response with the file, or with the range that the request asks for if `ranges` are honoured. The range
/// begins `overlap` bytes too early.
pub fn deliver(bytes: Vec<u8>, request: &Request, ranges: bool, overlap: usize) -> Response {
    let etag = format!("\"{}\"", hash::hex(&hash::sha256(&[&bytes])[..16]));
    // If-Range: the range if the client has the beginning of this file, else the whole file.
    let is_same = request.header("if-range").is_none_or(|validator| validator == etag);
    // Only a GET has ranges (RFC 9110, 14.2).
    let applies = is_same && ranges && request.method == "GET";
    let wanted = requested_range(request.header("range").filter(|_| applies), bytes.len());
    let length = bytes.len();
    let bytes = Bytes::from(bytes);
    let (status, body, range) = match wanted {
        ByteRange::Whole => (200, bytes, None),
        ByteRange::Bytes(first, last) => {
            let first = first.saturating_sub(overlap);
            (206, bytes.slice(first..=last), Some(format!("bytes {first}-{last}/{length}")))
        }
        ByteRange::Unsatisfiable => {
            return Response::error(416, "invalid_request", "the file has no such range")
                .with("content-range", format!("bytes */{length}"));
        }
    };
    let response =
        Response::new(status, PPTX, body).with("etag", etag).with("cache-control", "private, no-store");
    let response = if ranges { response.with("accept-ranges", "bytes") } else { response };
    match range {
        Some(range) => response.with("content-range", range),
        None => response,
    }
}

fn signed_text(path: &str, expires: &str) -> String {
    // The method is signed, too. A URL for GET also allows HEAD.
    format!("GET\n{path}\n{expires}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_expires_after_its_lifetime() {
        let signer = Signer::new(b"secret");
        let mut clock = Clock::new(1.0);
        let url = url("", &signer, &clock, "job_1", 1);
        let (path, query) = url.split_once('?').unwrap();
        let request = Request { path: path.to_owned(), query: query.to_owned(), ..Request::default() };
        let ask = |signer: &Signer, clock: &Clock| {
            check(&request, signer, clock)
                .map(|file| (file.job_id, file.variant))
                .map_err(|response| response.status)
        };
        clock.advance(Duration::from_secs(14 * 60));
        assert_eq!(ask(&signer, &clock), Ok(("job_1".to_owned(), 1)));
        assert_eq!(ask(&Signer::new(b"another sandbox's secret"), &clock), Err(403));
        clock.advance(Duration::from_secs(2 * 60));
        assert_eq!(ask(&signer, &clock), Err(403));
    }
}
