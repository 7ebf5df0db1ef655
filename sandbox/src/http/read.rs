//! The reader of requests (RFC 9112). It bounds their size; the caller bounds the time.

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::message::{Request, Response};

const MAX_HEAD_BYTES: usize = 64 << 10;
const MAX_HEADERS: usize = 100;
/// Above the 64 MiB that the client library sends, so that a larger body can be refused in order.
const MAX_BODY_BYTES: u64 = 96 << 20;

/// Why no request could be read.
pub enum ReadError {
    /// The client closed the connection between requests.
    End,
    /// The bytes are no correct request. This is the response to them, after which the connection ends.
    Bad(Box<Response>),
}

impl ReadError {
    /// An error with this response.
    pub fn bad(status: u16, code: &str, message: &str) -> ReadError {
        ReadError::Bad(Box::new(Response::error(status, code, message)))
    }
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// The body has so many bytes.
    Known(u64),
    /// The body comes in chunks.
    Chunked,
}

impl BodyLength {
    /// Whether the body is within the limit, as far as its head says.
    pub fn is_allowed(self) -> bool {
        !matches!(self, BodyLength::Known(length) if length > MAX_BODY_BYTES)
    }
}

/// The head of a request.
pub struct Head {
    /// The request, without its body.
    pub request: Request,
    /// The length of its body.
    pub length: BodyLength,
    /// Whether the connection stays open after the response.
    pub keep_alive: bool,
}

/// A reader of requests: the stream, and the bytes that were read from it in advance.
pub struct Reader<R> {
    stream: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// A reader that has read nothing yet.
    pub fn new(stream: R) -> Reader<R> {
        Reader { stream, buffer: BytesMut::new() }
    }

    /// The stream.
    pub fn into_inner(self) -> R {
        self.stream
    }

    /// Waits for a byte. False when the stream has ended.
    pub async fn some(&mut self) -> bool {
        !self.buffer.is_empty() || self.more().await
    }

    /// Reads the head of a request.
    pub async fn head(&mut self) -> Result<Head, ReadError> {
        loop {
            // Empty lines before a request are skipped (RFC 9112, 2.2).
            while self.buffer.starts_with(b"\r\n") {
                self.buffer.advance(2);
            }
            let parsed = parse(&self.buffer)?;
            if parsed.as_ref().map_or(self.buffer.len(), |(_, length)| *length) > MAX_HEAD_BYTES {
                return Err(bad(431, "the head of the request is above 64 KiB"));
            }
            if let Some((head, length)) = parsed {
                self.buffer.advance(length);
                return Ok(head);
            }
            if !self.more().await {
                return Err(if self.buffer.is_empty() { ReadError::End } else { cut() });
            }
        }
    }

    /// Reads a body.
    pub async fn body(&mut self, length: BodyLength) -> Result<Bytes, ReadError> {
        match length {
            BodyLength::Known(_) if !length.is_allowed() => Err(bad(413, "the body is above 96 MiB")),
            BodyLength::Known(length) => self.exactly(usize::try_from(length).unwrap_or(usize::MAX)).await,
            BodyLength::Chunked => self.chunks().await,
        }
    }

    async fn chunks(&mut self) -> Result<Bytes, ReadError> {
        let mut body = BytesMut::new();
        loop {
            let (start, size) = loop {
                match httparse::parse_chunk_size(&self.buffer) {
                    Ok(httparse::Status::Complete(found)) => break found,
                    Ok(httparse::Status::Partial) if self.buffer.len() <= 1024 => {}
                    _ => return Err(bad(400, "the chunked body can't be read")),
                }
                if !self.more().await {
                    return Err(cut());
                }
            };
            self.buffer.advance(start);
            // No sum is built here: a chunk may claim 2^64 - 1 bytes.
            if size > MAX_BODY_BYTES.saturating_sub(body.len() as u64) {
                return Err(bad(413, "the body is above 96 MiB"));
            }
            if size == 0 {
                return self.trailers().await.map(|()| body.freeze());
            }
            body.extend_from_slice(&self.exactly(usize::try_from(size).unwrap_or(usize::MAX)).await?);
            if &self.exactly(2).await?[..] != b"\r\n" {
                return Err(bad(400, "the chunked body can't be read"));
            }
        }
    }

