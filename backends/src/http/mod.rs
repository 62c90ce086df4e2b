//! The HTTP backend: a handful of paths to play against, over HTTP/1.1 and HTTP/2.
//!
//! Owns the start and the life of a connection. `service` takes each request to its answer,
//! `paths` is what each path answers, `query` what it is asked for, `upload` a request's body, `events`
//! an answer that comes bit by bit, `body` an answer's form for hyper.
//!
//! | path | methods | answers |
//! |---|---|---|
//! | `/hello`, `/hello?name=you` | GET, HEAD | `{"message":"Hello, world!"}`, or whoever is named |
//! | `/echo` | any | the request's body, with its content type and encoding |
//! | `/compute?rounds=1000` | GET, HEAD | `{"result":"1234","elapsed_us":11}`. The result is a string, because 64 bits do not fit into the numbers of many JSON readers |
//! | `/stream?count=10&interval_us=0&payload_bytes=0` | GET, HEAD | so many server-sent events (these are what holds where something is left out), each with its number from 0 as `id` and `{"sequence":0,"payload":"xxx"}` as `data`; without a payload of 0 bytes |
//! | `/status/404` | any | this status, 200 to 599, and its name; what redirects names `/hello`, or what `?location=` says |
//! | `/health` | GET, HEAD | `ok`, whatever the faults; 503 once the server is about to end |
//!
//! Every answer names the backend in the header [`x-loadgen-backend`](crate::IDENTITY_METADATA), but
//! for those to what is no HTTP or has too long a head: these are hyper's, 400, 414 and 431. Parts of
//! the query that are not known here are ignored. What cannot be answered is answered by 400 and a
//! line that says why; another path by 404 and what there is, another method by 405 and which there
//! are. A body is read to its end before it is answered, wherever it goes; more than 64 MiB of it is
//! answered by 413, a head of more than 16 KiB by 431. A request with both a `Content-Length` and a
//! `Transfer-Encoding`, or with two lengths that differ, is answered by 400 and the end of the
//! connection: two servers in a row might not agree on where it ends.
//!
//! An error on purpose is the status that stands for its code over HTTP (`UNAVAILABLE`: 503,
//! `INTERNAL`: 500), throttling is 429. A server that is about to end says so in every answer over
//! HTTP/1.1 (`connection: close`), and one that shuts down answers what was begun.

mod body;
mod events;
mod paths;
mod query;
mod service;
mod upload;

use std::future::ready;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::serve::connection::{Connection, linger};
use crate::serve::error::ServeError;
use crate::serve::faults::FaultState;
use crate::serve::server::{self, Drain, Protocol, RunningServer, ServerConfig, Setup};
use crate::wire::lengths;

use crate::wire::opening::{self, Opened, Version};
use service::{ConnectionService, Shared};

/// The most a request's head may have, all of its lines together.
const MAX_HEAD_BYTES: u32 = 16 * 1024;

/// Read and written at once at the most over HTTP/1.1.
const MAX_BUFFER_BYTES: usize = 256 * 1024;

/// Room for a burst of large bodies before a client has to wait for the window to open.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Requests that may be under way on one connection over HTTP/2.
const MAX_CONCURRENT_STREAMS: u32 = 1024;

/// Streams that a client may have reset before they were looked at. A load generator whose requests
/// time out resets many at once, and is not attacking.
const MAX_PENDING_RESETS: usize = 16_384;

/// Starts an HTTP backend on threads of its own. When this returns, it listens.
///
/// # Errors
/// [`ServeError`] when the address cannot be had, the TLS files are missing or wrong, the id cannot
/// be sent, or a thread cannot be started.
pub fn start_http(config: ServerConfig) -> Result<RunningServer, ServeError> {
    let setup = Setup::new(config, &[b"h2", b"http/1.1"])?;
    let (identity, faults) = (setup.identity.clone(), setup.faults.clone());
    let leaving = Arc::new(AtomicBool::new(false));
    let make = |tally| {
        let faults = faults.as_ref().map(FaultState::on_worker);
        let leaving = Arc::clone(&leaving);
        Http::new(Shared::new(&identity, faults, tally, leaving))
    };
    let leaves = Arc::clone(&leaving);
    let leave = async move { leaves.store(true, Ordering::Relaxed) };
    server::start(setup, make, leave, ready(()))
}

/// One worker's HTTP server.
struct Http {
    one: http1::Builder,
    two: http2::Builder<TokioExecutor>,
    shared: Arc<Shared>,
}

impl Http {
    fn new(shared: Shared) -> Self {
        let mut one = http1::Builder::new();
        one.half_close(true)
            .max_header_size(MAX_HEAD_BYTES as usize)
            .max_buf_size(MAX_BUFFER_BYTES);
        let mut two = http2::Builder::new(TokioExecutor::new());
        two.max_concurrent_streams(MAX_CONCURRENT_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(MAX_PENDING_RESETS)
            .max_header_list_size(MAX_HEAD_BYTES);
        Self {
            one,
            two,
            shared: Arc::new(shared),
        }
    }
}

impl Protocol for Http {
    async fn serve(&self, mut connection: Connection, mut drain: Drain) {
        let opened = tokio::select! {
            biased;
            () = drain.begun() => None,
            opened = opening::read(&mut connection) => opened,
        };
        match opened {
            None => linger(&mut connection).await,
            Some(Opened { version, early }) => match version {
                Version::One => self.serve_one(connection, early, drain).await,
                Version::Two => self.serve_two(connection, early, drain).await,
            },
        }
    }
}

impl Http {
    async fn serve_one(&self, connection: Connection, early: Vec<u8>, mut drain: Drain) {
        let (lengths, said) = lengths::watch();
        let service = ConnectionService::new(&connection, Arc::clone(&self.shared), Some(said));
        let io = TokioIo::new(opening::Resumed::new(connection, early, Some(lengths)));
        let mut serving = self.one.serve_connection(io, service);
        // How a connection ends is its peer's affair: an error here is theirs, or a cut one.
        let drained = tokio::select! {
            _ = &mut serving => false,
            () = drain.begun() => true,
        };
        if drained {
            Pin::new(&mut serving).graceful_shutdown();
            let _ = (&mut serving).await;
        }
        // Who sends too much, or nonsense, may still be sending.
        linger(&mut serving.into_parts().io.into_inner().into_connection()).await;
    }

    async fn serve_two(&self, connection: Connection, early: Vec<u8>, mut drain: Drain) {
        let service = ConnectionService::new(&connection, Arc::clone(&self.shared), None);
        let io = TokioIo::new(opening::Resumed::new(connection, early, None));
        let mut serving = pin!(self.two.serve_connection(io, service));
        tokio::select! {
            _ = serving.as_mut() => return,
            () = drain.begun() => serving.as_mut().graceful_shutdown(),
        }
        let _ = serving.await;
    }
}
