//! One step on a connection: messages out, messages in, and what is measured of them.
//!
//! Owns the way of each message that comes to what it belongs to. What may leave is `window`'s, what is
//! owed `account`'s, streams are `stream`'s.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio_tungstenite::tungstenite::Message;

use super::account::Pending;
use super::connection::{Connection, Incoming, Lost};
use super::fields::number_in;
use super::intercept::{self, With};
use super::message::{bytes_of, message_value, number_of_pong};
use super::place::{Place, Unopened};
use super::pool::Pool;
use super::prepare::{Exchange, Expect};
use super::stray::{self, Stray};
use super::stream::{Came, Streams};
use super::tally::Tally;
use super::window::{BURST, Window};
use crate::driver::intercept::Watch;
use crate::driver::steps::Reply;
use crate::driver::transport::limit::within;
use crate::driver::transport::round_trip::RoundTrip;
use crate::outcome::{Failure, Outcome};
use crate::workload::{Iteration, MessageFault, Receipt};

/// Makes the exchange, in the time that it may take.
#[inline]
pub(super) async fn run(
    exchange: &Exchange,
    step: usize,
    place: &Place,
    pool: &Rc<Pool>,
    with: With<'_>,
    reply: &mut Option<Reply>,
    iteration: &Iteration<'_>,
) -> Outcome {
    let making = pin!(make(exchange, step, place, pool, with, reply, iteration));
    // How far it came is told by what is cut off.
    let outcome = within(exchange.timeout, making).await;
    outcome.unwrap_or(Failure::Timeout.into())
}

