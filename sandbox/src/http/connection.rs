//! The wire: connections in, bounded in number, time and size.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Answer, Question};
use crate::service::Service;

/// Above the client's 64 MiB, with room to say no.
const MOST_BODY_BYTES: usize = 96 << 20;
const MOST_CONNECTIONS: usize = 2048;
/// How long a request's head, and then its body, may take.
const HEAD_TIME: Duration = Duration::from_secs(30);
const BODY_TIME: Duration = Duration::from_secs(120);

/// Serves connections for ever; dropping this ends them all.
pub async fn serve(listener: TcpListener, service: Arc<Service>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: one of the connections has to end first.
            if connections.join_next().await.is_none() {
                tokio::task::yield_now().await;
            }
            continue;
        };
        let _ = stream.set_nodelay(true);
        let service = Arc::clone(&service);
        connections.spawn(async move {
            let handle = service_fn(|request| handle(Arc::clone(&service), request));
            // What goes wrong on one connection is that client's affair.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .serve_connection(TokioIo::new(stream), handle)
                .await;
            drop(place);
        });
    }
}

async fn handle(
    service: Arc<Service>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let read = tokio::time::timeout(BODY_TIME, Limited::new(body, MOST_BODY_BYTES).collect()).await;
    let answer = match read {
        Ok(Ok(body)) => service.answer(&Question {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: body.to_bytes(),
        }),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "the body is above 96 MiB")
        }
        Ok(Err(_)) => Answer::error(StatusCode::BAD_REQUEST, "invalid_request", "the body could not be read"),
        Err(_) => Answer::error(StatusCode::REQUEST_TIMEOUT, "invalid_request", "the body took too long"),
    };
    Ok(response(answer))
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = format!("req_{:08}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut builder = Response::builder().status(answer.status).header("x-request-id", id);
    for (name, value) in answer.headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::new(answer.body)).unwrap_or_else(|_| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
