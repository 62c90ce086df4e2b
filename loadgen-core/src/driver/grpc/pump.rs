//! A connection that can be given a turn by whoever has something to send, not by its keeper alone.
//!
//! Owns the moving of its bytes, and how long what was handed over may wait for it.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::Connection;

use super::tap::{Tap, Tapped, Times};
use crate::clock::Nanos;

/// How long a request that was handed over may wait for others to leave with it, at the least. The
/// keeper's turn comes only after all users that are ready have had theirs, which with many users is
/// long.
const SHORT_WAIT: Nanos = 25_000;
/// Where the service takes long, this part of its time: nobody would notice more, and each write costs.
const OF_SERVICE: Nanos = 16;
/// Of how many requests that time is the mean, about.
const MEAN_OVER: Nanos = 16;

/// A connection and its turns.
pub(super) struct Pump {
    connection: RefCell<Connection<Tapped, Bytes>>,
    pub(super) tap: Rc<Tap>,
    /// The keeper, which the connection wakes when there is something to move.
    keeper: RefCell<Option<Waker>>,
    is_over: Cell<bool>,
    /// Since when something that was handed over waits for a turn.
    waiting_since: Cell<Option<Nanos>>,
    /// How long the service takes.
    service_time: Cell<Nanos>,
}

impl Pump {
    pub(super) fn new(connection: Connection<Tapped, Bytes>, tap: &Rc<Tap>) -> Self {
        Self {
            connection: RefCell::new(connection),
            tap: Rc::clone(tap),
            keeper: RefCell::new(None),
            is_over: Cell::new(false),
            waiting_since: Cell::new(None),
            service_time: Cell::new(0),
        }
    }

    /// The keeper's turn. Ready when the connection has ended.
    #[inline]
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut keeper = self.keeper.borrow_mut();
        if !keeper.as_ref().is_some_and(|it| it.will_wake(cx.waker())) {
            *keeper = Some(cx.waker().clone());
        }
        drop(keeper);
        self.turn(cx)
    }

    fn turn(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_over.get() {
            return Poll::Ready(());
        }
        self.waiting_since.set(None);
        self.tap.turn();
        let polled = Pin::new(&mut *self.connection.borrow_mut()).poll(cx);
        self.is_over.set(polled.is_ready());
        polled.map(drop)
    }

    /// Something was handed over by somebody who began at `now`. It leaves with what is handed over
    /// after it, unless something waits for too long already.
    #[inline]
    pub(super) fn handed_over(&self, now: Nanos) {
        match self.waiting_since.get() {
            None => self.waiting_since.set(Some(now)),
            Some(since) if now.saturating_sub(since) >= self.longest_wait() => self.push(),
            Some(_) => {}
        }
    }

    #[inline]
    fn longest_wait(&self) -> Nanos {
        (self.service_time.get() / OF_SERVICE).max(SHORT_WAIT)
    }

    /// When a request's frames left and came, which is watched no longer.
    #[inline]
    pub(super) fn times(&self, stream: u32) -> Times {
        let times = self.tap.take(stream);
        if let (Some(sent_at), Some(received_at)) = (times.sent_at, times.received_at) {
            let took = received_at.saturating_sub(sent_at);
            let mean = self.service_time.get();
            self.service_time
                .set(mean - mean / MEAN_OVER + took / MEAN_OVER);
        }
        times
    }

    /// A turn in the keeper's name, who must be the one to be woken by what comes.
    fn push(&self) {
        let keeper = self.keeper.borrow();
        let Some(keeper) = keeper.as_ref() else {
            return;
        };
        self.tap.look();
        if self.turn(&mut Context::from_waker(keeper)).is_ready() {
            keeper.wake_by_ref();
        }
    }
}
