//! Name resolution, which blocks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::oneshot;

use crate::common::blocking::have_thread;
use crate::common::runtime::RuntimeHandle;
use crate::model::origin::is_loopback_name;

/// The system's resolver, which blocks: always on the threads that the client has for that.
#[derive(Clone, Debug)]
pub(crate) struct Resolver(pub(crate) RuntimeHandle);

/// The addresses of a name, without a port.
pub(crate) type Addresses = std::vec::IntoIter<SocketAddr>;

impl tower_service::Service<Name> for Resolver {
    type Response = Addresses;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Addresses>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let home = self.0.clone();
        Box::pin(async move { lookup(&home, name.as_str().to_owned()).await })
    }
}

/// Looks a name up. `localhost` is this machine whatever the system says (RFC 6761): the resolver of the C
/// library reads variables of the environment, which a program may be changing.
pub(crate) async fn lookup(home: &RuntimeHandle, name: String) -> std::io::Result<Addresses> {
    if is_loopback_name(&name) {
        let here = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        return Ok(here.map(|address| SocketAddr::new(address, 0)).to_vec().into_iter());
    }
    let Some(home) = home.handle() else { return Err(std::io::ErrorKind::NotConnected.into()) };
    let (sender, resolved) = oneshot::channel();
    let lookup: Box<dyn FnOnce() + Send> = Box::new(move || {
        // A lookup whose request has ended does not take a thread from file work.
        if !sender.is_closed() {
            // The caller adds the port.
            let _ = sender.send((name.as_str(), 0).to_socket_addrs());
        }
    });
    // From the client's own thread: its signals are blocked, and so are those of threads that it starts.
    home.spawn(async {
        have_thread().await;
        drop(tokio::task::spawn_blocking(lookup));
    });
    resolved.await.map_err(|_| std::io::Error::from(std::io::ErrorKind::Interrupted))?
}
