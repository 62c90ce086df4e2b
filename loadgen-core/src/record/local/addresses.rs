//! Which addresses a worker's connections go to, and what goes there.
//!
//! Owns which addresses are told apart. A request finds its own by its connection's number, which knows it.

use std::cell::RefCell;

use crate::clock::Nanos;
use crate::workload::{AddressIndex, TargetIndex};

/// The most addresses told apart, on one worker and in one run; of others only their targets' figures are
/// known.
pub(in crate::record) const MOST_ADDRESSES: usize = 1_024;

/// The addresses that a worker has met, in the order it did.
#[derive(Debug, Default)]
pub(super) struct Addresses(RefCell<Vec<(TargetIndex, Box<str>)>>);

impl Addresses {
    /// The number of an address of a target, and whether it is new; `None` of one too many.
    pub(super) fn number(
        &self,
        target: TargetIndex,
        address: &str,
    ) -> Option<(AddressIndex, bool)> {
        let mut known = self.0.borrow_mut();
        let is_it = |it: &(TargetIndex, Box<str>)| it.0 == target && *it.1 == *address;
        if let Some(place) = known.iter().position(is_it) {
            return Some((AddressIndex::try_from(place).ok()?, false));
        }
        if known.len() == MOST_ADDRESSES {
            return None;
        }
        known.push((target, address.into()));
        Some((AddressIndex::try_from(known.len() - 1).ok()?, true))
    }
}

/// What a tick has of addresses, by the worker's own numbers for them.
#[derive(Debug, Default)]
pub(in crate::record) struct AddressesTick {
    pub(in crate::record) each: Vec<AddressTick>,
    /// Those that were met for the first time, in the order of their numbers.
    pub(in crate::record) new: Vec<(TargetIndex, String)>,
    /// Which of them came to be on a list, or no longer was, and when.
    pub(in crate::record) listings: Vec<(AddressIndex, bool, Nanos)>,
}

/// One address's part of a tick.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::record) struct AddressTick {
    pub(in crate::record) connections: u64,
    pub(in crate::record) completed: u64,
    pub(in crate::record) failed: u64,
    pub(in crate::record) unanswered: u64,
}

impl AddressesTick {
    #[inline]
    pub(super) fn of(&mut self, address: AddressIndex) -> &mut AddressTick {
        let place = usize::from(address);
        if place >= self.each.len() {
            self.each.resize_with(place + 1, AddressTick::default);
        }
        &mut self.each[place]
    }

    /// An iteration whose last request went there has ended.
    #[inline]
    pub(super) fn ended(&mut self, address: AddressIndex, is_ok: bool) {
        let of = self.of(address);
        of.completed += u64::from(is_ok);
        of.failed += u64::from(!is_ok);
    }

    pub(super) fn clear(&mut self) {
        self.each.fill(AddressTick::default());
        self.new.clear();
        self.listings.clear();
    }
}
