//! A client's connection: which HTTP is spoken on it, its requests, and its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{self, Instant};
use tokio_rustls::TlsAcceptor;

use super::balancer::Shared;
use super::client::{Client, CutOff};
use super::config::HttpLimits;
use super::counts::{FrontCounts, Open};
use super::headers::Asker;
use super::problem::ProblemKind;
use super::request::Requests;
use super::taken::{Pieces, Streams};
use crate::balance::life::{Heard, Phase};
use crate::serve::connection::{Connection, LoadGuard, Transport, linger};
use crate::wire::lengths;
use crate::wire::opening::{self, Opened, Resumed, Version};

/// What HTTP itself refuses is that much above what is refused with a proper answer.
const HEAD_SLACK: u32 = 16 << 10;
/// Read and written at once at the most over HTTP/1.1.
const BUFFER_BYTES: usize = 64 << 10;
/// Requests that may be under way on one connection over HTTP/2.
const MAX_CONCURRENT_STREAMS: u32 = 256;
/// What a client may send ahead of a backend that does not read: on a stream, and on a connection so much that
/// streams which get no further take no room from the others.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = MAX_CONCURRENT_STREAMS * STREAM_WINDOW_BYTES;
/// Streams that a client may have reset before they were looked at. A load generator whose requests time out
/// resets many at once, and is not attacking.
const MAX_PENDING_RESETS: usize = 16_384;
/// How long a client over HTTP/2 has to ask what it wanted to ask before it hears a good-bye, and to take the
/// last of what it got.
const FAREWELL: Duration = Duration::from_secs(3);

/// A connection that was accepted, and what it is served with.
pub(super) struct Accepted {
    pub(super) shared: Arc<Shared>,
    pub(super) thread: usize,
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) load: LoadGuard,
    pub(super) heard: Heard,
    /// Held for as long as anything of it is open.
    pub(super) held: mpsc::Sender<()>,
}

/// What a connection is doing, for whoever ends those that do nothing.
#[derive(Debug)]
pub(super) struct Activity {
    open: AtomicUsize,
    last: Mutex<Instant>,
}

impl Activity {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            last: Mutex::new(Instant::now()),
        })
    }

    fn last(&self) -> Option<Instant> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (self.open.load(Ordering::Relaxed) == 0).then_some(last)
    }

    /// Has it count as used now.
    fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until nothing was asked for this long.
    async fn idle(&self, limit: Duration) {
        loop {
            let due = self.last().unwrap_or_else(Instant::now) + limit;
            time::sleep_until(due).await;
            if self.last().is_some_and(|last| last.elapsed() >= limit) {
                return;
            }
        }
    }
}

/// A request that is open, until this is dropped.
#[derive(Debug)]
pub(super) struct Busy {
    activity: Arc<Activity>,
    shared: Arc<Shared>,
}

impl Busy {
    /// None where there are as many as there may be, of all connections.
    pub(super) fn new(activity: &Arc<Activity>, shared: &Arc<Shared>, most: u64) -> Option<Self> {
        if !shared.counts.requests_open.one_up_to(most) {
            activity.touch();
            return None;
        }
        activity.open.fetch_add(1, Ordering::Relaxed);
        Some(Self {
            activity: Arc::clone(activity),
            shared: Arc::clone(shared),
        })
    }

    /// What the balancer counts.
    pub(super) fn counts(&self) -> &FrontCounts {
        &self.shared.counts
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.activity.touch();
        self.activity.open.fetch_sub(1, Ordering::Relaxed);
        self.shared.counts.requests_open.one_less();
    }
}

impl Accepted {
    /// Serves it to its end.
    pub(super) async fn serve(self, tls: Option<TlsAcceptor>) {
        let Self {
            shared,
            thread,
            stream,
            peer,
            load,
            heard,
            held,
        } = self;
        let _open = Open::new(&shared.counts.open);
        let limits = shared.limits();
        // Answers go on as they come. One that cannot be told so is about to fail anyway.
        let _ = stream.set_nodelay(true);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let transport = match tls {
            None => Transport::Plain(stream),
            Some(tls) => match time::timeout(limits.header_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => Transport::Tls(Box::new(stream)),
                Ok(Err(_)) | Err(_) => {
                    shared.counts.tls_failed.one();
                    return;
                }
            },
        };
        let mut connection = Connection::new(transport, None, load);
        let opening = time::timeout(limits.header_timeout, opening::read(&mut connection));
        let opened = tokio::select! {
            biased;
            () = heard.clone().reached(Phase::Draining) => None,
            opened = opening => opened.unwrap_or_else(|_| {
                shared.counts.idle.one();
                None
            }),
        };
        let Some(Opened { version, early }) = opened else {
            linger(&mut connection).await;
            return;
        };
        let asker = Asker {
            peer,
            scheme,
            via: shared.via.clone(),
        };
        let front = Front {
            requests: Requests {
                shared: Arc::clone(&shared),
                thread,
                asker,
                activity: Activity::new(),
                held,
            },
            limits,
            heard,
        };
        match version {
            Version::One => front.one(connection, early).await,
            Version::Two => front.two(connection, early).await,
        }
    }
}

