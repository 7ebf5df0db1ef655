//! Fetching one file: resumed after a cut, its URL renewed when it expires.

use std::io;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LOCATION, RANGE,
};
use reqwest::{Response, StatusCode};
use tokio::sync::mpsc;
use url::Url;

use crate::answer;
use crate::client::{Client, blocking};
use crate::error::{Error, Kind};
use crate::origin::is_loopback;
use crate::part::Part;
use crate::target::file_error;

/// The largest file: 512 MiB.
pub(crate) const MOST_FILE_BYTES: u64 = 512 << 20;
const MOST_REDIRECTS: u32 = 5;
/// Pieces between the socket and the thread that hashes and writes.
const PIECES: usize = 16;

/// What a file at the other end is known to be.
#[derive(Default)]
pub(crate) struct Source {
    /// A strong validator, so that a resumed file can't be two files.
    etag: Option<HeaderValue>,
}

/// Why a fetch did not bring the whole file.
pub(crate) enum Short {
    /// The URL has had its time: a poll gives a new one.
    Expired(Error),
    /// It may go better in a while.
    Passing(Error),
    /// It won't go better.
    Final(Error),
}

impl Client {
    /// Fetches what is missing of a file. The part comes back in any case but that of a failing disk, with
    /// all that has arrived.
    pub(crate) async fn fetch_rest(
        &self,
        url: Url,
        part: Part,
        source: &mut Source,
    ) -> Result<(Part, Result<(), Short>), Error> {
        let asked = part.length;
        let response = match self.request(url, asked, source).await {
            Ok(response) => response,
            Err(short) => return Ok((part, Err(short))),
        };
        let begins = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT => asked,
            // 416 while resuming: nothing is missing, which verification will judge, or it is another file.
            _ if unsatisfied_length(&response) == Some(asked) => return Ok((part, Ok(()))),
            _ => {
                let part = restarted(part).await?;
                *source = Source::default();
                let error = Error::new(Kind::Protocol, "the file at the other end is not the one begun");
                return Ok((
                    part,
                    if asked > 0 { Err(Short::Passing(error)) } else { Err(Short::Final(error)) },
                ));
            }
        };
        let total = match total_length(&response, begins) {
            Ok(total) => total,
            Err(error) => {
                let part = restarted(part).await?;
                *source = Source::default();
                return Ok((part, Err(Short::Passing(error))));
            }
        };
        if total.is_some_and(|total| total > MOST_FILE_BYTES) {
            return Ok((part, Err(Short::Final(too_large()))));
        }
        let strong = response.headers().get(ETAG).filter(|etag| !etag.as_bytes().starts_with(b"W/"));
        source.etag = strong.cloned();
        let part = if begins == 0 && part.length > 0 { restarted(part).await? } else { part };
        let (part, result) = self.receive(response, part).await?;
        let result = result.and_then(|()| match total {
            Some(total) if total != part.length => Err(Short::Passing(Error::new(
                Kind::Transport,
                format!("{} of {total} bytes arrived", part.length),
            ))),
            _ => Ok(()),
        });
        Ok((part, result))
    }

    /// Moves the body to the disk: hashing and writing happen on another thread than the socket.
    async fn receive(&self, mut response: Response, part: Part) -> Result<(Part, Result<(), Short>), Error> {
        let (pieces, mut arriving) = mpsc::channel::<bytes::Bytes>(PIECES);
        let mut room = MOST_FILE_BYTES.saturating_sub(part.length);
        // The thread ends when the sender is dropped, also when this future is: what has arrived is synced.
        let writer = blocking(move || {
            let mut part = part;
            let mut write = || -> io::Result<()> {
                while let Some(piece) = arriving.blocking_recv() {
                    part.append(&piece)?;
                }
                part.sync()
            };
            match write() {
                Ok(()) => Ok(part),
                Err(error) => Err(file_error(&part.path, "can't be written (it is kept as it is)", &error)),
            }
        });
        let reader = async move {
            loop {
                match self.transport.chunk(&mut response).await {
                    Ok(None) => return Ok(()),
                    Ok(Some(piece)) => {
                        room = match room.checked_sub(piece.len() as u64) {
                            Some(left) => left,
                            None => return Err(Short::Final(too_large())),
                        };
                        // Refused only when the writer has failed, and then its error is the one that counts.
                        if pieces.send(piece).await.is_err() {
                            return Ok(());
                        }
                    }
                    Err(error) => return Err(Short::Passing(error)),
                }
            }
        };
        let (part, result) = tokio::join!(writer, reader);
        Ok((part?, result))
    }

    /// Asks for the file from this byte on, and follows redirects: at most five, never from https to http.
    async fn request(&self, url: Url, from: u64, source: &Source) -> Result<Response, Short> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if from > 0 {
            let range = HeaderValue::try_from(format!("bytes={from}-"))
                .map_err(|_| Short::Final(Error::new(Kind::Internal, "a range does not fit a header")))?;
            headers.insert(RANGE, range);
            if let Some(etag) = &source.etag {
                headers.insert(IF_RANGE, etag.clone());
            }
        }
        let mut url = url;
        for _ in 0..=MOST_REDIRECTS {
            self.check_plain(&url)?;
            let response =
                self.transport.fetch(url.clone(), headers.clone()).await.map_err(Short::Passing)?;
            let status = response.status();
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return judge(response, from);
            }
            let next = response.headers().get(LOCATION).and_then(|to| url.join(to.to_str().ok()?).ok());
            let Some(next) = next else {
                return Err(Short::Final(download_error(status, "redirects to nowhere")));
            };
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(Short::Final(download_error(status, "redirects from https to plain http")));
            }
            url = next;
        }
        Err(Short::Final(download_error(StatusCode::FOUND, "redirects more than five times")))
    }

    fn check_plain(&self, url: &Url) -> Result<(), Short> {
        if url.scheme() == "https" || is_loopback(url) || self.settings.allow_http {
            return Ok(());
        }
        Err(Short::Final(Error::new(
            Kind::Protocol,
            "the download URL is plain http to another machine; set allow_http to true to accept that",
        )))
    }
}

