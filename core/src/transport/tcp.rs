//! A TCP stream that raises no SIGPIPE.
//!
//! Rust's streams write with MSG_NOSIGNAL, but for several buffers at once: writev(2) has no such flag.
//! Requests also run on threads of the program's, where that signal would end the program. So buffers are
//! written one by one; what is worth a packet of its own is in one as a rule.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::common::runtime::RuntimeHandle;
use crate::transport::resolver::Resolver;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A dead peer is noticed, also where no answer is awaited.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: u32 = 3;
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Such a stream.
pub(crate) struct Quiet(TokioIo<TcpStream>);

impl Read for Quiet {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Quiet {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let first = buffers.iter().find(|buffer| !buffer.is_empty());
        self.poll_write(context, first.map_or(&[], |buffer| buffer))
    }

    fn is_write_vectored(&self) -> bool {
        false
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl Connection for Quiet {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

/// Dials such streams.
#[derive(Clone, Debug)]
pub(crate) struct Tcp(HttpConnector<Resolver>);

impl Tcp {
    /// `connect_timeout`: of several addresses each has its share of the time.
    pub(crate) fn new(connect_timeout: Duration, home: RuntimeHandle) -> Tcp {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(home));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_keepalive(Some(KEEP_ALIVE));
        tcp.set_keepalive_interval(Some(KEEP_ALIVE));
        tcp.set_keepalive_retries(Some(KEEP_ALIVE_PROBES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        Tcp(tcp)
    }
}

impl Service<Uri> for Tcp {
    type Response = Quiet;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Quiet, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, there: Uri) -> Self::Future {
        let dialled = self.0.call(there);
        Box::pin(async move { Ok(Quiet(dialled.await?)) })
    }
}
