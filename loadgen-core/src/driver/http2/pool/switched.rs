//! Connections that users share while targets are switched off: whose turn it is then, and others in the place of
//! all that a worker has.

use std::rc::Rc;

use super::{Kept, Shared};

impl Shared {
    /// Ends those that were one too many and that nobody needs any more.
    pub(super) fn leave_those_alone(&self) {
        self.left.borrow_mut().retain(|it| {
            let is_alone = it.is_alone();
            if is_alone {
                it.place.close();
            }
            !is_alone
        });
    }

    /// Sees whether somebody switched targets on or off.
    #[inline]
    pub(super) fn look_at_switches(&self) {
        let switched = self.context.switches.changes();
        if self.switched.replace(switched) != switched {
            self.arrange();
        }
    }

    fn is_on(&self, kept: &Kept) -> bool {
        self.context.switches.is_on(kept.place.target)
    }

    /// Takes those connections into turn that iterations may go to. A worker all of whose connections are to targets
    /// that are switched off has one to each of the others until one of its own is on again.
    #[cold]
    pub(super) fn arrange(&self) {
        let all = self.kept.borrow();
        let mut instead = self.instead.borrow_mut();
        let needs_others = !all.iter().any(|it| self.is_on(it));
        let (stay, go): (Vec<_>, Vec<_>) = instead
            .drain(..)
            .partition(|it| needs_others && self.is_on(it) && self.peers.has(&it.place.peer()));
        *instead = stay;
        go.iter().for_each(|it| it.place.is_left_over());
        self.left.borrow_mut().extend(go);
        if needs_others {
            let is_wanted = |target: &usize| {
                let mut there = instead.iter();
                self.context.switches.is_on(*target) && !there.any(|it| it.place.target == *target)
            };
            let targets: Vec<_> = (0..self.peers.targets()).filter(is_wanted).collect();
            for target in targets {
                let (peer, nth) = self.peers.next(target);
                let number = self.context.worker + self.context.workers * (all.len() + target);
                instead.push(self.one_more(peer, nth, number));
            }
        }
        let in_turn = all.iter().chain(instead.iter());
        let places: Vec<_> = in_turn.map(|it| Rc::clone(&it.place)).collect();
        self.turn.set(self.turn.get() % places.len());
        self.places.replace(places);
    }
}
