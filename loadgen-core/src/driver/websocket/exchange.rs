//! One step on a connection: messages out, messages in, and what is measured of them.
//!
//! Owns the window of unanswered messages, the matching of replies and the account of streams.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::Message;

use super::connection::{Connection, Incoming, Lost};
use super::hub::Hub;
use super::line::{Line, Settled};
use super::message::{excerpt, number_in, number_of_pong};
use super::prepare::{Exchange, Expect, StreamRule};
use super::sequence::{Arrival, Sequence};
use crate::clock::Nanos;
use crate::driver::pace::Pace;
use crate::outcome::{Failure, Outcome};
use crate::scenario::StreamEnd;
use crate::workload::{Iteration, MessageFault, SampleKind};

/// Messages that a step sends before others on the thread have their turn.
const BURST: u32 = 256;
/// Sequence numbers that a message to people names.
const MOST_NAMED: usize = 5;

/// Makes the exchange.
pub(super) async fn run(
    exchange: &Exchange,
    line: &Line,
    hub: &Rc<Hub>,
    iteration: &Iteration<'_>,
) -> Outcome {
    let connection = match ready_connection(exchange, line, hub, iteration).await {
        Ok(connection) => connection,
        Err((failure, detail)) => {
            iteration.explain(failure, || detail.clone());
            return failure.into();
        }
    };
    if let Some(identity) = &connection.identity {
        iteration.answered_by(identity.as_bytes());
    }
    let mut turn = Turn::new(exchange, line, hub, iteration, connection);
    let result = poll_fn(|cx| turn.poll(cx)).await;
    match result.and_then(|()| turn.check()) {
        Ok(()) => Outcome::Ok,
        Err(lost) => {
            iteration.explain(lost.failure, || lost.detail.clone());
            // A stream with gaps is the stream's fault, not the connection's.
            if lost.failure != Failure::Incomplete {
                turn.lose();
            }
            lost.failure.into()
        }
    }
}

/// A connection on which nothing old can be taken for an answer.
async fn ready_connection(
    exchange: &Exchange,
    line: &Line,
    hub: &Rc<Hub>,
    iteration: &Iteration<'_>,
) -> Result<Box<Connection>, (Failure, String)> {
    let settle = async |connection: &mut Connection| {
        let observer = iteration.observer();
        poll_fn(|cx| Poll::Ready(line.settle(hub, connection, exchange, observer, cx))).await
    };
    if let Some(mut connection) = line.take_open() {
        match settle(&mut connection).await {
            Settled::Ready => return Ok(connection),
            Settled::Unclear => hub.say_good_bye(connection),
            Settled::Lost(_) => line.lost(hub, connection),
        }
    }
    let mut connection = line.take_new(hub, iteration.started()).await?;
    match settle(&mut connection).await {
        Settled::Lost(Lost { failure, detail }) => {
            line.lost(hub, connection);
            Err((failure, detail))
        }
        Settled::Ready | Settled::Unclear => Ok(connection),
    }
}

/// A step's turn on a connection. However it ends, also by being dropped, the connection is given
/// back and the messages are counted.
struct Turn<'a> {
    exchange: &'a Exchange,
    line: &'a Line,
    hub: &'a Rc<Hub>,
    iteration: &'a Iteration<'a>,
    connection: Option<Box<Connection>>,
    pace: Option<Pace>,
    /// The end of a stream that lasts for a time.
    until: Option<Pin<Box<Sleep>>>,
    sent: u32,
    /// Messages that were answered, or streams that have ended.
    answered: u32,
    received: u64,
    is_flushed: bool,
    /// Whether what has come before was read, and the task will be woken for more.
    is_settled: bool,
    stream: StreamSoFar,
    out_of_order: u64,
    unexpected: u64,
    too_late: u64,
    missing: u64,
    /// Some of those.
    missing_named: Vec<u64>,
}

/// What has come of the stream that is under way.
#[derive(Debug, Default)]
struct StreamSoFar {
    messages: u64,
    began: Nanos,
    previous: Option<Nanos>,
    sequence: Sequence,
}

