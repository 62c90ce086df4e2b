//! A request over HTTP/1.1, on the user's own connection: maybe sent again, where the one that was kept
//! has ended.

use std::cell::Cell;
use std::task::{Context, Poll};

use http::{HeaderName, Method};

use super::answer::Answer;
use super::connection::Connection;
use super::exchange::{Sent, Turn};
use super::http1::{Asked, Body, Extent};
use super::intercept;
use super::place::Way;
use super::pool::Pool;
use super::prepare::Asking;
use super::reading::{Arriving, End, Part, Reading};
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
    request: Sent<'_>,
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
    let prepared = &*pool.prepared;
    let asked = Asked {
        is_for_head: asking.outgoing.method == Method::HEAD,
        wants_fields: watch.is_some()
            || asking.looks.reply
            || asking.looks.metadata
            || asking.stream.is_some()
            || prepared.cookies
            || prepared.redirects > 0,
        identity: asking.identity.header().map(HeaderName::as_str),
    };
    let Way::Own(own) = &mut turn.place.way else {
        return Err(Trouble::connect("no connection of its own".to_owned()));
    };
    let endpoint = elsewhere.unwrap_or(&prepared.endpoints[own.target]);
    let mut is_first = true;
    loop {
        let shown = match (watch, request) {
            (Some(watch), Sent::Now(request)) => {
                Some(intercept::asks(watch, request.clone(), endpoint, iteration))
            }
            _ => None,
        };
        let request = shown.as_ref().map_or(request, Sent::Now);
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
        let before = connection.came();
        let came = Cell::new(None);
        let reading = Reading {
            asking,
            step,
            watch,
            most: prepared.max_message,
            iteration,
            came: &came,
        };
        let trouble = match exchange(reading, request, asked, &mut connection, pool).await {
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
        let nothing_came = connection.came() == before;
        if elsewhere.is_none() && trouble.is_end {
            own.lost(pool, &connection);
        }
        let was_kept = connection.answered > 0;
        let may_be_repeated = asking.outgoing.method.is_idempotent();
        if is_first && was_kept && trouble.is_end && nothing_came && may_be_repeated {
            is_first = false;
            iteration.asks_again();
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
        if self.connection.came() != self.before
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
    request: Sent<'_>,
    asked: Asked<'_>,
    connection: &mut Connection,
    pool: &Pool,
) -> Result<(Answer, Leaves), Trouble> {
    pool.in_flight.set(pool.in_flight.get() + 1);
    let mut under_way = UnderWay {
        before: connection.came(),
        connection,
        pool,
        asking: reading.asking,
        iteration: reading.iteration,
        came: reading.came,
        is_over: false,
    };
    let read = read(reading, request, asked, under_way.connection).await;
    under_way.is_over = true;
    read
}

#[inline]
async fn read(
    reading: Reading<'_>,
    request: Sent<'_>,
    asked: Asked<'_>,
    connection: &mut Connection,
) -> Result<(Answer, Leaves), Trouble> {
    let head = connection.ask(request, asked).await?;
    if let Some(identity) = connection.identity(&head) {
        reading.iteration.answered_by(identity);
    }
    let length = match head.extent {
        Extent::Bytes(length) => Some(length),
        _ => None,
    };
    let arrival = Arrival {
        body: Body::new(head.extent)?,
        length,
        connection: &mut *connection,
    };
    let (answer, end) = reading.read((head.status, head.fields), arrival).await?;
    // What is left of a request that was answered before all of it was sent is not sent any more, and nothing
    // can be sent amid it.
    Ok(match end {
        End::Reached if head.is_kept && connection.is_sent() => {
            connection.forget_request();
            (answer, Leaves::Open)
        }
        _ => (answer, Leaves::Ended),
    })
}

/// An answer's body, and the connection that it comes on.
struct Arrival<'a> {
    body: Body,
    length: Option<u64>,
    connection: &'a mut Connection,
}

impl Arriving for Arrival<'_> {
    #[inline]
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Part, Trouble>>> {
        self.connection.poll_part(&mut self.body, cx)
    }

    #[inline]
    fn data(&self) -> &[u8] {
        self.connection.data()
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.body.is_over()
    }

    #[inline]
    fn length(&self) -> Option<u64> {
        self.length
    }

    fn received(&self) -> Option<Receipt> {
        self.connection.traffic.received()
    }

    #[inline]
    fn first_received(&self) -> Option<Receipt> {
        self.connection.first_received()
    }

    #[inline]
    fn sent_at(&self) -> Nanos {
        self.connection.traffic.sent_at()
    }
}
