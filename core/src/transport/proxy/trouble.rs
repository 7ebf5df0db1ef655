//! What goes wrong at a proxy, in words that name it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use hyper::{StatusCode, Uri};

use crate::config::proxies::Proxy;

/// No way through a proxy: nothing was sent to the host behind it.
#[derive(Debug)]
pub(crate) struct Trouble {
    proxy: Arc<Proxy>,
    target: String,
    what: What,
}

/// What a proxy did.
#[derive(Debug)]
pub(super) enum What {
    /// It could not be reached.
    Unreachable(Box<dyn StdError + Send + Sync>),
    /// It answered the wish for a tunnel with this status.
    Refused(StatusCode),
    /// It wants another user or password.
    Login(String),
    /// It said no in another way, or nothing that can be understood.
    Failed(String),
}

impl Trouble {
    pub(super) fn new(proxy: &Arc<Proxy>, target: &Uri, what: What) -> Trouble {
        let port = target.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        let target = format!("{}{port}", target.host().unwrap_or_default());
        Trouble { proxy: Arc::clone(proxy), target, what }
    }

    /// The status of HTTP that says the same. For SOCKS there is one that asks for a login, too.
    pub(crate) fn status(&self) -> Option<u16> {
        match &self.what {
            What::Refused(status) => Some(status.as_u16()),
            What::Login(_) => Some(407),
            What::Unreachable(_) | What::Failed(_) => None,
        }
    }

    /// Why it could not be reached, where that is what happened.
    pub(crate) fn unreachable(&self) -> Option<(&Proxy, &(dyn StdError + 'static))> {
        match &self.what {
            What::Unreachable(error) => Some((&self.proxy, error.as_ref())),
            _ => None,
        }
    }
}

/// What is said of a status of 407, which only a proxy gives.
pub(crate) fn asks_for_a_login(proxy: &dyn fmt::Display) -> String {
    format!(
        "{proxy} asks for a user and a password (407): put the right ones into its variable, such as \
         https_proxy, as USER:PASSWORD@ before the host"
    )
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (proxy, target) = (&self.proxy, &self.target);
        match &self.what {
            What::Unreachable(error) => write!(f, "the proxy {proxy} could not be reached: {error}"),
            What::Refused(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                f.write_str(&asks_for_a_login(&format_args!("the proxy {proxy}")))
            }
            What::Refused(status) => {
                let reason = status.canonical_reason().map(|reason| format!(" {reason}")).unwrap_or_default();
                let status = status.as_u16();
                write!(f, "the proxy {proxy} refused the connection to {target}: {status}{reason}")
            }
            What::Login(what) => {
                write!(f, "the proxy {proxy} does not take the user and password of its variable: {what}")
            }
            What::Failed(what) => write!(f, "the proxy {proxy} made no connection to {target}: {what}"),
        }
    }
}

impl StdError for Trouble {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.what {
            What::Unreachable(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}
