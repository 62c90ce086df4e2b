//! The place of one user's iteration: its deadline, and the way to cut it off.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
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
/// timer set and cancelled for each request would cost more than recording it. A deadline in a
/// cell costs a store, and the sweeps find the earliest.
#[derive(Debug)]
pub(super) struct UserSlot {
    deadline: Cell<Nanos>,
    measured: Cell<bool>,
    cut: Cell<Option<Cut>>,
    waker: RefCell<Option<Waker>>,
}

impl UserSlot {
    const IDLE: Nanos = Nanos::MAX;

    fn new() -> Self {
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

    /// What is under way may last until `deadline` instead.
    pub(super) fn last_until(&self, deadline: Nanos) {
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

    /// Cuts the iteration off if its deadline has come. Says when to look again: at once after a
    /// cut, which may be answered with a new deadline, and never where nothing is under way.
    fn sweep(&self, now: Nanos) -> Nanos {
        let deadline = self.deadline.get();
        if deadline <= now {
            self.cut(Cut::Timeout);
        }
        deadline.max(now)
    }

    /// Cuts the iteration off, if one is under way.
    fn cut(&self, cut: Cut) {
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

/// The slots of one lane, and when they must be looked at.
#[derive(Debug)]
pub(super) struct Slots {
    slots: RefCell<Vec<Rc<UserSlot>>>,
    timeout: Nanos,
    next_sweep: Cell<Nanos>,
}

impl Slots {
    /// What there is of time between two sweeps for each slot: many times what looking at it takes.
    const FOR_EACH: Nanos = 200;
    /// The least time between two sweeps. Deadlines closer to each other are swept together.
    const TOGETHER: Nanos = 100_000;

    /// No slots yet. Iterations in them are armed, when they begin, with this timeout or more.
    pub(super) fn new(timeout: Nanos) -> Self {
        Self {
            slots: RefCell::new(Vec::new()),
            timeout,
            next_sweep: Cell::new(0),
        }
    }

    /// One more.
    pub(super) fn add(&self) -> Rc<UserSlot> {
        let slot = Rc::new(UserSlot::new());
        self.slots.borrow_mut().push(Rc::clone(&slot));
        slot
    }

    /// Cuts off whatever is under way.
    pub(super) fn cut(&self, cut: Cut) {
        for slot in self.slots.borrow().iter() {
            slot.cut(cut);
        }
    }

    /// When the next sweep is due. Never passed over by a deadline: those under way are known, and
    /// those that begin later have their whole timeout before them. So what answers in good time
    /// is swept once for each timeout, and what does not, when it must be.
    pub(super) fn next_sweep(&self) -> Nanos {
        self.next_sweep.get()
    }

    /// Cuts off what has taken too long, if a sweep is due.
    pub(super) fn sweep(&self, now: Nanos) {
        if now < self.next_sweep.get() {
            return;
        }
        let slots = self.slots.borrow();
        let apart = Self::TOGETHER.max(slots.len() as Nanos * Self::FOR_EACH);
        let earliest = slots.iter().map(|slot| slot.sweep(now)).min();
        let latest = now.saturating_add(self.timeout);
        let next = earliest.map_or(latest, |earliest| earliest.min(latest));
        self.next_sweep.set(next.max(now.saturating_add(apart)));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt;
    use proptest::prelude::*;

    use super::*;

    const MS: Nanos = 1_000_000;

    /// Looks at an iteration that never ends by itself; what it was cut off by, if it was.
    fn look(slot: &UserSlot, extend: impl Fn() -> Option<Nanos>) -> Option<Cut> {
        let never = pin!(std::future::pending::<()>());
        let ended = slot.guard(never, extend).now_or_never();
        ended.map(|ended| ended.unwrap_err())
    }

    #[test]
    fn a_sweep_is_due_at_the_earliest_deadline() {
        let slots = Slots::new(10 * MS);
        let [first, second] = [slots.add(), slots.add()];
        slots.sweep(0);
        assert_eq!(slots.next_sweep(), 10 * MS, "nothing is under way");
        second.arm(13 * MS, true);
        first.arm(14 * MS, true);
        slots.sweep(10 * MS);
        assert_eq!(slots.next_sweep(), 13 * MS);
        slots.sweep(13 * MS - 1);
        assert_eq!(look(&second, || None), None);
        slots.sweep(13 * MS);
        assert_eq!(look(&second, || None), Some(Cut::Timeout));
        assert_eq!(look(&first, || None), None);
        second.disarm();
        slots.sweep(slots.next_sweep());
        assert_eq!(slots.next_sweep(), 14 * MS);
        first.disarm();
        slots.sweep(14 * MS);
        assert_eq!(slots.next_sweep(), 24 * MS);
    }

    #[test]
    fn what_is_given_more_time_is_swept_when_that_is_over() {
        let slots = Slots::new(10 * MS);
        let slot = slots.add();
        slot.arm(10 * MS, true);
        slots.sweep(10 * MS);
        let pause = 3 * MS;
        assert_eq!(look(&slot, || Some(10 * MS + pause)), None);
        slots.sweep(slots.next_sweep());
        assert_eq!(slots.next_sweep(), 10 * MS + pause);
        slots.sweep(10 * MS + pause);
        assert_eq!(look(&slot, || None), Some(Cut::Timeout));
    }

    #[test]
    fn many_deadlines_leave_time_for_others() {
        let slots = Slots::new(1_000 * MS);
        for nth in 0..10_000 {
            slots.add().arm(1_000 * MS + nth * 1_000, true);
        }
        slots.sweep(1_000 * MS);
        assert_eq!(slots.next_sweep(), 1_002 * MS);
    }

    proptest! {
        /// Whoever sweeps when it is due cuts every iteration off within a tenth of a millisecond
        /// of its timeout, whenever they begin and however long they take, and no other.
        #[test]
        fn a_timeout_is_kept(
            timeout in 1..100_000_u64,
            takes in proptest::collection::vec((0..200_000_u64, 1..150_000_u64), 1..50),
        ) {
            let us = 1_000;
            let timeout = timeout * us;
            let slots = Slots::new(timeout);
            let slot_of: Vec<_> = takes.iter().map(|_| slots.add()).collect();
            // What happens when: beginnings and ends, in the order of time.
            let mut events = Vec::new();
            for (nth, (begin, takes)) in takes.iter().enumerate() {
                events.push((begin * us, nth, true));
                events.push(((begin + takes) * us, nth, false));
            }
            events.sort_unstable();
            events.push((Nanos::MAX / 2, 0, false));
            let mut cut_at = vec![None; takes.len()];
            for (at, nth, begins) in events {
                while slots.next_sweep() <= at && slots.next_sweep() < 1_000_000 * us {
                    let now = slots.next_sweep();
                    slots.sweep(now);
                    for (slot, cut_at) in slot_of.iter().zip(&mut cut_at) {
                        if look(slot, || None).is_some() {
                            prop_assert!(cut_at.is_none());
                            *cut_at = Some(now);
                            slot.disarm();
                        }
                    }
                }
                match (begins, cut_at[nth]) {
                    (true, _) => slot_of[nth].arm(at + timeout, true),
                    (false, None) => slot_of[nth].disarm(),
                    (false, Some(_)) => {}
                }
            }
            for ((begin, takes), cut_at) in takes.iter().zip(cut_at) {
                let deadline = begin * us + timeout;
                match cut_at {
                    Some(at) => {
                        prop_assert!((deadline..=deadline + 100 * us).contains(&at));
                        prop_assert!(takes * us >= timeout);
                    }
                    None => prop_assert!(takes * us <= timeout + 100 * us),
                }
            }
        }
    }
}
