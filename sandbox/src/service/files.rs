//! Downloads: signed URLs that expire, and bytes that can be resumed.

use std::time::Duration;

use super::FILES;
use crate::clock::Clock;
use crate::hash::{self, Signer};
use crate::http::{ByteRange, Request, Response, requested_range};
use bytes::Bytes;

/// How long a URL holds, in virtual time. The docs say "short-lived".
const HOLDS: Duration = Duration::from_secs(15 * 60);
/// But never shorter than this on the wall's clock: a fast clock does not make programs faster.
const HOLDS_AT_LEAST: Duration = Duration::from_secs(60);
const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";

/// A file that is asked for with a sound signature.
pub struct Asked {
    /// Whose file.
    pub job_id: String,
    /// Which one, from 1.
    pub variant: u32,
}

/// A fresh URL of a file.
pub fn url(base_url: &str, signer: &Signer, clock: &Clock, job_id: &str, variant: u32) -> String {
    let holds = HOLDS.max(HOLDS_AT_LEAST.mul_f64(clock.speed()));
    let expires = clock.now().saturating_add(holds).as_millis();
    let path = format!("{FILES}{job_id}/{variant}.pptx");
    let signature = signer.sign(&signed_text(&path, &expires.to_string()));
    format!("{base_url}{path}?expires={expires}&signature={signature}")
}

/// Whether a URL is one of ours and still holds. The docs leave open how an expired one answers: 403 here.
pub fn check(request: &Request, signer: &Signer, clock: &Clock) -> Result<Asked, Response> {
    let refused = |message: &str| Err(Response::error(403, "forbidden", message));
    let parameter = |name: &str| request.parameter(name).unwrap_or_default();
    let (expires, signature) = (parameter("expires"), parameter("signature"));
    if !signer.verify(&signed_text(&request.path, expires), signature) {
        return refused("the signature is not of this URL");
    }
    if expires.parse::<u128>().map_or(true, |expires| clock.now().as_millis() >= expires) {
        return refused("the URL has expired; poll the job for a fresh one");
    }
    let parsed = request.path.strip_prefix(FILES).and_then(|rest| {
        let (job_id, file) = rest.split_once('/')?;
        Some(Asked { job_id: job_id.to_owned(), variant: file.strip_suffix(".pptx")?.parse().ok()? })
    });
    parsed.ok_or_else(super::not_found)
}

/// To the same file elsewhere, by a URL that says what led there.
pub fn redirect(request: &Request, base_url: &str, again: &str) -> Response {
    let url = format!("{base_url}{}?{}&again={again}", request.path, request.query);
    Response::new(302, "text/plain", "").with("location", url)
}

/// The bytes, or the part of them that is asked for where `ranges` are honoured. It begins `overlap` bytes
/// before that.
pub fn deliver(bytes: Vec<u8>, request: &Request, ranges: bool, overlap: usize) -> Response {
    let etag = format!("\"{}\"", hash::hex(&hash::sha256(&[&bytes])[..16]));
    // If-Range: the part only of the file that was begun, else the whole of the new one.
    let same = request.header("if-range").is_none_or(|validator| validator == etag);
    // A range is of a GET alone (RFC 9110, 14.2).
    let applies = same && ranges && request.method == "GET";
    let part = requested_range(request.header("range").filter(|_| applies), bytes.len());
    let length = bytes.len();
    let bytes = Bytes::from(bytes);
    let (status, body, range) = match part {
        ByteRange::Whole => (200, bytes, None),
        ByteRange::Bytes(first, last) => {
            let first = first.saturating_sub(overlap);
            (206, bytes.slice(first..=last), Some(format!("bytes {first}-{last}/{length}")))
        }
        ByteRange::Unsatisfiable => {
            return Response::error(416, "invalid_request", "no such range")
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
    // The method is one of what is signed; HEAD is part of what a GET's URL allows.
    format!("GET\n{path}\n{expires}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_holds_for_a_while_and_then_no_more() {
        let signer = Signer::new(b"secret");
        let mut clock = Clock::new(1.0);
        let url = url("", &signer, &clock, "job_1", 1);
        let (path, query) = url.split_once('?').unwrap();
        let request = Request { path: path.to_owned(), query: query.to_owned(), ..Request::default() };
        let ask = |signer: &Signer, clock: &Clock| {
            check(&request, signer, clock)
                .map(|asked| (asked.job_id, asked.variant))
                .map_err(|response| response.status)
        };
        clock.advance(Duration::from_secs(14 * 60));
        assert_eq!(ask(&signer, &clock), Ok(("job_1".to_owned(), 1)));
        assert_eq!(ask(&Signer::new(b"another sandbox's secret"), &clock), Err(403));
        clock.advance(Duration::from_secs(2 * 60));
        assert_eq!(ask(&signer, &clock), Err(403));
    }
}
