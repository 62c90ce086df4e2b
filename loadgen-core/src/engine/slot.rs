//! The place of one user's iteration: its deadline, and the way to cut it off.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, Waker};

use crate::clock::Nanos;

/// Why an iteration is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// It took too long.
    Timeout,
    /// The run ends.
    Interrupt,
}

/// One user's slot. Deadlines are swept by the heartbeat instead of being timers of their own: a
/// timer set and cancelled for each request would cost more than recording it.
#[derive(Debug)]
pub(super) struct Slot {
    deadline: Cell<Nanos>,
    measured: Cell<bool>,
    cut: Cell<Option<Cut>>,
    waker: RefCell<Option<Waker>>,
}

impl Slot {
    const IDLE: Nanos = Nanos::MAX;

    pub(super) fn new() -> Self {
        Self {
            deadline: Cell::new(Self::IDLE),
            measured: Cell::new(false),
            cut: Cell::new(None),
            waker: RefCell::new(None),
        }
    }

    /// An iteration begins that may last until `deadline`.
    pub(super) fn arm(&self, deadline: Nanos, measured: bool) {
        self.cut.set(None);
        self.measured.set(measured);
        self.deadline.set(deadline.min(Self::IDLE - 1));
    }

    /// It is over.
    pub(super) fn disarm(&self) {
        self.deadline.set(Self::IDLE);
    }

    /// Whether a measured iteration is under way.
    pub(super) fn measuring(&self) -> bool {
        self.deadline.get() != Self::IDLE && self.measured.get()
    }

    /// Cuts the iteration off if its deadline has passed.
    pub(super) fn sweep(&self, now: Nanos) {
        if self.deadline.get() < now {
            self.cut(Cut::Timeout);
        }
    }

    /// Cuts the iteration off, if one is under way.
    pub(super) fn cut(&self, cut: Cut) {
        if self.deadline.get() != Self::IDLE {
            self.cut.set(Some(cut));
            if let Some(waker) = self.waker.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
    }

    /// Runs `action` until it is done or cut off. An answer that is there when the cut comes
    /// counts. `extend` gives the new deadline where pauses allow more time than was thought.
    pub(super) async fn guard<T>(
        &self,
        mut action: Pin<&mut impl Future<Output = T>>,
        extend: impl Fn() -> Option<Nanos>,
    ) -> Result<T, Cut> {
        poll_fn(|cx| {
            if let Poll::Ready(done) = action.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            if let Some(cut) = self.cut.take() {
                match (cut, extend()) {
                    (Cut::Timeout, Some(deadline)) => self.deadline.set(deadline),
                    _ => return Poll::Ready(Err(cut)),
                }
            }
            let mut waker = self.waker.borrow_mut();
            if !waker
                .as_ref()
                .is_some_and(|known| known.will_wake(cx.waker()))
            {
                *waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}
