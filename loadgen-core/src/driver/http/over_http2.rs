//! A request over HTTP/2, on a stream of a connection that the worker's users share.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Request, Uri, Version};

use super::answer::Answer;
use super::exchange::Turn;
use super::intercept;
use super::place::Way;
use super::prepare::Asking;
use super::reading::{Arriving, End, Part, Reading};
use super::request::Filled;
use super::trouble::Trouble;
use crate::clock::Nanos;
use crate::driver::http2::{
    Error, MOST_RESENDS, Place, RELEASE_AFTER_BYTES, RecvStream, SendStream, StreamPermit,
};
use crate::driver::transport::net::Endpoint;
use crate::driver::transport::probe::Rounds;
use crate::outcome::Failure;
use crate::workload::{Iteration, Receipt};

/// Makes the request; again, on another connection, where no server has looked at it.
pub(super) async fn answered(
    turn: &mut Turn<'_>,
    request: &Filled,
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
    let (Way::Shared(own), Some(wanted)) = (&turn.place.way, &pool.prepared.shared) else {
        return Err(Trouble::connect("no connections to share".to_owned()));
    };
    let endpoint = elsewhere.unwrap_or(&pool.prepared.endpoints[own.target]);
    let mut other = None;
    let mut resends = 0;
    loop {
        let shown = match watch {
            None => Cow::Borrowed(request),
            Some(watch) => Cow::Owned(intercept::asks(watch, request.clone(), endpoint, iteration)),
        };
        // What is redirected to another server has a connection there for this one request.
        if let (Some(endpoint), None) = (elsewhere, &other) {
            let there = pool.shared_elsewhere(endpoint, own.target, wanted);
            let opened = there.open(Rounds::one()).await;
            opened.map_err(|error| Trouble::connect(error.message))?;
            iteration.asks_again();
            other = Some(there);
        }
        let there;
        let place = match &other {
            None => own,
            Some(other) => {
                there = other.place_for_next_iteration();
                &there
            }
        };
        let permit = permit(asking, step, place, iteration).await?;
        let came = Cell::new(None);
        let reading = Reading {
            asking,
            step,
            watch,
            most: pool.prepared.max_message,
            iteration,
            came: &came,
        };
        let answer = exchange(reading, &shown, endpoint, &permit).await;
        match answer {
            Err(trouble) if trouble.is_unsent => {
                permit.retire();
                iteration.asks_again();
                resends += 1;
                if resends > MOST_RESENDS {
                    return Err(trouble);
                }
                permit.is_sent_again();
            }
            answer => return answer,
        }
    }
}

/// The right to a stream, maybe after a wait for it.
async fn permit(
    asking: &Asking,
    step: usize,
    place: &Rc<Place>,
    iteration: &Iteration<'_>,
) -> Result<StreamPermit, Trouble> {
    let waiting = Waiting {
        asking,
        place,
        iteration,
    };
    let permit = place.permit(iteration, step).await;
    std::mem::forget(waiting);
    permit.map_err(|failure| Trouble {
        failure,
        ..Trouble::protocol(place.last_problem())
    })
}

/// A wait for a stream. One that is cut off has no other way to say so.
struct Waiting<'a> {
    asking: &'a Asking,
    place: &'a Place,
    iteration: &'a Iteration<'a>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.iteration.explain(Failure::Timeout, || {
            let shown = &self.asking.shown;
            match (self.place.is_connected(), self.place.last_problem()) {
                (true, _) => format!(
                    "{shown}: cut off while waiting for a free stream: as many requests are under way \
                     as the server or `streams_per_connection` allows"
                ),
                (false, problem) if problem.is_empty() => {
                    format!("{shown}: cut off while waiting for a connection")
                }
                (false, problem) => format!(
                    "{shown}: cut off while waiting for a connection; the last attempt to open one: \
                     {problem}"
                ),
            }
        });
    }
}

/// Sends the request on a stream of its own, and reads its answer.
async fn exchange(
    reading: Reading<'_>,
    request: &Filled,
    endpoint: &Endpoint,
    permit: &StreamPermit,
) -> Result<Answer, Trouble> {
    let iteration = reading.iteration;
    let uri = absolute(request, endpoint)?;
    let is_whole = request.body.is_empty();
    let failed = |error: Error| trouble(&error, permit);
    let (response, stream) = permit
        .send_watched(|| head(request, &uri), is_whole)
        .map_err(|error| Trouble {
            is_unsent: true,
            ..failed(error)
        })?;
    let mut under_way = UnderWay {
        stream,
        permit,
        asking: reading.asking,
        iteration,
        came: reading.came,
        is_over: false,
    };
    if !is_whole {
        let sent = under_way.stream.send(request.body.clone(), true);
        sent.map_err(failed)?;
    }
    permit.handed_over(iteration.ready_since());
    let read = async {
        let (head, body) = response.await.map_err(failed)?;
        let identity = reading.asking.identity.header();
        if let Some(identity) = identity.and_then(|name| head.headers.get(name)) {
            iteration.answered_by(identity.as_bytes());
        }
        let body = Arrival {
            length: length(&head.headers),
            body,
            piece: Bytes::new(),
            permit,
            stream: under_way.stream.id(),
            bytes: 0,
            unreleased: 0,
            began: iteration.ready_since(),
        };
        reading.read((head.status, head.headers), body).await
    };
    let read = read.await;
    under_way.is_over = true;
    let (answer, end) = read?;
    match end {
        End::Reached => permit.ended(),
        End::ByUs => permit.expects_no_more(),
    }
    Ok(answer)
}

