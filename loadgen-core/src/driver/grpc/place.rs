//! A place in the pool: one connection that is kept open, and the line for its streams.
//!
//! Owns how many streams are in use on the connection that is current, who waits for one, and
//! what becomes of them when the connection goes. A place outlives its connections; opening them
//! is the keeper's.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;

use super::pump::Pump;
use super::status;
use super::tap::{Tap, Times};
use crate::alarm::Alarms;
use crate::clock::{Clock, Nanos};
use crate::driver::transport::traffic::Traffic;
use crate::outcome::Failure;
use crate::workload::{ConnectionId, Iteration, Levels, SampleKind};

/// One open HTTP/2 connection, as those see it who send on it.
pub(super) struct Connection {
    id: ConnectionId,
    /// Shared by all users of the connection: a clone for each request would take its lock twice
    /// more.
    sender: RefCell<SendRequest<Bytes>>,
    in_use: Cell<u32>,
    limit: Cell<u32>,
    /// The scenario's own limit.
    most: u32,
    streams: Cell<u64>,
    traffic: Rc<Traffic>,
    /// Of those in use, the streams whose call was given up while nothing could be written: what
    /// they had to send, the word that they are given up included, is still queued.
    lingering: Cell<u32>,
    /// How many calls were given up in a row while none had an answer, and how much of answers had
    /// come then.
    unanswered: Cell<(u32, u64)>,
    /// Whether that became so many that the connection may be dead.
    is_suspect: Cell<bool>,
    /// Why we ended it, where we did.
    given_up: RefCell<Option<String>>,
    pump: Rc<Pump>,
}

/// The most streams that may linger on a connection before it takes no more. It bounds what a
/// server that has stopped reading costs: each lingering stream is memory, and calls go on being
/// made and given up. Where the server allows fewer streams, that is the bound.
const MOST_LINGERING: u32 = 128;

/// So many calls that are given up in a row, without an answer to any, make a connection suspect. One
/// may just be slow.
const SUSPICIOUS: u32 = 2;

impl Connection {
    pub(super) fn new(
        sender: SendRequest<Bytes>,
        most: u32,
        traffic: Rc<Traffic>,
        pump: &Rc<Pump>,
    ) -> Self {
        let connection = Self {
            id: ConnectionId::next(),
            pump: Rc::clone(pump),
            sender: RefCell::new(sender),
            in_use: Cell::new(0),
            limit: Cell::new(0),
            most,
            streams: Cell::new(0),
            traffic,
            lingering: Cell::new(0),
            unanswered: Cell::new((0, 0)),
            is_suspect: Cell::new(false),
            given_up: RefCell::new(None),
        };
        connection.refresh_limit();
        connection
    }

    #[inline]
    fn send(
        &self,
        request: impl Fn() -> Request<()>,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let mut sender = self.sender.borrow_mut();
        let result = match sender.send_request(request(), false) {
            Ok(stream) => Ok(stream),
            Err(error) if error.is_io() || error.is_go_away() => Err(error),
            // The handle still holds a stream that has not gone out yet and refuses another one.
            // A fresh handle holds none; how many streams there may be is counted here.
            Err(_) => {
                let fresh = sender.clone();
                *sender = fresh;
                sender.send_request(request(), false)
            }
        };
        self.streams.set(self.streams.get() + 1);
        result
    }

    fn sender(&self) -> SendRequest<Bytes> {
        self.streams.set(self.streams.get() + 1);
        self.sender.borrow().clone()
    }

    /// How many streams were opened on it so far.
    pub(super) fn streams(&self) -> u64 {
        self.streams.get()
    }

    /// Takes over the server's limit of streams. Whether it changed.
    pub(super) fn refresh_limit(&self) -> bool {
        let allowed = self.sender.borrow().current_max_send_streams();
        let limit = u32::try_from(allowed).unwrap_or(u32::MAX).min(self.most);
        self.limit.replace(limit) != limit
    }

