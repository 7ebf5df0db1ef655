//! Fetching one file: resumed after a cut, streamed to the disk.

use std::io;

use bytes::{Buf as _, Bytes};
use hyper::StatusCode;
use hyper::header::{ACCEPT, HeaderMap, HeaderValue, IF_RANGE, LOCATION, RANGE};
use tokio::sync::mpsc;
use url::Url;

use crate::api::response;
use crate::api::retry_after::retry_after;
use crate::common::blocking::blocking;
use crate::download::downloader::Downloader;
use crate::download::resume::{self, Plan, Received, strong_etag};
use crate::error::{Error, Kind};
use crate::files::failure::file_error;
use crate::files::partial::Partial;
use crate::model::file_url::FileUrl;
use crate::model::job_id::JobId;
use crate::model::origin::is_loopback;
use crate::retry::Attempt;
use crate::transport::failure::{AttemptError, FailureKind};
use crate::transport::file_server::FileAnswer;
use crate::transport::intake::is_coded;

const MAX_REDIRECTS: u32 = 5;
/// How many requests in a row may bring nothing new.
const MAX_BARREN: u32 = 10;
/// How often another file than the one that was begun counts as something new.
const MAX_OTHERS: u32 = 4;
/// Pieces between the socket and the thread that hashes and writes.
const PIECES: usize = 8;

/// A file on its way, repeatable: each attempt goes on where the last one was cut.
pub(crate) struct Fetch<'a> {
    downloader: &'a Downloader,
    pub(crate) url: FileUrl,
    /// Gone only when the disk has failed.
    part: Option<Partial>,
    job_id: &'a str,
    attempts: u32,
    /// The most that had arrived of the file, and how many requests in a row have brought nothing more.
    furthest: u64,
    barren: u32,
    /// How often another file was begun.
    others: u32,
}

impl<'a> Fetch<'a> {
    pub(crate) fn new(
        downloader: &'a Downloader,
        job_id: &'a JobId,
        url: FileUrl,
        part: Partial,
    ) -> Fetch<'a> {
        let (job_id, furthest) = (job_id.as_str(), part.length);
        Fetch { downloader, url, part: Some(part), job_id, attempts: 0, furthest, barren: 0, others: 0 }
    }

    /// How much has arrived.
    pub(crate) fn length(&self) -> u64 {
        self.part.as_ref().map_or(0, |part| part.length)
    }

    pub(crate) fn into_part(self) -> Option<Partial> {
        self.part
    }

    /// A failed attempt after which so much of the file is there: whether it has brought something, and
    /// whether others have.
    fn judge(&mut self, miss: AttemptError, length: u64, is_another: bool) -> AttemptError {
        if is_another && self.others < MAX_OTHERS {
            self.others += 1;
            self.furthest = 0;
        }
        let progressed = length > self.furthest;
        self.furthest = self.furthest.max(length);
        // Of a server that is down or busy nothing is known.
        if matches!(miss.came, FailureKind::Lost | FailureKind::Unreadable) {
            self.barren += 1;
        }
        if progressed {
            self.barren = 0;
        }
        if self.barren < MAX_BARREN {
            return AttemptError { progressed, ..miss };
        }
        self.barren = 0;
        let message = format!(
            "{MAX_BARREN} requests in a row brought nothing new of the file, \
             of which {length} bytes are kept (last: {})",
            miss.error
        );
        let kind = miss.error.kind();
        AttemptError::new(FailureKind::Fault, miss.error.restate(kind, message).retryable())
    }
}

impl Attempt for Fetch<'_> {
    type Good = ();

    async fn once(&mut self) -> Result<(), AttemptError> {
        let part = self.part.take().ok_or_else(|| {
            AttemptError::new(
                FailureKind::Fault,
                Error::new(Kind::Internal, "a download goes on after its disk failed"),
            )
        })?;
        let etag = part.etag.clone();
        self.attempts += 1;
        let begun = self.downloader.clock.now();
        let result = match self.downloader.fetch_rest(self.url.clone(), part).await {
            Ok((part, result)) => {
                let (part, is_whole) = look_at(part).await.map_err(disk_failed)?;
                let is_another = etag.is_some() && part.etag.is_some() && part.etag != etag;
                let length = part.length;
                self.part = Some(part);
                // Whatever was said of it: what is whole needs no further byte.
                result
                    .or_else(|miss| if is_whole { Ok(()) } else { Err(self.judge(miss, length, is_another)) })
            }
            Err(disk) => Err(disk_failed(disk)),
        };
        let took = self.downloader.clock.now().since(begun);
        let came = result.as_ref().copied();
        self.downloader.log.request("download", Some(self.job_id), self.attempts, took, came);
        result
    }
}

