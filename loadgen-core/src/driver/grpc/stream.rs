//! The calls that are not a plain unary one: streams, and calls whose replies are looked at.
//!
//! Owns what is measured on a stream: the first message, the gaps, the round trips, the counts. Which
//! message a reply belongs to is `outgoing`'s to know.
//! The stream itself is tonic's client's, over [`StreamService`].

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::task::coop::unconstrained;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Streaming};

use super::call::{Messages, Outbound, Reply, Shape, StreamCall, Target, id_of, metadata};
use super::calls::CallsOn;
use super::codec::Bytewise;
use super::filled::{self, Kept};
use super::health;
use super::outgoing::{Handed, Outgoing, SendLog};
use super::own::UserConnection;
use super::reply;
use super::retry::{Attempt, Lost};
use super::service::{Passage, StreamError, StreamService, Taking};
use super::waiting::{Stage, Waiting};
use crate::clock::{Nanos, nanos};
use crate::driver::http2::{MOST_RESENDS, Place, StreamPermit};
use crate::driver::steps::{After, Session};
use crate::driver::transport::pace::Pace;
use crate::driver::transport::round_trip::RoundTrip;
use crate::expression::{ExpressionError, Scope};
use crate::outcome::{Failure, Outcome};
use crate::scenario::GrpcStreamEnd;
use crate::units::format_duration;
use crate::units::human::counted;
use crate::workload::{Iteration, MessageFault, OpenStream, Receipt, SampleKind};

/// Makes the call.
pub(super) async fn run(
    call: &StreamCall,
    targets: &[Target],
    calls: &CallsOn<'_>,
    step: usize,
    session: &mut Session<UserConnection>,
    iteration: &Iteration<'_>,
) -> Outcome {
    let each = session.each.take();
    let sent = match Sent::of(call, session.scope(), each) {
        Ok(sent) => sent,
        Err(error) => return filled::came_to_nothing(&error, iteration),
    };
    let mut kept = Kept::of(call.answer.looks);
    let attempt = async |place: &Rc<Place>, nth, begins: &dyn Fn()| {
        let origin = &targets[place.target].origin;
        let waiting = Waiting::new(origin, call.path.as_str(), place, iteration);
        let under = (step, iteration, &waiting.stage, begins);
        let sent = (&sent, nth);
        let result = until_seen(call, sent, origin, place, under, &mut kept).await;
        waiting.over();
        result
    };
    let outcome = calls.make(iteration, attempt).await;
    call.answer.hand_over(kept, outcome, session, iteration)
}

/// What of a call is made for one iteration.
struct Sent {
    metadata: MetadataMap,
    messages: Messages,
    scope: Scope,
    /// What must hold of each reply.
    each: Option<Arc<After>>,
}

impl Sent {
    /// A message that is the only one is made before anything is sent.
    fn of(
        call: &StreamCall,
        scope: &Scope,
        each: Option<Arc<After>>,
    ) -> Result<Self, ExpressionError> {
        let mut messages = call.messages.clone();
        if call.shape.sends_one() && !messages.are_constant() {
            let message = messages.nth(0, scope)?;
            messages.each = [Outbound::Constant(message)].into();
        }
        let headers = call.metadata.filled(scope)?;
        Ok(Self {
            metadata: metadata(&headers),
            messages,
            scope: scope.clone(),
            each,
        })
    }
}

/// The step's number, the iteration, what is waited for in it, and whom to tell that a stream's answer has begun.
type Under<'a> = (usize, &'a Iteration<'a>, &'a Cell<Stage>, &'a dyn Fn());

