//! The right to one stream, and waiting for it.
//!
//! Owns how a place's streams are taken, who stands in line for one, and what follows from a stream's beginning and end for the connection that it is on.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::Request;

use super::codec::Call;
use super::codec::library::{ResponseFuture, SendStream, Sender};
use super::connection::Connection;
use super::error::Error;
use super::line::{State, Waiter};
use super::machine::Constant;
use super::place::Place;
use super::tap::{Tap, Times};
use crate::clock::Nanos;
use crate::outcome::Failure;
use crate::workload::{FarewellEvent, Iteration, SampleKind};

/// The right to one stream on a connection. Dropping it passes the right on: at once, or, where
/// the stream has not ended and the connection cannot write, once it could.
pub(crate) struct StreamPermit {
    place: Rc<Place>,
    pub(super) connection: Rc<Connection>,
    is_under_way: Cell<bool>,
    /// How much of answers had come on the connection when the stream was opened.
    came_before: Cell<u64>,
    /// How the stream ended, where it was opened.
    fate: Cell<Option<FarewellEvent>>,
}

impl StreamPermit {
    #[inline]
    pub(super) fn take(place: &Rc<Place>, connection: &Rc<Connection>) -> Self {
        connection.in_use.set(connection.in_use.get() + 1);
        Self::granted(place, Rc::clone(connection))
    }

    /// One that is counted already.
    #[inline]
    pub(super) fn granted(place: &Rc<Place>, connection: Rc<Connection>) -> Self {
        place.permits.set(place.permits.get() + 1);
        Self {
            place: Rc::clone(place),
            connection,
            is_under_way: Cell::new(false),
            came_before: Cell::new(0),
            fate: Cell::new(None),
        }
    }

    /// Opens the stream for a request whose message follows in one piece; a head that is always the same is
    /// `constant`. An error means that nothing was sent.
    #[inline]
    pub(crate) fn call(
        &self,
        constant: Option<Constant>,
        request: impl Fn() -> Request<()>,
    ) -> Result<Call, Error> {
        let call = self.connection.call(constant, request)?;
        self.opened();
        if call.is_watched() {
            self.connection.pump.tap.watch(call.id());
        }
        Ok(call)
    }

    /// When a call's frames left and came.
    #[inline]
    pub(crate) fn times_of(&self, call: &Call) -> Times {
        let pump = &self.connection.pump;
        let times = call.times().unwrap_or_else(|| pump.tap.take(call.id()));
        pump.served(&times);
        times
    }

    /// Opens the stream, and every piece of the answer is watched; nothing more is sent where the request is
    /// whole.
    #[inline]
    pub(crate) fn send_watched(
        &self,
        request: impl Fn() -> Request<()>,
        is_whole: bool,
    ) -> Result<(ResponseFuture, SendStream), Error> {
        let (response, stream) = self.connection.send(request, is_whole)?;
        self.opened();
        self.connection.pump.tap.watch_data(stream.id(), false);
        Ok((response, stream))
    }

    #[inline]
    fn opened(&self) {
        self.is_under_way.set(true);
        self.fate.set(Some(FarewellEvent::Broken));
        self.came_before.set(self.connection.pump.tap.answers());
    }

    /// Why the connection ended, where somebody said so.
    pub(crate) fn why_it_ended(&self) -> Option<String> {
        self.connection.why_it_ended()
    }

    /// What was opened is handed over whole, by an iteration that was ready at `ready`.
    #[inline]
    pub(crate) fn handed_over(&self, ready: Nanos) {
        self.connection.pump.handed_over(ready);
    }

    /// When the stream's frames left and came.
    #[inline]
    pub(crate) fn times(&self, stream: &SendStream) -> Times {
        let pump = &self.connection.pump;
        let times = pump.tap.take(stream.id());
        pump.served(&times);
        times
    }

    /// A handle to open the stream with, for one that outlives the borrow.
    ///
    /// # Errors
    /// That the connection takes unary calls only.
    pub(crate) fn sender(&self) -> Result<Sender, Error> {
        let sender = self.connection.sender()?;
        self.opened();
        Ok(sender)
    }

    /// Where to see when the stream's frames leave and come.
    pub(crate) fn tap(&self) -> &Rc<Tap> {
        &self.connection.pump.tap
    }

    /// The stream has ended on both sides: nothing of it is left to send.
    #[inline]
    pub(crate) fn ended(&self) {
        self.is_under_way.set(false);
        self.fate.set(Some(FarewellEvent::Finished));
    }

    /// Whether the stream was opened and has not ended.
    #[inline]
    pub(crate) fn is_under_way(&self) -> bool {
        self.is_under_way.get()
    }

    /// The stream is ended before its end on purpose, and says nothing about the connection.
    pub(crate) fn expects_no_more(&self) {
        self.fate.set(Some(FarewellEvent::Finished));
        // No connection has ever answered so much.
        self.came_before.set(u64::MAX);
    }

