//! One step on a connection: messages out, messages in, and what is measured of them.
//!
//! Owns the window of unanswered messages and the way of each message that comes to what it
//! belongs to. What is owed is `account`'s, streams are `stream`'s.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio_tungstenite::tungstenite::Message;

use super::account::Pending;
use super::connection::{Connection, Incoming, Lost};
use super::fields::number_in;
use super::hub::Hub;
use super::line::{Line, Settled};
use super::message::number_of_pong;
use super::prepare::{Exchange, Expect};
use super::stray::{self, Stray};
use super::stream::Streams;
use super::tally::Tally;
use crate::clock::Nanos;
use crate::driver::transport::pace::Pace;
use crate::driver::transport::round_trip::RoundTrip;
use crate::outcome::{Failure, Outcome};
use crate::workload::{Iteration, MessageFault, Receipt, SampleKind};

/// Messages that a step sends or takes before others on the thread have their turn.
const BURST: u32 = 256;

/// Makes the exchange.
pub(super) async fn run(
    exchange: &Exchange,
    line: &Line,
    hub: &Rc<Hub>,
    iteration: &Iteration<'_>,
) -> Outcome {
    iteration.goes_to(line.target());
    let (connection, is_read) = match ready_connection(exchange, line, hub, iteration).await {
        Ok(ready) => ready,
        Err((failure, detail)) => {
            iteration.explain(failure, || detail.clone());
            return failure.into();
        }
    };
    iteration.goes_over(connection.id);
    if let Some(identity) = &connection.identity {
        iteration.answered_by(identity.as_bytes());
    }
    if connection.since > iteration.ready_since() {
        // Connecting is the service's time, not the generator's.
        iteration.ready(connection.since);
    }
    let mut turn = Turn::new(exchange, line, hub, iteration, connection, is_read);
    let result = poll_fn(|cx| {
        let polled = turn.poll(cx);
        turn.show_in_flight(turn.in_flight());
        polled
    })
    .await;
    turn.is_over = true;
    match result.and_then(|()| turn.check()) {
        Ok(()) => {
            line.worked();
            Outcome::Ok
        }
        Err(lost) => {
            iteration.explain(lost.failure, || lost.detail.clone());
            // A stream with gaps is the stream's fault, not the connection's.
            if lost.failure != Failure::Incomplete {
                turn.lose(lost.is_ours);
            }
            lost.failure.into()
        }
    }
}

