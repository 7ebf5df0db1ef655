//! Connections to the service, kept and used again.
//!
//! What a poll costs is mostly what lies between it and its connection, so there is little: hyper speaks
//! HTTP, one request a connection at a time, and a request has the connection to itself meanwhile.

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, Uri};
use tokio::runtime::{Handle, Id};
use tower_service::Service as _;

use crate::common::clock::{Clock, Moment};
use crate::common::runtime::RuntimeHandle;
use crate::common::sync::lock;
use crate::transport::body::RequestBody;
use crate::transport::proxy::dial::Connector;

/// Longer than the wait between two polls, and than most servers keep a connection that is silent.
pub(crate) const IDLE: Duration = Duration::from_secs(90);

/// A connection that no task drives is looked at before it is used again after this time.
const UNSEEN: Duration = Duration::from_millis(1);

/// Connections are the wall's, and what a machine sleeps counts.
const WALL: Clock = Clock::wall_clock();

/// The most header lines of an answer.
pub(crate) const MAX_HEADER_LINES: usize = 512;

/// Why there is no answer.
pub(crate) enum Failed {
    /// There was no connection: nothing was sent.
    Connect(Box<dyn StdError + Send + Sync>),
    /// There was none within this time of the wall's.
    ConnectTimeout(Duration),
    /// The request can have arrived. `reused`: an earlier request was answered on this connection.
    Lost { error: hyper::Error, reused: bool },
}

/// What a connection does: it has to be asked for it to happen.
type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The connections to one origin.
pub(crate) struct Connections {
    origin: Uri,
    connector: Connector,
    connect_timeout: Duration,
    /// Not fewer than the requests in flight, or connections are opened and thrown away.
    most_idle: usize,
    client: RuntimeHandle,
    idle: Mutex<Vec<Idle>>,
}

/// A connection that waits for its next request.
struct Idle {
    connection: Connection,
    since: Moment,
}

/// A connection, which lives on the runtime that dialled it: nowhere else is it driven.
struct Connection {
    sender: SendRequest<RequestBody>,
    /// `Some` on the runtime of a calling thread: no background task runs between calls there, so the request
    /// itself polls the driver. `None` on the client's thread, where a spawned task does.
    driver: Option<Driver>,
    home: Id,
}

impl Connection {
    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(context).is_ready()
        {
            self.driver = None;
        }
    }

    /// Waits for something that the connection brings.
    async fn driven<T>(&mut self, brings: impl Future<Output = T>) -> T {
        let mut brings = pin!(brings);
        poll_fn(|context| {
            self.drive(context);
            brings.as_mut().poll(context)
        })
        .await
    }
}

/// The body of an answer, and the connection that it comes by. To be given back once it has been read to its
/// end; dropped, it is closed.
pub(crate) struct ResponseBody {
    body: Incoming,
    connection: Connection,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let here = Pin::new(&mut self.body).poll_frame(context);
        if here.is_ready() {
            return here;
        }
        self.connection.drive(context);
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Connections {
    /// `connect_timeout` is of the wall's time, and for name, connection and handshake together.
    pub(crate) fn new(
        origin: Uri,
        connector: Connector,
        connect_timeout: Duration,
        most_idle: usize,
        client: RuntimeHandle,
    ) -> Connections {
        Connections { origin, connector, connect_timeout, most_idle, client, idle: Mutex::default() }
    }

    /// Sends a request to the origin and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Failed> {
        let here = Handle::current().id();
        loop {
            let kept = self.take(here).await;
            let reused = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => Box::pin(self.dial(here)).await?,
            };
            let answer = connection.sender.try_send_request(request);
            let mut error = match connection.driven(answer).await {
                Ok(response) => return Ok(response.map(|body| ResponseBody { body, connection })),
                Err(error) => error,
            };
            match error.take_message() {
                // It was closed while it waited, and nothing of the request had been written.
                Some(unsent) if reused => request = unsent,
                _ => return Err(Failed::Lost { error: error.into_error(), reused }),
            }
        }
    }

    /// Keeps the connection of an answer that has been read to its end for the next request.
    pub(crate) fn give_back(&self, read: ResponseBody) {
        let connection = read.connection;
        if connection.sender.is_closed() {
            return;
        }
        let since = WALL.now();
        let mut idle = self.lock();
        // The oldest are first. They are closed once the lock is given back.
        let old = idle.iter().take_while(|idle| since.since(idle.since) >= IDLE).count();
        let old = old.max((idle.len() + 1).saturating_sub(self.most_idle));
        let dropped: Vec<Idle> = idle.drain(..old).collect();
        idle.push(Idle { connection, since });
        drop(idle);
        drop(dropped);
    }

    /// Closes the connections that wait.
    pub(crate) fn close(&self) {
        let dropped = std::mem::take(&mut *self.lock());
        drop(dropped);
    }

    /// The connection of this runtime that was used last.
    async fn take(&self, here: Id) -> Option<Connection> {
        loop {
            let Idle { mut connection, since } = self.last(here)?;
            let rested = WALL.now().since(since);
            if connection.driver.is_some() && rested > UNSEEN {
                // What has come meanwhile, its end as well, is seen by the runtime first and then by the
                // connection.
                tokio::task::yield_now().await;
                connection.driven(std::future::ready(())).await;
            }
            if !connection.sender.is_closed() && rested < IDLE {
                return Some(connection);
            }
        }
    }

    fn last(&self, here: Id) -> Option<Idle> {
        let mut idle = self.lock();
        let at = idle.iter().rposition(|idle| idle.connection.home == here)?;
        Some(idle.remove(at))
    }

    async fn dial(&self, home: Id) -> Result<Connection, Failed> {
        let mut http = http1::Builder::new();
        // An answer is judged by what it is; of its head whatever can be read is enough.
        http.max_headers(MAX_HEADER_LINES)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true);
        let dialled = async {
            // Always ready: it keeps nothing.
            let stream = self.connector.clone().call(self.origin.clone()).await.map_err(Failed::Connect)?;
            http.handshake(stream).await.map_err(|error| Failed::Connect(error.into()))
        };
        let timeout = self.connect_timeout;
        let (sender, connection) =
            tokio::time::timeout(timeout, dialled).await.map_err(|_| Failed::ConnectTimeout(timeout))??;
        // How it ended is told to the request that it ended under.
        let driver: Driver = Box::pin(async move { drop(connection.await) });
        if self.client.handle().is_some_and(|client| client.id() == home) {
            tokio::spawn(driver);
            return Ok(Connection { sender, driver: None, home });
        }
        Ok(Connection { sender, driver: Some(driver), home })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        lock(&self.idle)
    }
}
