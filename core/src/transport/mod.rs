//! HTTP: one request out, one bounded answer in. What an answer means is decided elsewhere.

pub(crate) mod body;
pub(crate) mod failure;
pub(crate) mod file_server;
pub(crate) mod intake;
pub(crate) mod pool;
pub(crate) mod proxy;
pub(crate) mod resolver;
pub(crate) mod tcp;
pub(crate) mod tls;

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHORIZATION, USER_AGENT,
};
use hyper::http::response::Parts;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy;
use once_cell::sync::OnceCell;

use crate::common::clock::Clock;
use crate::common::runtime::RuntimeHandle;
use crate::config::Settings;
use crate::config::proxies::Proxy;
use crate::config::trust::read_ca_file;
use crate::error::{Error, Kind};
use crate::model::file_url::FileUrl;
use crate::model::limits::MAX_BODY_BYTES;
use crate::model::origin::Origin;
use crate::transport::body::{FirstByte, RequestBody, Withheld};
use crate::transport::failure::{AttemptError, ConnectTimeout, FailureKind, Stage};
use crate::transport::file_server::{FileAnswer, FileServer};
use crate::transport::intake::{Intake, MAX_KEPT_BYTES};
use crate::transport::pool::{Connections, Failed};
use crate::transport::proxy::Trouble;
use crate::transport::proxy::dial::{self, Connector};
use crate::transport::tls::Identity;

/// How long to wait for the end of an answer of which nothing is missing.
const LINGER: Duration = Duration::from_secs(2);
/// Of downloads: not fewer than the requests in flight, or connections are opened and thrown away.
const IDLE_CONNECTIONS: usize = 16;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// An answer of the service, whole.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What a submission sends: its body, its idempotency key, and who is to know of its first byte.
pub(crate) type Submission<'a> = (Bytes, &'a str, &'a FirstByte);

/// The ways out: to the service by connections that are kept here, to where files are by a client of hyper's.
/// Both dial the same way, through the proxies that stand before a host.
pub(crate) struct Transport {
    settings: Arc<Settings>,
    clock: Clock,
    home: RuntimeHandle,
    tls: Arc<rustls::ClientConfig>,
    identity: Arc<Identity>,
    origin: Origin,
    /// The proxy that is asked for pages of the service, which only one that speaks HTTP, of plain http is.
    asked: Option<Arc<Proxy>>,
    /// What every request to the service says, its key among it.
    headers: HeaderMap,
    user_agent: HeaderValue,
    /// How many connections to the service are kept for their next request.
    most_idle: usize,
    connector: OnceCell<Connector>,
    connections: OnceCell<Connections>,
    files: OnceCell<FileServer>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Transport {
    pub(crate) fn new(
        settings: Arc<Settings>,
        clock: Clock,
        home: RuntimeHandle,
        most_idle: usize,
    ) -> Result<Transport, Error> {
        let extra = settings.ca_file.as_deref().map(read_ca_file).transpose()?.unwrap_or_default();
        let unfit = |what| move |_| Error::configuration(format!("the {what} does not fit a header line"));
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", settings.api_key()?.reveal()))
            .map_err(unfit("API key"))?;
        authorization.set_sensitive(true);
        let origin = settings.origin()?.clone();
        let user_agent = HeaderValue::try_from(user_agent(&settings)).map_err(unfit("app_name"))?;
        let mut headers = HeaderMap::from_iter([
            (HOST, HeaderValue::try_from(origin.authority()).map_err(unfit("host"))?),
            (USER_AGENT, user_agent.clone()),
            (ACCEPT, HeaderValue::from_static("*/*")),
            (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
            (AUTHORIZATION, authorization),
        ]);
        let there = Uri::try_from(origin.as_text())
            .map_err(|error| Error::configuration(format!("the base URL can't be used: {error}")))?;
        let asked = asked(&settings, &there).cloned();
        if let Some(authorization) = asked.as_ref().and_then(|proxy| proxy.authorization()) {
            headers.insert(PROXY_AUTHORIZATION, authorization);
        }
        let provider = tls::provider();
        let identity = Arc::new(Identity::read(settings.client_certificate()?, &provider)?);
        let tls = Arc::new(tls::config(provider, extra, settings.trust.clone(), Arc::clone(&identity))?);
        Ok(Transport {
            settings,
            clock,
            home,
            tls,
            identity,
            origin,
            asked,
            headers,
            user_agent,
            most_idle,
            connector: OnceCell::new(),
            connections: OnceCell::new(),
            files: OnceCell::new(),
        })
    }

    /// Asks the service for a path of its, with the API key. `timeout` is for the whole exchange.
    pub(crate) async fn call(
        &self,
        path: &str,
        submission: Option<Submission<'_>>,
        timeout: Duration,
    ) -> Result<Response, AttemptError> {
        let exchange = self.exchange(path, submission);
        match tokio::time::timeout(self.clock.io(timeout), exchange).await {
            Ok(result) => result,
            Err(_) => {
                let message = format!("the service did not answer within {} ms", timeout.as_millis());
                Err(AttemptError::new(FailureKind::Lost, Error::new(Kind::Transport, message).retryable()))
            }
        }
    }

    async fn exchange(
        &self,
        path: &str,
        submission: Option<Submission<'_>>,
    ) -> Result<Response, AttemptError> {
        let connections = self.connections()?;
        let sent = sent(submission.as_ref());
        let mut request = Request::new(RequestBody::nothing());
        let target = match &self.asked {
            Some(_) => Uri::try_from(self.origin.url(path).as_str()),
            None => Uri::try_from(path),
        };
        *request.uri_mut() = target.map_err(|error| fault("a path", &error))?;
        request.headers_mut().clone_from(&self.headers);
        if let Some((body, key, first_byte)) = submission {
            *request.method_mut() = Method::POST;
            *request.body_mut() = first_byte.watch(body);
            self.put_submission(request.headers_mut(), key)?;
        }
        let response = connections.send(request).await.map_err(|failed| match failed {
            Failed::Connect(error) => self.miss(Stage::Connecting, error.as_ref()),
            Failed::ConnectTimeout(timeout) => self.miss(Stage::Connecting, &ConnectTimeout(timeout)),
            Failed::Lost { error, reused: true } => self.miss(Stage::Used, &error),
            Failed::Lost { error, reused: false } => self.miss(Stage::FirstRequest, &error),
        })?;
        let (head, mut body) = response.into_parts();
        self.check_login(head.status, self.asked.as_deref())?;
        let (reply, whole) = self.read(head, &mut body, sent).await?;
        // Of one that was not read to its end more is on its way.
        if whole {
            connections.give_back(body);
        }
        Ok(reply)
    }

    fn put_submission(&self, headers: &mut HeaderMap, key: &str) -> Result<(), AttemptError> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
            .insert(IDEMPOTENCY_KEY, HeaderValue::try_from(key).map_err(|error| fault("a header", &error))?);
        Ok(())
    }

    /// Fetches a download URL: without the API key, without following redirects.
    pub(crate) async fn fetch(
        &self,
        url: &FileUrl,
        mut headers: HeaderMap,
    ) -> Result<FileAnswer, AttemptError> {
        let asked = asked(&self.settings, url.uri());
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, self.user_agent.clone());
        if let Some(authorization) = asked.and_then(|proxy| proxy.authorization()) {
            headers.insert(PROXY_AUTHORIZATION, authorization);
        }
        let files = self.files.get_or_init(|| {
            let timeout = self.clock.io(self.settings.connect_timeout);
            FileServer::new(self.connector().clone(), timeout, IDLE_CONNECTIONS)
        });
        let sent = self.idle(files.get(url, headers)).await?;
        // Whether its connection is a new one is not told; a download costs nothing.
        let stage =
            |error: &legacy::Error| if error.is_connect() { Stage::Connecting } else { Stage::FirstRequest };
        let answer = sent.map_err(|error| self.miss(stage(&error), &error))?;
        self.check_login(answer.status, asked.map(Arc::as_ref))?;
        Ok(answer)
    }

