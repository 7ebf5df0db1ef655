//! Requests to where files are: a URL goes out byte for byte.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::percent_decode_str;
use tower_service::Service;
use url::Url;

use crate::model::file_url::FileUrl;
use crate::transport::body::RequestBody;
use crate::transport::failure::ConnectTimeout;
use crate::transport::pool::{IDLE, MAX_HEADER_LINES};
use crate::transport::proxy::dial::Connector;

type BoxError = Box<dyn StdError + Send + Sync>;

/// The connections to where files are.
#[derive(Debug)]
pub(crate) struct FileServer(legacy::Client<InTime, RequestBody>);

impl FileServer {
    /// `connect_timeout` is of the wall's time, and for name, connection and handshake together.
    pub(crate) fn new(connector: Connector, connect_timeout: Duration, most_idle: usize) -> FileServer {
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(most_idle)
            .http1_max_headers(MAX_HEADER_LINES)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .build(InTime { connector, timeout: connect_timeout });
        FileServer(client)
    }

    /// Asks for a file.
    pub(crate) async fn get(&self, url: &FileUrl, headers: HeaderMap) -> Result<FileAnswer, legacy::Error> {
        let mut request = Request::new(RequestBody::nothing());
        *request.uri_mut() = url.uri().clone();
        *request.headers_mut() = headers;
        if let Some(authorization) = basic_authorization(url.url()) {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        let (head, body) = self.0.request(request).await?.into_parts();
        Ok(FileAnswer { status: head.status, headers: head.headers, body })
    }
}

/// What a URL with a name and a password asks for (RFC 7617).
fn basic_authorization(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut both: Vec<u8> = percent_decode_str(url.username()).collect();
    both.push(b':');
    both.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(both))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The answer to a request for a file.
pub(crate) struct FileAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
}

impl FileAnswer {
    /// The next piece; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> hyper::Result<Option<Bytes>> {
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
            match frame.await.transpose()?.map(http_body::Frame::into_data) {
                None => return Ok(None),
                Some(Ok(piece)) if !piece.is_empty() => return Ok(Some(piece)),
                // Trailers say nothing of the content.
                Some(_) => {}
            }
        }
    }
}

/// Dials for so long and no longer.
#[derive(Clone)]
struct InTime {
    connector: Connector,
    timeout: Duration,
}

impl fmt::Debug for InTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InTime").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Service<Uri> for InTime {
    type Response = <Connector as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, there: Uri) -> Self::Future {
        let (dialled, timeout) = (self.connector.call(there), self.timeout);
        Box::pin(async move {
            tokio::time::timeout(timeout, dialled)
                .await
                .map_err(|_| BoxError::from(ConnectTimeout(timeout)))?
        })
    }
}
