//! Connections to wherever requests go: straight, or through the proxy that stands before it.

use std::io::Result as IoResult;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower_service::Service;

use super::trouble::{Trouble, What};
use super::tunnel;
use crate::common::runtime::RuntimeHandle;
use crate::config::proxies::host::bare;
use crate::config::proxies::{Proxies, Proxy, Scheme};
use crate::transport::resolver::lookup;
use crate::transport::tcp::{Quiet, Tcp};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Dialled<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// What speaks TLS where that is asked for, within the time for a connection.
pub(crate) type Connector = HttpsConnector<Dial>;

/// Dials as the proxies say.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    tcp: Tcp,
    /// To a proxy that itself speaks TLS.
    tls: HttpsConnector<Tcp>,
    proxies: Arc<Proxies>,
    home: RuntimeHandle,
}

/// What dials for a client. `connect_timeout` is of the wall's time; of several addresses each has its share
/// of it.
pub(crate) fn connector(
    tls: &Arc<rustls::ClientConfig>,
    proxies: &Arc<Proxies>,
    connect_timeout: Duration,
    home: &RuntimeHandle,
) -> Connector {
    let tcp = Tcp::new(connect_timeout, home.clone());
    let to_proxy = HttpsConnector::from((tcp.clone(), Arc::clone(tls)));
    let dial = Dial { tcp, tls: to_proxy, proxies: Arc::clone(proxies), home: home.clone() };
    HttpsConnector::from((dial, Arc::clone(tls)))
}

impl Service<Uri> for Dial {
    type Response = Way;
    type Error = BoxError;
    type Future = Dialled<Way>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context)
    }

    fn call(&mut self, there: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.before(&there) else {
            let dialled = self.tcp.call(there);
            return Box::pin(async move { Ok(Way { leg: Leg::Tcp(dialled.await?), is_proxied: false }) });
        };
        Box::pin(self.clone().through(Arc::clone(proxy), there))
    }
}

impl Dial {
    async fn through(mut self, proxy: Arc<Proxy>, there: Uri) -> Result<Way, BoxError> {
        let unreachable = |error| Trouble::new(&proxy, &there, What::Unreachable(error));
        let is_https = there.scheme_str() == Some("https");
        let leg = match proxy.scheme {
            Scheme::Socks { far, .. } => {
                let target = self.target(&there, far).await?;
                let stream = self.tcp.call(proxy.uri.clone()).await.map_err(unreachable)?;
                let stream = tunnel::socks(stream, &proxy, target).await?;
                return Ok(Way { leg: Leg::Tcp(stream), is_proxied: false });
            }
            Scheme::Http => Leg::Tcp(self.tcp.call(proxy.uri.clone()).await.map_err(unreachable)?),
            Scheme::Https => Leg::Tls(Box::new(self.tls.call(proxy.uri.clone()).await.map_err(unreachable)?)),
        };
        if !is_https {
            return Ok(Way { leg, is_proxied: true });
        }
        let leg = tunnel::connect(leg, &proxy, &self.target(&there, true).await?).await?;
        Ok(Way { leg, is_proxied: false })
    }

    /// The address with its port. Not `far`: a name is looked up here.
    async fn target(&self, there: &Uri, far: bool) -> Result<Uri, BoxError> {
        let is_https = there.scheme_str() == Some("https");
        let port = there.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let host = there.host().unwrap_or_default();
        let is_address = bare(host).parse::<std::net::IpAddr>().is_ok();
        let authority = if far || is_address {
            format!("{host}:{port}")
        } else {
            let mut found = lookup(&self.home, host.to_owned()).await?;
            let address = found.next().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?;
            std::net::SocketAddr::new(address.ip(), port).to_string()
        };
        let scheme = there.scheme_str().unwrap_or("http");
        Ok(Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build()?)
    }
}

/// A connection as far as the host, or as far as a proxy that is asked for pages.
pub(crate) struct Way {
    leg: Leg,
    is_proxied: bool,
}

/// The way to the host, or to the proxy.
enum Leg {
    Tcp(Quiet),
    Tls(Box<MaybeHttpsStream<Quiet>>),
}

impl Read for Leg {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<IoResult<()>> {
        match self.get_mut() {
            Leg::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Leg::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl Write for Leg {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        match self.get_mut() {
            Leg::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Leg::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        match self.get_mut() {
            Leg::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Leg::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        match self.get_mut() {
            Leg::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Leg::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl Read for Way {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<IoResult<()>> {
        Pin::new(&mut self.leg).poll_read(context, buffer)
    }
}

impl Write for Way {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<IoResult<usize>> {
        Pin::new(&mut self.leg).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.leg).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.leg).poll_shutdown(context)
    }
}

impl Connection for Way {
    fn connected(&self) -> Connected {
        // The HTTP client then sends the whole address in the request line.
        Connected::new().proxy(self.is_proxied)
    }
}
