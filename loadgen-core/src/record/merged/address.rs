//! The addresses that requests went to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ScenarioRecord;
use crate::record::local::{AddressTick, MOST_ADDRESSES};

/// What became of one address of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddressRecord {
    /// The target, as it is written.
    pub target: String,
    /// The address: what a list has, else the one that connections went to.
    pub address: String,
    /// Connections to it that opened.
    pub connections: u64,
    /// Iterations whose last request went to it and that completed.
    pub completed: u64,
    /// Iterations whose last request went to it and that failed.
    pub failed: u64,
    /// Iterations whose last request went to it and that were cut off although an answer was owed to them.
    pub unanswered: u64,
    /// When its target's list first had it, since measuring began; `None` where there is no list.
    pub since: Option<Duration>,
    /// When it was last seen to come to be on it.
    pub listed: Option<Duration>,
    /// When it was last seen to be no longer on it.
    pub gone: Option<Duration>,
}

impl AddressRecord {
    /// One that nothing has gone to yet.
    #[must_use]
    pub fn empty(target: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            address: address.into(),
            connections: 0,
            completed: 0,
            failed: 0,
            unanswered: 0,
            since: None,
            listed: None,
            gone: None,
        }
    }

    /// When its target's list had it no longer; `None` where it still does, or there is no list.
    #[must_use]
    pub fn gone_at(&self) -> Option<Duration> {
        self.gone.filter(|gone| Some(*gone) >= self.listed)
    }

    pub(super) fn add(&mut self, tick: &AddressTick) {
        self.connections += tick.connections;
        self.completed += tick.completed;
        self.failed += tick.failed;
        self.unanswered += tick.unanswered;
    }

    /// It came to be on its target's list, or no longer was. Workers tell of the same things, each in its time.
    pub(super) fn changed(&mut self, is_listed: bool, at: Duration) {
        if is_listed {
            self.since = Some(self.since.map_or(at, |since| since.min(at)));
            self.listed = self.listed.max(Some(at));
        } else {
            self.gone = self.gone.max(Some(at));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.connections = self.connections.saturating_add(other.connections);
        self.completed = self.completed.saturating_add(other.completed);
        self.failed = self.failed.saturating_add(other.failed);
        self.unanswered = self.unanswered.saturating_add(other.unanswered);
        self.since = self.since.into_iter().chain(other.since).min();
        self.listed = self.listed.max(other.listed);
        self.gone = self.gone.max(other.gone);
    }
}

/// The place of a target's address among these; `None` of one too many: the workers' own bounds would add up.
pub(super) fn place_of(all: &mut Vec<AddressRecord>, target: &str, address: &str) -> Option<usize> {
    let is_it = |it: &AddressRecord| it.target == target && it.address == address;
    if let Some(place) = all.iter().position(is_it) {
        return Some(place);
    }
    if all.len() == MOST_ADDRESSES {
        return None;
    }
    all.push(AddressRecord::empty(target, address));
    Some(all.len() - 1)
}

impl ScenarioRecord {
    pub(super) fn add_addresses(&mut self, others: &[AddressRecord]) {
        for other in others {
            let place = place_of(&mut self.addresses, &other.target, &other.address);
            if let Some(place) = place {
                self.addresses[place].merge(other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    /// Two workers saw it come at 1 and go at 4; one of them tells later.
    #[test_case(&[(true, 1), (true, 1), (false, 4), (false, 4)] => (Some(1), Some(4)); "gone")]
    #[test_case(&[(true, 1), (false, 4), (true, 6), (true, 1), (false, 4)] => (Some(1), None); "and back")]
    #[test_case(&[(true, 0)] => (Some(0), None); "always there")]
    #[test_case(&[] => (None, None); "on no list")]
    fn when_it_was_listed(changes: &[(bool, u64)]) -> (Option<u64>, Option<u64>) {
        let mut one = AddressRecord::empty("dns:///a:1", "127.0.0.1:1");
        let mut other = one.clone();
        for (nth, (is_listed, at)) in changes.iter().enumerate() {
            one.changed(*is_listed, S(*at));
            // As if another shard had told the rest.
            let of = if nth % 2 == 0 { &mut other } else { continue };
            of.changed(*is_listed, S(*at));
        }
        let before = one.clone();
        one.merge(&other);
        assert_eq!((one.since, one.gone_at()), (before.since, before.gone_at()));
        let secs = |it: Option<Duration>| it.map(|it| it.as_secs());
        (secs(one.since), secs(one.gone_at()))
    }
}
