//! A place in the pool: one connection that is kept open, and the line for its streams.
//!
//! Owns how many streams are in use on the connection that is current, who waits for one, and
//! what becomes of them when the connection goes. A place outlives its connections; opening them
//! is the keeper's, and taking streams is for who holds a permit.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::connection::Connection;
use super::line::{State, Waiter};
use super::peer::Peer;
use crate::alarm::Alarms;
use crate::clock::{Clock, Nanos};
use crate::workload::Levels;

/// A place in the pool. See the module's header.
pub(crate) struct Place {
    /// Which of the scenario's targets it connects to.
    pub(crate) target: usize,
    /// Its number among the connections to whom it connects to.
    nth: Cell<usize>,
    /// Whom it connects to.
    peer: RefCell<Rc<Peer>>,
    /// The run's clock.
    pub(crate) clock: Clock,
    /// For messages with due times.
    pub(crate) alarms: Alarms,
    pub(super) connection: RefCell<Option<Rc<Connection>>>,
    pub(super) waiting: RefCell<VecDeque<Rc<Waiter>>>,
    pub(super) last_problem: RefCell<String>,
    keeper: RefCell<Option<Waker>>,
    pub(super) permits: Cell<u64>,
    /// Until when the keeper rests before its next attempt.
    pub(super) rest_until: Cell<Nanos>,
    /// Whether a connection was replaced because nothing was answered on it, and nothing has been
    /// on its successor.
    is_mute: Cell<bool>,
    /// Whether who stands in line goes on doing so when an attempt to open a connection fails.
    pub(super) waits_for_ready: bool,
    /// An attempt that failed before anybody stood in line, and that nobody has been told of.
    pub(super) untold: Cell<Option<Nanos>>,
    /// Whether nothing will be sent any more.
    is_closing: Cell<bool>,
    /// Whether it is one too many: it connects only for who still needs it.
    is_left: Cell<bool>,
}

impl Place {
    pub(super) fn new(
        peer: Rc<Peer>,
        nth: usize,
        clock: Clock,
        alarms: Alarms,
        waits_for_ready: bool,
    ) -> Self {
        Self {
            target: peer.target,
            nth: Cell::new(nth),
            peer: RefCell::new(peer),
            clock,
            alarms,
            connection: RefCell::new(None),
            waiting: RefCell::new(VecDeque::new()),
            last_problem: RefCell::new(String::new()),
            keeper: RefCell::new(None),
            permits: Cell::new(0),
            rest_until: Cell::new(0),
            is_mute: Cell::new(false),
            waits_for_ready,
            untold: Cell::new(None),
            is_closing: Cell::new(false),
            is_left: Cell::new(false),
        }
    }

    /// Whom it connects to.
    pub(super) fn peer(&self) -> Rc<Peer> {
        Rc::clone(&self.peer.borrow())
    }

    /// Requests under way on it, and those that stand in line.
    pub(super) fn in_flight(&self) -> u64 {
        self.permits.get() + self.waiting.borrow().len() as u64
    }

    /// Whether it connects to this one.
    pub(super) fn is_for(&self, peer: &Rc<Peer>) -> bool {
        Rc::ptr_eq(&self.peer.borrow(), peer)
    }

    /// Its number among the connections to whom it connects to.
    pub(super) fn nth(&self) -> usize {
        self.nth.get()
    }

    /// It connects to this one from the next time on.
    pub(super) fn is_to(&self, peer: Rc<Peer>, nth: usize) {
        self.peer.replace(peer);
        self.nth.set(nth);
    }

    /// It connects to this one from now on: nothing more is sent on the connection that it has, which ends in
    /// good order, and who stands in line waits for the next.
    pub(super) fn moves_to(&self, peer: Rc<Peer>, nth: usize) {
        self.is_to(peer, nth);
        self.is_mute.set(false);
        self.hang_up();
    }

    /// It is one too many.
    pub(super) fn is_left_over(&self) {
        self.is_left.set(true);
    }

    /// Whether it connects only for who needs it.
    pub(super) fn is_left(&self) -> bool {
        self.is_left.get()
    }

    /// What this comes to, for as long as it is for that one that it connects.
    pub(super) async fn while_for<T>(
        &self,
        peer: &Rc<Peer>,
        doing: impl Future<Output = T>,
    ) -> Option<T> {
        let mut doing = pin!(doing);
        poll_fn(|cx| {
            if !self.is_for(peer) {
                return Poll::Ready(None);
            }
            *self.keeper.borrow_mut() = Some(cx.waker().clone());
            doing.as_mut().poll(cx).map(Some)
        })
        .await
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
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.borrow().is_some()
    }

    /// Calls under way, those included on connections that only finish them, and the streams of the
    /// connection that takes calls, where one is open.
    pub(super) fn levels(&self) -> Levels {
        let connection = self.connection.borrow();
        let of_it = |of: fn(&Connection) -> u32| {
            connection
                .as_ref()
                .map(|connection| u64::from(of(connection)))
        };
        Levels {
            in_flight: Some(self.permits.get()),
            streams_in_use: of_it(|connection| connection.in_use.get()),
            streams_allowed: of_it(|connection| connection.limit.get()),
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

    /// Nothing more is sent on the connection that is current, where there is one: it ends in good order.
    pub(super) fn hang_up(&self) {
        self.connection.take();
        if let Some(keeper) = self.keeper.take() {
            keeper.wake();
        }
    }

    /// The same, and it has no successor.
    pub(super) fn close(&self) {
        self.is_closing.set(true);
        self.hang_up();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    /// Waits until somebody stands in line; `false` where nobody will any more.
    pub(super) async fn is_wanted(&self) -> bool {
        poll_fn(|cx| {
            *self.keeper.borrow_mut() = Some(cx.waker().clone());
            let is_wanted = self.waiting.borrow().iter().any(|it| it.is_waiting());
            match (self.is_closing(), is_wanted) {
                (true, _) => Poll::Ready(false),
                (false, true) => Poll::Ready(true),
                (false, false) => Poll::Pending,
            }
        })
        .await
    }

    pub(super) fn wake_keeper(&self) {
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

    /// What the last attempt to open a connection failed with; empty where none has.
    pub(crate) fn last_problem(&self) -> String {
        self.last_problem.borrow().clone()
    }

    /// The attempt that was made ahead of all need failed: whoever needs it first is told so, if that is an
    /// iteration which it was made for.
    pub(super) fn first_attempt_failed(&self, problem: String) {
        *self.last_problem.borrow_mut() = problem;
        self.untold.set(Some(self.clock.now()));
    }

    /// Tells everybody in line that the attempt they waited for failed, unless they wait for the next.
    pub(super) fn attempt_failed(&self, problem: String) {
        *self.last_problem.borrow_mut() = problem;
        if self.waits_for_ready {
            return;
        }
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