    /// The next piece of a download; `None` at its end.
    pub(crate) async fn chunk(&self, answer: &mut FileAnswer) -> Result<Option<Bytes>, AttemptError> {
        self.idle(answer.chunk()).await?.map_err(|error| self.miss(Stage::Used, &error))
    }

    async fn idle<T>(&self, step: impl Future<Output = T>) -> Result<T, AttemptError> {
        let timeout = self.settings.download_idle_timeout;
        tokio::time::timeout(self.clock.io(timeout), step).await.map_err(|_| {
            let message = format!("the download brought nothing for {} ms", timeout.as_millis());
            AttemptError::new(FailureKind::Lost, Error::new(Kind::Transport, message).retryable())
        })
    }

    /// The answer, within bounds, and whether the connection can be used again. `sent`: the answer may repeat
    /// so much.
    async fn read<B>(&self, head: Parts, body: &mut B, sent: usize) -> Result<(Response, bool), AttemptError>
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
                Some(Err(error)) if success => return Err(self.miss(Stage::Used, &error)),
                // The status has decided already; of the explanation whatever comes is good enough.
                Some(Err(_)) => break false,
            };
            intake.add(piece).map_err(|what| {
                let message = format!("the service's answer ({}) {what}", status.as_u16());
                let error = Error::new(Kind::Protocol, message).http_status(status.as_u16());
                AttemptError::new(FailureKind::Unreadable, error)
            })?;
            if intake.is_full() {
                break false;
            }
        };
        Ok((Response { status: status.as_u16(), headers, body: intake.into_bytes() }, whole))
    }

    /// Closes the connections that wait for their next request.
    pub(crate) fn close(&self) {
        if let Some(connections) = self.connections.get() {
            connections.close();
        }
    }

    fn connector(&self) -> &Connector {
        self.connector.get_or_init(|| {
            let timeout = self.clock.io(self.settings.connect_timeout);
            dial::connector(&self.tls, &self.settings.proxies, timeout, &self.home)
        })
    }

    /// The connections to the service.
    fn connections(&self) -> Result<&Connections, AttemptError> {
        self.connections.get_or_try_init(|| {
            let text = self.origin.as_text();
            let origin = Uri::try_from(text).map_err(|error| fault("the base URL", &error))?;
            let timeout = self.clock.io(self.settings.connect_timeout);
            let connector = self.connector().clone();
            Ok(Connections::new(origin, connector, timeout, self.most_idle, self.home.clone()))
        })
    }

    /// A proxy that wants another login is not asked again: accounts are locked by a few wrong ones.
    fn check_login(&self, status: StatusCode, asked: Option<&Proxy>) -> Result<(), AttemptError> {
        let status = status.as_u16();
        if status != 407 {
            return Ok(());
        }
        let sentence = match asked {
            Some(proxy) => proxy::asks_for_a_login(&format_args!("the proxy {proxy}")),
            None => proxy::asks_for_a_login(&"a proxy on the way"),
        };
        Err(AttemptError::new(
            FailureKind::Status(status),
            Error::new(Kind::Transport, sentence).http_status(status),
        ))
    }

    /// What a failure on the way means.
    fn miss(&self, stage: Stage, error: &(dyn StdError + 'static)) -> AttemptError {
        if is_withheld(error) {
            let message = "the request was not sent: the call has ended, or the connection took too long";
            return AttemptError::new(FailureKind::Withheld, Error::new(Kind::Transport, message));
        }
        if let Some(trouble) = find::<Trouble>(error) {
            return self.proxy_miss(trouble);
        }
        if let Some(told) = self.told_by_tls(stage, error) {
            return told;
        }
        let (came, what) = if stage == Stage::Connecting {
            (FailureKind::NotSent, "the host could not be reached")
        } else {
            (FailureKind::Lost, "the connection failed")
        };
        let error = Error::new(Kind::Transport, format!("{what}: {}", self.scrubbed(deepest(error))));
        AttemptError::new(came, error.retryable())
    }

    fn told_by_tls(&self, stage: Stage, error: &(dyn StdError + 'static)) -> Option<AttemptError> {
        let told = tls::tell(find(error)?, stage, self.identity.was_asked_for())?;
        let error = Error::new(Kind::Transport, told.sentence);
        // A certificate that is not trusted now will not be in a second.
        let passes = told.came == FailureKind::NotSent;
        Some(AttemptError::new(told.came, if passes { error.retryable() } else { error }))
    }

    fn proxy_miss(&self, trouble: &Trouble) -> AttemptError {
        if let Some((proxy, error)) = trouble.unreachable() {
            let told = self.told_by_tls(Stage::Connecting, error);
            let (came, why) = match &told {
                Some(miss) => (miss.came, miss.error.message().to_owned()),
                None => (FailureKind::NotSent, self.scrubbed(deepest(error))),
            };
            let error = Error::new(Kind::Transport, format!("the proxy {proxy} could not be reached: {why}"));
            return AttemptError::new(
                came,
                if came == FailureKind::NotSent { error.retryable() } else { error },
            );
        }
        let error = Error::new(Kind::Transport, trouble.to_string());
        match trouble.status() {
            Some(407) => AttemptError::new(FailureKind::Status(407), error.http_status(407)),
            Some(status) => AttemptError::new(FailureKind::NotSent, error.http_status(status).retryable()),
            None => AttemptError::new(FailureKind::NotSent, error.retryable()),
        }
    }

    fn scrubbed(&self, text: String) -> String {
        self.settings.api_key().map(|key| key.scrub(&text)).unwrap_or(text)
    }
}

/// How much an answer may repeat: what this submission sends, or for a poll the most that any has sent.
fn sent(submission: Option<&Submission<'_>>) -> usize {
    submission.map_or(MAX_BODY_BYTES, |(body, ..)| body.len())
}

/// The proxy that is asked for this page itself, and not for a way to its host.
fn asked<'a>(settings: &'a Settings, there: &Uri) -> Option<&'a Arc<Proxy>> {
    let proxy = settings.proxies.before(there)?;
    (proxy.speaks_http() && there.scheme_str() != Some("https")).then_some(proxy)
}

fn user_agent(settings: &Settings) -> String {
    let agent = concat!("libperceptis/", env!("CARGO_PKG_VERSION"));
    match &settings.app_name {
        Some(app) => format!("{app} {agent}"),
        None => agent.to_owned(),
    }
}

/// What only a fault of this library can bring about: all parts of a request are checked before.
fn fault(what: &str, error: &dyn StdError) -> AttemptError {
    AttemptError::new(
        FailureKind::Fault,
        Error::new(Kind::Internal, format!("{what} can't be sent: {error}")),
    )
}

/// The cause at the bottom, which is the one that helps: "Connection refused", not "error sending request".
fn deepest(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// An error of this type, however deep in the error it is.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    // An io::Error's source is its content's source: the content itself has to be asked for.
    let content = error.downcast_ref().and_then(std::io::Error::get_ref);
    let within = content.and_then(|content| find(content as &(dyn StdError + 'static)));
    within.or_else(|| find(error.source()?))
}

/// Whether it was the body of the request that did not let itself be sent.
fn is_withheld(error: &(dyn StdError + 'static)) -> bool {
    error.is::<Withheld>() || error.source().is_some_and(is_withheld)
}
