//! One step: a request, maybe sent again or on to somewhere else, and its answer.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderName, TRANSFER_ENCODING,
};
use http::{HeaderMap, Method, Request, Uri, Version};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;

use super::answer::Answer;
use super::connection::{Connection, Trouble};
use super::events::Events;
use super::intercept;
use super::place::Place;
use super::pool::Pool;
use super::prepare::Asking;
use super::request::Filled;
use crate::clock::Nanos;
use crate::driver::intercept::Watch;
use crate::driver::steps::Reply;
use crate::driver::transport::limit::{Limit, within};
use crate::driver::transport::net::Endpoint;
use crate::driver::transport::tls;
use crate::driver::web::redirect::{self, Address};
use crate::expression::Scope;
use crate::outcome::{Failure, Outcome};
use crate::scenario::StreamEnd;
use crate::workload::{ConnectionEvent, Iteration, SampleKind};

/// The header with which a server names itself.
const IDENTITY: HeaderName = HeaderName::from_static("x-loadgen-backend");

/// What a request is made with, and who sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct With<'a> {
    /// What names stand for in what is sent.
    pub(super) scope: &'a Scope,
    pub(super) watch: Option<&'a Watch>,
}

/// Makes the request, in the time that it may take.
#[inline]
pub(super) async fn run(
    asking: &Asking,
    step: usize,
    place: &mut Place,
    pool: &Rc<Pool>,
    with: With<'_>,
    reply: &mut Option<Reply>,
    iteration: &Iteration<'_>,
) -> Outcome {
    let making = pin!(make(asking, step, place, pool, with, reply, iteration));
    // How far it came is told by what is cut off.
    let outcome = within(asking.timeout, making).await;
    outcome.unwrap_or(Failure::Timeout.into())
}

#[inline]
async fn make(
    asking: &Asking,
    step: usize,
    place: &mut Place,
    pool: &Rc<Pool>,
    with: With<'_>,
    reply: &mut Option<Reply>,
    iteration: &Iteration<'_>,
) -> Outcome {
    iteration.goes_to(place.target);
    let request = match asking.outgoing.filled(place.target, with.scope) {
        Ok(request) => request,
        Err(problem) => {
            iteration.explain(Failure::Expression, || problem.clone());
            return Failure::Expression.into();
        }
    };
    let prepared = &*pool.prepared;
    let made = match prepared.cookies || prepared.redirects > 0 {
        false => {
            let answer = attempts(
                asking,
                step,
                request,
                (None, with.watch),
                place,
                pool,
                iteration,
            )
            .await;
            answer.map(|answer| (answer, 0))
        }
        // Boxed, or every iteration would carry room for it.
        true => {
            Box::pin(wander(
                asking, step, request, with.watch, place, pool, iteration,
            ))
            .await
        }
    };
    match made {
        Ok((answer, followed)) => {
            answer.outcome(asking, followed, prepared.max_message, reply, iteration)
        }
        Err(trouble) => {
            iteration.explain(trouble.failure, || {
                format!("{}: {}", asking.shown, trouble.detail)
            });
            trouble.failure.into()
        }
    }
}

/// Makes the request with the user's cookies, wherever it is redirected to. Says how many redirections
/// were followed.
async fn wander(
    asking: &Asking,
    step: usize,
    mut request: Filled,
    watch: Option<&Watch>,
    place: &mut Place,
    pool: &Rc<Pool>,
    iteration: &Iteration<'_>,
) -> Result<(Answer, u32), Trouble> {
    let prepared = &*pool.prepared;
    let own = &prepared.endpoints[place.target];
    let nowhere = || Trouble::protocol("its address is none".to_owned());
    let path = request.uri.path_and_query().map_or("/", |it| it.as_str());
    let first = Address::of(own, path).ok_or_else(nowhere)?;
    let (mut here, mut elsewhere, mut followed) = (first.clone(), None, 0);
    loop {
        let mut sent = request.clone();
        if let Some(jar) = &place.jar
            && let Some(cookies) =
                jar.borrow()
                    .header(&here, sent.headers.get(COOKIE), SystemTime::now())
        {
            sent.headers.insert(COOKIE, cookies);
        }
        let to = (elsewhere.as_ref(), watch);
        let answer = attempts(asking, step, sent, to, place, pool, iteration).await?;
        if let Some(jar) = &place.jar {
            let now = SystemTime::now();
            jar.borrow_mut().take(&answer.headers, &here, now);
        }
        if !redirect::redirects(answer.status) || followed == prepared.redirects {
            return Ok((answer, followed));
        }
        let status = answer.status.as_u16();
        let leads_nowhere = |to: String| Trouble {
            failure: Failure::Http(status),
            ..Trouble::protocol(format!(
                "the server answered HTTP {status} and redirects to {to}"
            ))
        };
        let there = here.led_to(&answer.headers).map_err(leads_nowhere)?;
        request = led(request, status, &there, &first).ok_or_else(nowhere)?;
        elsewhere = match there.is_same_server(&first) {
            true => None,
            false => {
                let endpoint = prepared.elsewhere.endpoint(&there);
                Some(endpoint.map_err(|problem| Trouble {
                    failure: Failure::Connect,
                    ..Trouble::protocol(problem.to_string())
                })?)
            }
        };
        here = there;
        followed += 1;
        pool.observer
            .connection(place.target, ConnectionEvent::Redirected);
        // What follows is asked for by the server.
        iteration.ready(iteration.now());
    }
}

