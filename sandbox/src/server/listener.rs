//! The listener: accepts connections, and refuses all of them for a time when a scenario asks for that.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection;
use super::connection_limit::ConnectionLimit;
use super::limits::Limits;
use crate::http::RefuseConnections;
use crate::service::Service;
use crate::tls::Tls;

/// How long to wait before the port is bound again.
const REBIND_INTERVAL: Duration = Duration::from_millis(50);
/// How many connections may wait to be accepted. The system has a bound of its own.
const BACKLOG: u32 = 4096;

/// Serves connections until this future is dropped, which ends all of them.
pub async fn serve(
    mut listener: TcpListener,
    service: Arc<Service>,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    mut control: mpsc::Receiver<RefuseConnections>,
) {
    let limit = ConnectionLimit::new(limits.connections, limits.response);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(refusal) = control.recv() => {
                if refusal.time.is_zero() {
                    let _ = refusal.done.send(());
                    continue;
                }
                let Ok(address) = listener.local_addr() else { return };
                drop(listener);
                refuse_for(refusal, &mut control).await;
                listener = bind_again(address).await;
                continue;
            }
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            // The client is gone already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            // As a rule the process has no free descriptor: another connection has to end first.
            Err(_) => {
                limit.close_one().await;
                continue;
            }
        };
        let slot = limit.take().await;
        let (service, tls) = (Arc::clone(&service), tls.clone());
        connections
            .spawn(async move { connection::run(stream, tls.as_deref(), &service, limits, slot).await });
    }
}

/// Binds a listener to this address, also right after another listener had it.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Waits for the end of this refusal, and of those that requests on open connections add meanwhile. A refusal
/// of no time ends all of them.
async fn refuse_for(first: RefuseConnections, control: &mut mpsc::Receiver<RefuseConnections>) {
    let mut end = Instant::now();
    let mut added = Some(first);
    loop {
        if let Some(RefuseConnections { time, done }) = added.take() {
            end = if time.is_zero() { Instant::now() } else { end.max(Instant::now() + time) };
            // The client may be gone.
            let _ = done.send(());
        }
        tokio::select! {
            () = tokio::time::sleep_until(end) => return,
            next = control.recv() => added = next,
        }
    }
}

/// Binds the address again. It tries until that works: an outgoing connection of another program may have the
/// port for a moment.
async fn bind_again(address: SocketAddr) -> TcpListener {
    loop {
        match bind(address) {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(REBIND_INTERVAL).await,
        }
    }
}