/// What a status means for a download.
fn judge(response: Response, from: u64) -> Result<Response, Short> {
    let status = response.status();
    let wait = answer::retry_after(response.headers());
    match status.as_u16() {
        200 | 206 => {
            if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
                let error = download_error(status, "is compressed, which was not asked for");
                return Err(Short::Passing(error));
            }
            Ok(response)
        }
        416 if from > 0 => Ok(response),
        // How an expired URL answers is not documented; these are the plausible ways.
        401 | 403 | 404 | 410 => Err(Short::Expired(download_error(status, "has expired or is gone"))),
        code if answer::is_passing(code) => {
            Err(Short::Passing(download_error(status, "failed").retry_after(wait)))
        }
        _ => Err(Short::Final(download_error(status, "was answered in a way that can't be understood"))),
    }
}

/// The whole file's length, where the answer tells it; an error where the answer is about another range.
fn total_length(response: &Response, begins: u64) -> Result<Option<u64>, Error> {
    if response.status() == StatusCode::OK {
        return Ok(response.content_length());
    }
    let range =
        response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok()).unwrap_or_default();
    let parsed = range.strip_prefix("bytes ").and_then(|rest| {
        let (span, total) = rest.split_once('/')?;
        let first: u64 = span.split_once('-')?.0.parse().ok()?;
        Some((first, total.parse::<u64>().ok()))
    });
    match parsed {
        Some((first, total)) if first == begins => Ok(total),
        _ => Err(Error::new(Kind::Protocol, "the download resumed at another place than asked for")),
    }
}

/// The whole file's length as a 416 tells it (RFC 9110, 14.4).
fn unsatisfied_length(response: &Response) -> Option<u64> {
    response.headers().get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes */")?.parse().ok()
}

fn download_error(status: StatusCode, what: &str) -> Error {
    let kind = match status.as_u16() {
        429 => Kind::RateLimited,
        408 | 425 | 500.. => Kind::Server,
        _ => Kind::Protocol,
    };
    Error::new(kind, format!("the download {what} ({})", status.as_u16())).http_status(status.as_u16())
}

fn too_large() -> Error {
    Error::new(Kind::Protocol, "the file is above 512 MiB")
}

async fn restarted(mut part: Part) -> Result<Part, Error> {
    blocking(move || match part.restart() {
        Ok(()) => Ok(part),
        Err(error) => Err(file_error(&part.path, "can't be written", &error)),
    })
    .await
}

/// How long the service asked to wait before the next attempt.
pub(crate) fn asked_wait(error: &Error) -> Option<Duration> {
    error.details().retry_after_ms.map(Duration::from_millis)
}
