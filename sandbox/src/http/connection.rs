//! Connections: bounded in number and in the time that a request may take.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::message::{Answer, Events, Question, Wire};
use super::read::{Reader, Unread};
use super::room::{Place, Room};
use super::write::{After, Writer};
use crate::service::Service;
use crate::tls::{self, Certificate, Stream, Tls};

/// How long what still comes is read after a request that can't be understood.
const LINGERS: Duration = Duration::from_secs(2);
/// How soon a port is asked for again.
const BINDS_AGAIN: Duration = Duration::from_millis(50);

/// Refuse connections for so long.
#[derive(Debug)]
pub struct Refuse {
    /// How long.
    pub time: Duration,
    /// Told when none is accepted any more.
    pub done: oneshot::Sender<()>,
}

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many there are at once; the one that has been quiet longest leaves for one more.
    pub connections: usize,
    /// How long a request's head may take once it has begun.
    pub head: Duration,
    /// How long its body may take.
    pub body: Duration,
    /// How long a connection may be silent.
    pub idle: Duration,
    /// How long an answer may take before its connection, too, has to leave for another.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 4096,
            head: Duration::from_secs(30),
            body: Duration::from_secs(120),
            idle: Duration::from_secs(120),
            answer: Duration::from_secs(10),
        }
    }
}

/// Serves connections for ever; dropping this ends them all.
pub async fn serve(
    mut listener: TcpListener,
    service: Arc<Service>,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    mut control: mpsc::Receiver<Refuse>,
) {
    let room = Room::new(limits.connections, limits.answer);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(refuse) = control.recv() => {
                if refuse.time.is_zero() {
                    let _ = refuse.done.send(());
                    continue;
                }
                let Ok(address) = listener.local_addr() else { return };
                drop(listener);
                refuse_for(refuse, &mut control).await;
                listener = bound_again(address).await;
                continue;
            }
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            // The client is gone already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            // Out of descriptors, as a rule: another connection has to end first.
            Err(_) => {
                room.make().await;
                continue;
            }
        };
        let place = room.place().await;
        let (service, tls) = (Arc::clone(&service), tls.clone());
        connections.spawn(async move {
            let _ = stream.set_nodelay(true);
            let opened = tokio::select! {
                opened = open(stream, tls.as_deref(), &service, limits) => opened,
                () = place.is_wanted() => None,
            };
            if let Some((stream, secure)) = opened {
                connection(stream, secure, &service, limits, place).await;
            }
        });
    }
}

/// A listener at this address, also right after another one was there.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    // As many as may wait at once; the system has a bound of its own.
    socket.listen(4096)
}

/// Waits for the end of this refusal, and of those that are asked for meanwhile on connections that there
/// are. One of no time at all ends them.
async fn refuse_for(first: Refuse, control: &mut mpsc::Receiver<Refuse>) {
    let mut end = Instant::now();
    let mut asked = Some(first);
    loop {
        if let Some(Refuse { time, done }) = asked.take() {
            end = if time.is_zero() { Instant::now() } else { end.max(Instant::now() + time) };
            // The client may be gone.
            let _ = done.send(());
        }
        tokio::select! {
            () = tokio::time::sleep_until(end) => return,
            next = control.recv() => asked = next,
        }
    }
}

/// A listener. The bind is tried again for a moment: another program's outgoing connection may have the port.
async fn bound_again(address: SocketAddr) -> TcpListener {
    loop {
        match bind(address) {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(BINDS_AGAIN).await,
        }
    }
}

/// What a connection has to say.
enum Asked {
    /// A request, and whether the connection stays open after its answer.
    Request(Question, bool),
    /// Something that can't be understood, and its head where that could.
    Bad(Box<Answer>, Option<Question>),
    /// Nothing that is heard: a scenario has it reset.
    Reset,
    /// Nothing more.
    Nothing,
}

/// Shakes hands where TLS is spoken; also whether the connection may be asked everything. What is not TLS on
/// a port that speaks it may ask the admin API alone: it is how the port is made sound again.
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
        service.shown(certificate.name());
    }
    // Read as a request, a handshake is a malformed one.
    let Some(config) = config else { return Some((Stream::Plain(stream), false)) };
    let accepting = TlsAcceptor::from(config).accept(stream);
    match tokio::time::timeout(limits.head, accepting).await {
        Ok(Ok(stream)) => Some((Stream::Tls(Box::new(stream)), true)),
        // Refused, as it should be, or garbage.
        _ => None,
    }
}

