//! One step on a connection: messages out, replies in, and what is measured of them.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::connection::{Connection, Lost, Pending, Settled};
use super::frame::{Frame, Partial};
use super::intercept;
use super::place::UserConnection;
use super::pool::Pool;
use super::prepare::Exchange;
use crate::clock::Nanos;
use crate::driver::intercept::Watch;
use crate::driver::steps::Reply;
use crate::driver::transport::limit::within;
use crate::driver::transport::pace::Pace;
use crate::driver::transport::round_trip::RoundTrip;
use crate::expression::{Scope, bytes_value};
use crate::outcome::{Failure, Outcome};
use crate::workload::{Iteration, MessageFault, Receipt, SampleKind};

/// Messages that a step sends, and reads that it makes, before others on the thread have their turn.
const BURST: u32 = 256;

/// What the messages of a step are made with, and who sees them.
#[derive(Debug, Clone, Copy)]
pub(super) struct With<'a> {
    /// What names stand for in what is sent.
    pub(super) scope: &'a Scope,
    pub(super) watch: Option<&'a Watch>,
}

/// Makes the exchange, in the time that it may take.
#[inline]
pub(super) async fn run(
    exchange: &Exchange,
    place: &mut UserConnection,
    pool: &Pool,
    with: With<'_>,
    reply: &mut Option<Reply>,
    iteration: &Iteration<'_>,
) -> Outcome {
    let making = pin!(make(exchange, place, pool, with, reply, iteration));
    // How far it came is told by what is cut off.
    let outcome = within(exchange.timeout, making).await;
    outcome.unwrap_or(Failure::Timeout.into())
}

#[inline]
async fn make(
    exchange: &Exchange,
    place: &mut UserConnection,
    pool: &Pool,
    with: With<'_>,
    reply: &mut Option<Reply>,
    iteration: &Iteration<'_>,
) -> Outcome {
    iteration.goes_to(place.to.target);
    if let Some(watch) = with.watch {
        intercept::begins(watch, pool.address(place.to.target), iteration);
    }
    if let Err((failure, detail)) = place.ready(exchange, pool, iteration).await {
        iteration.explain(failure, || detail.clone());
        return failure.into();
    }
    let mut turn = Turn::new(exchange, place, pool, with, iteration);
    let result = poll_fn(|cx| {
        let polled = turn.poll(cx);
        turn.show_in_flight();
        polled
    })
    .await;
    turn.is_over = true;
    if let Some(bytes) = turn.looked_at.take() {
        let named = &pool.prepared.life.identity;
        let by = named.in_bytes(&bytes);
        let seen = Reply {
            value: bytes_value(&bytes),
            ..Reply::default()
        };
        // While its messages are not counted yet: they are on the same account.
        if let Some(identity) = by.or_else(|| named.in_reply(&seen)) {
            iteration.answered_by(identity.as_bytes());
        }
        *reply = Some(seen);
    }
    drop(turn);
    match result {
        Ok(()) => {
            place.worked();
            if exchange.ends_connection() {
                Box::pin(place.close(pool)).await;
            }
            Outcome::Ok
        }
        Err(lost) => {
            let lost = diagnosed(lost, place, pool);
            iteration.explain(lost.failure, || lost.detail.clone());
            match lost.is_ours {
                true => place.abandon(pool),
                false => place.lost(pool),
            }
            lost.failure.into()
        }
    }
}

/// What it means that an encrypted connection ended on which nothing ever came.
#[cold]
fn diagnosed(lost: Lost, place: &UserConnection, pool: &Pool) -> Lost {
    let has_read = place.connection.as_ref().is_none_or(|it| it.has_read);
    if lost.is_ours || has_read {
        return lost;
    }
    let endpoint = &pool.prepared.endpoints[place.to.target];
    match endpoint.ended_after_handshake(&lost.detail) {
        // What failed stays what it was: the connection was there. A service that ends for another reason
        // looks the same.
        Some(problem) => Lost::new(lost.failure, endpoint.failed(problem).to_string()),
        None => lost,
    }
}