/// The request as it is sent on from an answer with this status (RFC 9110, 15.4).
fn led(request: Filled, status: u16, to: &Address, first: &Address) -> Option<Filled> {
    let mut head = Request::new(());
    *head.headers_mut() = request.headers;
    let (parts, ()) = to.request(first, &head)?.into_parts();
    let becomes_get = match status {
        303 => request.method != Method::HEAD,
        // As browsers do.
        301 | 302 => request.method == Method::POST,
        _ => false,
    };
    let mut headers = parts.headers;
    if becomes_get {
        headers.remove(CONTENT_TYPE);
    }
    Some(Filled {
        method: match becomes_get {
            true => Method::GET,
            false => request.method,
        },
        uri: Uri::from(parts.uri.path_and_query()?.clone()),
        headers,
        body: match becomes_get {
            true => Bytes::new(),
            false => request.body,
        },
    })
}

/// Makes the request; again, on a new connection, where the one that was kept turns out to have ended
/// and nothing can have come of it.
#[inline]
async fn attempts(
    asking: &Asking,
    step: usize,
    request: Filled,
    (elsewhere, watch): (Option<&Endpoint>, Option<&Watch>),
    place: &mut Place,
    pool: &Rc<Pool>,
    iteration: &Iteration<'_>,
) -> Result<Answer, Trouble> {
    let connect = |failure, detail| Trouble {
        failure,
        ..Trouble::protocol(detail)
    };
    // What is always the same is made again rather than copied for the one time that it is sent again.
    let is_wandering = place.jar.is_some() || pool.prepared.redirects > 0;
    let is_made_again = asking.outgoing.is_constant() && !is_wandering;
    let endpoint = elsewhere.unwrap_or(&pool.prepared.endpoints[place.target]);
    let mut spare = (!is_made_again).then(|| request.clone());
    let (mut next, mut is_first) = (request, true);
    loop {
        if let Some(watch) = watch {
            let to = format!("{}://{}", endpoint.scheme(), endpoint.authority);
            next = intercept::asks(watch, next, to, iteration);
        }
        let opened = match elsewhere {
            None => place.take(pool, iteration).await,
            Some(endpoint) => pool
                .open_elsewhere(endpoint, place.target)
                .await
                .map_err(|error| (Failure::Connect, error.to_string())),
        };
        let mut connection = opened.map_err(|(failure, detail)| connect(failure, detail))?;
        iteration.goes_over(connection.id);
        if connection.since > iteration.ready_since() {
            // Connecting is the service's time, not the generator's.
            iteration.ready(connection.since);
        }
        let before = connection.arrivals.bytes();
        let result = exchange(
            (asking, watch),
            step,
            next,
            &mut connection,
            pool,
            iteration,
        )
        .await;
        let trouble = match result {
            Ok(answer) => {
                connection.answered += 1;
                let (answer, leaves) = answer;
                if elsewhere.is_none() {
                    place.worked();
                    match leaves {
                        Leaves::Ended => {}
                        Leaves::Open if connection.is_open().await => place.put_back(connection),
                        // Without a word. Whether that is seen now or by the next request is chance.
                        Leaves::Open => place.lost(pool, &connection),
                    }
                }
                return Ok(answer);
            }
            Err(trouble) => trouble,
        };
        let nothing_came = connection.arrivals.bytes() == before;
        let may_be_repeated = trouble.is_unsent || asking.outgoing.method.is_idempotent();
        if elsewhere.is_none() && trouble.is_end {
            place.lost(pool, &connection);
        }
        let was_kept = connection.answered > 0;
        if is_first && was_kept && trouble.is_end && nothing_came && may_be_repeated {
            is_first = false;
            iteration.ready(iteration.now());
            next = match spare.take() {
                Some(spare) => spare,
                None => asking.outgoing.constant(place.target),
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
        false if tls::is_spoken(&connection.traffic.first_bytes()) => {
            Some(crate::driver::transport::connect_error::Problem::TlsExpected)
        }
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
    watch: Option<&'a Watch>,
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
            self.iteration.explain(Failure::Timeout, || {
                let shown = &self.asking.shown;
                match self.came.get() {
                    None => format!("{shown}: cut off while waiting for the answer's head"),
                    Some(bytes) => {
                        format!("{shown}: cut off after {bytes} bytes of the answer's body")
                    }
                }
            });
        }
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

/// Sends the request on this connection, and reads its answer. Says what is left of the connection.
#[inline]
async fn exchange(
    (asking, watch): (&Asking, Option<&Watch>),
    step: usize,
    request: Filled,
    connection: &mut Connection,
    pool: &Pool,
    iteration: &Iteration<'_>,
) -> Result<(Answer, Leaves), Trouble> {
    let mut sent = Request::new(Full::new(request.body));
    *sent.method_mut() = request.method;
    *sent.uri_mut() = request.uri;
    *sent.headers_mut() = request.headers;
    let came = Cell::new(None);
    pool.in_flight.set(pool.in_flight.get() + 1);
    let mut under_way = UnderWay {
        before: connection.arrivals.bytes(),
        connection,
        pool,
        asking,
        iteration,
        came: &came,
        watch,
        is_over: false,
    };
    let read = read(asking, step, sent, &mut under_way).await;
    under_way.is_over = true;
    read
}

#[inline]
async fn read(
    asking: &Asking,
    step: usize,
    request: Request<Full<Bytes>>,
    under_way: &mut UnderWay<'_>,
) -> Result<(Answer, Leaves), Trouble> {
    let (iteration, most) = (under_way.iteration, under_way.pool.prepared.max_message);
    let response = under_way.connection.ask(request).await?;
    let (head, mut body) = response.into_parts();
    let has_own_end =
        head.headers.contains_key(TRANSFER_ENCODING) || body.size_hint().exact().is_some();
    let leaves = Leaves::of(head.version, &head.headers, has_own_end);
    if let Some(identity) = head.headers.get(&IDENTITY) {
        iteration.answered_by(identity.as_bytes());
    }
    under_way.came.set(Some(0));
    let mut answer = Answer::new(head.status, head.headers);
    let is_of_events = answer.is_of_events();
    if asking.stream.is_some() && !is_of_events && answer.status.is_success() {
        let kind = answer.headers.get(CONTENT_TYPE);
        let kind = kind.map_or("none".into(), |it| String::from_utf8_lossy(it.as_bytes()));
        return Err(Trouble::protocol(format!(
            "the answer's content type is {kind}, and `stream` ends events (text/event-stream)"
        )));
    }
    if is_of_events {
        if let Some(watch) = under_way.watch {
            intercept::answered(watch, &answer);
        }
        // Boxed, or every iteration would carry room for it.
        return Box::pin(read_events(asking, step, (answer, leaves), body, under_way)).await;
    }
    let length = answer.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    let has_body = !body.is_end_stream();
    if has_body && length.is_some_and(|length| length > u64::from(most)) {
        return Err(too_long(most));
    }
    let room = match under_way.watch {
        Some(_) => most as usize,
        None => answer.room(asking.looks, most),
    };
    while !body.is_end_stream() {
        let frame = poll_fn(|cx| under_way.connection.poll_frame(&mut body, cx)).await;
        let Some(frame) = frame else { break };
        match frame?.into_data() {
            Ok(data) => {
                let bytes = under_way.came.get().unwrap_or(0) + data.len() as u64;
                under_way.came.set(Some(bytes));
                if bytes > u64::from(most) {
                    return Err(too_long(most));
                }
                let kept = data.len().min(room - answer.body.len());
                answer.body.extend_from_slice(&data[..kept]);
            }
            Err(frame) => {
                answer.trailers = frame.into_trailers().ok().filter(|_| asking.looks.trailers);
            }
        }
    }
    if let Some(watch) = under_way.watch {
        intercept::answered(watch, &answer);
    }
    Ok((answer, leaves))
}

fn too_long(most: u32) -> Trouble {
    Trouble::protocol(format!(
        "the answer has more than {most} bytes (`max_message`)"
    ))
}

/// What is known of the events of an answer so far. However it ends, also by being cut off, they are
/// counted.
struct Stream<'a> {
    iteration: &'a Iteration<'a>,
    step: usize,
    events: Events,
    count: u64,
    /// When the last one came, or since when the first is waited for.
    since: Nanos,
    is_known: bool,
}

async fn read_events(
    asking: &Asking,
    step: usize,
    (mut answer, leaves): (Answer, Leaves),
    mut body: Incoming,
    under_way: &mut UnderWay<'_>,
) -> Result<(Answer, Leaves), Trouble> {
    if answer.headers.contains_key(http::header::CONTENT_ENCODING) {
        let problem = "the answer's events are compressed, and then nobody knows when each came; \
                       leave `accept-encoding` out";
        return Err(Trouble::protocol(problem.to_owned()));
    }
    let most = under_way.pool.prepared.max_message;
    let (most_events, limit) = match asking.stream {
        Some(StreamEnd::Messages(count)) => (u64::from(count), None),
        Some(StreamEnd::After(time)) => (u64::MAX, Some(time)),
        None => (u64::MAX, None),
    };
    let mut limit = Limit::new(limit);
    let mut stream = Stream {
        iteration: under_way.iteration,
        step,
        events: Events::default(),
        count: 0,
        since: under_way.connection.traffic.sent_at(),
        is_known: true,
    };
    let result = poll_fn(|cx| {
        loop {
            if stream.count >= most_events {
                return Poll::Ready(Ok(match body.is_end_stream() {
                    true => leaves,
                    false => Leaves::Ended,
                }));
            }
            match under_way.connection.poll_frame(&mut body, cx) {
                Poll::Ready(None) => return Poll::Ready(Ok(leaves)),
                Poll::Ready(Some(Err(trouble))) => return Poll::Ready(Err(trouble)),
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    let bytes = under_way.came.get().unwrap_or(0) + data.len() as u64;
                    under_way.came.set(Some(bytes));
                    if let Err(trouble) =
                        stream.push(&data, most_events, most, &mut answer, asking, under_way)
                    {
                        return Poll::Ready(Err(trouble));
                    }
                }
                Poll::Pending => {
                    return match limit.is_over(cx) {
                        true => Poll::Ready(Ok(Leaves::Ended)),
                        false => Poll::Pending,
                    };
                }
            }
        }
    })
    .await;
    let leaves = result?;
    if most_events != u64::MAX && stream.count < most_events {
        return Err(Trouble {
            failure: Failure::Incomplete,
            ..Trouble::protocol(format!(
                "the server ended the answer after {} events of {most_events}",
                stream.count
            ))
        });
    }
    Ok((answer, leaves))
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.iteration.messages(self.step, 1, self.count);
    }
}

