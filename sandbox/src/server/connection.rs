//! One connection: reads its requests, has the service answer them, and writes the responses.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::connection_limit::Slot;
use super::limits::Limits;
use crate::http::{AfterResponse, EventStream, ReadError, Reader, Request, Response, Wire, Writer};
use crate::service::Service;
use crate::tls::{Certificate, Stream, Tls};

/// How long the rest of a bad request is read before the connection closes, and how long a TLS goodbye may
/// take.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// How often an idle event stream sends a line, so that a client that is gone is noticed.
const EVENTS_HEARTBEAT: Duration = Duration::from_secs(15);

/// The next thing that a connection brings.
enum Incoming {
    /// A request, and whether the connection stays open after its response.
    Request(Request, bool),
    /// A request that can't be read: the response to it, and its head where that could be read.
    Bad(Box<Response>, Option<Request>),
    /// A request that a scenario resets before it is read.
    Reset,
    /// The end of the connection.
    End,
}

/// Serves a connection until it ends, or until another one needs its slot.
pub async fn run(stream: TcpStream, tls: Option<&Tls>, service: &Service, limits: Limits, slot: Slot) {
    let _ = stream.set_nodelay(true);
    let opened = tokio::select! {
        opened = open(stream, tls, service, limits) => opened,
        () = slot.is_wanted() => None,
    };
    if let Some((stream, is_secure)) = opened {
        serve(stream, is_secure, service, limits, slot).await;
    }
}

/// Makes the TLS handshake where the port speaks TLS. Also returns whether the connection may send every
/// request. A plain connection to a port that speaks TLS may use the admin API only, which can make the
/// certificate sound again.
async fn open(
    stream: TcpStream,
    tls: Option<&Tls>,
    service: &Service,
    limits: Limits,
) -> Option<(Stream, bool)> {
    const HANDSHAKE: u8 = 22;
    let Some(tls) = tls else { return Some((Stream::Plain(stream), true)) };
    let mut first = [0];
    let peeked = tokio::time::timeout(limits.idle, stream.peek(&mut first)).await;
    if !matches!(peeked, Ok(Ok(1))) {
        return None;
    }
    if first != [HANDSHAKE] {
        return Some((Stream::Plain(stream), false));
    }
    let (certificate, config) = tls.next();
    if certificate != Certificate::Sound {
        service.record_certificate(certificate.name());
    }
    // Without a configuration the handshake is read as a request, and is a malformed one.
    let Some(config) = config else { return Some((Stream::Plain(stream), false)) };
    let accepting = TlsAcceptor::from(config).accept(stream);
    match tokio::time::timeout(limits.head, accepting).await {
        Ok(Ok(stream)) => Some((Stream::Tls(Box::new(stream)), true)),
        // The client refused the certificate, as it should, or sent garbage.
        _ => None,
    }
}

async fn serve(stream: Stream, is_secure: bool, service: &Service, limits: Limits, mut slot: Slot) {
    let (read, mut write) = tokio::io::split(stream);
    let mut reader = Reader::new(read);
    let mut resets_next = false;
    let after = loop {
        let incoming = tokio::select! {
            biased;
            incoming = next(&mut reader, &mut write, service, limits, resets_next) => incoming,
            () = slot.is_wanted() => break AfterResponse::Close,
        };
        let (request, keep_alive) = match incoming {
            Incoming::Request(request, _) if !is_secure && !is_open_to_plain_http(&request) => {
                let message = "this port speaks TLS: use https";
                let response = Response::error(400, "invalid_request", message);
                refuse(&mut reader, &mut write, service, &response, Some(request), &slot).await;
                break AfterResponse::Close;
            }
            Incoming::Request(request, keep_alive) => (request, keep_alive),
            Incoming::Bad(response, head) => {
                refuse(&mut reader, &mut write, service, &response, head, &slot).await;
                break AfterResponse::Close;
            }
            Incoming::Reset => break AfterResponse::Reset,
            Incoming::End => break AfterResponse::Close,
        };
        // Before the service does anything: a request that has an effect gets its whole response.
        if !slot.begin_response() {
            break AfterResponse::Close;
        }
        let after = tokio::select! {
            biased;
            after = respond(&mut reader, &mut write, service, &request, keep_alive) => after,
            () = slot.is_wanted() => AfterResponse::Close,
        };
        match after {
            AfterResponse::Keep => {}
            AfterResponse::ResetAtNext => resets_next = true,
            end => break end,
        }
        slot.end_response();
    };
    let stream = reader.into_inner().unsplit(write);
    match after {
        // Closing without time to linger is a reset.
        AfterResponse::Reset => {
            let _ = stream.tcp().set_zero_linger();
        }
        _ => end(stream).await,
    }
}