/// A connection on which nothing old can be taken for an answer, and whether all that has come on
/// it is read.
async fn ready_connection(
    exchange: &Exchange,
    line: &Line,
    hub: &Rc<Hub>,
    iteration: &Iteration<'_>,
) -> Result<(Box<Connection>, bool), (Failure, String)> {
    let settle = async |connection: &mut Connection| {
        let observer = iteration.observer();
        poll_fn(|cx| Poll::Ready(line.settle(hub, connection, exchange, observer, cx))).await
    };
    if let Some(mut connection) = line.take_open() {
        match settle(&mut connection).await {
            Settled::Ready { is_read } => return Ok((connection, is_read)),
            Settled::Unclear => hub.say_good_bye(connection),
            Settled::Lost(_) => line.lost(hub, connection),
        }
    }
    let mut connection = line.take_new(hub, iteration).await?;
    match settle(&mut connection).await {
        Settled::Ready { is_read } => Ok((connection, is_read)),
        // Nothing can be owed on a new one.
        Settled::Unclear => Ok((connection, false)),
        Settled::Lost(Lost {
            failure, detail, ..
        }) => {
            line.lost(hub, connection);
            Err((failure, detail))
        }
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
    streams: Option<Streams<'a>>,
    sent: u32,
    /// Messages that were answered, or streams that have ended.
    answered: u32,
    /// What the hub was told of those in between.
    shown_in_flight: u32,
    /// When the last reply came, or the step began.
    last_reply: Nanos,
    /// Since when there is room for a message where there was none before.
    room_since: Nanos,
    /// Of messages that nothing answers: since when they could have left that have not.
    unsent: Vec<Nanos>,
    is_flushed: bool,
    /// Whether all that has come was read, and the task will be woken by more.
    is_read: bool,
    tally: Tally,
    /// Whether the step came to an end of its own.
    is_over: bool,
}

impl<'a> Turn<'a> {
    fn new(
        exchange: &'a Exchange,
        line: &'a Line,
        hub: &'a Rc<Hub>,
        iteration: &'a Iteration<'a>,
        mut connection: Box<Connection>,
        is_read: bool,
    ) -> Self {
        connection.step = exchange.step;
        let streams = match (&exchange.expect, &exchange.outgoing) {
            (Expect::Stream(rule), Some(_)) => Some(Streams::asked(rule)),
            (Expect::Stream(rule), None) => {
                let sequence = std::mem::take(&mut connection.feed);
                Some(Streams::listened_to(rule, sequence, iteration.now()))
            }
            _ => None,
        };
        Self {
            exchange,
            line,
            hub,
            iteration,
            connection: Some(connection),
            pace: exchange
                .every
                .map(|every| Pace::new(every, iteration.now(), &hub.alarms)),
            streams,
            sent: 0,
            answered: 0,
            shown_in_flight: 0,
            last_reply: iteration.ready_since(),
            room_since: 0,
            unsent: Vec::new(),
            is_flushed: true,
            is_read,
            tally: Tally::default(),
            is_over: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.take_waiting()?;
        if !std::mem::take(&mut self.is_read) {
            // A stream whose time is up takes no more of what is there.
            self.end_streams_in_time(cx);
            self.read(cx)?;
        }
        loop {
            self.send(cx)?;
            if self.is_done() {
                return Poll::Ready(Ok(()));
            }
            if !self.end_streams_in_time(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Ends the stream whose time is up. Whether there was one.
    fn end_streams_in_time(&mut self, cx: &mut Context<'_>) -> bool {
        let streams = self.streams.as_mut();
        let is_up = streams.is_some_and(|it| it.poll_time_up(cx).is_ready());
        if is_up {
            // It ends now, and not with its last message.
            self.last_reply = self.iteration.now();
            self.iteration.ready(self.last_reply);
            self.end_stream();
        }
        is_up
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

    /// Takes what has come, until that is all, or the step is done, or others on the thread have
    /// waited long enough.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), Lost> {
        for _ in 0..BURST {
            if self.is_done() {
                return Ok(());
            }
            let Poll::Ready(incoming) = self.connection().poll_incoming(cx) else {
                return Ok(());
            };
            let incoming = incoming?;
            let received = self.connection().received();
            let received = received.unwrap_or_else(|| Receipt::at(self.iteration.now()));
            self.take(incoming, received)?;
        }
        cx.waker().wake_by_ref();
        Ok(())
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
            let due = self.pace.as_ref().map(Pace::due_at);
            let ready = due.unwrap_or(self.last_reply).max(self.room_since);
            let number = connection.account.next_number();
            connection.feed(outgoing.message(number), cx)?;
            match (&self.exchange.expect, &mut self.streams) {
                (Expect::Nothing, _) => self.unsent.push(ready),
                (_, Some(streams)) => {
                    self.unsent.push(ready);
                    streams.begin(now);
                }
                _ => {
                    let was_alone = connection.account.is_idle();
                    connection.account.handed_over(Pending {
                        number,
                        due,
                        ready,
                        sent_at: now.max(ready),
                        was_alone,
                    });
                }
            }
            self.sent += 1;
            self.is_flushed = false;
            burst += 1;
            if let Some(pace) = &mut self.pace {
                pace.next();
            }
        }
        if !self.is_flushed {
            let just_now = now.filter(|_| burst == 1);
            match self.connection().poll_flush(just_now, cx) {
                Poll::Pending => {}
                Poll::Ready(flushed) => {
                    flushed?;
                    self.is_flushed = true;
                    self.left();
                }
            }
        }
        Ok(())
    }

    /// All that was handed over has left.
    fn left(&mut self) {
        let is_paced = self.pace.is_some();
        let (step, iteration) = (self.exchange.step, self.iteration);
        let connection = self.connection();
        let at = connection.sent_at();
        let mut lag = connection.account.left(at);
        for ready in self.unsent.drain(..) {
            let own = at.saturating_sub(ready);
            lag = lag.max(own);
            if is_paced {
                iteration.sample_nanos(step, SampleKind::MessageLag, own);
            }
        }
        iteration.lagged(lag);
    }

    fn has_room(&self) -> bool {
        match self.exchange.expect {
            Expect::Nothing => true,
            _ => self.in_flight() < self.exchange.in_flight,
        }
    }

    /// What was sent and is waited for.
    fn in_flight(&self) -> u32 {
        match self.exchange.expect {
            Expect::Nothing => 0,
            // A step that listens is never asked for what it gets.
            _ => self.sent.saturating_sub(self.answered),
        }
    }

    fn show_in_flight(&mut self, now: u32) {
        let before = std::mem::replace(&mut self.shown_in_flight, now);
        let all = self.hub.in_flight.get() + u64::from(now) - u64::from(before);
        self.hub.in_flight.set(all);
    }

    /// Messages that came before the step that listens for them did.
    fn take_waiting(&mut self) -> Result<(), Lost> {
        if self.exchange.outgoing.is_some() {
            return Ok(());
        }
        while !self.is_done()
            && let Some(message) = self.connection().take_waiting()
        {
            // When it came is not known well enough to measure by.
            self.take_of_stream(&message, None)?;
        }
        Ok(())
    }

    /// Takes what was received.
    fn take(&mut self, incoming: Incoming, at: Receipt) -> Result<(), Lost> {
        let message = match incoming {
            Incoming::Message(message) => message,
            Incoming::Pong(payload) => {
                if let Some(number) = number_of_pong(&payload) {
                    self.take_pong(number, at);
                }
                return Ok(());
            }
        };
        let plan = self.line.plan(self.hub);
        if stray::is_late(plan, self.connection(), &message) {
            Stray::Fault(MessageFault::TooLate).count(&mut self.tally);
            return Ok(());
        }
        let answered = match &self.exchange.expect {
            Expect::InOrder | Expect::ById(_) if !self.exchange.may_be_reply(&message) => None,
            Expect::InOrder => self.connection().account.answered_in_order(),
            Expect::ById(field) => number_in(&message, field)
                .and_then(|number| self.connection().account.answered(number)),
            Expect::Stream(_) if self.streams.as_ref().is_some_and(Streams::is_open) => {
                return self.take_of_stream(&message, Some(at));
            }
            _ => None,
        };
        match answered {
            Some(message) => self.take_reply(message, at),
            None => stray::classify(plan, self.connection(), message).count(&mut self.tally),
        }
        Ok(())
    }

    fn take_pong(&mut self, number: u64, at: Receipt) {
        let account = &mut self.connection().account;
        let is_late = account.was_given_up_ping(number);
        let is_waited_for = matches!(self.exchange.expect, Expect::Pong);
        if is_late {
            Stray::Fault(MessageFault::TooLate).count(&mut self.tally);
        } else if is_waited_for
            && let Some((ping, earlier)) = self.connection().account.answered_up_to(number)
        {
            self.take_room(at.at);
            self.answered += earlier;
            self.take_reply(ping, at);
        }
    }

    /// A message was answered: there is room for another one.
    fn take_room(&mut self, at: Nanos) {
        if !self.has_room() {
            self.room_since = at;
        }
    }

    fn take_reply(&mut self, message: Pending, received: Receipt) {
        let at = received.at;
        self.take_room(at);
        self.tally.received += 1;
        self.answered += 1;
        self.last_reply = at;
        let round_trip = RoundTrip {
            due: message.due,
            ready: message.ready,
            sent_at: message.sent_at,
            reply_at: at,
        };
        let took = round_trip.record(self.exchange.step, self.iteration);
        self.iteration
            .message_received(self.exchange.step, received, took);
        self.iteration.received_within(received);
    }

    fn take_of_stream(&mut self, message: &Message, at: Option<Receipt>) -> Result<(), Lost> {
        let Some(streams) = &mut self.streams else {
            return Ok(());
        };
        let step = self.exchange.step;
        if let Some(received) = at {
            self.last_reply = received.at;
            self.iteration.received_within(received);
        }
        if streams.take(message, at, step, self.iteration, &mut self.tally)? {
            self.end_stream();
        }
        Ok(())
    }

    fn end_stream(&mut self) {
        let last_reply = self.last_reply;
        if self.streams.is_some() {
            self.take_room(last_reply);
        }
        if let Some(streams) = &mut self.streams {
            streams.end();
            self.answered += 1;
        }
    }

    /// What can only be said once it is over.
    fn check(&self) -> Result<(), Lost> {
        let streams = self.streams.as_ref();
        streams.map_or(Ok(()), |streams| streams.check(self.tally.received))
    }

    /// The connection is of no more use; whether that is for us to say, or the other side's doing.
    fn lose(&mut self, is_ours: bool) {
        match self.connection.take() {
            Some(connection) if is_ours => self.hub.say_good_bye(connection),
            Some(connection) => self.line.lost(self.hub, connection),
            None => {}
        }
    }
}

impl Turn<'_> {
    /// What it waits for.
    fn waits_for(&self) -> String {
        let (sent, of, answered) = (self.sent, self.exchange.repeat, self.answered);
        let came = self.tally.received;
        let sends = self.exchange.outgoing.is_some();
        match &self.exchange.expect {
            Expect::Stream(_) if sends => format!(
                "waiting for a stream of messages; {sent} of {of} were asked for, {answered} are \
                 over, {came} messages came"
            ),
            Expect::Stream(_) => format!("listening to a stream of messages; {came} came"),
            Expect::Nothing => format!("sending; {sent} of {of} messages have left"),
            Expect::Pong => format!("waiting for pongs; {answered} came to {sent} of {of} pings"),
            Expect::InOrder | Expect::ById(_) => {
                format!("waiting for replies; {answered} came to {sent} of {of} messages")
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let waits_for = || format!("cut off while {}", self.waits_for());
            self.iteration.explain(Failure::Timeout, waits_for);
        }
        self.show_in_flight(0);
        self.tally.sent = u64::from(self.sent);
        if let Some(streams) = &self.streams {
            self.tally.fault(MessageFault::Missing, streams.missing());
        }
        self.tally
            .report(self.exchange.step, self.iteration.observer());
        let streams = self.streams.take();
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let account = &mut connection.account;
        match (&self.exchange.expect, streams) {
            (Expect::Nothing, _) => {}
            (Expect::InOrder, _) => account.give_up_in_order(),
            (Expect::ById(_), _) => account.give_up_numbered(),
            (Expect::Pong, _) => account.give_up_pings(),
            (Expect::Stream(_), Some(streams)) if self.exchange.outgoing.is_some() => {
                match streams.rest() {
                    Some(rest) => account.owe(rest),
                    None if self.sent > 0 => account.owe_without_end(),
                    None => {}
                }
            }
            (Expect::Stream(_), streams) => {
                connection.feed = streams.map(Streams::into_sequence).unwrap_or_default();
            }
        }
        connection.report(&*self.hub.observer);
        self.line.put_back(connection);
    }
}
