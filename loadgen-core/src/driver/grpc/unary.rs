//! A unary call, straight on HTTP/2.
//!
//! This is the hot path: what it costs is what a request costs. It allocates nothing of its own,
//! sends the message's END_STREAM with the message, and looks at an answer's framing and status
//! without decoding it; what else is looked at is for whoever is told of its parts. Other calls go through
//! `stream`.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Uri, Version};

use super::call::Target;
use super::details::Details;
use super::framing::{Framing, Keep, Nobody};
use super::refusal::{self, Refusal};
use super::retry::{Attempt, Lost};
use super::status::{self, Says};
use super::waiting::{Stage, Waiting};
use crate::driver::header_fields::Fields;
use crate::driver::http2::{
    Call, Constant, Error, Head, Incoming as _, MOST_RESENDS, Place, RELEASE_AFTER_BYTES,
    StreamPermit,
};
use crate::outcome::Failure;
use crate::scenario::Compression;
use crate::workload::Iteration;

/// What is known of a call before it is made.
#[derive(Debug)]
pub(super) struct UnaryCall {
    /// Which one of the scenario's it is.
    pub(super) number: usize,
    /// Those of its headers that are the same each time.
    pub(super) headers: Arc<Fields>,
    /// The field of an answer's head that says whose it is, where it is one.
    pub(super) identity: Option<HeaderName>,
    /// How its message is compressed.
    pub(super) compression: Option<Compression>,
    /// The longest message taken.
    pub(super) max_message: u32,
    /// What is known of what a failed status says.
    pub(super) details: Arc<Details>,
}

/// What is sent, as it is at the moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub(super) headers: &'a Fields,
    /// The message, its prefix in front.
    pub(super) framed: &'a Bytes,
}

/// Who is told of the parts of an answer, its message included.
pub(super) trait Witness: Keep {
    /// This came before the message.
    fn head(&mut self, headers: &HeaderMap);
    /// This came last, with the status.
    fn last(&mut self, headers: &HeaderMap);
}

impl Witness for Nobody {
    #[inline]
    fn head(&mut self, _: &HeaderMap) {}

    #[inline]
    fn last(&mut self, _: &HeaderMap) {}
}

/// How an attempt ended that did not succeed.
pub(super) enum Ended {
    /// With this failure, which is the attempt's.
    Failed(Lost),
    /// No server has looked at it: the call may be tried again.
    Untouched(Error),
}

impl From<Lost> for Ended {
    fn from(lost: Lost) -> Self {
        Self::Failed(lost)
    }
}