/// Sends the request until a server has looked at it. `sent` is told with which attempt at the
/// call it is.
async fn until_seen(
    call: &StreamCall,
    sent: (&Sent, Attempt),
    origin: &Uri,
    place: &Rc<Place>,
    under: Under<'_>,
    kept: &mut Kept,
) -> Result<(), Lost> {
    let (step, iteration, stage, _) = under;
    let mut resends = 0;
    loop {
        stage.set(Stage::StreamPermit {
            is_connected: place.is_connected(),
        });
        let permit = match place.permit(iteration, step).await {
            Ok(permit) => permit,
            Err(failure) => return Err(Lost::unanswered(failure)),
        };
        let exchanged = exchange(call, sent, origin, (place, &permit), under, kept);
        let Err(error) = exchanged.await else {
            return Ok(());
        };
        if error.ended {
            permit.ended();
        }
        if let Some(identity) = &error.backend {
            iteration.answered_by(identity.as_bytes());
        }
        if error.untouched && resends < MOST_RESENDS {
            permit.retire();
            permit.is_sent_again();
            iteration.asks_again();
            resends += 1;
            continue;
        }
        if error.untouched {
            permit.refused();
        }
        iteration.explain(error.failure, || {
            let why = permit.why_it_ended();
            why.filter(|_| error.failure == Failure::Connection)
                .unwrap_or_else(|| error.detail.clone())
        });
        return Err(Lost {
            is_committed: matches!(stage.get(), Stage::Rest { .. }),
            pushback: error.pushback,
            ..Lost::unanswered(error.failure)
        });
    }
}

async fn exchange(
    call: &StreamCall,
    (sent, nth): (&Sent, Attempt),
    origin: &Uri,
    (place, permit): (&Place, &StreamPermit),
    (step, iteration, stage, begins): Under<'_>,
    kept: &mut Kept,
) -> Result<(), StreamError> {
    stage.set(Stage::Sending);
    if let Some(watch) = &call.watch {
        watch.begin();
    }
    let log = SendLog::default();
    let is_matched = call.shape == Shape::Bidirectional;
    let passage = Passage::new(permit.tap(), is_matched);
    let service = StreamService {
        sender: permit.sender()?,
        sends_one: call.shape.sends_one(),
        passage: Rc::clone(&passage),
        taking: Taking {
            max_message: call.max_message,
            contents: call.looks_into_replies(),
        },
        identity: call.answer.identity.header().cloned(),
        is_packed: call.messages.compression.is_some(),
        details: Arc::clone(&call.details),
        log: log.clone(),
        clock: place.clock,
    };
    let mut client =
        Grpc::with_origin(service, origin.clone()).max_decoding_message_size(usize::MAX);
    let outgoing = Outgoing {
        messages: sent.messages.clone(),
        scope: sent.scope.clone(),
        watch: call.watch.clone(),
        left: call.messages.count,
        lasts: call.until == Some(GrpcStreamEnd::Load) && !call.shape.sends_one(),
        pace: call
            .every
            .filter(|_| !call.shape.sends_one())
            .map(|every| Pace::new(every, iteration.now(), &place.alarms)),
        in_flight: is_matched.then_some(call.in_flight),
        log: log.clone(),
        clock: place.clock,
    };
    let started = iteration.ready_since();
    let mut tally = Tally {
        iteration,
        started,
        step,
        shape: call.shape,
        log: log.clone(),
        passage,
        received: 0,
        told_sent: 0,
        unexpected: 0,
        each: sent.each.as_deref().map(|after| (after, &sent.scope)),
        not_held: 0,
        problem: None,
        stage,
        open: None,
    };
    let codec = Bytewise {
        message_len: sent.messages.longest(),
    };
    let mut headers = sent.metadata.clone().into_headers();
    nth.put(&mut headers, || iteration.now());
    let metadata = MetadataMap::from_headers(headers);
    let request = Request::from_parts(metadata, Extensions::new(), outgoing);
    if call.until == Some(GrpcStreamEnd::Load) && call.at_least == Some(0) {
        // No head need come either.
        iteration.lasts();
    }
    let conversation = async {
        let response = client.streaming(request, call.path.clone(), codec).await?;
        let identity = call.answer.identity.header();
        let identity = identity.and_then(|name| response.metadata().get(name.as_str()));
        if let Some(identity) = identity {
            iteration.answered_by(identity.as_bytes());
        }
        if let Some(watch) = &call.watch {
            watch.head(response.metadata().clone().into_headers());
        }
        if tally.counts() {
            tally.open = Some(iteration.opened_stream());
            begins();
        }
        stage.set(Stage::Rest { messages: 0 });
        if call.until == Some(GrpcStreamEnd::Load) {
            iteration.lasts();
        }
        kept.metadata = call
            .answer
            .looks
            .metadata
            .then(|| response.metadata().clone().into_headers());
        read(response.into_inner(), call, &mut tally, kept).await
    };
    let limited = async {
        match call.until {
            Some(GrpcStreamEnd::Load) => {
                let over = async {
                    tokio::select! {
                        biased;
                        result = conversation => result,
                        over = unconstrained(until_load_ends(call, iteration, &log)) => Ok(over),
                    }
                };
                let mut over = pin!(over);
                let mut idle = iteration.idles();
                // What is sent and received, is so while this is polled.
                poll_fn(|cx| {
                    let polled = over.as_mut().poll(cx);
                    let waits = log.waits_since().is_some() || log.is_finished();
                    idle.set(iteration.is_lasting() && !waits);
                    polled
                })
                .await
            }
            Some(GrpcStreamEnd::After(duration)) => tokio::select! {
                biased;
                result = conversation => result,
                () = unconstrained(tokio::time::sleep(duration)) => Ok(Over::ByUs),
            },
            _ => conversation.await,
        }
    };
    let over = match sent.messages.are_constant() {
        true => limited.await,
        false => tokio::select! {
            biased;
            error = poll_fn(|cx| log.poll_failed(cx)) => {
                return Err(StreamError::of_expression(&error));
            }
            over = limited => over,
        },
    };
    let over = over.map_err(|status| {
        if kept.looks.trailers {
            kept.trailers = Some(status.metadata().clone().into_headers());
        }
        StreamError::behind(&status)
    })?;
    match over {
        Over::ByServer => {
            permit.ended();
            check_counts(call, &tally)?;
            enough(call, &tally)?;
        }
        Over::ByUs => {
            permit.expects_no_more();
            enough(call, &tally)?;
        }
        Over::Silent => return Err(silent(call, &tally)),
    }
    if let Some(open) = tally.open.take() {
        open.ended();
    }
    if tally.not_held > 0 {
        let (not_held, received) = (tally.not_held, tally.received);
        let detail = format!("{not_held} of {received} replies did not pass");
        let problem = StreamError::of_reply((Failure::Check, detail));
        tally.problem.get_or_insert(problem);
    }
    tally.problem.take().map_or(Ok(()), Err)
}