#[inline]
async fn make(
    exchange: &Exchange,
    step: usize,
    place: &Place,
    pool: &Rc<Pool>,
    with: With<'_>,
    reply: &mut Option<Reply>,
    iteration: &Iteration<'_>,
) -> Outcome {
    iteration.goes_to(place.target());
    let (connection, is_read) = match place.take(pool, exchange, with, iteration).await {
        Ok(ready) => ready,
        Err(Unopened {
            failure,
            detail,
            by,
        }) => {
            if let Some(identity) = by {
                iteration.answered_by(identity.as_bytes());
            }
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
    let mut turn = Turn::new(
        exchange,
        step,
        place,
        pool,
        with,
        iteration,
        (connection, is_read),
    );
    let result = poll_fn(|cx| {
        let polled = turn.poll(cx);
        turn.window.show_in_flight();
        polled
    })
    .await;
    turn.is_over = true;
    if let Some(message) = turn.looked_at.take() {
        let named = &pool.prepared.life.identity;
        let by = named.in_bytes(bytes_of(&message));
        let seen = Reply {
            value: message_value(&message),
            ..Reply::default()
        };
        // While its messages are not counted yet: they are on the same account.
        if let Some(identity) = by.or_else(|| named.in_reply(&seen)) {
            iteration.answered_by(identity.as_bytes());
        }
        *reply = Some(seen);
    }
    match result.and_then(|()| turn.check()) {
        Ok(()) => {
            place.worked();
            Outcome::Ok
        }
        Err(lost) => {
            iteration.explain(lost.failure, || lost.detail.clone());
            // A stream with gaps is the stream's fault, not the connection's.
            // Nor is an expression that comes to nothing.
            if !matches!(lost.failure, Failure::Incomplete | Failure::Expression) {
                turn.lose(lost.is_ours);
            }
            lost.failure.into()
        }
    }
}

/// A step's turn on a connection. However it ends, also by being dropped, the connection is given
/// back and the messages are counted.
struct Turn<'a> {
    exchange: &'a Exchange,
    step: usize,
    place: &'a Place,
    pool: &'a Rc<Pool>,
    iteration: &'a Iteration<'a>,
    connection: Option<Box<Connection>>,
    window: Window<'a>,
    watch: Option<&'a Watch>,
    streams: Option<Streams<'a>>,
    /// The last reply, where somebody looks at it.
    looked_at: Option<Box<Message>>,
    /// Whether all that has come was read, and the task will be woken by more.
    is_read: bool,
    /// Whether what was kept before has been looked through.
    has_looked_back: bool,
    tally: Tally,
    /// Whether the step came to an end of its own.
    is_over: bool,
}

impl<'a> Turn<'a> {
    fn new(
        exchange: &'a Exchange,
        step: usize,
        place: &'a Place,
        pool: &'a Rc<Pool>,
        with: With<'a>,
        iteration: &'a Iteration<'a>,
        (mut connection, is_read): (Box<Connection>, bool),
    ) -> Self {
        connection.step = step;
        let streams = match (&exchange.expect, &exchange.outgoing) {
            (Expect::Stream(rule), Some(_)) => Some(Streams::asked(rule)),
            (Expect::Stream(rule), None) => {
                let sequence = std::mem::take(connection.feed_of(exchange.feed));
                Some(Streams::listened_to(rule, sequence, iteration.now()))
            }
            _ => None,
        };
        Self {
            exchange,
            step,
            place,
            pool,
            iteration,
            connection: Some(connection),
            window: Window::new(exchange, step, pool, iteration, with),
            watch: with.watch,
            streams,
            looked_at: None,
            is_read,
            has_looked_back: exchange.outgoing.is_some(),
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
            let connection = self.connection.as_mut();
            let connection = connection.expect("there until the turn is over");
            self.window.send(connection, self.streams.as_mut(), cx)?;
            if self.window.is_done() {
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
        let is_up = streams.is_some_and(|it| it.is_time_up(cx));
        if is_up {
            // It ends now, and not with its last message.
            let now = self.iteration.now();
            self.window.heard(now);
            self.iteration.ready(now);
            self.end_stream();
        }
        is_up
    }

    fn connection(&mut self) -> &mut Connection {
        self.connection
            .as_mut()
            .expect("there until the turn is over")
    }

    /// Takes what has come, until that is all, or the step is done, or others on the thread have
    /// waited long enough.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), Lost> {
        for _ in 0..BURST {
            if self.window.is_done() {
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

    /// Messages that came before the step that listens for them did.
    fn take_waiting(&mut self) -> Result<(), Lost> {
        if std::mem::replace(&mut self.has_looked_back, true) {
            return Ok(());
        }
        let (exchange, mut passed) = (self.exchange, 0);
        while !self.window.is_done() {
            let is_wanted = |message: &Message| exchange.may_be_reply(message);
            let waiting = self.connection().take_waiting(&mut passed, is_wanted);
            let Some((message, at)) = waiting else {
                break;
            };
            self.take_of_stream(&message, Came::Before(at))?;
        }
        Ok(())
    }

    /// Takes what was received.
    fn take(&mut self, incoming: Incoming, at: Receipt) -> Result<(), Lost> {
        let message = match incoming {
            Incoming::Message(message) => message,
            Incoming::Pong(payload) => {
                let number = number_of_pong(&payload);
                let is_reply = number.is_some_and(|number| self.take_pong(number, at));
                if let Some(watch) = self.watch {
                    intercept::ponged(watch, &payload, is_reply);
                }
                return Ok(());
            }
        };
        let plan = self.place.plan(self.pool);
        if stray::is_late(plan, self.connection(), &message) {
            self.show(&message, false);
            Stray::Fault(MessageFault::TooLate).count(&mut self.tally);
            return Ok(());
        }
        let answered = match &self.exchange.expect {
            _ if !self.exchange.may_be_reply(&message) => None,
            Expect::InOrder => self.connection().account.answered_in_order(),
            Expect::ById(field) => number_in(&message, field)
                .and_then(|number| self.connection().account.answered(number)),
            Expect::Stream(_) if self.streams.as_ref().is_some_and(Streams::is_open) => {
                return self.take_of_stream(&message, Came::Now(at));
            }
            _ => None,
        };
        self.show(&message, answered.is_some());
        match answered {
            Some(answered) => {
                if self.exchange.is_looked_at {
                    self.looked_at = Some(Box::new(message));
                }
                self.take_reply(answered, at);
            }
            None => {
                stray::classify(plan, self.connection(), message, Some(at)).count(&mut self.tally);
            }
        }
        Ok(())
    }

    /// Shows what came to whoever looks.
    #[inline]
    fn show(&self, message: &Message, is_reply: bool) {
        if let Some(watch) = self.watch {
            intercept::came(watch, message, is_reply);
        }
    }

    /// Says whether the pong is one that is waited for.
    fn take_pong(&mut self, number: u64, at: Receipt) -> bool {
        let account = &mut self.connection().account;
        let is_late = account.was_given_up_ping(number);
        let is_waited_for = matches!(self.exchange.expect, Expect::Pong);
        if is_late {
            Stray::Fault(MessageFault::TooLate).count(&mut self.tally);
        } else if is_waited_for
            && let Some((ping, earlier)) = self.connection().account.answered_up_to(number)
        {
            self.window.heard(at.at);
            self.window.answer(earlier);
            self.take_reply(ping, at);
            return true;
        }
        false
    }

    fn take_reply(&mut self, message: Pending, received: Receipt) {
        let at = received.at;
        self.window.heard(at);
        self.window.answer(1);
        self.tally.received += 1;
        let round_trip = RoundTrip {
            due: message.due,
            ready: message.ready,
            sent_at: message.sent_at,
            reply_at: at,
        };
        let took = round_trip.record(self.step, self.iteration);
        self.iteration.message_received(self.step, received, took);
        self.iteration.received_within(received);
    }

    fn take_of_stream(&mut self, message: &Message, at: Came) -> Result<(), Lost> {
        let Some(streams) = &mut self.streams else {
            return Ok(());
        };
        let step = self.step;
        if let Some(watch) = self.watch {
            intercept::came(watch, message, true);
        }
        if self.exchange.is_looked_at {
            self.looked_at = Some(Box::new(message.clone()));
        }
        if let Came::Now(received) = at {
            self.window.heard(received.at);
            self.iteration.received_within(received);
        }
        if streams.take(message, at, step, self.iteration, &mut self.tally)? {
            self.end_stream();
        }
        Ok(())
    }

    fn end_stream(&mut self) {
        if let Some(streams) = &mut self.streams {
            streams.end();
            self.window.answer(1);
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
            Some(connection) if is_ours => self.pool.say_good_bye(connection),
            Some(connection) => self.place.lost(self.pool, connection),
            None => {}
        }
    }
}

impl Turn<'_> {
    /// What it waits for.
    fn waits_for(&self) -> String {
        let (sent, answered) = (self.window.sent(), self.window.answered());
        let of = self.exchange.repeat;
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
        self.tally.sent = u64::from(self.window.sent());
        if let Some(streams) = &self.streams {
            self.tally.fault(MessageFault::Missing, streams.missing());
        }
        let server = self.iteration.backend();
        self.tally
            .report(self.step, server, self.iteration.observer());
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
                    None if self.window.sent() > 0 => account.owe_without_end(),
                    None => {}
                }
            }
            (Expect::Stream(_), streams) => {
                let sequence = streams.map(Streams::into_sequence).unwrap_or_default();
                *connection.feed_of(self.exchange.feed) = sequence;
            }
        }
        connection.report(&*self.pool.observer);
        self.place.put_back(connection);
    }
}