impl<'a> Turn<'a> {
    fn new(
        exchange: &'a Exchange,
        line: &'a Line,
        hub: &'a Rc<Hub>,
        iteration: &'a Iteration<'a>,
        mut connection: Box<Connection>,
    ) -> Self {
        let mut until = None;
        let mut stream = StreamSoFar::default();
        if let Expect::Stream(rule) = &exchange.expect {
            if let StreamEnd::After(duration) = rule.until {
                until = Some(Box::pin(tokio::time::sleep(duration)));
            }
            stream.began = iteration.now();
            stream.sequence = match exchange.outgoing {
                Some(_) => Sequence::from_zero(),
                // A feed goes on where the step before it left off.
                None => std::mem::take(&mut connection.feed),
            };
        }
        Self {
            exchange,
            line,
            hub,
            iteration,
            connection: Some(connection),
            pace: exchange.every.map(Pace::new),
            until,
            sent: 0,
            answered: 0,
            received: 0,
            is_flushed: true,
            // A step that only listens may find more of what has come before.
            is_settled: exchange.outgoing.is_some(),
            stream,
            out_of_order: 0,
            unexpected: 0,
            too_late: 0,
            missing: 0,
            missing_named: Vec::new(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.take_waiting()?;
        if !std::mem::take(&mut self.is_settled) {
            // What came together was there together, as far as replies go; of a stream the gaps
            // are measured.
            let is_stream = matches!(self.exchange.expect, Expect::Stream(_));
            let mut woken_at = None;
            loop {
                if self.is_done() {
                    return Poll::Ready(Ok(()));
                }
                match self.connection().poll_incoming(cx) {
                    Poll::Pending => break,
                    Poll::Ready(incoming) => {
                        let now = match woken_at {
                            Some(woken_at) if !is_stream => woken_at,
                            _ => *woken_at.insert(self.iteration.now()),
                        };
                        self.take(incoming?, now)?;
                    }
                }
            }
        }
        while let Some(until) = &mut self.until
            && until.as_mut().poll(cx).is_ready()
        {
            self.end_stream();
            if !self.may_begin_again() {
                return Poll::Ready(Ok(()));
            }
        }
        self.send(cx)?;
        if self.is_done() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn connection(&mut self) -> &mut Connection {
        self.connection
            .as_mut()
            .expect("there until the turn is over")
    }

    fn is_done(&self) -> bool {
        match &self.exchange.expect {
            Expect::Nothing => self.sent == self.exchange.repeat && self.is_flushed,
            _ => self.answered == self.exchange.repeat,
        }
    }

    /// Sends what is due and fits, and flushes it together.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Lost> {
        let Some(outgoing) = &self.exchange.outgoing else {
            return Ok(());
        };
        let mut burst = 0;
        let mut now = None;
        while self.sent < self.exchange.repeat && self.has_room() {
            if let Some(pace) = &mut self.pace
                && pace.poll_due(cx).is_pending()
            {
                break;
            }
            if burst == BURST {
                cx.waker().wake_by_ref();
                break;
            }
            let connection = self
                .connection
                .as_mut()
                .expect("there until the turn is over");
            match connection.poll_ready(cx) {
                Poll::Pending => break,
                Poll::Ready(ready) => ready?,
            }
            let now = *now.get_or_insert_with(|| self.iteration.now());
            let number = connection.next_number();
            connection.feed(outgoing.message(number), cx)?;
            match self.exchange.expect {
                Expect::Nothing => {}
                Expect::Stream(_) => self.stream.began = now,
                _ => connection.pending.push_back((number, now)),
            }
            self.sent += 1;
            self.is_flushed = false;
            burst += 1;
            if let Some(pace) = &mut self.pace {
                pace.next();
            }
        }
        if !self.is_flushed {
            match self.connection().poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(flushed) => {
                    flushed?;
                    self.is_flushed = true;
                }
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        match self.exchange.expect {
            Expect::Nothing => true,
            _ => self.sent - self.answered < self.exchange.in_flight,
        }
    }

    /// Messages that came before the step did.
    fn take_waiting(&mut self) -> Result<(), Lost> {
        if self.exchange.outgoing.is_some() {
            return Ok(());
        }
        while !self.is_done()
            && let Some(message) = self.connection().waiting.pop_front()
        {
            // When it came is not known well enough to measure by.
            self.stream.previous = None;
            self.take_of_stream(&message, None)?;
        }
        Ok(())
    }

    fn take(&mut self, incoming: Incoming, now: Nanos) -> Result<(), Lost> {
        let message = match incoming {
            Incoming::Message(message) => message,
            Incoming::Pong(payload) => {
                if let Some(number) = number_of_pong(&payload) {
                    self.take_pong(number, now);
                }
                return Ok(());
            }
        };
        match &self.exchange.expect {
            Expect::InOrder if self.connection().owed == 0 => {
                match self.connection().pending.pop_front() {
                    Some((_, sent)) => self.take_reply(sent, now),
                    None => self.take_stray(&message),
                }
            }
            Expect::ById(field) => match number_in(&message, field).map(|it| self.pending(it)) {
                Some(Some(sent)) => self.take_reply(sent, now),
                _ => self.take_stray(&message),
            },
            Expect::Stream(_) if self.is_streaming() => {
                self.take_of_stream(&message, Some(now))?;
            }
            _ => self.take_stray(&message),
        }
        Ok(())
    }

    /// Whether what comes is part of a stream: one that was asked for, or one that comes by itself
    /// once all that is owed from before has come.
    fn is_streaming(&mut self) -> bool {
        match self.exchange.outgoing {
            Some(_) => self.sent > self.answered,
            None => self.connection().owed == 0,
        }
    }

    fn take_pong(&mut self, number: u64, now: Nanos) {
        let is_waited_for = matches!(self.exchange.expect, Expect::Pong);
        match self.pending(number).filter(|_| is_waited_for) {
            Some(sent) => self.take_reply(sent, now),
            None => self.too_late += u64::from(self.connection().was_given_up(number)),
        }
    }

    /// When the unanswered message with this number was sent; it is answered now.
    fn pending(&mut self, number: u64) -> Option<Nanos> {
        let pending = &mut self.connection().pending;
        // Numbers rise, so those that are waited for are in order.
        let place = pending.binary_search_by_key(&number, |(number, _)| *number);
        pending.remove(place.ok()?).map(|(_, sent)| sent)
    }

    fn take_reply(&mut self, sent: Nanos, now: Nanos) {
        self.received += 1;
        self.answered += 1;
        let round_trip = now.saturating_sub(sent);
        let step = self.exchange.step;
        self.iteration
            .sample_nanos(step, SampleKind::RoundTrip, round_trip);
    }

    fn take_stray(&mut self, message: &Message) {
        self.received += 1;
        let (line, hub) = (self.line, self.hub);
        match line.stray(hub, self.connection(), message) {
            Some(MessageFault::TooLate) => self.too_late += 1,
            Some(_) => self.unexpected += 1,
            None => {}
        }
    }

    /// A message of the stream under way; `at` is when it came, where that is known.
    fn take_of_stream(&mut self, message: &Message, at: Option<Nanos>) -> Result<(), Lost> {
        let Expect::Stream(rule) = &self.exchange.expect else {
            return Ok(());
        };
        self.received += 1;
        if let Some(field) = &rule.sequence {
            let Some(number) = number_in(message, field) else {
                return Err(Lost {
                    failure: Failure::Protocol,
                    detail: format!(
                        "a message of the stream has no whole number in `{field}`: {}",
                        excerpt(message)
                    ),
                });
            };
            match self.stream.sequence.note(number) {
                Arrival::New => {}
                Arrival::OutOfOrder => self.out_of_order += 1,
                Arrival::Again => {
                    self.unexpected += 1;
                    return Ok(());
                }
            }
        }
        self.stream.messages += 1;
        if let Some(now) = at {
            let (kind, from) = match self.stream.previous {
                Some(previous) => (SampleKind::MessageGap, previous),
                None if self.stream.messages == 1 => (SampleKind::FirstMessage, self.stream.began),
                None => (SampleKind::MessageGap, now),
            };
            if self.stream.previous.is_some() || self.stream.messages == 1 {
                let value = now.saturating_sub(from);
                self.iteration.sample_nanos(self.exchange.step, kind, value);
            }
            self.stream.previous = Some(now);
        }
        if self.is_stream_over(rule) {
            self.end_stream();
        }
        Ok(())
    }

    /// A numbered stream that was asked for is over with its last number, whatever is missing.
    fn is_stream_over(&self, rule: &StreamRule) -> bool {
        let StreamEnd::Messages(messages) = rule.until else {
            return false;
        };
        let messages = u64::from(messages);
        let has_last = || {
            self.stream
                .sequence
                .next()
                .is_some_and(|next| next >= messages)
        };
        let numbered = rule.sequence.is_some() && self.exchange.outgoing.is_some();
        self.stream.messages >= messages || (numbered && has_last())
    }

    fn end_stream(&mut self) {
        self.answered += 1;
        self.missing += self.stream.sequence.missing();
        for number in self.stream.sequence.left_out() {
            if self.missing_named.len() < MOST_NAMED {
                self.missing_named.push(*number);
            }
        }
        self.stream.sequence.settle();
        if self.exchange.outgoing.is_some() {
            self.stream = StreamSoFar {
                sequence: Sequence::from_zero(),
                ..StreamSoFar::default()
            };
        }
    }

    /// Begins a next stream of a certain time, where there is to be one.
    fn may_begin_again(&mut self) -> bool {
        let Expect::Stream(StreamRule {
            until: StreamEnd::After(duration),
            ..
        }) = &self.exchange.expect
        else {
            return false;
        };
        let more = self.answered < self.exchange.repeat;
        self.until = more.then(|| Box::pin(tokio::time::sleep(*duration)));
        more
    }

    /// What can only be said once it is over.
    fn check(&self) -> Result<(), Lost> {
        if self.missing == 0 {
            return Ok(());
        }
        let named: Vec<String> = self.missing_named.iter().map(u64::to_string).collect();
        let more = if self.missing > named.len() as u64 {
            ", …"
        } else {
            ""
        };
        Err(Lost {
            failure: Failure::Incomplete,
            detail: format!(
                "{} messages received and {} missing: {}{more}",
                self.received,
                self.missing,
                named.join(", ")
            ),
        })
    }

    /// The connection is of no more use.
    fn lose(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.line.lost(self.hub, connection);
        }
    }

    /// How many messages of the stream under way are still to come.
    fn rest_of_stream(&self, rule: &StreamRule) -> u64 {
        match rule.until {
            StreamEnd::Messages(messages) if self.sent > self.answered => {
                u64::from(messages).saturating_sub(self.stream.messages)
            }
            _ => 0,
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let (iteration, step) = (self.iteration, self.exchange.step);
        let sent = u64::from(self.sent);
        if sent + self.received > 0 {
            iteration.messages(step, sent, self.received);
        }
        for (fault, count) in [
            (MessageFault::Missing, self.missing),
            (MessageFault::OutOfOrder, self.out_of_order),
            (MessageFault::Unexpected, self.unexpected),
            (MessageFault::TooLate, self.too_late),
        ] {
            if count > 0 {
                iteration.message_fault(step, fault, count);
            }
        }
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        match &self.exchange.expect {
            Expect::Nothing => {}
            Expect::InOrder => {
                let unanswered = connection.pending.len() as u64;
                connection.give_up(Some(unanswered));
            }
            Expect::ById(_) | Expect::Pong => connection.give_up(None),
            Expect::Stream(rule) if self.exchange.outgoing.is_some() => {
                connection.give_up(Some(self.rest_of_stream(rule)));
            }
            Expect::Stream(_) => connection.feed = std::mem::take(&mut self.stream.sequence),
        }
        connection.report(&*self.hub.observer);
        self.line.put_back(connection);
    }
}