/// Who ended a stream.
enum Over {
    ByServer,
    ByUs,
    /// Nobody: a message has waited too long for its reply.
    Silent,
}

/// Ends a stream that lasts for the load when that is over, or too long nothing was answered.
async fn until_load_ends(call: &StreamCall, iteration: &Iteration<'_>, log: &SendLog) -> Over {
    let load_ends = async {
        iteration.load_ended().await;
        if call.shape.sends_one() {
            return Over::ByUs;
        }
        // The server has its side to end.
        log.finish();
        std::future::pending().await
    };
    let falls_silent = async {
        let patience = nanos(call.patience);
        loop {
            let waited = log
                .waits_since()
                .map(|at| iteration.now().saturating_sub(at));
            let left = patience.saturating_sub(waited.unwrap_or(0));
            if left == 0 {
                return Over::Silent;
            }
            // What is sent meanwhile has waited for less than that.
            tokio::time::sleep(Duration::from_nanos(left)).await;
        }
    };
    tokio::select! {
        over = load_ends => over,
        over = falls_silent => over,
    }
}

fn silent(call: &StreamCall, tally: &Tally<'_>) -> StreamError {
    let (received, within) = (tally.received, format_duration(call.patience));
    let detail = format!(
        "no reply within {within} (`timeout`) on a stream that is to last; {} had come before",
        counted(received, "message")
    );
    StreamError::new(Failure::Timeout, detail)
}

