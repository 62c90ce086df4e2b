//! Standing in line for a stream.
//!
//! Owns who waits at a place, in order, and what became of each.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::connection::Connection;
use super::permit::StreamPermit;
use super::place::Place;
use crate::outcome::Failure;

/// Somebody in line.
pub(super) struct Waiter {
    state: RefCell<State>,
    waker: RefCell<Option<Waker>>,
}

/// What became of somebody in line.
pub(super) enum State {
    Waiting,
    Granted(Rc<Connection>),
    Failed,
    /// Taken, or gone.
    Settled,
}

impl Waiter {
    pub(super) fn is_waiting(&self) -> bool {
        matches!(*self.state.borrow(), State::Waiting)
    }

    pub(super) fn settle(&self, state: State) {
        *self.state.borrow_mut() = state;
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// Standing in line. Dropping it leaves the line and gives back what was granted meanwhile.
pub(super) struct Waiting<'a> {
    place: &'a Rc<Place>,
    waiter: Rc<Waiter>,
}

impl<'a> Waiting<'a> {
    pub(super) fn join(place: &'a Rc<Place>) -> Self {
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
