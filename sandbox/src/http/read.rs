//! Reading requests (RFC 9112), bounded in size; time is bounded by the caller.

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::message::{Answer, Question};

const MAX_HEAD_BYTES: usize = 64 << 10;
const MAX_HEADERS: usize = 100;
/// Above the client's 64 MiB, with room to say no.
const MAX_BODY_BYTES: u64 = 96 << 20;

/// Why there is no request.
pub enum Unread {
    /// The other end has nothing more to ask.
    End,
    /// It can't be understood; this is answered, and the connection ends.
    Bad(Box<Answer>),
}

impl Unread {
    /// What can't be understood, with the error that says so.
    pub fn bad(status: u16, code: &str, message: &str) -> Unread {
        Unread::Bad(Box::new(Answer::error(status, code, message)))
    }
}

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many bytes.
    Known(u64),
    /// Chunks.
    Chunked,
}

impl Length {
    /// Whether it may be read, as far as can be said before.
    pub fn is_allowed(self) -> bool {
        !matches!(self, Length::Known(length) if length > MAX_BODY_BYTES)
    }
}

/// A request's head.
pub struct Head {
    /// The request, without its body.
    pub question: Question,
    /// How long its body is.
    pub length: Length,
    /// Whether the connection stays open after the answer.
    pub keep_alive: bool,
}

/// What is read from, and what has been read too far.
pub struct Reader<R> {
    stream: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Nothing read yet.
    pub fn new(stream: R) -> Reader<R> {
        Reader { stream, buffer: BytesMut::new() }
    }

    /// What is read from.
    pub fn into_inner(self) -> R {
        self.stream
    }

    /// Waits until something comes; false when nothing more does.
    pub async fn some(&mut self) -> bool {
        !self.buffer.is_empty() || self.more().await
    }

    /// Reads a request's head.
    pub async fn head(&mut self) -> Result<Head, Unread> {
        loop {
            // Empty lines before a request are passed over (RFC 9112, 2.2).
            while self.buffer.starts_with(b"\r\n") {
                self.buffer.advance(2);
            }
            let parsed = parse(&self.buffer)?;
            if parsed.as_ref().map_or(self.buffer.len(), |(_, length)| *length) > MAX_HEAD_BYTES {
                return Err(bad(431, "the request's head is above 64 KiB"));
            }
            if let Some((head, length)) = parsed {
                self.buffer.advance(length);
                return Ok(head);
            }
            if !self.more().await {
                return Err(if self.buffer.is_empty() { Unread::End } else { cut() });
            }
        }
    }

    /// Reads a body.
    pub async fn body(&mut self, length: Length) -> Result<Bytes, Unread> {
        match length {
            Length::Known(_) if !length.is_allowed() => Err(bad(413, "the body is above 96 MiB")),
            Length::Known(length) => self.exactly(usize::try_from(length).unwrap_or(usize::MAX)).await,
            Length::Chunked => self.chunks().await,
        }
    }

    async fn chunks(&mut self) -> Result<Bytes, Unread> {
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
            // Not a sum: a chunk may claim 2^64 - 1 bytes.
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

    /// Passes over what follows the last chunk.
    async fn trailers(&mut self) -> Result<(), Unread> {
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

    /// Reads what still comes, and keeps none of it.
    pub async fn ignore(&mut self) {
        self.buffer.clear();
        while self.more().await {
            self.buffer.clear();
        }
    }

    async fn exactly(&mut self, length: usize) -> Result<Bytes, Unread> {
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

fn bad(status: u16, message: &str) -> Unread {
    Unread::bad(status, "invalid_request", message)
}

/// The other end went away, or said that it has no more to say.
fn cut() -> Unread {
    bad(400, "the request ends in its middle")
}

/// A head, and how many bytes it has; `None` when it is not whole yet.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Unread> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(bad(431, "the request has more than 100 headers"));
        }
        Err(error) => return Err(bad(400, &format!("the request can't be read: {error}"))),
    };
    let target = request.path.unwrap_or_default();
    // An absolute form names the host once more (RFC 9112, 3.2.2).
    let target =
        target.strip_prefix("http://").map_or(target, |rest| rest.find('/').map_or("/", |at| &rest[at..]));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut question = Question {
        method: request.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        ..Question::default()
    };
    for header in request.headers.iter() {
        let value = String::from_utf8_lossy(header.value).trim().to_owned();
        question.headers.push((header.name.to_owned(), value));
    }
    let all = |name: &str| -> Vec<&str> {
        let named = question.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    };
    let has = |name: &str, word: &str| {
        all(name)
            .iter()
            .flat_map(|value| value.split(','))
            .any(|found| found.trim().eq_ignore_ascii_case(word))
    };
    if all("host").len() > 1 {
        return Err(bad(400, "the request names two hosts"));
    }
    // RFC 9112, 3.2. One of HTTP/1.0 is left to the check of the host.
    if request.version == Some(1) && all("host").is_empty() {
        return Err(bad(400, "the request names no host"));
    }
    // Both, or two lengths, are how requests are smuggled (RFC 9112, 6.3).
    let length_of_body = match (all("transfer-encoding").as_slice(), all("content-length").as_slice()) {
        ([], []) => Length::Known(0),
        ([], [one]) => match one.parse() {
            Ok(length) if one.bytes().all(|byte| byte.is_ascii_digit()) => Length::Known(length),
            _ => return Err(bad(400, "the Content-Length can't be read")),
        },
        ([one], []) if one.eq_ignore_ascii_case("chunked") => Length::Chunked,
        _ => return Err(bad(400, "the body's length is said in two ways")),
    };
    let keep_alive = match request.version {
        Some(1) => !has("connection", "close"),
        _ => has("connection", "keep-alive"),
    };
    Ok(Some((Head { question, length: length_of_body, keep_alive }, length)))
}