/// Reads replies until the stream ends, measuring each.
async fn read(
    mut replies: Streaming<bytes::Bytes>,
    call: &StreamCall,
    tally: &mut Tally<'_>,
    kept: &mut Kept,
) -> Result<Over, tonic::Status> {
    let iteration = tally.iteration;
    let most = match call.until {
        Some(GrpcStreamEnd::Messages(count)) => u64::from(count),
        _ => u64::MAX,
    };
    let mut previous = None;
    while let Some(message) = replies.message().await? {
        let received = tally.passage.received();
        let received = received.unwrap_or_else(|| Receipt::at(iteration.now()));
        let at = received.at;
        let handed = match &call.reply {
            Reply::Id { came } => {
                let id = came.read(&message);
                let number = id.and_then(|id| id.checked_sub(id_of(0)));
                let handed = number.and_then(|number| tally.log.answered_by_number(number, at));
                if let Some(watch) = &call.watch {
                    watch.message(&message, handed.is_some());
                }
                if handed.is_none() {
                    tally.unexpected += 1;
                    continue;
                }
                handed
            }
            Reply::Health => {
                tally.problem = health::check(&message).err().map(StreamError::of_reply);
                None
            }
            Reply::Nothing if tally.shape == Shape::Bidirectional => tally.log.answered(at),
            Reply::Nothing => None,
        };
        if let Some(watch) = &call.watch
            && !matches!(call.reply, Reply::Id { .. })
        {
            watch.message(&message, true);
        }
        if let Some((after, scope)) = tally.each {
            match reply::decode(&call.answer.descriptor, message.clone()) {
                Ok(value) => {
                    let held = after.holds_of(value, tally.step, scope, iteration);
                    tally.not_held += u64::from(!held);
                }
                Err(problem) => {
                    let problem = StreamError::of_reply((Failure::Protocol, problem));
                    tally.problem.get_or_insert(problem);
                }
            }
        }
        kept.message = message;
        tally.received += 1;
        iteration.hears(at);
        if tally.counts() {
            tally.received_one();
            if let Some(open) = &tally.open {
                open.heard(at);
            }
        }
        tally.stage.set(Stage::Rest {
            messages: tally.received,
        });
        if !tally.shape.answers_one() {
            let (kind, from) = match previous {
                None => (SampleKind::FirstMessage, tally.began_at()),
                Some(previous) => (SampleKind::MessageGap, previous),
            };
            let took = at.saturating_sub(from);
            iteration.sample_nanos(tally.step, kind, took);
            iteration.message_received(tally.step, received, took);
        }
        if let Some(handed) = handed {
            tally.answered(handed, at);
        }
        previous = Some(at);
        if tally.received >= most {
            return Ok(Over::ByUs);
        }
    }
    if call.watch.is_some() || kept.looks.trailers {
        let trailers = replies.trailers().await?;
        let trailers = trailers.map(MetadataMap::into_headers);
        if let (Some(watch), Some(trailers)) = (&call.watch, &trailers) {
            watch.trailers(trailers.clone());
        }
        kept.trailers = trailers;
    }
    Ok(Over::ByServer)
}

/// A stream that ended well and yet not as its method says.
fn check_counts(call: &StreamCall, tally: &Tally<'_>) -> Result<(), StreamError> {
    let received = tally.received;
    if call.until == Some(GrpcStreamEnd::Load) && !tally.log.is_finished() {
        let detail = format!(
            "the server ended a stream that is to last as long as the load, after {}",
            counted(received, "message")
        );
        return Err(StreamError::new(Failure::Incomplete, detail));
    }
    let detail = match call.shape {
        // Before it has sent them all, it was told to end.
        Shape::Bidirectional
            if tally.log.is_finished()
                && (call.at_least.is_some() || received >= tally.log.sent()) =>
        {
            return Ok(());
        }
        Shape::Bidirectional if tally.log.is_finished() => format!(
            "the server ended the stream after {received} replies to {} messages",
            tally.log.sent()
        ),
        Shape::Unary | Shape::ClientStream if received != 1 => {
            format!("the answer has {received} messages instead of 1")
        }
        Shape::Bidirectional if received < u64::from(call.messages.count) => format!(
            "the server ended the stream after {received} replies to {} of {} messages",
            tally.log.sent(),
            call.messages.count
        ),
        _ => return Ok(()),
    };
    Err(StreamError::new(Failure::Protocol, detail))
}

