//! HTTP: one request out, one bounded answer in. What an answer means is decided elsewhere.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use hyper::http::response::Parts;
use hyper::{Request, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use once_cell::sync::OnceCell;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    USER_AGENT,
};
use reqwest::{Client, Method, Response};
use url::Url;

use crate::attempt::Miss;
use crate::client::Home;
use crate::clock::Clock;
use crate::config::Settings;
use crate::connections::{self, Connections, Failed};
use crate::error::{Error, Kind};
use crate::file_server::{FileAnswer, FileServer};
use crate::file_url::FileUrl;
use crate::first_byte::{FirstByte, Outgoing, Withheld};
use crate::intake::{Intake, MAX_KEPT_BYTES};
use crate::origin::{Origin, is_loopback};
use crate::policy::Came;
use crate::poller::SLOTS;
use crate::request::MAX_BODY_BYTES;
use crate::tls;

/// How long to wait for the end of an answer of which nothing is missing.
const LINGER: Duration = Duration::from_secs(2);
/// Of downloads, and of all else where there is a proxy: not fewer than the requests in flight, or connections are
/// opened and thrown away.
const IDLE_CONNECTIONS: usize = 16;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// An answer of the service, whole.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What a submission sends: its body, its idempotency key, and who is to know of its first byte.
pub(crate) type Submission<'a> = (Bytes, &'a str, &'a FirstByte);

/// The ways out. To the service and to where files are: connections of our own, unless a proxy stands before
/// them. Through proxies: the HTTP clients, one that honours the proxy variables, and one for this machine,
/// which never does.
#[derive(Debug)]
pub(crate) struct Transport {
    settings: Arc<Settings>,
    clock: Clock,
    home: Home,
    tls: rustls::ClientConfig,
    origin: Origin,
    /// What every request to the service says, its key among it.
    headers: HeaderMap,
    /// None where a proxy stands before the service.
    connections: OnceCell<Option<Connections>>,
    /// To where files are, where no proxy stands before that.
    files: OnceCell<FileServer>,
    direct: OnceCell<Client>,
    proxied: OnceCell<Client>,
}

impl Transport {
    pub(crate) fn new(settings: Arc<Settings>, clock: Clock, home: Home) -> Result<Transport, Error> {
        let extra = settings.ca_file.as_deref().map(tls::read_ca_file).transpose()?.unwrap_or_default();
        let unfit = |what| move |_| Error::configuration(format!("the {what} does not fit a header line"));
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", settings.api_key()?.reveal()))
            .map_err(unfit("API key"))?;
        authorization.set_sensitive(true);
        let origin = settings.origin()?.clone();
        let headers = HeaderMap::from_iter([
            (HOST, HeaderValue::try_from(origin.authority()).map_err(unfit("host"))?),
            (USER_AGENT, HeaderValue::try_from(user_agent(&settings)).map_err(unfit("app_name"))?),
            (ACCEPT, HeaderValue::from_static("*/*")),
            (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
            (AUTHORIZATION, authorization),
        ]);
        let tls = tls::config(extra)?;
        Ok(Transport {
            settings,
            clock,
            home,
            tls,
            origin,
            headers,
            connections: OnceCell::new(),
            files: OnceCell::new(),
            direct: OnceCell::new(),
            proxied: OnceCell::new(),
        })
    }

    /// Asks the service for a path of its, with the API key. `timeout` is for the whole exchange.
    pub(crate) async fn call(
        &self,
        path: &str,
        submission: Option<Submission<'_>>,
        timeout: Duration,
    ) -> Result<Reply, Miss> {
        let exchange = async {
            match self.connections()? {
                Some(connections) => self.exchange(connections, path, submission).await,
                None => self.exchange_by_proxy(path, submission).await,
            }
        };
        match tokio::time::timeout(self.clock.io(timeout), exchange).await {
            Ok(result) => result,
            Err(_) => {
                let message = format!("the service did not answer within {} ms", timeout.as_millis());
                Err(Miss::new(Came::Lost, Error::new(Kind::Transport, message).retryable()))
            }
        }
    }

    async fn exchange(
        &self,
        connections: &Connections,
        path: &str,
        submission: Option<Submission<'_>>,
    ) -> Result<Reply, Miss> {
        let sent = sent(submission.as_ref());
        let mut request = Request::new(Outgoing::nothing());
        *request.uri_mut() = Uri::try_from(path).map_err(|error| fault("a path", &error))?;
        request.headers_mut().clone_from(&self.headers);
        if let Some((body, key, first_byte)) = submission {
            *request.method_mut() = Method::POST;
            *request.body_mut() = first_byte.watch(body);
            self.put_submission(request.headers_mut(), key)?;
        }
        let response = connections.send(request).await.map_err(|failed| match failed {
            Failed::Connect(error) => self.miss(true, error.as_ref()),
            Failed::ConnectTimeout(timeout) => self.miss(true, &NotWithin(timeout)),
            Failed::Lost(error) => self.miss(false, &error),
        })?;
        let (head, mut body) = response.into_parts();
        let (reply, whole) = self.read(head, &mut body, sent).await?;
        // Of one that was not read to its end more is on its way.
        if whole {
            connections.give_back(body);
        }
        Ok(reply)
    }

    async fn exchange_by_proxy(&self, path: &str, submission: Option<Submission<'_>>) -> Result<Reply, Miss> {
        let url = self.origin.url(path);
        let client = self.client(&url).map_err(|error| Miss::new(Came::Fault, error))?;
        let mut headers = self.headers.clone();
        headers.remove(HOST);
        let sent = sent(submission.as_ref());
        let request = match submission {
            None => client.get(url),
            Some((body, key, first_byte)) => {
                self.put_submission(&mut headers, key)?;
                client.post(url).body(reqwest::Body::wrap(first_byte.watch(body)))
            }
        };
        let response = request.headers(headers).send().await.map_err(|error| self.transport_miss(error))?;
        let (head, mut body) = reqwest_parts(response);
        Ok(self.read(head, &mut body, sent).await?.0)
    }

    fn put_submission(&self, headers: &mut HeaderMap, key: &str) -> Result<(), Miss> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
            .insert(IDEMPOTENCY_KEY, HeaderValue::try_from(key).map_err(|error| fault("a header", &error))?);
        Ok(())
    }