async fn connection(stream: Stream, secure: bool, service: &Service, limits: Limits, mut place: Place) {
    let (read, mut write) = tokio::io::split(stream);
    let mut reader = Reader::new(read);
    let mut dies = false;
    let after = loop {
        let asked = tokio::select! {
            biased;
            asked = next(&mut reader, &mut write, service, limits, dies) => asked,
            () = place.is_wanted() => break After::Close,
        };
        let (question, keep_alive) = match asked {
            Asked::Request(question, keep_alive) => (question, keep_alive),
            Asked::Bad(answer, head) => {
                tokio::select! {
                    () = refuse(&mut reader, &mut write, service, &answer, head) => {}
                    () = place.is_wanted() => {}
                }
                break After::Close;
            }
            Asked::Reset => break After::Reset,
            Asked::Nothing => break After::Close,
        };
        if !secure && !tls::is_open(&question) {
            let answer = Answer::error(400, "invalid_request", "this port speaks TLS: ask it by https");
            tokio::select! {
                () = refuse(&mut reader, &mut write, service, &answer, Some(question)) => {}
                () = place.is_wanted() => {}
            }
            break After::Close;
        }
        // Asked before anything is done: what is answered is answered whole.
        if !place.answers() {
            break After::Close;
        }
        let after = tokio::select! {
            biased;
            after = respond(&mut reader, &mut write, service, &question, keep_alive) => after,
            () = place.is_wanted() => After::Close,
        };
        match after {
            After::Keep => {}
            After::ResetAtNext => dies = true,
            end => break end,
        }
        place.waits();
    };
    let stream = reader.into_inner().unsplit(write);
    match after {
        // With no time to linger, closing is a reset.
        After::Reset => {
            let _ = stream.tcp().set_zero_linger();
        }
        _ => end(stream).await,
    }
}

/// Says goodbye where the protocol has a word for it, without waiting for long.
async fn end(mut stream: Stream) {
    if matches!(stream, Stream::Tls(_)) {
        let _ = tokio::time::timeout(LINGERS, stream.shutdown()).await;
    }
}

/// Reads the next request.
async fn next<R, W>(
    reader: &mut Reader<R>,
    write: &mut W,
    service: &Service,
    limits: Limits,
    dies: bool,
) -> Asked
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    if !matches!(tokio::time::timeout(limits.idle, reader.some()).await, Ok(true)) {
        return Asked::Nothing;
    }
    if dies {
        return Asked::Reset;
    }
    let late = |what: &str| Unread::bad(408, "timeout", &format!("the request's {what} took too long"));
    let head = tokio::time::timeout(limits.head, reader.head()).await;
    let head = match head.unwrap_or_else(|_| Err(late("head"))) {
        Ok(head) => head,
        Err(Unread::End) => return Asked::Nothing,
        Err(Unread::Bad(answer)) => return Asked::Bad(answer, None),
    };
    let mut question = head.question;
    if service.resets_before(&question) {
        return Asked::Reset;
    }
    let expects = question.header("expect").is_some_and(|text| text.eq_ignore_ascii_case("100-continue"));
    if expects
        && head.length.is_allowed()
        && Writer::new(write).all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err()
    {
        return Asked::Nothing;
    }
    let body = tokio::time::timeout(limits.body, reader.body(head.length)).await;
    match body.unwrap_or_else(|_| Err(late("body"))) {
        Ok(body) => question.body = body,
        Err(Unread::End) => return Asked::Nothing,
        Err(Unread::Bad(answer)) => return Asked::Bad(answer, Some(question)),
    }
    Asked::Request(question, head.keep_alive)
}

/// Says what is wrong with a request, and ends the connection in order: closed with something unread it would
/// be reset, and the answer perhaps lost.
async fn refuse<R, W>(
    reader: &mut Reader<R>,
    write: &mut W,
    service: &Service,
    answer: &Answer,
    head: Option<Question>,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let noted = service.malformed(answer, head.as_ref());
    let mut writer = Writer::new(write);
    let written = writer.answer(answer, head.is_some_and(|head| head.method == "HEAD"), false).await;
    service.sent(noted, writer.sent);
    if written.is_ok() && write.shutdown().await.is_ok() {
        let _ = tokio::time::timeout(LINGERS, reader.ignore()).await;
    }
}

/// Answers a request; what becomes of the connection then.
async fn respond<R, W>(
    reader: &mut Reader<R>,
    write: &mut W,
    service: &Service,
    question: &Question,
    keep_alive: bool,
) -> After
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (answer, noted) = service.answer(question);
    if let Wire::ThenRefused(time) = answer.wire {
        service.refuse(Duration::from_millis(time)).await;
    }
    let mut writer = Writer::new(write);
    let written = writer.answer(&answer, question.method == "HEAD", keep_alive).await;
    service.sent(noted, writer.sent);
    if let (Ok(_), Some(stream)) = (&written, answer.events) {
        events(&mut writer, service, stream).await;
        return After::Close;
    }
    match written {
        Err(_) => After::Close,
        Ok(After::Stall) => {
            // Until the other end has gone.
            reader.ignore().await;
            After::Close
        }
        Ok(after) => after,
    }
}

/// Sends the journal as it grows, until the other end goes (server-sent events).
async fn events<W: AsyncWrite + Unpin>(writer: &mut Writer<'_, W>, service: &Service, mut stream: Events) {
    let mut news = service.news();
    loop {
        let mut text = service.journal_events(&mut stream);
        if text.is_empty() && tokio::time::timeout(Duration::from_secs(15), news.changed()).await.is_err() {
            // A line now and then, so that an end that has gone is noticed.
            text = ":\n\n".to_owned();
        }
        if !text.is_empty() && writer.all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}
