//! Connections: bounded in number and in the time that a request may take.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::message::Question;
use super::read::{Reader, Unread};
use super::write::{After, Writer};
use crate::service::Service;

const MOST_CONNECTIONS: usize = 4096;
/// How long a request's head, and then its body, may take once they have begun, and how long a connection may be
/// silent.
const HEAD_TIME: Duration = Duration::from_secs(30);
const BODY_TIME: Duration = Duration::from_secs(120);
const IDLE_TIME: Duration = Duration::from_secs(120);

/// What is done to the listener.
#[derive(Clone, Copy, Debug)]
pub enum Control {
    /// Refuse connections for so long.
    Refuse(Duration),
}

/// Serves connections for ever; dropping this ends them all.
pub async fn serve(mut listener: TcpListener, service: Arc<Service>, mut control: mpsc::Receiver<Control>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(Control::Refuse(time)) = control.recv() => {
                let Ok(address) = listener.local_addr() else { return };
                drop(listener);
                tokio::time::sleep(time).await;
                match bind(address) {
                    Ok(again) => listener = again,
                    Err(_) => return,
                }
                continue;
            }
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors: one of the connections has to end first.
            if connections.join_next().await.is_none() {
                tokio::task::yield_now().await;
            }
            continue;
        };
        let service = Arc::clone(&service);
        connections.spawn(async move {
            connection(stream, &service).await;
            drop(place);
        });
    }
}

/// A listener at this address, also right after another one was there.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}

async fn connection(mut stream: TcpStream, service: &Service) {
    let _ = stream.set_nodelay(true);
    let (read, mut write) = stream.split();
    let mut reader = Reader::new(read);
    let mut dies = false;
    let after = loop {
        if !matches!(tokio::time::timeout(IDLE_TIME, reader.some()).await, Ok(true)) {
            break After::Close;
        }
        if dies {
            break After::Reset;
        }
        let Ok(head) = tokio::time::timeout(HEAD_TIME, reader.head()).await else { break After::Close };
        let head = match head {
            Ok(head) => head,
            Err(Unread::End) => break After::Close,
            Err(Unread::Bad(answer)) => {
                service.malformed(&answer);
                let _ = Writer::new(&mut write).answer(&answer, false, false).await;
                break After::Close;
            }
        };
        let (mut question, keep_alive) = (head.question, head.keep_alive);
        if service.resets_before(&question) {
            break After::Reset;
        }
        let expects = question.header("expect").is_some_and(|text| text.eq_ignore_ascii_case("100-continue"));
        if expects && Writer::new(&mut write).all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
            break After::Close;
        }
        let Ok(body) = tokio::time::timeout(BODY_TIME, reader.body(head.length)).await else {
            break After::Close;
        };
        match body {
            Ok(body) => question.body = body,
            Err(Unread::End) => break After::Close,
            Err(Unread::Bad(answer)) => {
                service.malformed(&answer);
                let _ = Writer::new(&mut write).answer(&answer, false, false).await;
                break After::Close;
            }
        }
        let (answer, number) = service.answer(&question);
        let mut writer = Writer::new(&mut write);
        let written = writer.answer(&answer, question.method == "HEAD", keep_alive).await;
        service.sent(number, writer.sent);
        if answer.events && written.is_ok() {
            events(&mut writer, service, &question).await;
            break After::Close;
        }
        match written {
            Ok(After::Keep) => {}
            Ok(After::ResetAtNext) => dies = true,
            Ok(After::Stall) => {
                // Until the other end has gone.
                while reader.some().await && reader.head().await.is_ok() {}
                break After::Close;
            }
            Ok(end) => break end,
            Err(_) => break After::Close,
        }
    };
    if after == After::Reset {
        // With no time to linger, closing is a reset.
        let _ = stream.set_zero_linger();
    }
}

/// Sends the journal as it grows, until the other end goes (server-sent events).
async fn events<W: tokio::io::AsyncWrite + Unpin>(
    writer: &mut Writer<'_, W>,
    service: &Service,
    question: &Question,
) {
    let mut news = service.news();
    let mut after = question.parameter("after").and_then(|text| text.parse().ok()).unwrap_or(0);
    loop {
        let (text, last) = service.journal_events(question, after);
        after = last;
        // A line now and then, so that an end that has gone is noticed.
        let text = if text.is_empty() { ":\n\n".to_owned() } else { text };
        if writer.all(text.as_bytes()).await.is_err() {
            return;
        }
        let _ = tokio::time::timeout(Duration::from_secs(15), news.changed()).await;
    }
}