struct Front {
    requests: Requests,
    limits: Arc<HttpLimits>,
    heard: Heard,
}

impl Front {
    async fn one(self, connection: Connection, early: Vec<u8>) {
        let Self {
            requests,
            limits,
            heard,
        } = self;
        let shared = Arc::clone(&requests.shared);
        let (lengths, conflict) = lengths::watch();
        let cut_off = CutOff::default();
        // The service ends with the last answer, before the connection does.
        let held = requests.held.clone();
        let io = Resumed::new(connection, early, Some(lengths));
        let io = Client::new(io, cut_off.clone(), limits.body_timeout, &shared);
        let requests = Arc::new(requests);
        let service = service_fn(move |request: http::Request<Incoming>| {
            let (requests, conflict) = (Arc::clone(&requests), conflict.clone());
            let cut_off = cut_off.clone();
            async move {
                let answer = requests.answer(request, Some(&conflict), cut_off).await;
                Ok::<_, Infallible>(answer)
            }
        });
        let head = limits.header_bytes.saturating_add(HEAD_SLACK) as usize;
        let mut serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_header_size(head)
            .max_buf_size(BUFFER_BYTES.max(head * 2))
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        let ended = tokio::select! {
            ended = &mut serving => Some(ended),
            () = heard.reached(Phase::Draining) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                Pin::new(&mut serving).graceful_shutdown();
                (&mut serving).await
            }
        };
        // What HTTP itself refuses has been answered by it.
        match ended {
            Err(error) if error.is_parse_too_large() => {
                shared.counts.problems.one(ProblemKind::HeadTooLarge);
            }
            Err(error) if error.is_parse() => shared.counts.problems.one(ProblemKind::Malformed),
            Err(error) if error.is_timeout() => shared.counts.idle.one(),
            // How a connection ends is otherwise its peer's affair.
            Ok(()) | Err(_) => {}
        }
        // Who sends too much, or nonsense, may still be sending.
        let client = serving.into_parts().map(|it| it.io.into_inner());
        if let Some(resumed) = client.and_then(Client::into_inner) {
            linger(&mut resumed.into_connection()).await;
        }
        drop(held);
    }

    async fn two(self, connection: Connection, early: Vec<u8>) {
        let Self {
            requests,
            limits,
            heard,
        } = self;
        let shared = Arc::clone(&requests.shared);
        let activity = Arc::clone(&requests.activity);
        let io = Resumed::new(connection, early, None);
        let io = Client::new(io, CutOff::default(), limits.body_timeout, &shared);
        let requests = Arc::new(requests);
        let service = service_fn(move |request: http::Request<Incoming>| {
            let requests = Arc::clone(&requests);
            // A stream is cut off alone.
            async move {
                let answer = requests.answer(request, None, CutOff::default()).await;
                Ok::<_, Infallible>(answer.map(Pieces::new))
            }
        });
        let head = limits.header_bytes.saturating_add(HEAD_SLACK);
        let streams = Streams {
            patience: limits.body_timeout,
            shared: Arc::clone(&shared),
        };
        let mut builder = http2::Builder::new(streams);
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(MAX_PENDING_RESETS)
            .max_header_list_size(head);
        let mut serving = pin!(builder.serve_connection(TokioIo::new(io), service));
        tokio::select! {
            _ = serving.as_mut() => return,
            () = heard.reached(Phase::Draining) => {}
            () = activity.idle(limits.idle_timeout) => shared.counts.idle.one(),
        }
        serving.as_mut().graceful_shutdown();
        // What is asked before the good-bye is heard is answered, however long that takes. A client that has
        // nothing to ask need not say that it has heard it.
        activity.touch();
        tokio::select! {
            _ = serving => {}
            () = activity.idle(FAREWELL) => {}
        }
    }
}
