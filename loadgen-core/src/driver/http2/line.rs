//! Who stands in line for a stream, and what became of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};

use super::connection::Connection;

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
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            state: RefCell::new(State::Waiting),
            waker: RefCell::new(None),
        })
    }

    /// What became of it, to be looked at again when that has changed.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Option<State> {
        if self.is_waiting() {
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            return None;
        }
        Some(self.leave())
    }

    /// Leaves the line. What had become of it until then.
    pub(super) fn leave(&self) -> State {
        self.state.replace(State::Settled)
    }

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