    /// Why no stream can be opened any more, once the server has said so.
    pub(super) fn farewell(&self) -> Option<h2::Error> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.sender.borrow_mut().poll_ready(&mut cx) {
            Poll::Ready(Err(error)) => Some(error),
            _ => None,
        }
    }

    /// Why it ended, where somebody said so: the server with a good-bye, or we.
    pub(super) fn why_it_ended(&self) -> Option<String> {
        self.given_up.borrow().clone().or_else(|| {
            self.farewell()
                .filter(|error| error.is_go_away() && error.is_remote())
                .map(|error| status::in_words(&error))
        })
    }

    /// Ends it, and all of its calls with it.
    pub(super) fn give_up(&self, why: String) {
        *self.given_up.borrow_mut() = Some(why);
        self.pump.end();
    }

    /// A call was given up, whose stream was opened when so much of answers had come.
    fn gave_up(&self, came_before: u64) {
        let answers = self.pump.tap.answers();
        let (before, answers_then) = self.unanswered.get();
        let in_a_row = match (answers == came_before, answers == answers_then) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => before.saturating_add(1),
        };
        self.unanswered.set((in_a_row, answers));
        if in_a_row >= SUSPICIOUS {
            self.is_suspect.set(true);
        }
    }

    /// Whether it may be dead, as far as calls tell that were given up since the last time.
    #[inline]
    pub(super) fn take_suspicion(&self) -> bool {
        self.is_suspect.take()
    }

    /// Gives the lingering streams back once everything that could be sent was. Whether there
    /// were any. To be asked after the connection was given its turn to write.
    pub(super) fn release_lingering(&self) -> bool {
        if self.lingering.get() == 0 || self.traffic.is_stuck() {
            return false;
        }
        self.in_use.set(self.in_use.get() - self.lingering.take());
        true
    }

    fn has_room(&self) -> bool {
        self.in_use.get() < self.limit.get() && self.lingering.get() < MOST_LINGERING
    }
}

/// A place in the pool. See the module's header.
pub(super) struct Place {
    /// Which of the scenario's targets it connects to.
    pub(super) target: usize,
    /// The run's clock.
    pub(super) clock: Clock,
    /// For messages with due times.
    pub(super) alarms: Alarms,
    connection: RefCell<Option<Rc<Connection>>>,
    waiting: RefCell<VecDeque<Rc<Waiter>>>,
    last_problem: RefCell<String>,
    keeper: RefCell<Option<Waker>>,
    permits: Cell<u64>,
    /// Until when the keeper rests before its next attempt.
    rest_until: Cell<Nanos>,
    /// Whether a connection was replaced because nothing was answered on it, and nothing has been
    /// on its successor.
    is_mute: Cell<bool>,
}

impl Place {
    pub(super) fn new(target: usize, clock: Clock, alarms: Alarms) -> Self {
        Self {
            target,
            clock,
            alarms,
            connection: RefCell::new(None),
            waiting: RefCell::new(VecDeque::new()),
            last_problem: RefCell::new(String::new()),
            keeper: RefCell::new(None),
            permits: Cell::new(0),
            rest_until: Cell::new(0),
            is_mute: Cell::new(false),
        }
    }

    /// Whether a connection on which nothing is answered is to be replaced. Once: where nothing is
    /// answered on its successor either, it is the service that does not answer.
    pub(super) fn replaces_mute(&self) -> bool {
        !self.is_mute.replace(true)
    }

    /// So many frames of answers have come on the connection.
    #[inline]
    pub(super) fn heard(&self, answers: u64) {
        if answers > 0 {
            self.is_mute.set(false);
        }
    }

    /// The keeper puts off its next attempt until then.
    pub(super) fn rests_until(&self, until: Nanos) {
        self.rest_until.set(until);
    }

    /// A stream's permit, waiting for it where there is none: for a stream to end, or, while no
    /// connection is open, for the next attempt to open one. When that attempt fails, so does
    /// this; a dead server then costs one failure for each attempt, not as many as can be made.
    #[inline]
    pub(super) async fn permit(
        self: &Rc<Self>,
        iteration: &Iteration<'_>,
        step: usize,
    ) -> Result<StreamPermit, Failure> {
        if let Some(permit) = self.try_permit() {
            iteration.goes_over(permit.connection.id);
            return Ok(permit);
        }
        let is_stream_wait = self.connection.borrow().is_some();
        let from = iteration.now();
        // Resting before an attempt is our own choice, and nobody's latency.
        let rest = (!is_stream_wait).then(|| iteration.back_off(&self.rest_until));
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

    /// Whether a stream can be had without waiting.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.connection
            .borrow()
            .as_ref()
            .is_some_and(|connection| connection.has_room())
            && self.waiting.borrow().is_empty()
    }

