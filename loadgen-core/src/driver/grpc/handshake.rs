//! Opening one HTTP/2 connection, up to the point where requests may go out.
//!
//! Owns HTTP/2's settings and the wait for the server's. Does not keep connections.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::time::Instant;

use super::status;
use super::tap::Tap;
use crate::clock::StampClock;
use crate::driver::transport::connect_error::{
    ConnectError, Problem, Stage, guess_from_first_bytes,
};
use crate::driver::transport::inspected::Inspected;
use crate::driver::transport::net::{Addresses, Endpoint};
use crate::driver::transport::tls::HTTP2;
use crate::driver::transport::traffic::Traffic;

/// What a server may send on one stream before we have read it. Fixed: windows that adapt grow
/// with the latency they cause.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// The same for all streams of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// Streams whose time was up are remembered this long and up to this many, because a server that
/// answers late must not be taken for one that breaks the protocol.
const REMEMBER_RESET_STREAMS: usize = 1 << 16;
const REMEMBER_RESET_STREAMS_FOR: Duration = Duration::from_secs(60);
/// Many small messages on one connection are what a load test is about, not an attack.
const SMALL_FRAMES_BUDGET_BYTES: usize = 256 << 20;

/// An open connection. Its `connection` must be polled for anything to happen on it.
pub(super) struct Opened {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) connection: Connection<Inspected<Tap>, Bytes>,
    pub(super) traffic: Rc<Traffic>,
    pub(super) tap: Rc<Tap>,
    /// To ask whether it is alive.
    pub(super) pings: PingPong,
}

fn said_good_bye(sender: &mut SendRequest<Bytes>) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    matches!(sender.poll_ready(&mut cx), Poll::Ready(Err(error)) if status::is_untouched(&error))
}

/// Resolves, connects, encrypts, shakes hands, and waits for the server's settings, all within
/// `limit`. `resolving` and `nth` are those of [`Endpoint::connect`].
pub(super) async fn open(
    endpoint: &Endpoint,
    resolving: impl Future<Output = Result<Addresses, Problem>>,
    nth: usize,
    limit: Duration,
    stamps: &Rc<StampClock>,
) -> Result<Opened, ConnectError> {
    let stage = Cell::new(Stage::Resolving);
    let traffic = Rc::new(Traffic::new(stamps));
    let opening = open_unbounded(
        endpoint,
        resolving,
        nth,
        Instant::now() + limit,
        &stage,
        &traffic,
    );
    tokio::time::timeout(limit, opening)
        .await
        .unwrap_or_else(|_| {
            let stage = stage.get();
            Err(Problem::TimedOut { stage, limit })
        })
        .map_err(|problem| endpoint.failed(problem))
}

async fn open_unbounded(
    endpoint: &Endpoint,
    resolving: impl Future<Output = Result<Addresses, Problem>>,
    nth: usize,
    deadline: Instant,
    stage: &Cell<Stage>,
    traffic: &Rc<Traffic>,
) -> Result<Opened, Problem> {
    let transport = endpoint
        .connect(resolving, nth, deadline, stage, traffic)
        .await?;
    if endpoint.needs_alpn() && transport.alpn() != Some(b"h2") {
        return Err(Problem::NoAlpn(HTTP2.needed));
    }
    stage.set(Stage::Http2Setup);
    let tap = Tap::new(traffic);
    let transport = Inspected::new(transport, &tap);
    let explain = |reason: &dyn fmt::Display| {
        let guess = if endpoint.is_encrypted() {
            endpoint.ended_after_handshake(&reason.to_string())
        } else {
            guess_from_first_bytes(&traffic.first_bytes())
        };
        guess.unwrap_or_else(|| Problem::Http2(reason.to_string()))
    };
    let (mut sender, mut connection) = Builder::new()
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(status::MOST_HEAD_BYTES)
        .max_concurrent_reset_streams(REMEMBER_RESET_STREAMS)
        .reset_stream_duration(REMEMBER_RESET_STREAMS_FOR)
        .max_local_error_reset_streams(None)
        .data_frame_budget(SMALL_FRAMES_BUDGET_BYTES)
        .enable_push(false)
        .handshake::<_, Bytes>(transport)
        .await
        .map_err(|error| explain(&status::in_words(&error)))?;

    // The server's settings come before anything else it sends, so once it has answered a ping
    // they are here, its limit of concurrent streams among them.
    let mut pings = connection
        .ping_pong()
        .ok_or_else(|| Problem::Http2("no ping to be had".to_owned()))?;
    pings
        .send_ping(Ping::opaque())
        .map_err(|error| explain(&status::in_words(&error)))?;
    // An error of `None` is an end in good order: before it was of use, that is a failure too.
    let answered = poll_fn(|cx| {
        // The answer first: a server may answer and leave in the same breath.
        if let Poll::Ready(pong) = pings.poll_pong(cx) {
            return Poll::Ready(pong.map(drop).map_err(Some));
        }
        if let Poll::Ready(end) = Pin::new(&mut connection).poll(cx) {
            return Poll::Ready(Err(end.err()));
        }
        pings.poll_pong(cx).map(|pong| pong.map(drop).map_err(Some))
    });
    answered.await.map_err(|error| match error {
        _ if said_good_bye(&mut sender) => Problem::GoodBye,
        Some(error) => explain(&status::in_words(&error)),
        None => explain(&"the server closed the connection"),
    })?;
    Ok(Opened {
        sender,
        connection,
        traffic: Rc::clone(traffic),
        tap,
        pings,
    })
}