    /// Fetches a download URL: without the API key, without following redirects.
    pub(crate) async fn fetch(&self, url: &FileUrl, mut headers: HeaderMap) -> Result<FileAnswer, Miss> {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if self.has_proxy(url.uri(), is_loopback(url.url())) {
            let client = self.client(url.url()).map_err(|error| Miss::new(Came::Fault, error))?;
            let send = client.get(url.url().clone()).headers(headers).send();
            return Ok(self.idle(send).await?.map_err(|error| self.transport_miss(error))?.into());
        }
        let agent =
            HeaderValue::try_from(user_agent(&self.settings)).map_err(|error| fault("app_name", &error))?;
        headers.insert(USER_AGENT, agent);
        let files = self.files.get_or_init(|| {
            let timeout = self.clock.io(self.settings.connect_timeout);
            let connector = connections::connector(self.tls.clone(), timeout, self.home.clone());
            FileServer::new(connector, timeout, IDLE_CONNECTIONS)
        });
        self.idle(files.get(url, headers)).await?.map_err(|error| self.miss(error.is_connect(), &error))
    }

    /// The next piece of a download; `None` at its end.
    pub(crate) async fn chunk(&self, answer: &mut FileAnswer) -> Result<Option<Bytes>, Miss> {
        self.idle(answer.chunk()).await?.map_err(|error| self.miss(false, error.as_ref()))
    }

    /// Whether a proxy stands before this. Loopback never goes through one.
    fn has_proxy(&self, there: &Uri, is_loopback: bool) -> bool {
        !is_loopback && Matcher::from_system().intercept(there).is_some()
    }

    async fn idle<T>(&self, step: impl Future<Output = T>) -> Result<T, Miss> {
        let timeout = self.settings.download_idle_timeout;
        tokio::time::timeout(self.clock.io(timeout), step).await.map_err(|_| {
            let message = format!("the download brought nothing for {} ms", timeout.as_millis());
            Miss::new(Came::Lost, Error::new(Kind::Transport, message).retryable())
        })
    }

    /// The answer, within bounds, and whether the connection can be used again. `sent`: the answer may repeat
    /// so much.
    async fn read<B>(&self, head: Parts, body: &mut B, sent: usize) -> Result<(Reply, bool), Miss>
    where
        B: Body<Data = Bytes, Error: StdError + 'static> + Unpin,
    {
        let (status, headers) = (head.status, head.headers);
        let success = status.is_success();
        let mut intake = Intake::new(success, sent + MAX_KEPT_BYTES);
        let whole = loop {
            if body.is_end_stream() {
                break true;
            }
            let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
            let frame = if intake.may_be_whole() {
                match tokio::time::timeout(self.clock.io(LINGER), frame).await {
                    Ok(frame) => frame,
                    // Nothing is missing, whatever the connection waits for.
                    Err(_) if intake.is_whole() => break false,
                    Err(_) => continue,
                }
            } else {
                frame.await
            };
            let piece = match frame {
                None => break true,
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                // Connections end in many ways: by a reset, or without TLS's own end.
                Some(Err(_)) if intake.is_whole() => break false,
                Some(Err(error)) if success => return Err(self.miss(false, &error)),
                // The status has decided already; of the explanation whatever comes is good enough.
                Some(Err(_)) => break false,
            };
            intake.add(piece).map_err(|what| {
                let message = format!("the service's answer ({}) {what}", status.as_u16());
                let error = Error::new(Kind::Protocol, message).http_status(status.as_u16());
                Miss::new(Came::Unreadable, error)
            })?;
            if intake.is_full() {
                break false;
            }
        };
        Ok((Reply { status: status.as_u16(), headers, body: intake.into_bytes() }, whole))
    }

