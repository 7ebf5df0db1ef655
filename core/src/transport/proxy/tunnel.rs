//! A way through a proxy to a host: a tunnel by CONNECT, or SOCKS.

use std::future::{Ready, poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::rt::{Read, Write};
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::connect::proxy::{SocksV4, SocksV5};
use tower_service::Service;

use super::trouble::{Trouble, What};
use crate::config::proxies::{Proxy, Scheme};
use crate::transport::body::RequestBody;
use crate::transport::tcp::Quiet;

/// What the SOCKS client says of a login that is missing or not taken.
const LOGIN_WORDS: [&str; 2] = ["credentials", "authentication"];

/// Asks a proxy for a tunnel: each 2xx opens one.
pub(super) async fn connect<T>(stream: T, proxy: &Arc<Proxy>, target: &Uri) -> Result<T, Trouble>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let failed = |what: String| Trouble::new(proxy, target, What::Failed(what));
    let authority = target.authority().map(ToString::to_string).unwrap_or_default();
    let mut request = Request::new(RequestBody::nothing());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = Uri::try_from(authority.as_str()).map_err(|error| failed(error.to_string()))?;
    let host = HeaderValue::try_from(authority).map_err(|error| failed(error.to_string()))?;
    request.headers_mut().insert(HOST, host);
    if let Some(authorization) = proxy.authorization() {
        request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
    }
    let shaken = http1::handshake(stream).await;
    let (mut sender, mut connection) = shaken.map_err(|error| failed(error.to_string()))?;
    let mut answer = pin!(sender.send_request(request));
    let answered = poll_fn(|context| {
        // How the connection ends is told to the request.
        let _ = connection.poll_without_shutdown(context);
        answer.as_mut().poll(context)
    });
    let status = answered.await.map_err(|error| failed(error.to_string()))?.status();
    if !status.is_success() {
        return Err(Trouble::new(proxy, target, What::Refused(status)));
    }
    // The host says nothing before it is spoken to: nothing was read too far.
    Ok(connection.into_parts().io)
}

/// Asks a SOCKS proxy for a way to the host, over a connection that stands.
pub(super) async fn socks(stream: Quiet, proxy: &Arc<Proxy>, target: Uri) -> Result<Quiet, Trouble> {
    let there = Standing(Some(stream));
    let made = match proxy.scheme {
        Scheme::Socks { version: 4, .. } => {
            let mut socks = SocksV4::new(proxy.uri.clone(), there);
            socks.call(target.clone()).await.map_err(|error| error.to_string())
        }
        _ => {
            let mut socks = SocksV5::new(proxy.uri.clone(), there);
            if let Some((user, password)) = &proxy.login {
                socks = socks.with_auth(user.clone(), password.clone());
            }
            socks.call(target.clone()).await.map_err(|error| error.to_string())
        }
    };
    made.map_err(|error| {
        // The crate tells them apart in its words alone.
        let about_login = LOGIN_WORDS.iter().any(|word| error.contains(word));
        let what = if about_login { What::Login(error) } else { What::Failed(error) };
        Trouble::new(proxy, &target, what)
    })
}

/// A connection that stands already, as what makes connections.
struct Standing(Option<Quiet>);

impl Service<Uri> for Standing {
    type Response = Quiet;
    type Error = std::io::Error;
    type Future = Ready<std::io::Result<Quiet>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| std::io::ErrorKind::NotConnected.into()))
    }
}
