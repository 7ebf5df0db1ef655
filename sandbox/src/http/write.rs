//! Writing answers, soundly or not.

use std::fmt::Write as _;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::message::{Answer, Body, Wire};

/// What fillers are made of. Not on the stack: that is a connection's own, whether it sends fillers or not.
static FILLER: [u8; 64 << 10] = [b'x'; 64 << 10];

/// How long it may take until what was written has arrived.
const ARRIVES: Duration = Duration::from_millis(50);

const SMALL_BODY: usize = 16 << 10;

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The next request.
    Keep,
    /// An orderly end.
    Close,
    /// A reset.
    Reset,
    /// A reset as soon as the next request begins.
    ResetAtNext,
    /// Nothing more is said; the other end has to go.
    Stall,
}

/// Counts what is written, whatever becomes of it.
pub struct Writer<'a, W> {
    stream: &'a mut W,
    /// How many bytes were handed to the system.
    pub sent: u64,
}

impl<'a, W: AsyncWrite + Unpin> Writer<'a, W> {
    /// Nothing written yet.
    pub fn new(stream: &'a mut W) -> Writer<'a, W> {
        Writer { stream, sent: 0 }
    }

    /// Some bytes, at once.
    pub async fn all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.sent += bytes.len() as u64;
        self.stream.flush().await
    }

    /// Writes an answer as its wire says.
    pub async fn answer(&mut self, answer: &Answer, head_only: bool, keep_alive: bool) -> io::Result<After> {
        let real = answer.body.length();
        let length = match answer.wire {
            Wire::LengthLong => real + 100,
            Wire::LengthShort => real.saturating_sub(real.min(10).max(real / 2)),
            _ => real,
        };
        let keep_alive = keep_alive && !matches!(answer.wire, Wire::ThenRefused(_));
        let orderly = if keep_alive { After::Keep } else { After::Close };
        let head = head_of(answer, length, keep_alive);
        match answer.wire {
            Wire::ResetBefore | Wire::ResetAfter => return Ok(After::Reset),
            Wire::CloseAfter => return Ok(After::Close),
            Wire::NoAnswer => return Ok(After::Stall),
            Wire::StallHead => return self.all(&head[..head.len() / 2]).await.map(|()| After::Stall),
            Wire::Continue => self.all(b"HTTP/1.1 100 Continue\r\n\r\n").await?,
            Wire::EarlyHints => {
                self.all(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n").await?;
            }
            Wire::Drip(pause) => {
                let mut bytes = head;
                if let (false, Body::Bytes(body)) = (head_only, &answer.body) {
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
        let (body_bytes, after) = match answer.wire {
            Wire::Half => {
                let whole = head.len() as u64 + real;
                if whole / 2 < head.len() as u64 {
                    self.all(&head[..head.len() / 2]).await?;
                    return Ok(After::Reset);
                }
                (whole / 2 - head.len() as u64, After::Reset)
            }
            Wire::StallBody => (real / 2, After::Stall),
            Wire::LengthLong | Wire::LengthShort => (real, After::Close),
            Wire::EndsByReset => (real, After::Reset),
            Wire::DiesBetween => (real, After::ResetAtNext),
            _ => (real, orderly),
        };
        if head_only {
            return self.all(&head).await.map(|()| after);
        }
        self.body(&answer.body, head, body_bytes).await?;
        if answer.wire == Wire::EndsByReset {
            // A reset takes back what has not arrived.
            tokio::time::sleep(ARRIVES).await;
        }
        Ok(after)
    }

    /// Writes the head and so much of the body.
    async fn body(&mut self, body: &Body, mut head: Vec<u8>, body_bytes: u64) -> io::Result<()> {
        match body {
            Body::Bytes(bytes) => {
                let end = usize::try_from(body_bytes).unwrap_or(usize::MAX).min(bytes.len());
                // Head and body in one packet, where that is worth a copy.
                if end <= SMALL_BODY {
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

fn head_of(answer: &Answer, length: u64, keep_alive: bool) -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut head = format!(
        "HTTP/1.1 {} {}\r\ndate: {}\r\nx-request-id: req_{:08}\r\n",
        answer.status,
        reason(answer.status),
        http_date(SystemTime::now()),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let told = answer.headers.iter().any(|(name, _)| *name == "content-length");
    for (name, value) in &answer.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if !told && answer.events.is_none() && answer.wire != Wire::EndsByReset {
        let _ = write!(head, "content-length: {length}\r\n");
    }
    if !keep_alive || answer.events.is_some() {
        head += "connection: close\r\n";
    }
    match answer.wire {
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
            head += "bad header: has a space in its name\r\nno colon at all\r\nx-nul: a\0b\r\n folded: onto the next line\r\n";
        }
        _ => {}
    }
    head += "\r\n";
    head.into_bytes()
}

/// The usual phrases: programs do not read them, but people do.
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
        _ => "Answer",
    }
}

/// A date as HTTP writes it (RFC 9110, 5.6.7).
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
    fn dates_are_written_as_http_does() {
        let at = |seconds| http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT", "the example of RFC 9110");
        assert_eq!(at(1_795_521_600), "Tue, 24 Nov 2026 12:00:00 GMT");
    }
}
