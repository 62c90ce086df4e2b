//! A request over HTTP/1.1, on the user's own connection: maybe sent again, where the one that was kept
//! has ended.

use std::cell::Cell;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Version};
use http_body::{Body as _, Frame};
use http_body_util::Full;
use hyper::body::Incoming;

use super::answer::Answer;
use super::connection::Connection;
use super::exchange::Turn;
use super::intercept;
use super::place::Way;
use super::pool::Pool;
use super::prepare::Asking;
use super::reading::{Arriving, End, Reading};
use super::request::Filled;
use super::trouble::Trouble;
use crate::clock::Nanos;
use crate::driver::transport::connect_error::Problem;
use crate::driver::transport::net::Endpoint;
use crate::driver::transport::tls;
use crate::outcome::Failure;
use crate::workload::{Iteration, Receipt};

/// Makes the request; again, on a new connection, where the one that was kept turns out to have ended
/// and nothing can have come of it.
#[inline]
pub(super) async fn answered(
    turn: &mut Turn<'_>,
    request: Filled,
    elsewhere: Option<&Endpoint>,
) -> Result<Answer, Trouble> {
    let Turn {
        asking,
        step,
        pool,
        watch,
        iteration,
        ..
    } = *turn;
    // What is always the same is made again rather than copied for the one time that it is sent again.
    let is_wandering = turn.place.jar.is_some() || pool.prepared.redirects > 0;
    let is_made_again = asking.outgoing.is_constant() && !is_wandering;
    let Way::Own(own) = &mut turn.place.way else {
        return Err(Trouble::connect("no connection of its own".to_owned()));
    };
    let endpoint = elsewhere.unwrap_or(&pool.prepared.endpoints[own.target]);
    let mut spare = (!is_made_again).then(|| request.clone());
    let (mut next, mut is_first) = (request, true);
    loop {
        if let Some(watch) = watch {
            next = intercept::asks(watch, next, endpoint, iteration);
        }
        let mut connection = match elsewhere {
            None => own.take(pool, iteration).await,
            Some(endpoint) => pool
                .open_elsewhere(endpoint, own.target)
                .await
                .map_err(|error| error.to_string()),
        }
        .map_err(Trouble::connect)?;
        iteration.goes_over(connection.id);
        if connection.since > iteration.ready_since() {
            // Connecting is the service's time, not the generator's.
            iteration.ready(connection.since);
        }
        let before = connection.arrivals.bytes();
        let came = Cell::new(None);
        let reading = Reading {
            asking,
            step,
            watch,
            most: pool.prepared.max_message,
            iteration,
            came: &came,
        };
        let trouble = match exchange(reading, next, &mut connection, pool).await {
            Ok((answer, leaves)) => {
                connection.answered += 1;
                if elsewhere.is_none() {
                    own.worked();
                    if leaves == Leaves::Open {
                        // Whether it has ended without a word is seen by whoever uses it next.
                        own.put_back(connection);
                    }
                }
                return Ok(answer);
            }
            Err(trouble) => trouble,
        };
        let nothing_came = connection.arrivals.bytes() == before;
        let may_be_repeated = trouble.is_unsent || asking.outgoing.method.is_idempotent();
        if elsewhere.is_none() && trouble.is_end {
            own.lost(pool, &connection);
        }
        let was_kept = connection.answered > 0;
        if is_first && was_kept && trouble.is_end && nothing_came && may_be_repeated {
            is_first = false;
            iteration.asks_again();
            next = match spare.take() {
                Some(spare) => spare,
                None => asking.outgoing.constant(own.target),
            };
            continue;
        }
        return Err(diagnosed(trouble, &connection, endpoint));
    }
}

/// What it means that the first request on a connection came to nothing.
fn diagnosed(trouble: Trouble, connection: &Connection, endpoint: &Endpoint) -> Trouble {
    if connection.answered > 0 {
        return trouble;
    }
    let problem = match endpoint.is_encrypted() {
        true if trouble.is_end => endpoint.ended_after_handshake(&trouble.detail),
        false if tls::is_spoken(&connection.traffic.first_bytes()) => Some(Problem::TlsExpected),
        _ => None,
    };
    match problem {
        None => trouble,
        Some(problem) => Trouble {
            failure: Failure::Connect,
            detail: endpoint.failed(problem).to_string(),
            ..trouble
        },
    }
}