/// Makes an attempt. `step` is told with which attempt at the call it is.
pub(super) async fn attempt(
    what: (&UnaryCall, Outgoing<'_>),
    targets: &[Target],
    place: &Rc<Place>,
    step: (usize, Attempt),
    iteration: &Iteration<'_>,
    witness: &mut impl Witness,
) -> Result<(), Lost> {
    let uri = &targets[place.target].uri;
    let waiting = Waiting::new(uri, "", place, iteration);
    let under = (iteration, &waiting.stage);
    let result = until_seen(what, uri, place, step, under, witness).await;
    waiting.over();
    result
}

/// Sends the request until a server has looked at it.
async fn until_seen(
    (call, outgoing): (&UnaryCall, Outgoing<'_>),
    uri: &Uri,
    place: &Rc<Place>,
    (step, nth): (usize, Attempt),
    (iteration, stage): (&Iteration<'_>, &Cell<Stage>),
    witness: &mut impl Witness,
) -> Result<(), Lost> {
    let mut resends = 0;
    loop {
        stage.set(Stage::StreamPermit {
            is_connected: place.is_connected(),
        });
        let permit = match place.permit(iteration, step).await {
            Ok(permit) => permit,
            Err(failure) => return Err(Lost::unanswered(failure)),
        };
        let request = || {
            let mut headers = outgoing.headers.now();
            nth.put(&mut headers, || iteration.now());
            request(uri, headers)
        };
        // A connection goes to one target, so that the call's number says all of the head.
        let constant = (nth.previous == 0).then(|| Constant {
            number: call.number,
            version: outgoing.headers.version(),
        });
        let under = (iteration, stage);
        let request = (constant, request, outgoing.framed);
        match exchange(call, request, &permit, under, witness).await {
            Ok(()) => return Ok(()),
            Err(Ended::Failed(lost)) => return Err(lost),
            Err(Ended::Untouched(error)) => {
                permit.retire();
                iteration.asks_again();
                resends += 1;
                if resends > MOST_RESENDS {
                    iteration.explain(Failure::Connection, || error.to_string());
                    return Err(Lost::unanswered(Failure::Connection));
                }
                permit.is_sent_again();
            }
        }
    }
}

async fn exchange(
    call: &UnaryCall,
    (constant, request, framed): (Option<Constant>, impl Fn() -> Request<()>, &Bytes),
    permit: &StreamPermit,
    (iteration, stage): (&Iteration<'_>, &Cell<Stage>),
    witness: &mut impl Witness,
) -> Result<(), Ended> {
    let made = permit.call(constant, request).map_err(Ended::Untouched)?;
    let mut under_way = UnderWay {
        call: made,
        permit,
        iteration,
        stage,
    };
    stage.set(Stage::Sending);
    let sent = under_way.call.send(framed);
    let failed = |error: Error| http2_failure(error, permit, iteration, stage);
    sent.map_err(failed)?;
    permit.handed_over(iteration.ready_since());

    let answer = &mut under_way.call;
    let head = poll_fn(|cx| answer.poll_head(cx)).await.map_err(failed)?;
    let headers = head.fields();
    stage.set(Stage::Rest { messages: 0 });
    witness.head(headers);
    let identity = call.identity.as_ref();
    if let Some(identity) = identity.and_then(|name| headers.get(name)) {
        iteration.answered_by(identity.as_bytes());
    }
    let begins = status::says(&head) == Says::Begins;
    if !begins && let Err(failure) = status::check_head(head.status(), headers) {
        // Boxed, or every call would carry room for it.
        let looking = refusal::of(failure, (head.status(), headers), answer);
        let Refusal { failure, detail } = Box::pin(looking).await;
        let detail = detail + &call.details.shown(headers);
        if answer.is_at_end() {
            permit.ended();
        }
        iteration.explain(failure, || detail.clone());
        return Err(Lost::refused(failure, headers).into());
    }
    // Trailers without a body come as the head.
    if !begins && let Some(Err(failure)) = status::check(headers) {
        witness.last(headers);
        if answer.is_at_end() {
            permit.ended();
        }
        iteration.explain(failure, || call.details.explain(headers));
        return Err(Lost::refused(failure, headers).into());
    }

    let mut framing = Framing::up_to(call.max_message);
    let trailers = read(answer, &mut framing, headers, witness).await;
    let trailers = trailers.map_err(failed)?;
    if let Some(problem) = framing.problem() {
        iteration.explain(Failure::Protocol, || problem.to_string());
        return Err(Lost::committed(Failure::Protocol).into());
    }
    permit.ended();
    let last = trailers.as_ref().map_or(headers, Head::fields);
    witness.last(last);
    if trailers.as_ref().map(status::says) != Some(Says::EndsWell) {
        status::check(last)
            .unwrap_or(Err(Failure::Protocol))
            .inspect_err(|&failure| iteration.explain(failure, || call.details.explain(last)))
            .map_err(Lost::committed)?;
    }
    if framing.messages() != 1 || !framing.is_between_messages() {
        iteration.explain(Failure::Protocol, || explain_framing(&framing));
        return Err(Lost::committed(Failure::Protocol).into());
    }
    Ok(())
}

#[inline]
fn request(uri: &Uri, headers: HeaderMap) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = headers;
    request
}

/// What an error on a stream under way means.
fn http2_failure(
    error: Error,
    permit: &StreamPermit,
    iteration: &Iteration<'_>,
    stage: &Cell<Stage>,
) -> Ended {
    if error.is_untouched() {
        return Ended::Untouched(error);
    }
    let failure = error.failure();
    iteration.explain(failure, || {
        let why = permit
            .why_it_ended()
            .filter(|_| failure == Failure::Connection);
        why.unwrap_or_else(|| error.to_string())
    });
    Ended::Failed(match stage.get() {
        Stage::Rest { .. } => Lost::committed(failure),
        _ => Lost::unanswered(failure),
    })
}

/// Reads an answer to its end, or to where its messages cannot be followed, without looking into them.
async fn read(
    call: &mut Call,
    framing: &mut Framing,
    head: &HeaderMap,
    witness: &mut impl Witness,
) -> Result<Option<Head>, Error> {
    let mut unreleased = 0;
    poll_fn(|cx| {
        loop {
            // After the one message that is due the trailers are next, and asking for them first
            // saves asking for data that is not there. Both asked, either wakes us.
            if framing.messages() == 1
                && framing.is_between_messages()
                && let Poll::Ready(trailers) = call.poll_trailers(cx)
            {
                return Poll::Ready(trailers);
            }
            match call.poll_data(cx, |piece| framing.push(piece, head, witness)) {
                Poll::Ready(Some(Ok(len))) => {
                    if framing.problem().is_some() {
                        return Poll::Ready(Ok(None));
                    }
                    unreleased += len;
                    if unreleased >= RELEASE_AFTER_BYTES {
                        call.release(unreleased)?;
                        unreleased = 0;
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => return call.poll_trailers(cx),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

fn explain_framing(framing: &Framing) -> String {
    if framing.is_between_messages() {
        format!(
            "the answer to a unary call has {} messages instead of 1",
            framing.messages()
        )
    } else {
        "the answer ends in the middle of a message".to_owned()
    }
}

/// A stream that was opened. However it ends, the iteration is told when it left and came; when it
/// is given up before its end, it is reset.
struct UnderWay<'a> {
    call: Call,
    permit: &'a StreamPermit,
    iteration: &'a Iteration<'a>,
    stage: &'a Cell<Stage>,
}

impl Drop for UnderWay<'_> {
    #[inline]
    fn drop(&mut self) {
        let times = self.permit.times_of(&self.call);
        if let Some(sent_at) = times.sent_at {
            self.iteration.sent(sent_at);
            if self.stage.get() == Stage::Sending {
                self.stage.set(Stage::Answer);
            }
        }
        if let Some(receipt) = times.received {
            self.iteration.received_within(receipt);
        }
        if self.permit.is_under_way() {
            self.call.cancel();
        }
    }
}