    /// Closes the connections that wait for their next request.
    pub(crate) fn close(&self) {
        if let Some(Some(connections)) = self.connections.get() {
            connections.close();
        }
    }

    /// The connections to the service; none where a proxy stands before it.
    fn connections(&self) -> Result<Option<&Connections>, Miss> {
        let made = self.connections.get_or_try_init(|| {
            let text = self.origin.as_text();
            let origin = Uri::try_from(text).map_err(|error| fault("the base URL", &error))?;
            if self.has_proxy(&origin, self.origin.is_loopback()) {
                return Ok(None);
            }
            let timeout = self.clock.io(self.settings.connect_timeout);
            // And that of a call on its caller's thread.
            let most_idle = SLOTS + self.settings.max_concurrent_submissions + 1;
            Ok(Some(Connections::new(origin, self.tls.clone(), timeout, most_idle, self.home.clone())))
        });
        made.map(Option::as_ref)
    }

    fn client(&self, url: &Url) -> Result<&Client, Error> {
        let local = is_loopback(url);
        let cell = if local { &self.direct } else { &self.proxied };
        cell.get_or_try_init(|| {
            let builder = Client::builder()
                .user_agent(user_agent(&self.settings))
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
        let connecting = error.is_connect();
        self.miss(connecting, &error.without_url())
    }

    /// What a failure on the way means. `connecting`: that it came before there was a connection.
    fn miss(&self, connecting: bool, error: &(dyn StdError + 'static)) -> Miss {
        let untrusted = is_untrusted(error);
        if is_withheld(error) {
            let message = "the request was not sent: the call has ended, or the connection took too long";
            return Miss::new(Came::Withheld, Error::new(Kind::Transport, message));
        }
        let (came, stage) = match (untrusted, connecting) {
            (true, _) => (Came::Untrusted, "the host's certificate is not trusted"),
            (false, true) => (Came::NotSent, "the host could not be reached"),
            (false, false) => (Came::Lost, "the connection failed"),
        };
        let cause = deepest(error);
        let cause = self.settings.api_key().map(|key| key.scrub(&cause)).unwrap_or(cause);
        let error = Error::new(Kind::Transport, format!("{stage}: {cause}"));
        // A certificate that is not trusted now will not be in a second.
        Miss::new(came, if untrusted { error } else { error.retryable() })
    }
}

/// How much an answer may repeat: what this submission sends, or for a poll the most that any has sent.
fn sent(submission: Option<&Submission<'_>>) -> usize {
    submission.map_or(MAX_BODY_BYTES, |(body, ..)| body.len())
}

fn reqwest_parts(response: Response) -> (Parts, reqwest::Body) {
    hyper::Response::from(response).into_parts()
}

fn user_agent(settings: &Settings) -> String {
    let agent = concat!("libperceptis/", env!("CARGO_PKG_VERSION"));
    match &settings.app_name {
        Some(app) => format!("{app} {agent}"),
        None => agent.to_owned(),
    }
}

/// What only a fault of this library can bring about: all parts of a request are checked before.
fn fault(what: &str, error: &dyn StdError) -> Miss {
    Miss::new(Came::Fault, Error::new(Kind::Internal, format!("{what} can't be sent: {error}")))
}

/// No connection came about within this time of the wall's.
#[derive(Debug)]
pub(crate) struct NotWithin(pub(crate) Duration);

impl fmt::Display for NotWithin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {} ms", self.0.as_millis())
    }
}

impl StdError for NotWithin {}

/// The cause at the bottom, which is the one that helps: "Connection refused", not "error sending request".
fn deepest(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Whether it was the body of the request that did not let itself be sent.
fn is_withheld(error: &(dyn StdError + 'static)) -> bool {
    error.is::<Withheld>() || error.source().is_some_and(is_withheld)
}

/// Whether the other end's certificate was refused, however deep in the error that is said.
fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
        return true;
    }
    // An io::Error's source is its content's source: the content itself has to be asked for.
    let content = error.downcast_ref().and_then(std::io::Error::get_ref);
    content.is_some_and(|content| is_untrusted(content)) || error.source().is_some_and(is_untrusted)
}
