//! One step: a request, maybe on to somewhere else, and what its answer comes to.

use std::pin::pin;
use std::rc::Rc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE};
use http::{Method, Request, Uri};

use super::answer::Answer;
use super::http1::Written;
use super::place::{Place, Way};
use super::pool::Pool;
use super::prepare::Asking;
use super::request::Filled;
use super::trouble::Trouble;
use super::{over_http1, over_http2};
use crate::driver::intercept::Watch;
use crate::driver::steps::Reply;
use crate::driver::transport::limit::within;
use crate::driver::transport::net::Endpoint;
use crate::driver::web::redirect::{self, Address};
use crate::expression::Scope;
use crate::outcome::{Failure, Outcome};
use crate::workload::{ConnectionEvent, Iteration};

/// What a request is made with, and who sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct With<'a> {
    /// What names stand for in what is sent.
    pub(super) scope: &'a Scope,
    pub(super) watch: Option<&'a Watch>,
}

/// What is sent: written ahead, where it is always the same, or as it is at the moment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sent<'a> {
    Always(&'a Written),
    Now(&'a Filled),
}

/// A step under way: what it asks for, whose it is, and who is told.
pub(super) struct Turn<'a> {
    pub(super) asking: &'a Asking,
    /// Its number.
    pub(super) step: usize,
    pub(super) place: &'a mut Place,
    pub(super) pool: &'a Rc<Pool>,
    pub(super) watch: Option<&'a Watch>,
    pub(super) iteration: &'a Iteration<'a>,
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
    let turn = Turn {
        asking,
        step,
        place,
        pool,
        watch: with.watch,
        iteration,
    };
    let making = pin!(make(turn, with.scope, reply));
    // How far it came is told by what is cut off.
    let outcome = within(asking.timeout, making).await;
    outcome.unwrap_or(Failure::Timeout.into())
}

#[inline]
async fn make(mut turn: Turn<'_>, scope: &Scope, reply: &mut Option<Reply>) -> Outcome {
    let (asking, iteration) = (turn.asking, turn.iteration);
    let target = turn.place.target();
    iteration.goes_to(target);
    let prepared = &*turn.pool.prepared;
    let wanders = prepared.cookies || prepared.redirects > 0;
    let always = match turn.place.way {
        Way::Own(_) if !wanders && turn.watch.is_none() => asking.outgoing.written(target),
        _ => None,
    };
    let filled;
    let sent = match always {
        Some(written) => Sent::Always(written),
        None => match asking.outgoing.filled(target, scope) {
            Ok(request) => {
                filled = request;
                Sent::Now(&filled)
            }
            Err(problem) => {
                iteration.explain(Failure::Expression, || problem.clone());
                return Failure::Expression.into();
            }
        },
    };
    let made = match sent {
        // Boxed, or every iteration would carry room for it.
        Sent::Now(request) if wanders => Box::pin(wander(&mut turn, request)).await,
        sent => {
            let answer = answered(&mut turn, sent, None).await;
            answer.map(|answer| (answer, 0))
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

/// Makes the request in the scenario's version of HTTP, of the user's target or elsewhere.
#[inline]
async fn answered(
    turn: &mut Turn<'_>,
    request: Sent<'_>,
    elsewhere: Option<&Endpoint>,
) -> Result<Answer, Trouble> {
    match (&turn.place.way, request) {
        (Way::Shared(_), Sent::Now(request)) => {
            over_http2::answered(turn, request, elsewhere).await
        }
        (_, request) => over_http1::answered(turn, request, elsewhere).await,
    }
}

/// Makes the request with the user's cookies, wherever it is redirected to. Says how many redirections
/// were followed.
async fn wander(turn: &mut Turn<'_>, request: &Filled) -> Result<(Answer, u32), Trouble> {
    let (pool, iteration) = (turn.pool, turn.iteration);
    let prepared = &*pool.prepared;
    let target = turn.place.target();
    let own = &prepared.endpoints[target];
    let nowhere = || Trouble::protocol("its address is none".to_owned());
    let path = request.uri.path_and_query().map_or("/", |it| it.as_str());
    let first = Address::of(own, path).ok_or_else(nowhere)?;
    let (mut here, mut elsewhere, mut followed) = (first.clone(), None, 0);
    let mut request = request.clone();
    loop {
        let mut sent = request.clone();
        if let Some(jar) = &turn.place.jar
            && let Some(cookies) =
                jar.borrow()
                    .header(&here, sent.headers.get(COOKIE), SystemTime::now())
        {
            sent.headers.insert(COOKIE, cookies);
        }
        let answer = answered(turn, Sent::Now(&sent), elsewhere.as_ref()).await?;
        if let Some(jar) = &turn.place.jar {
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
            .connection(target, ConnectionEvent::Redirected);
        // What follows is asked for by the server.
        iteration.asks_again();
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