/// Whether a request is answered without TLS on a port that speaks TLS. The admin API is: it makes the
/// certificate sound again. So is the file to which a redirect of the sandbox leads from https to http.
fn is_open_to_plain_http(request: &Request) -> bool {
    Path::new(&request.path).starts_with("/_sandbox")
        || (request.path.starts_with("/files/") && request.parameter("again") == Some("http"))
}

/// Ends TLS as its protocol asks, without waiting for long.
async fn end(mut stream: Stream) {
    if matches!(stream, Stream::Tls(_)) {
        let _ = tokio::time::timeout(LINGER_TIMEOUT, stream.shutdown()).await;
    }
}

/// Reads the next request.
async fn next<R, W>(
    reader: &mut Reader<R>,
    write: &mut W,
    service: &Service,
    limits: Limits,
    resets_next: bool,
) -> Incoming
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    if !matches!(tokio::time::timeout(limits.idle, reader.some()).await, Ok(true)) {
        return Incoming::End;
    }
    if resets_next {
        return Incoming::Reset;
    }
    let late =
        |what: &str| ReadError::bad(408, "timeout", &format!("the {what} of the request took too long"));
    let head = tokio::time::timeout(limits.head, reader.head()).await;
    let head = match head.unwrap_or_else(|_| Err(late("head"))) {
        Ok(head) => head,
        Err(ReadError::End) => return Incoming::End,
        Err(ReadError::Bad(response)) => return Incoming::Bad(response, None),
    };
    let mut request = head.request;
    if service.resets_before(&request) {
        return Incoming::Reset;
    }
    let expects = request.header("expect").is_some_and(|text| text.eq_ignore_ascii_case("100-continue"));
    if expects
        && head.length.is_allowed()
        && Writer::new(write).all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err()
    {
        return Incoming::End;
    }
    let body = tokio::time::timeout(limits.body, reader.body(head.length)).await;
    match body.unwrap_or_else(|_| Err(late("body"))) {
        Ok(body) => request.body = body,
        Err(ReadError::End) => return Incoming::End,
        Err(ReadError::Bad(response)) => return Incoming::Bad(response, Some(request)),
    }
    Incoming::Request(request, head.keep_alive)
}

/// Sends an error, and then closes in order, unless another connection needs the slot. The system resets a
/// connection that is closed with unread bytes, and the client might lose the response: so they are read.
async fn refuse<R, W>(
    reader: &mut Reader<R>,
    write: &mut W,
    service: &Service,
    response: &Response,
    head: Option<Request>,
    slot: &Slot,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let refusing = async {
        let entry = service.record_bad_request(response, head.as_ref());
        let mut writer = Writer::new(write);
        let written = writer.response(response, head.is_some_and(|head| head.method == "HEAD"), false).await;
        service.record_sent(entry, writer.sent);
        if written.is_ok() && write.shutdown().await.is_ok() {
            let _ = tokio::time::timeout(LINGER_TIMEOUT, reader.ignore()).await;
        }
    };
    tokio::select! {
        () = refusing => {}
        () = slot.is_wanted() => {}
    }
}

/// Answers a request, and says what becomes of the connection then.
async fn respond<R, W>(
    reader: &mut Reader<R>,
    write: &mut W,
    service: &Service,
    request: &Request,
    keep_alive: bool,
) -> AfterResponse
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (response, entry) = service.answer(request);
    if let Wire::ThenRefused(time) = response.wire {
        service.refuse_connections(Duration::from_millis(time)).await;
    }
    let mut writer = Writer::new(write);
    let written = writer.response(&response, request.method == "HEAD", keep_alive).await;
    service.record_sent(entry, writer.sent);
    if let (Ok(_), Some(stream)) = (&written, response.events) {
        send_events(&mut writer, service, stream).await;
        return AfterResponse::Close;
    }
    match written {
        Err(_) => AfterResponse::Close,
        Ok(AfterResponse::Stall) => {
            // Until the client closes the connection.
            reader.ignore().await;
            AfterResponse::Close
        }
        Ok(after) => after,
    }
}

/// Sends the journal as it grows (server-sent events), until the client closes the connection.
async fn send_events<W: AsyncWrite + Unpin>(
    writer: &mut Writer<'_, W>,
    service: &Service,
    mut stream: EventStream,
) {
    let mut changes = service.journal_changes();
    loop {
        let mut text = service.journal_events(&mut stream);
        if text.is_empty() && tokio::time::timeout(EVENTS_HEARTBEAT, changes.changed()).await.is_err() {
            text = ":\n\n".to_owned();
        }
        if !text.is_empty() && writer.all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}