/// A step's turn on a connection. However it ends, also by being dropped, the messages are counted, and
/// the connection is left to the next step only where nothing is owed on it.
struct Turn<'a> {
    exchange: &'a Exchange,
    place: &'a mut UserConnection,
    pool: &'a Pool,
    iteration: &'a Iteration<'a>,
    with: With<'a>,
    pace: Option<Pace>,
    sent: u32,
    answered: u32,
    /// This step's part of what all steps of the worker have sent and wait for.
    shown_in_flight: u32,
    /// When the last reply came, or the step began.
    last_reply: Nanos,
    /// Since when there is room for a message where there was none before.
    room_since: Nanos,
    /// What has come of the next reply.
    partial: Partial,
    /// The last reply, where somebody looks at it.
    looked_at: Option<Bytes>,
    is_shut_down: bool,
    /// Whether the step came to an end of its own.
    is_over: bool,
}

impl<'a> Turn<'a> {
    fn new(
        exchange: &'a Exchange,
        place: &'a mut UserConnection,
        pool: &'a Pool,
        with: With<'a>,
        iteration: &'a Iteration<'a>,
    ) -> Self {
        if let Some(connection) = &place.connection {
            iteration.goes_over(connection.id);
            if let Some(identity) = &connection.identity {
                iteration.answered_by(identity.as_bytes());
            }
            if connection.since > iteration.ready_since() {
                // Connecting is the service's time, not the generator's.
                iteration.ready(connection.since);
            }
        }
        Self {
            exchange,
            place,
            pool,
            iteration,
            with,
            pace: exchange
                .every
                .map(|every| Pace::new(every, iteration.now(), &pool.alarms)),
            sent: 0,
            answered: 0,
            shown_in_flight: 0,
            last_reply: iteration.ready_since(),
            room_since: 0,
            partial: Partial::default(),
            looked_at: None,
            is_shut_down: false,
            is_over: false,
        }
    }

