//! Connections to the service, kept and used again.
//!
//! What a poll costs is mostly what lies between it and its connection, so there is little: hyper speaks HTTP, one
//! request a connection at a time, and whoever asks has the connection to itself meanwhile. For requests that no
//! proxy stands before; those, and downloads, are reqwest's.

use std::error::Error as StdError;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::runtime::{Handle, Id};
use tower_service::Service as _;

use crate::client::{Home, blocking};
use crate::first_byte::Outgoing;

/// Not fewer than the requests in flight (see `client.rs`), or connections are opened and thrown away.
const MOST_IDLE: usize = 16;
/// Longer than the wait between two polls, and than most servers keep a connection that is silent.
const IDLE: Duration = Duration::from_secs(90);

/// A dead peer is noticed, also where no answer is awaited.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: u32 = 3;
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Why there is no answer.
pub(crate) enum Failed {
    /// There was no connection: nothing was sent.
    Connect(Box<dyn StdError + Send + Sync>),
    /// There was none within this time of the wall's.
    ConnectTimeout(Duration),
    /// The request can have arrived.
    Lost(hyper::Error),
}

/// The connections to one origin.
#[derive(Debug)]
pub(crate) struct Connections {
    origin: Uri,
    connector: HttpsConnector<HttpConnector<Resolver>>,
    connect_timeout: Duration,
    idle: Mutex<Vec<Idle>>,
}

/// A connection that waits for its next request.
#[derive(Debug)]
struct Idle {
    sender: SendRequest<Outgoing>,
    /// The runtime that it lives on: nowhere else is it driven.
    home: Id,
    since: Instant,
}

/// A connection that is in use. To be given back once its answer has been read to the end; dropped, it is closed.
pub(crate) struct Lent {
    sender: SendRequest<Outgoing>,
    home: Id,
}

impl Connections {
    /// `connect_timeout` is of the wall's time, and for name, connection and handshake together.
    pub(crate) fn new(
        origin: Uri,
        tls: rustls::ClientConfig,
        connect_timeout: Duration,
        home: Home,
    ) -> Connections {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(home));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        tcp.set_keepalive_interval(Some(KEEP_ALIVE));
        tcp.set_keepalive_retries(Some(KEEP_ALIVE_PROBES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Connections { origin, connector, connect_timeout, idle: Mutex::default() }
    }

    /// Sends a request to the origin and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        mut request: Request<Outgoing>,
    ) -> Result<(Response<Incoming>, Lent), Failed> {
        let home = Handle::current().id();
        loop {
            let kept = self.take(home);
            let reused = kept.is_some();
            let mut sender = match kept {
                Some(sender) => sender,
                None => self.dial().await?,
            };
            let mut error = match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, Lent { sender, home })),
                Err(error) => error,
            };
            match error.take_message() {
                // It was closed while it waited, and nothing of the request had been written.
                Some(unsent) if reused => request = unsent,
                _ => return Err(Failed::Lost(error.into_error())),
            }
        }
    }

    /// Keeps a connection for the next request.
    pub(crate) fn give_back(&self, lent: Lent) {
        if lent.sender.is_closed() {
            return;
        }
        let mut idle = self.lock();
        // The oldest goes, closed once the lock is given back.
        let dropped = (idle.len() >= MOST_IDLE).then(|| idle.remove(0));
        idle.push(Idle { sender: lent.sender, home: lent.home, since: Instant::now() });
        drop(idle);
        drop(dropped);
    }

    /// The connection of this runtime that was used last.
    fn take(&self, home: Id) -> Option<SendRequest<Outgoing>> {
        let mut idle = self.lock();
        loop {
            let at = idle.iter().rposition(|idle| idle.home == home)?;
            let Idle { sender, since, .. } = idle.remove(at);
            if !sender.is_closed() && since.elapsed() < IDLE {
                return Some(sender);
            }
        }
    }

    async fn dial(&self) -> Result<SendRequest<Outgoing>, Failed> {
        let dialled = async {
            // Always ready: it keeps nothing.
            let stream = self.connector.clone().call(self.origin.clone()).await.map_err(Failed::Connect)?;
            http1::handshake(stream).await.map_err(|error| Failed::Connect(error.into()))
        };
        let timeout = self.connect_timeout;
        let (sender, connection) =
            tokio::time::timeout(timeout, dialled).await.map_err(|_| Failed::ConnectTimeout(timeout))??;
        // How it ended is told to the request that it ended under.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The system's resolver, which blocks: always on the threads that the client has for that.
#[derive(Clone, Debug)]
struct Resolver(Home);

impl tower_service::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let home = self.0.handle();
        Box::pin(async move {
            let Some(home) = home else { return Err(std::io::ErrorKind::NotConnected.into()) };
            // The port is put in by whoever asks.
            let resolve = move || Ok((name.as_str(), 0).to_socket_addrs());
            // From the client's own thread: its signals are blocked, and so are those of threads that it starts.
            let resolving = home.spawn(async move { blocking(resolve).await });
            resolving.await.map_err(std::io::Error::other)?.map_err(std::io::Error::other)?
        })
    }
}
