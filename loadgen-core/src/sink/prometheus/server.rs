//! The endpoint: HTTP on a thread of its own.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{LocalSet, spawn_local};

use super::Shared;
use super::encode::Format;

/// Connections at a time; more wait until one is over.
const MOST_CONNECTIONS: usize = 32;
/// How long a connection may take for its one request and for reading the answer; after that, it is
/// closed. Those that do neither must not keep the others out for long.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an accept that failed is left alone: what it lacks, like descriptors, comes back no
/// sooner.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    /// Its end ends the thread.
    _here: oneshot::Sender<Infallible>,
}

impl Server {
    pub(super) fn start(listener: TcpListener, shared: Arc<Shared>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (here, gone) = oneshot::channel();
        thread::Builder::new()
            .name("loadgen-scrape".to_owned())
            .spawn(move || {
                LocalSet::new().block_on(&runtime, async {
                    tokio::select! {
                        () = accept(listener, shared) => {}
                        _ = gone => {}
                    }
                });
            })?;
        Ok(Self { _here: here })
    }
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        spawn_local(async move {
            let last_told = Cell::new(false);
            let service = service_fn(|request| {
                let answer = answer(&request, &shared, &last_told);
                async { Ok::<_, Infallible>(answer) }
            });
            // Who asks once a second can afford a connection each time.
            let connection = http1::Builder::new()
                .keep_alive(false)
                .header_read_timeout(None)
                .serve_connection(TokioIo::new(stream), service);
            // It closes behind the last figures: they are with the system when it is over. However
            // else it ended, the other side knows.
            let ended = tokio::time::timeout(PATIENCE, connection).await;
            if matches!(ended, Ok(Ok(()))) && last_told.get() {
                shared.last_was_seen();
            }
            drop(place);
        });
    }
}

fn answer(
    request: &Request<Incoming>,
    shared: &Shared,
    last_told: &Cell<bool>,
) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "GET it\n");
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "the metrics are at /metrics\n");
    }
    let accept = request.headers().get(ACCEPT);
    let accept = accept.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    let (text, last) = shared.text(format);
    let mut response = Response::new(Full::from(text));
    let content_type = HeaderValue::from_static(format.content_type());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    if last && *request.method() == Method::GET {
        last_told.set(true);
    }
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