/// Whether a part is whole, so that no further byte of it is needed.
pub(crate) async fn look_at(mut part: Partial) -> Result<(Partial, bool), Error> {
    if let Some(is_whole) = part.is_known_whole() {
        return Ok((part, is_whole));
    }
    blocking(move || {
        let is_whole = part.is_whole();
        Ok((part, is_whole))
    })
    .await
}

impl Downloader {
    /// Fetches what is missing of a file. The part comes back in any case but that of a failing disk, with
    /// all that has arrived.
    async fn fetch_rest(
        &self,
        url: FileUrl,
        mut part: Partial,
    ) -> Result<(Partial, Result<(), AttemptError>), Error> {
        let asked = part.length;
        let answer = match self.request(url, asked, part.etag.as_ref()).await {
            Ok(answer) => answer,
            Err(miss) => return Ok((part, Err(miss))),
        };
        let is_presentation = part.output().names().is_presentation();
        let arrived = Received { length: asked, etag: part.etag.as_ref(), is_presentation };
        let rest = match resume::plan(answer.status, &answer.headers, arrived) {
            Plan::Done => return Ok((part, Ok(()))),
            Plan::Restart => {
                let part = restarted(part).await?;
                let message = "the file at the other end is not the one that was begun";
                return Ok((
                    part,
                    Err(AttemptError::new(FailureKind::Unreadable, Error::new(Kind::Protocol, message))),
                ));
            }
            Plan::Receive(rest) => rest,
        };
        if rest.total.is_some_and(|total| total > self.settings.max_file_bytes) {
            return Ok((part, Err(self.too_large())));
        }
        let strong = strong_etag(&answer.headers).cloned();
        if rest.begins_anew {
            part = restarted(part).await?;
        }
        // An answer to a resume that has no validator takes none away.
        if strong.is_some() || part.length == 0 {
            part.set_etag(strong);
        }
        let coded = is_coded(&answer.headers) && rest.from_first_byte;
        let (part, result) = self.receive(answer, part, rest.known, coded).await?;
        let result = result.and_then(|()| match rest.total {
            Some(total) if total != part.length => {
                let message = format!("{} of {total} bytes arrived", part.length);
                Err(AttemptError::new(FailureKind::Lost, Error::new(Kind::Transport, message)))
            }
            None if is_presentation && !rest.ends => {
                let message =
                    format!("the connection ended after {} bytes, which are no whole file", part.length);
                Err(AttemptError::new(FailureKind::Lost, Error::new(Kind::Transport, message)))
            }
            _ => Ok(()),
        });
        Ok((part, result))
    }

    /// Moves the body to the disk: hashing and writing happen on other threads than the socket, and hold none
    /// while nothing arrives, so that slow downloads do not block others. `known`: so many bytes at the
    /// beginning are there already. `coded`: the content is said to be compressed.
    async fn receive(
        &self,
        mut answer: FileAnswer,
        part: Partial,
        mut known: u64,
        mut coded: bool,
    ) -> Result<(Partial, Result<(), AttemptError>), Error> {
        let (pieces, mut arriving) = mpsc::channel::<Bytes>(PIECES);
        let mut room = self.settings.max_file_bytes.saturating_sub(part.length);
        let writer = async move {
            let (mut part, mut batch) = (part, Vec::new());
            while arriving.recv_many(&mut batch, PIECES).await > 0 {
                let pieces = std::mem::take(&mut batch);
                part = on_disk(part, move |part| pieces.into_iter().try_for_each(|piece| part.append(piece)))
                    .await?;
            }
            on_disk(part, |part| part.sync()).await
        };
        let reader = async move {
            loop {
                let Some(mut piece) = self.transport.chunk(&mut answer).await? else { return Ok(()) };
                // A zip is what it is, whatever it is said to be.
                if std::mem::take(&mut coded) && !piece.starts_with(b"PK") {
                    let error = download_error(answer.status, "is compressed, which was not asked for");
                    return Err(AttemptError::new(FailureKind::Unreadable, error));
                }
                let skipped = known.min(piece.len() as u64);
                known -= skipped;
                piece.advance(usize::try_from(skipped).unwrap_or(usize::MAX).min(piece.len()));
                if piece.is_empty() {
                    continue;
                }
                room = room.checked_sub(piece.len() as u64).ok_or_else(|| self.too_large())?;
                // Refused only when the writer has failed, and then its error is the one that counts.
                if pieces.send(piece).await.is_err() {
                    return Ok(());
                }
            }
        };
        let (part, result) = tokio::join!(writer, reader);
        Ok((part?, result))
    }