/// What an answer leaves of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// It can be used again.
    Open,
    /// It is over, and that was said or is our own doing.
    Ended,
}

impl Leaves {
    /// What the head of an answer says (RFC 9112, 9.3), whose body has an end of its own or not.
    fn of(version: Version, headers: &HeaderMap, has_own_end: bool) -> Self {
        let says = |word: &str| {
            let values = headers.get_all(CONNECTION).iter();
            let mut words = values
                .filter_map(|it| it.to_str().ok())
                .flat_map(|it| it.split(','));
            words.any(|it| it.trim().eq_ignore_ascii_case(word))
        };
        let ends =
            !has_own_end || says("close") || (version == Version::HTTP_10 && !says("keep-alive"));
        match ends {
            true => Self::Ended,
            false => Self::Open,
        }
    }
}

/// A request under way. However it ends, the iteration is told when it left and came.
struct UnderWay<'a> {
    connection: &'a mut Connection,
    pool: &'a Pool,
    asking: &'a Asking,
    iteration: &'a Iteration<'a>,
    /// How many bytes had come before.
    before: u64,
    /// Of the body.
    came: &'a Cell<Option<u64>>,
    is_over: bool,
}

impl Drop for UnderWay<'_> {
    #[inline]
    fn drop(&mut self) {
        let traffic = &self.connection.traffic;
        let sent_at = traffic.sent_at();
        if sent_at >= self.iteration.ready_since() {
            self.iteration.sent(sent_at);
        }
        if self.connection.arrivals.bytes() != self.before
            && let Some(receipt) = traffic.received()
        {
            self.iteration.received_within(receipt);
        }
        let (sent, received) = traffic.take();
        self.pool.observer.bytes(sent, received);
        let in_flight = &self.pool.in_flight;
        in_flight.set(in_flight.get() - 1);
        if !self.is_over {
            self.asking.was_cut_off(self.came.get(), self.iteration);
        }
    }
}

/// Sends the request on this connection, and reads its answer. Says what is left of the connection.
#[inline]
async fn exchange(
    reading: Reading<'_>,
    request: Filled,
    connection: &mut Connection,
    pool: &Pool,
) -> Result<(Answer, Leaves), Trouble> {
    let mut sent = Request::new(Full::new(request.body));
    *sent.method_mut() = request.method;
    *sent.uri_mut() = request.uri;
    *sent.headers_mut() = request.headers;
    pool.in_flight.set(pool.in_flight.get() + 1);
    let mut under_way = UnderWay {
        before: connection.arrivals.bytes(),
        connection,
        pool,
        asking: reading.asking,
        iteration: reading.iteration,
        came: reading.came,
        is_over: false,
    };
    let read = read(reading, sent, &mut under_way).await;
    under_way.is_over = true;
    read
}

#[inline]
async fn read(
    reading: Reading<'_>,
    request: Request<Full<Bytes>>,
    under_way: &mut UnderWay<'_>,
) -> Result<(Answer, Leaves), Trouble> {
    under_way.connection.arrivals.await_first();
    let response = under_way.connection.ask(request).await?;
    let (head, body) = response.into_parts();
    let has_own_end =
        head.headers.contains_key(TRANSFER_ENCODING) || body.size_hint().exact().is_some();
    let leaves = Leaves::of(head.version, &head.headers, has_own_end);
    let body = Arrival {
        body,
        connection: under_way.connection,
    };
    let (answer, end) = reading.read((head.status, head.headers), body).await?;
    Ok(match end {
        End::Reached => (answer, leaves),
        End::ByUs => (answer, Leaves::Ended),
    })
}

/// An answer's body, and the connection that it comes on.
struct Arrival<'a> {
    body: Incoming,
    connection: &'a mut Connection,
}

impl Arriving for Arrival<'_> {
    #[inline]
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Trouble>>> {
        self.connection.poll_frame(&mut self.body, cx)
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.body.is_end_stream()
    }

    fn received(&self) -> Option<Receipt> {
        self.connection.traffic.received()
    }

    #[inline]
    fn first_received(&self) -> Option<Receipt> {
        self.connection.arrivals.first()
    }

    #[inline]
    fn sent_at(&self) -> Nanos {
        self.connection.traffic.sent_at()
    }
}