    /// Skips the lines after the last chunk.
    async fn trailers(&mut self) -> Result<(), ReadError> {
        let mut passed = 0;
        loop {
            while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                self.buffer.advance(end + 2);
                passed += end;
                if passed > MAX_HEAD_BYTES {
                    return Err(bad(431, "the trailers are above 64 KiB"));
                }
                if end == 0 {
                    return Ok(());
                }
            }
            if passed + self.buffer.len() > MAX_HEAD_BYTES {
                return Err(bad(431, "the trailers are above 64 KiB"));
            }
            if !self.more().await {
                return Err(cut());
            }
        }
    }

    /// Reads to the end of the stream, and keeps nothing.
    pub async fn ignore(&mut self) {
        self.buffer.clear();
        while self.more().await {
            self.buffer.clear();
        }
    }

    async fn exactly(&mut self, length: usize) -> Result<Bytes, ReadError> {
        while self.buffer.len() < length {
            if !self.more().await {
                return Err(cut());
            }
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    async fn more(&mut self) -> bool {
        if self.buffer.capacity() - self.buffer.len() < 4096 {
            self.buffer.reserve(16 << 10);
        }
        matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..))
    }
}

fn bad(status: u16, message: &str) -> ReadError {
    ReadError::bad(status, "invalid_request", message)
}

/// The client closed the connection inside a request.
fn cut() -> ReadError {
    bad(400, "the request ends before it is complete")
}

/// A head, and the number of its bytes. `None` while it is not complete.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, ReadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let head_bytes = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(bad(431, "the request has more than 100 headers"));
        }
        Err(error) => return Err(bad(400, &format!("the request can't be read: {error}"))),
    };
    let target = parsed.path.unwrap_or_default();
    // The absolute form repeats the host (RFC 9112, 3.2.2).
    let target =
        target.strip_prefix("http://").map_or(target, |rest| rest.find('/').map_or("/", |at| &rest[at..]));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        ..Request::default()
    };
    for header in parsed.headers.iter() {
        let value = String::from_utf8_lossy(header.value).trim().to_owned();
        request.headers.push((header.name.to_owned(), value));
    }
    let is_http_1_1 = parsed.version == Some(1);
    let hosts = request.all("host").len();
    if hosts > 1 {
        return Err(bad(400, "the request names two hosts"));
    }
    // RFC 9112, 3.2. For HTTP/1.0 the service's check of the host decides.
    if is_http_1_1 && hosts == 0 {
        return Err(bad(400, "the request names no host"));
    }
    let length = body_length(&request)?;
    let keep_alive = if is_http_1_1 {
        !has_word(&request, "connection", "close")
    } else {
        has_word(&request, "connection", "keep-alive")
    };
    Ok(Some((Head { request, length, keep_alive }, head_bytes)))
}

/// The length of a body, as the head says it. Requests are smuggled with two lengths, or with a length and
/// chunks (RFC 9112, 6.3): such requests are refused.
fn body_length(request: &Request) -> Result<BodyLength, ReadError> {
    match (request.all("transfer-encoding").as_slice(), request.all("content-length").as_slice()) {
        ([], []) => Ok(BodyLength::Known(0)),
        ([], [one]) => match one.parse() {
            Ok(length) if one.bytes().all(|byte| byte.is_ascii_digit()) => Ok(BodyLength::Known(length)),
            _ => Err(bad(400, "the Content-Length can't be read")),
        },
        ([one], []) if one.eq_ignore_ascii_case("chunked") => Ok(BodyLength::Chunked),
        _ => Err(bad(400, "the length of the body is given in two ways")),
    }
}

/// Whether a list in a header has this word.
fn has_word(request: &Request, name: &str, word: &str) -> bool {
    let lists = request.all(name);
    lists.iter().flat_map(|list| list.split(',')).any(|found| found.trim().eq_ignore_ascii_case(word))
}