    /// The server has not looked at it.
    pub(crate) fn refused(&self) {
        self.fate.set(Some(FarewellEvent::Refused));
    }

    /// What the server has not looked at is sent again.
    pub(crate) fn is_sent_again(&self) {
        self.connection.after_farewell(FarewellEvent::SentAgain);
    }

    /// Nothing more can be sent on this connection; the server has not looked at what was.
    pub(crate) fn retire(&self) {
        // Before it has its fate: it is one of those that were open.
        self.connection.sees_good_bye();
        self.refused();
        self.place.retire(&self.connection);
    }
}

impl Drop for StreamPermit {
    #[inline]
    fn drop(&mut self) {
        self.place.permits.set(self.place.permits.get() - 1);
        let connection = &self.connection;
        if let Some(fate) = self.fate.get() {
            connection.after_farewell(fate);
        }
        if self.is_under_way.get() {
            connection.gave_up(self.came_before.get());
            if connection.is_suspect.get() {
                self.place.wake_keeper();
            }
        }
        if self.is_under_way.get() && connection.traffic.is_stuck() {
            connection.lingering.set(connection.lingering.get() + 1);
            return;
        }
        connection.in_use.set(connection.in_use.get() - 1);
        self.place.grant();
    }
}

impl Place {
    /// A stream's permit, waiting for it where there is none: for a stream to end, or, while no
    /// connection is open, for the next attempt to open one. When that attempt fails, so does
    /// this, unless the scenario waits until there is one; a dead server then costs one failure for each
    /// attempt, not as many as can be made.
    #[inline]
    pub(crate) async fn permit(
        self: &Rc<Self>,
        iteration: &Iteration<'_>,
        step: usize,
    ) -> Result<StreamPermit, Failure> {
        if let Some(permit) = self.try_permit() {
            iteration.goes_over(permit.connection.id);
            return Ok(permit);
        }
        let is_stream_wait = self.connection.borrow().is_some();
        if let Some(at) = self.untold.take()
            && at >= iteration.started()
            && !is_stream_wait
            && !self.waits_for_ready
        {
            // The attempt was made for this iteration.
            iteration.ready(iteration.now());
            iteration.explain(Failure::Connect, || self.last_problem());
            return Err(Failure::Connect);
        }
        let from = iteration.now();
        // Resting before an attempt is our own choice, and nobody's latency; for who waits until there
        // is a connection, it is part of what a client of the service waits.
        let rests = !is_stream_wait && !self.waits_for_ready;
        let rest = rests.then(|| iteration.back_off(&self.rest_until));
        let result = Waiting::join(self).await;
        drop(rest);
        let now = iteration.now();
        if is_stream_wait {
            iteration.sample_nanos(step, SampleKind::StreamWait, now.saturating_sub(from));
        }
        // Whatever kept us waiting, it was not the generator.
        iteration.ready(now);
        match &result {
            Ok(permit) => iteration.goes_over(permit.connection.id),
            Err(failure) => {
                iteration.explain(*failure, || self.last_problem.borrow().clone());
            }
        }
        result
    }

    #[inline]
    fn try_permit(self: &Rc<Self>) -> Option<StreamPermit> {
        if !self.has_room() {
            return None;
        }
        self.connection
            .borrow()
            .as_ref()
            .map(|connection| StreamPermit::take(self, connection))
    }
}

/// Standing in line. Dropping it leaves the line and gives back what was granted meanwhile.
struct Waiting<'a> {
    place: &'a Rc<Place>,
    waiter: Rc<Waiter>,
}

impl<'a> Waiting<'a> {
    fn join(place: &'a Rc<Place>) -> Self {
        let waiter = Waiter::new();
        place.waiting.borrow_mut().push_back(Rc::clone(&waiter));
        // One that is opened when it is needed.
        if !place.is_connected() {
            place.wake_keeper();
        }
        Self { place, waiter }
    }
}

impl Future for Waiting<'_> {
    type Output = Result<StreamPermit, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(state) = self.waiter.poll(cx) else {
            return Poll::Pending;
        };
        Poll::Ready(match state {
            State::Granted(connection) => Ok(StreamPermit::granted(self.place, connection)),
            State::Failed | State::Settled | State::Waiting => Err(Failure::Connect),
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        match self.waiter.leave() {
            State::Granted(connection) => drop(StreamPermit::granted(self.place, connection)),
            State::Waiting => {
                // Those whose time is up are mostly the first in line; the others are skipped
                // when their turn comes.
                let mut waiting = self.place.waiting.borrow_mut();
                while waiting.front().is_some_and(|first| !first.is_waiting()) {
                    waiting.pop_front();
                }
            }
            State::Failed | State::Settled => {}
        }
    }
}
