//! HTTP: one request out, one bounded answer in. What an answer means is decided elsewhere.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use once_cell::sync::OnceCell;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Client, Method, Response};
use url::Url;

use crate::attempt::Miss;
use crate::clock::Clock;
use crate::config::Settings;
use crate::error::{Error, Kind};
use crate::first_byte::FirstByte;
use crate::origin::is_loopback;
use crate::policy::Came;
use crate::tls;

const MOST_ANSWER_BYTES: usize = 1 << 20;
const MOST_ERROR_BYTES: usize = 64 << 10;
/// Not fewer than the requests in flight (see `client.rs`), or connections are opened and thrown away.
const IDLE_CONNECTIONS: usize = 16;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// An answer of the service, whole.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The HTTP clients: one that honours the proxy variables, and one for this machine, which never does.
#[derive(Debug)]
pub(crate) struct Transport {
    settings: Arc<Settings>,
    clock: Clock,
    tls: rustls::ClientConfig,
    direct: OnceCell<Client>,
    proxied: OnceCell<Client>,
    authorization: HeaderValue,
}

impl Transport {
    pub(crate) fn new(settings: Arc<Settings>, clock: Clock) -> Result<Transport, Error> {
        let extra = settings.ca_file.as_deref().map(tls::read_ca_file).transpose()?.unwrap_or_default();
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", settings.api_key()?.reveal()))
            .map_err(|_| Error::configuration("the API key does not fit a header line"))?;
        authorization.set_sensitive(true);
        let tls = tls::config(extra)?;
        Ok(Transport {
            settings,
            clock,
            tls,
            direct: OnceCell::new(),
            proxied: OnceCell::new(),
            authorization,
        })
    }

    /// Asks the service, with the API key. `timeout` is for the whole exchange.
    pub(crate) async fn call(
        &self,
        url: Url,
        submission: Option<(Bytes, &str, &FirstByte)>,
        timeout: Duration,
    ) -> Result<Reply, Miss> {
        let client = self.client(&url).map_err(|error| Miss::new(Came::Fault, error))?;
        let request = match submission {
            None => client.get(url),
            Some((body, key, first_byte)) => client
                .request(Method::POST, url)
                .header(CONTENT_TYPE, "application/json")
                .header(IDEMPOTENCY_KEY, key)
                .body(Body::wrap(first_byte.watch(body))),
        };
        let request = request.header(AUTHORIZATION, self.authorization.clone());
        let exchange = async {
            let response = request.send().await.map_err(|error| self.transport_miss(error))?;
            self.read(response).await
        };
        match tokio::time::timeout(self.clock.io(timeout), exchange).await {
            Ok(result) => result,
            Err(_) => {
                let message = format!("the service did not answer within {} ms", timeout.as_millis());
                Err(Miss::new(Came::Lost, Error::new(Kind::Transport, message).retryable()))
            }
        }
    }

    /// Fetches a download URL: without the API key, without following redirects.
    pub(crate) async fn fetch(&self, url: Url, headers: HeaderMap) -> Result<Response, Miss> {
        let client = self.client(&url).map_err(|error| Miss::new(Came::Fault, error))?;
        let send = client.get(url).headers(headers).send();
        self.idle(send).await?.map_err(|error| self.transport_miss(error))
    }

    /// The next piece of a download; `None` at its end.
    pub(crate) async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Miss> {
        self.idle(response.chunk()).await?.map_err(|error| self.transport_miss(error))
    }

    async fn idle<T>(&self, step: impl Future<Output = T>) -> Result<T, Miss> {
        let timeout = self.settings.download_idle_timeout;
        tokio::time::timeout(self.clock.io(timeout), step).await.map_err(|_| {
            let message = format!("the download brought nothing for {} ms", timeout.as_millis());
            Miss::new(Came::Lost, Error::new(Kind::Transport, message).retryable())
        })
    }

    async fn read(&self, mut response: Response) -> Result<Reply, Miss> {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        if status.is_success() {
            let unreadable = |what: &str| {
                let message = format!("the service's answer ({}) {what}", status.as_u16());
                let error = Error::new(Kind::Protocol, message).http_status(status.as_u16());
                Miss::new(Came::Unreadable, error)
            };
            if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
                return Err(unreadable("is compressed, which was not asked for"));
            }
            while let Some(chunk) = response.chunk().await.map_err(|error| self.transport_miss(error))? {
                if body.len() + chunk.len() > MOST_ANSWER_BYTES {
                    return Err(unreadable("is above 1 MiB"));
                }
                body.extend_from_slice(&chunk);
            }
        } else {
            // The status has decided already; of the explanation whatever comes is good enough.
            while let Ok(Some(chunk)) = response.chunk().await {
                let room = MOST_ERROR_BYTES - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if body.len() == MOST_ERROR_BYTES {
                    break;
                }
            }
        }
        Ok(Reply { status: status.as_u16(), headers, body: body.freeze() })
    }

    fn client(&self, url: &Url) -> Result<&Client, Error> {
        let local = is_loopback(url);
        let cell = if local { &self.direct } else { &self.proxied };
        cell.get_or_try_init(|| {
            let agent = concat!("libperceptis/", env!("CARGO_PKG_VERSION"));
            let agent = match &self.settings.app_name {
                Some(app) => format!("{app} {agent}"),
                None => agent.to_owned(),
            };
            let builder = Client::builder()
                .user_agent(agent)
                .tls_backend_preconfigured(self.tls.clone())
                .connect_timeout(self.clock.io(self.settings.connect_timeout))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .http1_only()
                .pool_max_idle_per_host(IDLE_CONNECTIONS);
            let builder = if local { builder.no_proxy() } else { builder };
            builder.build().map_err(|error| {
                Error::configuration(format!("the HTTP client can't be set up: {}", deepest(&error)))
            })
        })
    }

    fn transport_miss(&self, error: reqwest::Error) -> Miss {
        let untrusted = is_untrusted(&error);
        let (came, stage) = match (untrusted, error.is_connect()) {
            (true, _) => (Came::Untrusted, "the host's certificate is not trusted"),
            (false, true) => (Came::NotSent, "the host could not be reached"),
            (false, false) => (Came::Lost, "the connection failed"),
        };
        let cause = deepest(&error.without_url());
        let cause = self.settings.api_key().map(|key| key.scrub(&cause)).unwrap_or(cause);
        let error = Error::new(Kind::Transport, format!("{stage}: {cause}"));
        // A certificate that is not trusted now will not be in a second.
        Miss::new(came, if untrusted { error } else { error.retryable() })
    }
}

/// The cause at the bottom, which is the one that helps: "Connection refused", not "error sending request".
fn deepest(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Whether the other end's certificate was refused, however deep in the error that is said.
fn is_untrusted(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
        return true;
    }
    // An io::Error's source is its content's source: the content itself has to be asked for.
    let content = error.downcast_ref().and_then(std::io::Error::get_ref);
    content.is_some_and(|content| is_untrusted(content)) || error.source().is_some_and(is_untrusted)
}