fn length(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(CONTENT_LENGTH);
    length.and_then(|it| it.to_str().ok()?.parse().ok())
}

/// Where a request goes, as HTTP/2 has it: whom it is for is no header field there.
fn absolute(request: &Filled, endpoint: &Endpoint) -> Result<Uri, Trouble> {
    let host = request
        .headers
        .get(HOST)
        .map_or(b"" as &[u8], HeaderValue::as_bytes);
    let mut parts = request.uri.clone().into_parts();
    parts.scheme = Some(match endpoint.is_encrypted() {
        true => Scheme::HTTPS,
        false => Scheme::HTTP,
    });
    parts.authority = Authority::try_from(host).ok();
    Uri::from_parts(parts).map_err(|_| Trouble::protocol("its address is none".to_owned()))
}

fn head(request: &Filled, uri: &Uri) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method.clone();
    *head.version_mut() = Version::HTTP_2;
    *head.uri_mut() = uri.clone();
    *head.headers_mut() = request.headers.clone();
    head.headers_mut().remove(HOST);
    if !request.body.is_empty() {
        let length = HeaderValue::from(request.body.len());
        head.headers_mut().insert(CONTENT_LENGTH, length);
    }
    head
}

/// What an error on a stream under way means.
#[cold]
fn trouble(error: &Error, permit: &StreamPermit) -> Trouble {
    let failure = error.failure();
    let why = permit
        .why_it_ended()
        .filter(|_| failure == Failure::Connection);
    Trouble {
        failure,
        detail: why.unwrap_or_else(|| error.to_string()),
        is_unsent: error.is_untouched(),
        is_end: failure == Failure::Connection,
    }
}

/// A stream that was opened. However it ends, the iteration is told when it left and came; when it is
/// given up before its end, it is reset.
struct UnderWay<'a> {
    stream: SendStream,
    permit: &'a StreamPermit,
    asking: &'a Asking,
    iteration: &'a Iteration<'a>,
    /// Of the answer's body.
    came: &'a Cell<Option<u64>>,
    is_over: bool,
}

impl Drop for UnderWay<'_> {
    #[inline]
    fn drop(&mut self) {
        let times = self.permit.times(&self.stream);
        if let Some(sent_at) = times.sent_at {
            self.iteration.sent(sent_at);
        }
        if let Some(receipt) = times.received {
            self.iteration.received_within(receipt);
        }
        if self.permit.is_under_way() {
            self.stream.cancel();
        }
        if !self.is_over {
            self.asking.was_cut_off(self.came.get(), self.iteration);
        }
    }
}

/// An answer's body on its stream.
struct Arrival<'a> {
    body: RecvStream,
    /// How long it says it is.
    length: Option<u64>,
    /// What of it came last.
    piece: Bytes,
    permit: &'a StreamPermit,
    /// The stream's number.
    stream: u32,
    /// How many bytes were handed over.
    bytes: u64,
    /// Of those, how many the server does not know of.
    unreleased: usize,
    /// When the request was ready.
    began: Nanos,
}

impl Arriving for Arrival<'_> {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Part, Trouble>>> {
        let permit = self.permit;
        let failed = |error: Error| Some(Err(trouble(&error, permit)));
        Poll::Ready(match ready!(self.body.poll_data(cx)) {
            Some(Ok(piece)) => {
                self.bytes += piece.len() as u64;
                self.unreleased += piece.len();
                if self.unreleased >= RELEASE_AFTER_BYTES
                    && let Err(error) = self.body.release(std::mem::take(&mut self.unreleased))
                {
                    return Poll::Ready(failed(error));
                }
                self.piece = piece;
                Some(Ok(Part::Data))
            }
            Some(Err(error)) => failed(error),
            None => match ready!(self.body.poll_trailers(cx)) {
                Ok(trailers) => trailers.map(|trailers| Ok(Part::Trailers(trailers))),
                Err(error) => failed(error),
            },
        })
    }

    fn data(&self) -> &[u8] {
        &self.piece
    }

    fn is_over(&self) -> bool {
        self.body.is_end_stream()
    }

    fn length(&self) -> Option<u64> {
        self.length
    }

    fn received(&self) -> Option<Receipt> {
        self.permit.tap().received_up_to(self.stream, self.bytes)
    }

    fn first_received(&self) -> Option<Receipt> {
        self.permit.tap().first_received(self.stream)
    }

    /// A server may answer before all of the request has left.
    fn sent_at(&self) -> Nanos {
        let sent_at = self.permit.tap().sent_at(self.stream);
        sent_at.unwrap_or(self.began)
    }
}