/// Whether what came of a stream that lasts for a time is what has to: time alone shows nothing of a server
/// that never answered.
fn enough(call: &StreamCall, tally: &Tally<'_>) -> Result<(), StreamError> {
    let within = match call.until {
        Some(GrpcStreamEnd::After(duration)) => format!("within {}", format_duration(duration)),
        Some(GrpcStreamEnd::Load) => "before the load was over".to_owned(),
        _ => return Ok(()),
    };
    let has_answered = matches!(tally.stage.get(), Stage::Rest { .. });
    let received = tally.received;
    let (failure, detail) = match call.at_least {
        Some(least) if received >= u64::from(least) => return Ok(()),
        None if has_answered => return Ok(()),
        Some(least) if has_answered => (
            Failure::Incomplete,
            format!(
                "{received} of at least {} came {within}",
                counted(u64::from(least), "message")
            ),
        ),
        _ => (
            Failure::Timeout,
            format!(
                "neither the head of an answer nor a message came {within} (where that is right, \
                 say `\"at_least\": 0` beside `for`: some servers send no head before their first message)"
            ),
        ),
    };
    Err(StreamError::new(failure, detail))
}

/// Counts a stream's messages and reports them however the stream ends, also by being dropped.
struct Tally<'a> {
    iteration: &'a Iteration<'a>,
    step: usize,
    shape: Shape,
    log: SendLog,
    passage: Rc<Passage>,
    started: Nanos,
    received: u64,
    /// How many of the messages that were sent were told of.
    told_sent: u64,
    /// Messages that are no reply to one of ours.
    unexpected: u64,
    /// What must hold of each, and what its names stand for.
    each: Option<(&'a After, &'a Scope)>,
    /// Messages of which it does not.
    not_held: u64,
    /// What is wrong with a reply that came in good order.
    problem: Option<StreamError>,
    stage: &'a Cell<Stage>,
    /// The stream, once it is open.
    open: Option<OpenStream<'a>>,
}

impl Tally<'_> {
    /// Whether it is a stream, whose messages are counted.
    fn counts(&self) -> bool {
        self.shape != Shape::Unary
    }

    /// A message came. What was sent meanwhile is told of with it: a stream may be open for as long as the run.
    fn received_one(&mut self) {
        let sent = self.log.sent();
        let untold = sent - std::mem::replace(&mut self.told_sent, sent);
        self.iteration.messages(self.step, untold, 1);
    }

    /// When the request left, or at least began to.
    fn began_at(&self) -> Nanos {
        self.passage.began_at().unwrap_or(self.started)
    }

    /// A message got its reply.
    fn answered(&self, handed: Handed, reply_at: Nanos) {
        let sent_at = self.passage.sent_at(handed.ends_at);
        let sent_at = sent_at
            .unwrap_or(handed.at)
            .clamp(handed.at, reply_at.max(handed.at));
        let message = RoundTrip {
            due: handed.due,
            ready: handed.ready,
            sent_at,
            reply_at,
        };
        message.record(self.step, self.iteration);
        // The first one's lag is the stream's own.
        if handed.was_alone && handed.number > 0 {
            self.iteration.lagged(message.lag());
        }
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        let (iteration, step) = (self.iteration, self.step);
        let untold = self.log.sent() - self.told_sent;
        if self.counts() && untold > 0 {
            iteration.messages(step, untold, 0);
        }
        if self.unexpected > 0 {
            iteration.message_fault(step, MessageFault::Unexpected, self.unexpected);
        }
        for lag in self.log.take_lags() {
            iteration.sample_nanos(step, SampleKind::MessageLag, lag);
        }
        let times = self.passage.take();
        let left_at = if self.shape.sends_one() {
            times.sent_at
        } else {
            times.began_at()
        };
        if left_at.is_some() && self.stage.get() == Stage::Sending {
            self.stage.set(Stage::Answer);
        }
        if let Some(at) = left_at {
            iteration.lagged(at.saturating_sub(self.started));
        }
        if let Some(receipt) = times.received {
            iteration.received_within(receipt);
        }
    }
}