impl Stream<'_> {
    fn push(
        &mut self,
        data: &[u8],
        most_events: u64,
        most: u32,
        answer: &mut Answer,
        asking: &Asking,
        under_way: &UnderWay<'_>,
    ) -> Result<(), Trouble> {
        let receipt = under_way.connection.traffic.received();
        let (iteration, step) = (self.iteration, self.step);
        let (count, since, is_known) = (&mut self.count, &mut self.since, &mut self.is_known);
        let pushed = self.events.push(data, most as usize, |event| {
            *count += 1;
            let kind = match *count {
                1 => SampleKind::FirstMessage,
                _ => SampleKind::MessageGap,
            };
            // Where no stamps are to be had, the clock says when it was seen.
            let at = receipt.map_or_else(|| iteration.now(), |it| it.at);
            if *is_known {
                let took = at.saturating_sub(*since);
                iteration.sample_nanos(step, kind, took);
                if let Some(receipt) = receipt {
                    iteration.message_received(step, receipt, took);
                }
            }
            (*since, *is_known) = (at, true);
            if let Some(watch) = under_way.watch {
                intercept::event(watch, event);
            }
            if asking.looks.reply {
                answer.body.clear();
                answer.body.extend_from_slice(event);
            }
            *count < most_events
        });
        pushed.map_err(|_| {
            Trouble::protocol(format!(
                "an event has more than {most} bytes (`max_message`)"
            ))
        })
    }
}