    /// Whether a connection is open.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.borrow().is_some()
    }

    /// Calls under way, those included on connections that only finish them, and the streams of the
    /// connection that takes calls, where one is open.
    pub(super) fn levels(&self) -> Levels {
        let connection = self.connection.borrow();
        let of_line = |of: fn(&Connection) -> u32| {
            connection
                .as_ref()
                .map(|connection| u64::from(of(connection)))
        };
        Levels {
            in_flight: Some(self.permits.get()),
            streams_in_use: of_line(|connection| connection.in_use.get()),
            streams_allowed: of_line(|connection| connection.limit.get()),
            ..Levels::default()
        }
    }

    /// Whether neither the server nor the scenario limits the streams of its connection: what HTTP/2
    /// leaves then is no figure that anybody set.
    pub(super) fn is_unlimited(&self) -> bool {
        let connection = self.connection.borrow();
        connection
            .as_ref()
            .is_some_and(|connection| connection.limit.get() == u32::MAX)
    }

    /// Makes a connection the current one.
    pub(super) fn install(&self, connection: &Rc<Connection>) {
        *self.connection.borrow_mut() = Some(Rc::clone(connection));
        self.grant();
    }

    /// Stops sending on a connection; whoever needs a stream waits for its successor.
    pub(super) fn retire(&self, connection: &Rc<Connection>) {
        let mut current = self.connection.borrow_mut();
        if current
            .as_ref()
            .is_some_and(|it| Rc::ptr_eq(it, connection))
        {
            *current = None;
            if let Some(keeper) = self.keeper.borrow_mut().take() {
                keeper.wake();
            }
        }
    }

    fn wake_keeper(&self) {
        if let Some(keeper) = self.keeper.borrow().as_ref() {
            keeper.wake_by_ref();
        }
    }

    /// Whether a connection is the current one. The keeper is woken when that changes.
    pub(super) fn is_current(&self, connection: &Rc<Connection>, cx: &Context<'_>) -> bool {
        let mut keeper = self.keeper.borrow_mut();
        if !keeper.as_ref().is_some_and(|it| it.will_wake(cx.waker())) {
            *keeper = Some(cx.waker().clone());
        }
        self.connection
            .borrow()
            .as_ref()
            .is_some_and(|it| Rc::ptr_eq(it, connection))
    }

    /// Tells everybody in line that the attempt they waited for failed.
    pub(super) fn attempt_failed(&self, problem: String) {
        *self.last_problem.borrow_mut() = problem;
        for waiter in self.waiting.take() {
            waiter.settle(State::Failed);
        }
    }

    /// Hands free streams to those in line, first come first served.
    pub(super) fn grant(&self) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            return;
        }
        let connection = self.connection.borrow();
        let Some(connection) = connection.as_ref() else {
            return;
        };
        while connection.has_room() {
            let Some(waiter) = waiting.pop_front() else {
                return;
            };
            if waiter.is_waiting() {
                connection.in_use.set(connection.in_use.get() + 1);
                waiter.settle(State::Granted(Rc::clone(connection)));
            }
        }
    }
}

/// The right to one stream on a connection. Dropping it passes the right on: at once, or, where
/// the stream has not ended and the connection cannot write, once it could.
pub(super) struct StreamPermit {
    place: Rc<Place>,
    connection: Rc<Connection>,
    is_under_way: Cell<bool>,
    /// How much of answers had come on the connection when the stream was opened.
    came_before: Cell<u64>,
}

impl StreamPermit {
    #[inline]
    fn take(place: &Rc<Place>, connection: &Rc<Connection>) -> Self {
        connection.in_use.set(connection.in_use.get() + 1);
        Self::granted(place, Rc::clone(connection))
    }

