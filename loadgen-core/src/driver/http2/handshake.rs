//! Opening one HTTP/2 connection, up to the point where requests may go out.
//!
//! Owns the wait for the server's settings, and what it means where they do not come. Does not keep
//! connections.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::codec::{self, Mover, Pings, Sender};
use super::problem::{ConnectError, Problem, Stage, guess_from_first_bytes};
use super::tap::Tap;
use crate::clock::StampClock;
use crate::driver::transport::connect_error::{self, Stage as Way};
use crate::driver::transport::net::{Addresses, Endpoint};
use crate::driver::transport::opening::in_time;
use crate::driver::transport::traffic::Traffic;
use crate::scenario::Codec;

/// An open connection. Its `connection` must be polled for anything to happen on it.
pub(crate) struct Opened {
    pub(crate) sender: Sender,
    pub(crate) connection: Mover,
    pub(super) traffic: Rc<Traffic>,
    pub(crate) tap: Rc<Tap>,
    /// To ask whether it is alive.
    pub(super) pings: Pings,
}

/// Opens one that the library speaks on. Resolves, connects, encrypts, shakes hands, and waits for the server's
/// settings, all within `limit`. `resolving` and `nth` are those of [`Endpoint::connect`].
pub(crate) async fn open(
    endpoint: &Endpoint,
    resolving: impl Future<Output = Result<Addresses, connect_error::Problem>>,
    nth: usize,
    limit: Duration,
    stamps: &Rc<StampClock>,
) -> Result<Opened, ConnectError> {
    let stage = Cell::new(Stage::from(Way::Resolving));
    let traffic = Rc::new(Traffic::new(stamps));
    let opening = open_by(
        endpoint,
        resolving,
        nth,
        Instant::now() + limit,
        &stage,
        (&traffic, Codec::H2),
    );
    let opened = in_time(limit, &stage, opening).await;
    opened.map_err(|problem| endpoint.failed(problem))
}

/// The same for any codec, with `deadline`, `stage` and `traffic` of [`Endpoint::connect`], and whoever says how
/// far it came.
pub(super) async fn open_by(
    endpoint: &Endpoint,
    resolving: impl Future<Output = Result<Addresses, connect_error::Problem>>,
    nth: usize,
    deadline: Instant,
    stage: &Cell<Stage>,
    (traffic, codec): (&Rc<Traffic>, Codec),
) -> Result<Opened, Problem> {
    let transport = endpoint
        .connect(resolving, nth, deadline, stage, traffic)
        .await?;
    if let Some(alpn) = endpoint.alpn()
        && transport.alpn() != Some(alpn.name)
    {
        return Err(connect_error::Problem::NoAlpn(alpn.needed).into());
    }
    stage.set(Stage::Setup);
    let tap = Tap::new(traffic);
    let explain = |reason: String| {
        let guess = if endpoint.is_encrypted() {
            let problem = endpoint.ended_after_handshake(&reason);
            problem.map(Problem::from)
        } else {
            guess_from_first_bytes(&traffic.first_bytes())
        };
        guess.unwrap_or(Problem::Setup(reason))
    };
    let shaken = codec::handshake(codec, transport, traffic, &tap, endpoint.told_address()).await;
    let (mut sender, mut connection, pings) = shaken.map_err(|error| explain(error.to_string()))?;

    // The server's settings come before anything else it sends, so once it has answered a ping
    // they are here, its limit of concurrent streams among them.
    let mut pings = pings.ok_or_else(|| Problem::Setup("no ping to be had".to_owned()))?;
    pings.send().map_err(|error| explain(error.to_string()))?;
    // An error of `None` is an end in good order: before it was of use, that is a failure too.
    let answered = poll_fn(|cx| {
        // The answer first: a server may answer and leave in the same breath.
        if let Poll::Ready(answer) = pings.poll_answer(cx) {
            return Poll::Ready(answer.map_err(Some));
        }
        if let Poll::Ready(end) = Pin::new(&mut connection).poll(cx) {
            return Poll::Ready(Err(end.err()));
        }
        pings.poll_answer(cx).map_err(Some)
    });
    answered.await.map_err(|error| match error {
        _ if sender.farewell().is_some_and(|it| it.is_untouched()) => Problem::GoodBye,
        Some(error) => explain(error.to_string()),
        None => explain("the server closed the connection".to_owned()),
    })?;
    Ok(Opened {
        sender,
        connection,
        traffic: Rc::clone(traffic),
        tap,
        pings,
    })
}
