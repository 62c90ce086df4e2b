//! What a step has sent and waits for.
//!
//! Owns when the next message may leave, and how late it left by our own doing. What comes back is
//! `exchange`'s.

use std::cell::Cell;
use std::task::{Context, Poll};

use super::account::Pending;
use super::connection::{Connection, Lost};
use super::intercept::With;
use super::pool::Pool;
use super::prepare::{Exchange, Expect};
use super::stream::Streams;
use crate::clock::Nanos;
use crate::driver::transport::pace::Pace;
use crate::workload::{Iteration, SampleKind};

/// Messages that a step sends or takes before others on the thread have their turn.
pub(super) const BURST: u32 = 256;

/// The messages of a step, those that are out and those to come.
pub(super) struct Window<'a> {
    exchange: &'a Exchange,
    step: usize,
    iteration: &'a Iteration<'a>,
    with: With<'a>,
    pace: Option<Pace>,
    sent: u32,
    /// Messages that were answered, or streams that have ended.
    answered: u32,
    /// What all steps of the worker have sent and wait for.
    in_flight_of_all: &'a Cell<u64>,
    /// This step's part of it.
    shown_in_flight: u32,
    /// When the last reply came, or the step began.
    last_reply: Nanos,
    /// Since when there is room for a message where there was none before.
    room_since: Nanos,
    /// Of messages that nothing answers: since when they could have left that have not.
    unsent: Vec<Nanos>,
    is_flushed: bool,
}

impl<'a> Window<'a> {
    pub(super) fn new(
        exchange: &'a Exchange,
        step: usize,
        pool: &'a Pool,
        iteration: &'a Iteration<'a>,
        with: With<'a>,
    ) -> Self {
        Self {
            exchange,
            step,
            iteration,
            with,
            pace: exchange
                .every
                .map(|every| Pace::new(every, iteration.now(), &pool.alarms)),
            sent: 0,
            answered: 0,
            in_flight_of_all: &pool.in_flight,
            shown_in_flight: 0,
            last_reply: iteration.ready_since(),
            room_since: 0,
            unsent: Vec::new(),
            is_flushed: true,
        }
    }

    pub(super) fn sent(&self) -> u32 {
        self.sent
    }

    pub(super) fn answered(&self) -> u32 {
        self.answered
    }

    /// Whether all has left and all is answered.
    pub(super) fn is_done(&self) -> bool {
        match &self.exchange.expect {
            Expect::Nothing => self.sent == self.exchange.repeat && self.is_flushed,
            _ => self.answered == self.exchange.repeat,
        }
    }

    /// Sends what is due and fits, and flushes it together.
    pub(super) fn send(
        &mut self,
        connection: &mut Connection,
        mut streams: Option<&mut Streams<'_>>,
        cx: &mut Context<'_>,
    ) -> Result<(), Lost> {
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
            match connection.poll_ready(cx) {
                Poll::Pending => break,
                Poll::Ready(ready) => ready?,
            }
            let now = *now.get_or_insert_with(|| self.iteration.now());
            let due = self.pace.as_ref().map(Pace::due_at);
            let ready = due.unwrap_or(self.last_reply).max(self.room_since);
            let number = connection.account.next_number();
            connection.feed(outgoing, number, self.with, cx)?;
            match (&self.exchange.expect, &mut streams) {
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
            if let Poll::Ready(flushed) = connection.poll_flush(just_now, cx) {
                flushed?;
                self.is_flushed = true;
                self.left(connection);
            }
        }
        Ok(())
    }

    /// All that was handed over has left.
    fn left(&mut self, connection: &mut Connection) {
        let at = connection.sent_at();
        let mut lag = connection.account.left(at);
        for ready in self.unsent.drain(..) {
            let own = at.saturating_sub(ready);
            lag = lag.max(own);
            if self.pace.is_some() {
                self.iteration
                    .sample_nanos(self.step, SampleKind::MessageLag, own);
            }
        }
        self.iteration.lagged(lag);
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

    /// Has the worker's level follow.
    pub(super) fn show_in_flight(&mut self) {
        self.show(self.in_flight());
    }

    fn show(&mut self, now: u32) {
        let before = std::mem::replace(&mut self.shown_in_flight, now);
        let all = self.in_flight_of_all.get() + u64::from(now) - u64::from(before);
        self.in_flight_of_all.set(all);
    }

    /// A message came, which may have answered nothing.
    pub(super) fn heard(&mut self, at: Nanos) {
        self.last_reply = at;
    }

    /// So many more were answered with what came last: there is room for others.
    pub(super) fn answer(&mut self, count: u32) {
        if !self.has_room() {
            self.room_since = self.last_reply;
        }
        self.answered += count;
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        self.show(0);
    }
}