    /// One that is counted already.
    #[inline]
    fn granted(place: &Rc<Place>, connection: Rc<Connection>) -> Self {
        place.permits.set(place.permits.get() + 1);
        Self {
            place: Rc::clone(place),
            connection,
            is_under_way: Cell::new(false),
            came_before: Cell::new(0),
        }
    }

    /// Opens the stream. An error means that nothing was sent.
    #[inline]
    pub(super) fn send(
        &self,
        request: impl Fn() -> Request<()>,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let (response, stream) = self.connection.send(request)?;
        self.opened();
        self.connection.pump.tap.watch(stream.stream_id().as_u32());
        Ok((response, stream))
    }

    #[inline]
    fn opened(&self) {
        self.is_under_way.set(true);
        self.came_before.set(self.connection.pump.tap.answers());
    }

    /// Why the connection ended, where somebody said so.
    pub(super) fn why_it_ended(&self) -> Option<String> {
        self.connection.why_it_ended()
    }

    /// What was opened is handed over whole, by an iteration that was ready at `ready`.
    #[inline]
    pub(super) fn handed_over(&self, ready: Nanos) {
        self.connection.pump.handed_over(ready);
    }

    /// When the stream's frames left and came.
    #[inline]
    pub(super) fn times(&self, stream: &SendStream<Bytes>) -> Times {
        self.connection.pump.times(stream.stream_id().as_u32())
    }

    /// A handle to open the stream with, for one that outlives the borrow.
    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.opened();
        self.connection.sender()
    }

    /// Where to see when the stream's frames leave and come.
    pub(super) fn tap(&self) -> &Rc<Tap> {
        &self.connection.pump.tap
    }

    /// The stream has ended on both sides: nothing of it is left to send.
    #[inline]
    pub(super) fn ended(&self) {
        self.is_under_way.set(false);
    }

    /// Whether the stream was opened and has not ended.
    #[inline]
    pub(super) fn is_under_way(&self) -> bool {
        self.is_under_way.get()
    }

    /// The stream is ended before its end on purpose, and says nothing about the connection.
    pub(super) fn expects_no_more(&self) {
        // No connection has ever answered so much.
        self.came_before.set(u64::MAX);
    }

    /// Nothing more can be sent on this connection.
    pub(super) fn retire(&self) {
        self.place.retire(&self.connection);
    }
}

impl Drop for StreamPermit {
    #[inline]
    fn drop(&mut self) {
        self.place.permits.set(self.place.permits.get() - 1);
        let connection = &self.connection;
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

/// Somebody in line.
struct Waiter {
    state: RefCell<State>,
    waker: RefCell<Option<Waker>>,
}

enum State {
    Waiting,
    Granted(Rc<Connection>),
    Failed,
    /// Taken, or gone.
    Settled,
}

impl Waiter {
    fn is_waiting(&self) -> bool {
        matches!(*self.state.borrow(), State::Waiting)
    }

    fn settle(&self, state: State) {
        *self.state.borrow_mut() = state;
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// Standing in line. Dropping it leaves the line and gives back what was granted meanwhile.
struct Waiting<'a> {
    place: &'a Rc<Place>,
    waiter: Rc<Waiter>,
}

impl<'a> Waiting<'a> {
    fn join(place: &'a Rc<Place>) -> Self {
        let waiter = Rc::new(Waiter {
            state: RefCell::new(State::Waiting),
            waker: RefCell::new(None),
        });
        place.waiting.borrow_mut().push_back(Rc::clone(&waiter));
        Self { place, waiter }
    }
}

impl Future for Waiting<'_> {
    type Output = Result<StreamPermit, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.waiter.state.borrow_mut();
        if let State::Waiting = *state {
            *self.waiter.waker.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(match std::mem::replace(&mut *state, State::Settled) {
            State::Granted(connection) => Ok(StreamPermit::granted(self.place, connection)),
            State::Failed | State::Settled | State::Waiting => Err(Failure::Connect),
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        match self.waiter.state.replace(State::Settled) {
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