    /// Asks for the file from this byte on, and follows redirects: at most five, never from https to http.
    async fn request(
        &self,
        mut url: FileUrl,
        from: u64,
        etag: Option<&HeaderValue>,
    ) -> Result<FileAnswer, AttemptError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if from > 0 {
            let range = HeaderValue::try_from(format!("bytes={from}-"))
                .map_err(|_| refused(Error::new(Kind::Internal, "a range does not fit a header")))?;
            headers.insert(RANGE, range);
            if let Some(etag) = etag {
                headers.insert(IF_RANGE, etag.clone());
            }
        }
        for _ in 0..=MAX_REDIRECTS {
            self.check_plain(url.url())?;
            let answer = self.transport.fetch(&url, headers.clone()).await?;
            let status = answer.status;
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return judge(answer, from);
            }
            let next = answer.headers.get(LOCATION).and_then(|to| url.redirected(to.as_bytes()));
            let Some(next) = next else {
                return Err(refused(download_error(status, "redirects to nowhere")));
            };
            if url.url().scheme() == "https" && next.url().scheme() != "https" {
                return Err(refused(download_error(status, "redirects from https to plain http")));
            }
            url = next;
        }
        Err(refused(download_error(StatusCode::FOUND, "redirects more than five times")))
    }

    fn check_plain(&self, url: &Url) -> Result<(), AttemptError> {
        if url.scheme() == "https" || is_loopback(url) || self.settings.allow_http {
            return Ok(());
        }
        Err(refused(Error::new(
            Kind::Protocol,
            "the download URL is plain http to another machine; set allow_http to true to accept that",
        )))
    }

    fn too_large(&self) -> AttemptError {
        let message = format!("the file is above max_file_bytes, {} bytes", self.settings.max_file_bytes);
        refused(Error::new(Kind::Protocol, message))
    }
}

/// An attempt that ended at the disk: asking again does not change that.
fn disk_failed(error: Error) -> AttemptError {
    AttemptError::new(FailureKind::Fault, error)
}

/// What is not taken, however often it is offered.
fn refused(error: Error) -> AttemptError {
    AttemptError::new(FailureKind::Fault, error)
}

/// What a status means for a download.
fn judge(answer: FileAnswer, from: u64) -> Result<FileAnswer, AttemptError> {
    let status = answer.status;
    let what = match status.as_u16() {
        200 | 206 => return Ok(answer),
        416 if from > 0 => return Ok(answer),
        // How an expired URL answers is not documented; these are the plausible ways.
        401 | 403 | 404 | 410 => "has expired or is gone",
        code if response::is_passing(code) => "failed",
        _ => "was answered in a way that can't be understood",
    };
    let error = download_error(status, what).retry_after(retry_after(&answer.headers));
    Err(AttemptError::new(FailureKind::Status(status.as_u16()), error))
}

fn download_error(status: StatusCode, what: &str) -> Error {
    let kind = match status.as_u16() {
        429 => Kind::RateLimited,
        408 | 425 | 500.. => Kind::Server,
        _ => Kind::Protocol,
    };
    Error::new(kind, format!("the download {what} ({})", status.as_u16())).http_status(status.as_u16())
}

async fn restarted(part: Partial) -> Result<Partial, Error> {
    on_disk(part, Partial::restart).await
}

/// Does something with a part on a thread that may block. It is done to its end also when its operation was
/// stopped.
async fn on_disk(
    mut part: Partial,
    work: impl FnOnce(&mut Partial) -> io::Result<()> + Send + 'static,
) -> Result<Partial, Error> {
    blocking(move || match work(&mut part) {
        Ok(()) => Ok(part),
        Err(error) => Err(file_error(&part.path(), "can't be written (it is kept as it is)", &error)),
    })
    .await
}