    #[inline]
    fn connection(&mut self) -> &mut Connection {
        let connection = self.place.connection.as_mut();
        connection.expect("there until the turn is over")
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        for _ in 0..BURST {
            self.send(cx)?;
            if self.has_received_all() {
                if self.has_sent_all() {
                    return Poll::Ready(Ok(()));
                }
                // A server that nobody listens to may stop to listen itself.
                match self.connection().poll_read(cx)? {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(0) => return Poll::Ready(Err(Lost::cut_short())),
                    Poll::Ready(_) => self.keep(),
                }
                continue;
            }
            if self.take_replies()? {
                // There may be room for more messages.
                continue;
            }
            match self.connection().poll_read(cx)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(0) => return Poll::Ready(self.ended()),
                Poll::Ready(_) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Keeps what has come for a step that receives.
    fn keep(&mut self) {
        if matches!(self.connection().keep(), Settled::LetGo) {
            let fault = MessageFault::Unexpected;
            self.iteration.message_fault(self.exchange.number, fault, 1);
        }
    }

    /// What has come while nothing was owed is the answer to nothing that is sent after it.
    #[inline]
    fn let_go(&mut self) {
        let connection = self.connection();
        if !connection.came.is_empty() {
            connection.came.clear();
            let fault = MessageFault::Unexpected;
            self.iteration.message_fault(self.exchange.number, fault, 1);
        }
    }

    /// Whether all has left that is to be sent, our end included.
    fn has_sent_all(&mut self) -> bool {
        let all = self.exchange.outgoing.is_none() || self.sent == self.exchange.repeat;
        all && self.connection().is_flushed() && (self.is_shut_down || !self.exchange.shutdown)
    }

    fn has_received_all(&self) -> bool {
        self.exchange.frame.is_none() || self.answered == self.exchange.repeat
    }

    /// Sends what is due and fits, together.
    #[inline]
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Lost> {
        let mut now = None;
        let mut burst = 0;
        while let Some(outgoing) = &self.exchange.outgoing
            && self.sent < self.exchange.repeat
            && self.has_room()
        {
            if let Some(pace) = &mut self.pace
                && pace.poll_due(cx).is_pending()
            {
                break;
            }
            if burst == BURST {
                cx.waker().wake_by_ref();
                break;
            }
            if !self.connection().has_room() && self.flush(None, cx)?.is_pending() {
                break;
            }
            let bytes = outgoing.bytes(self.with.scope);
            let mut bytes =
                bytes.map_err(|error| Lost::of_our_own(Failure::Expression, error.to_string()))?;
            if let Some(watch) = self.with.watch {
                bytes = intercept::sends(watch, bytes);
            }
            let at = *now.get_or_insert_with(|| self.iteration.now());
            let due = self.pace.as_ref().map(Pace::due_at);
            let ready = due.unwrap_or(self.last_reply).max(self.room_since);
            if self.exchange.frame.is_some() && self.in_flight() == 0 {
                self.let_go();
            }
            let connection = self.connection();
            connection.feed(bytes);
            connection.pending.push_back(Pending {
                due,
                ready,
                sent_at: at.max(ready),
                has_left: false,
            });
            self.sent += 1;
            burst += 1;
            if let Some(pace) = &mut self.pace {
                pace.next();
            }
        }
        if !self.connection().is_flushed() {
            let just_now = now.filter(|_| burst == 1);
            if self.flush(just_now, cx)?.is_pending() {
                return Ok(());
            }
        }
        let is_last = self.exchange.outgoing.is_none() || self.sent == self.exchange.repeat;
        if self.exchange.shutdown && is_last && !self.is_shut_down {
            self.is_shut_down = match self.connection().poll_shutdown(cx) {
                Poll::Ready(ended) => ended.map(|()| true)?,
                Poll::Pending => false,
            };
        }
        Ok(())
    }

    /// Has all leave that was handed over.
    #[inline]
    fn flush(&mut self, now: Option<Nanos>, cx: &mut Context<'_>) -> Result<Poll<()>, Lost> {
        match self.connection().poll_flush(now, cx) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(flushed) => flushed?,
        }
        let at = self.connection().sent_at();
        let is_waited_for = self.exchange.frame.is_some();
        let (number, iteration, is_paced) =
            (self.exchange.number, self.iteration, self.pace.is_some());
        let mut lag = 0;
        let pending = &mut self.connection().pending;
        for message in pending.iter_mut().rev().take_while(|it| !it.has_left) {
            message.has_left = true;
            message.sent_at = at;
            let own = at.saturating_sub(message.ready);
            lag = lag.max(own);
            if is_paced && !is_waited_for {
                iteration.sample_nanos(number, SampleKind::MessageLag, own);
            }
        }
        if !is_waited_for {
            pending.clear();
        }
        iteration.lagged(lag);
        Ok(Poll::Ready(()))
    }

    fn has_room(&self) -> bool {
        self.exchange.frame.is_none() || self.in_flight() < self.exchange.in_flight
    }

    /// What was sent and is waited for.
    fn in_flight(&self) -> u32 {
        match self.exchange.frame {
            Some(_) => self.sent.saturating_sub(self.answered),
            None => 0,
        }
    }

    /// Has the worker's level follow.
    fn show_in_flight(&mut self) {
        self.show(self.in_flight());
    }

    fn show(&mut self, now: u32) {
        let before = std::mem::replace(&mut self.shown_in_flight, now);
        let all = self.pool.in_flight.get() + u64::from(now) - u64::from(before);
        self.pool.in_flight.set(all);
    }

    /// Takes the replies that are whole. Whether there were any.
    #[inline]
    fn take_replies(&mut self) -> Result<bool, Lost> {
        let exchange = self.exchange;
        let Some(frame) = &exchange.frame else {
            return Ok(false);
        };
        let sends = exchange.outgoing.is_some();
        let most = self.pool.prepared.max_message;
        let mut any = false;
        while self.answered < if sends { self.sent } else { exchange.repeat } {
            let connection = self.place.connection.as_mut();
            let connection = connection.expect("there until the turn is over");
            let keep = exchange.is_looked_at || self.with.watch.is_some();
            let taken = frame.take(&mut self.partial, &mut connection.came, keep, most);
            let taken = taken.map_err(|detail| Lost::of_our_own(Failure::Protocol, detail))?;
            let Some(reply) = taken else {
                break;
            };
            any = true;
            self.answered_with(reply);
        }
        Ok(any)
    }

    /// A reply is whole.
    #[inline]
    fn answered_with(&mut self, reply: Bytes) {
        let received = self.connection().received();
        let received = received.unwrap_or_else(|| Receipt::at(self.iteration.now()));
        let had_room = self.has_room();
        self.last_reply = received.at;
        if !had_room {
            self.room_since = received.at;
        }
        self.answered += 1;
        if let Some(message) = self.connection().pending.pop_front() {
            let round_trip = RoundTrip {
                due: message.due,
                ready: message.ready,
                sent_at: message.sent_at,
                reply_at: received.at,
            };
            let took = round_trip.record(self.exchange.number, self.iteration);
            self.iteration
                .message_received(self.exchange.number, received, took);
        }
        self.iteration.received_within(received);
        if let Some(watch) = self.with.watch {
            intercept::answered(watch, &reply);
        }
        if self.exchange.is_looked_at {
            self.looked_at = Some(reply);
        }
    }

    /// The server has ended its side: as it should, or too early.
    fn ended(&mut self) -> Result<(), Lost> {
        if matches!(self.exchange.frame, Some(Frame::End)) {
            let reply = self.connection().came.split().freeze();
            self.answered_with(reply);
            return match self.has_sent_all() {
                true => Ok(()),
                false => Err(Lost::cut_short()),
            };
        }
        let rest = self.connection().came.len() as u64;
        let detail = match self.partial.is_nothing() && rest == 0 {
            true => "the server closed the connection in place of a reply".to_owned(),
            false => format!(
                "the server closed the connection in the middle of a reply, of which {} bytes had come",
                self.partial.let_go() + rest
            ),
        };
        Err(Lost::new(Failure::Incomplete, detail))
    }

    /// What it waits for.
    fn waits_for(&self) -> String {
        let (sent, answered, of) = (self.sent, self.answered, self.exchange.repeat);
        match (&self.exchange.outgoing, &self.exchange.frame) {
            (_, None) => format!("sending; {sent} of {of} messages were handed over"),
            (None, Some(_)) => format!("receiving; {answered} of {of} came"),
            (Some(_), Some(Frame::End)) => "waiting for the server to close".to_owned(),
            (Some(_), Some(_)) => {
                format!("waiting for replies; {answered} came to {sent} of {of} messages")
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.show(0);
        if !self.is_over {
            let waits_for = || format!("cut off while {}", self.waits_for());
            self.iteration.explain(Failure::Timeout, waits_for);
        }
        let (sent, received) = (u64::from(self.sent), u64::from(self.answered));
        if sent + received > 0 {
            self.iteration
                .messages(self.exchange.number, sent, received);
        }
        let has_all = self.has_received_all();
        let Some(connection) = &mut self.place.connection else {
            return;
        };
        // The rest of half a reply would be taken for a whole one.
        let has_half = self.exchange.frame.is_some() && !connection.came.is_empty();
        let is_clear = self.partial.is_nothing() && !has_half;
        let is_cut = has_half && !has_all;
        if is_cut && let Some(watch) = self.with.watch {
            intercept::broke_off(watch, &connection.came);
        }
        connection.report(&*self.pool.observer);
        // What is still to come would be taken for the answer to something else.
        let owes = !connection.pending.is_empty() || !connection.is_flushed();
        let was_cut = !self.is_over && (owes || !is_clear || self.is_shut_down);
        if was_cut {
            self.place.abandon(self.pool);
        }
    }
}
