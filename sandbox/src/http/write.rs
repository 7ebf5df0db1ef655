//! The writer of responses, correct ones and broken ones.

use std::fmt::Write as _;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::message::{Body, Response, Wire};

/// The bytes of a filler. It is static, because the stack of every connection would have to hold it.
static FILLER: [u8; 64 << 10] = [b'x'; 64 << 10];

/// How long sent bytes may take to arrive.
const ARRIVAL_TIME: Duration = Duration::from_millis(50);

const MAX_COPIED_BODY_BYTES: usize = 16 << 10;

/// What becomes of the connection after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterResponse {
    /// It stays open for the next request.
    Keep,
    /// It is closed in order.
    Close,
    /// It is reset.
    Reset,
    /// It stays open, and is reset when the next request begins.
    ResetAtNext,
    /// It stays open without another byte, until the client closes it.
    Stall,
}

/// A writer of responses that counts the bytes it has written.
pub struct Writer<'a, W> {
    stream: &'a mut W,
    /// The number of bytes that the system has taken.
    pub sent: u64,
}

impl<'a, W: AsyncWrite + Unpin> Writer<'a, W> {
    /// A writer that has written nothing yet.
    pub fn new(stream: &'a mut W) -> Writer<'a, W> {
        Writer { stream, sent: 0 }
    }

    /// Writes these bytes and flushes them.
    pub async fn all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.sent += bytes.len() as u64;
        self.stream.flush().await
    }

    /// Writes a response in the way that its `wire` says.
    pub async fn response(
        &mut self,
        response: &Response,
        head_only: bool,
        keep_alive: bool,
    ) -> io::Result<AfterResponse> {
        let real = response.body.length();
        let length = match response.wire {
            Wire::LengthLong => real + 100,
            Wire::LengthShort => real.saturating_sub(real.min(10).max(real / 2)),
            _ => real,
        };
        let keep_alive = keep_alive && !matches!(response.wire, Wire::ThenRefused(_));
        let orderly = if keep_alive { AfterResponse::Keep } else { AfterResponse::Close };
        let head = head_of(response, length, keep_alive);
        match response.wire {
            Wire::ResetBefore | Wire::ResetAfter => return Ok(AfterResponse::Reset),
            Wire::CloseAfter => return Ok(AfterResponse::Close),
            Wire::NoAnswer => return Ok(AfterResponse::Stall),
            Wire::StallHead => return self.all(&head[..head.len() / 2]).await.map(|()| AfterResponse::Stall),
            Wire::Continue => self.all(b"HTTP/1.1 100 Continue\r\n\r\n").await?,
            Wire::EarlyHints => {
                self.all(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n").await?;
            }
            Wire::Drip(pause) => {
                let mut bytes = head;
                if let (false, Body::Bytes(body)) = (head_only, &response.body) {
                    bytes.extend_from_slice(body);
                }
                for byte in bytes {
                    self.all(&[byte]).await?;
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                return Ok(orderly);
            }
            _ => {}
        }
        let (body_bytes, after) = match response.wire {
            Wire::Half => {
                let whole = head.len() as u64 + real;
                if whole / 2 < head.len() as u64 {
                    self.all(&head[..head.len() / 2]).await?;
                    return Ok(AfterResponse::Reset);
                }
                (whole / 2 - head.len() as u64, AfterResponse::Reset)
            }
            Wire::StallBody => (real / 2, AfterResponse::Stall),
            Wire::LengthLong | Wire::LengthShort => (real, AfterResponse::Close),
            Wire::EndsByReset => (real, AfterResponse::Reset),
            Wire::DiesBetween => (real, AfterResponse::ResetAtNext),
            _ => (real, orderly),
        };
        if head_only {
            return self.all(&head).await.map(|()| after);
        }
        self.body(&response.body, head, body_bytes).await?;
        if response.wire == Wire::EndsByReset {
            // A reset discards bytes that have not arrived yet.
            tokio::time::sleep(ARRIVAL_TIME).await;
        }
        Ok(after)
    }

    /// Writes the head and the first `body_bytes` of the body.
    async fn body(&mut self, body: &Body, mut head: Vec<u8>, body_bytes: u64) -> io::Result<()> {
        match body {
            Body::Bytes(bytes) => {
                let end = usize::try_from(body_bytes).unwrap_or(usize::MAX).min(bytes.len());
                // A small body is copied behind the head, so that both go in one packet.
                if end <= MAX_COPIED_BODY_BYTES {
                    head.extend_from_slice(&bytes[..end]);
                    return self.all(&head).await;
                }
                self.all(&head).await?;
                self.all(&bytes[..end]).await?;
            }
            Body::Filler(_) => {
                self.all(&head).await?;
                let mut left = body_bytes;
                while left > 0 {
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(FILLER.len());
                    self.all(&FILLER[..count]).await?;
                    left -= count as u64;
                }
            }
        }
        Ok(())
    }
}

fn head_of(response: &Response, length: u64, keep_alive: bool) -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut head = format!(
        "HTTP/1.1 {} {}\r\ndate: {}\r\nx-request-id: req_{:08}\r\n",
        response.status,
        reason(response.status),
        http_date(SystemTime::now()),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let has_length = response.headers.iter().any(|(name, _)| *name == "content-length");
    for (name, value) in &response.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if !has_length && response.events.is_none() && response.wire != Wire::EndsByReset {
        let _ = write!(head, "content-length: {length}\r\n");
    }
    if !keep_alive || response.events.is_some() {
        head += "connection: close\r\n";
    }
    match response.wire {
        Wire::HugeHeaders(kilobytes) => {
            for number in 0..kilobytes {
                let _ = write!(head, "x-padding-{number}: {}\r\n", "p".repeat(1000));
            }
        }
        Wire::ManyHeaders(count) => {
            for number in 0..count {
                let _ = write!(head, "x-line-{number}: {number}\r\n");
            }
        }
        Wire::FoldedHeaders => head += "x-folded: one\r\n  two\r\n",
        Wire::ForbiddenHeaders => {
            head += "bad header: has a space in its name\r\nno colon at all\r\nx-nul: a\0b\r\n\
                \x20folded: onto the next line\r\n";
        }
        _ => {}
    }
    head += "\r\n";
    head.into_bytes()
}

/// The usual reason phrase. Programs do not read it, but people do.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        302 => "Found",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        425 => "Too Early",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

/// A date in the format of HTTP (RFC 9110, 5.6.7).
pub fn http_date(date: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let unix = date.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = crate::clock::civil(unix / 86_400);
    let (hour, minute, second) = (unix / 3600 % 24, unix / 60 % 60, unix % 60);
    let weekday = DAYS[usize::try_from(unix / 86_400 % 7).unwrap_or(0)];
    let month = MONTHS[usize::try_from(month.saturating_sub(1)).unwrap_or(0).min(11)];
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_date_has_the_format_of_the_rfc() {
        let at = |seconds| http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT", "the example of RFC 9110");
        assert_eq!(at(1_795_521_600), "Tue, 24 Nov 2026 12:00:00 GMT");
    }
}
