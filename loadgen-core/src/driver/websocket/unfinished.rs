//! What is held of messages that have not come to their end, or not to the step that will listen for
//! them.
//!
//! Owns the bound on that over all connections, of whatever scenario: the memory that they share is the
//! process's. Each connection alone is bounded by the longest message taken, and there may be many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

/// Less than this of one connection does not count: it comes and goes with every message.
const NEGLIGIBLE: u64 = 64 << 10;
/// What all connections may hold, or one message where that may be longer.
const MOST_BYTES: u64 = 256 << 20;

/// What all connections of this process hold.
static HELD: LazyLock<Arc<AtomicU64>> = LazyLock::new(Arc::default);

/// What all connections hold together, and what they may for the connections of one scenario.
#[derive(Debug)]
pub(super) struct AllUnfinished {
    bytes: Arc<AtomicU64>,
    most: u64,
}

impl AllUnfinished {
    pub(super) fn new(max_message: u32) -> Arc<Self> {
        Self::sharing(&HELD, max_message)
    }

    fn sharing(bytes: &Arc<AtomicU64>, max_message: u32) -> Arc<Self> {
        Arc::new(Self {
            bytes: Arc::clone(bytes),
            most: MOST_BYTES.max(u64::from(max_message)),
        })
    }
}

/// What one connection holds.
#[derive(Debug)]
pub(super) struct Unfinished {
    all: Arc<AllUnfinished>,
    /// How much had come on the connection with its last complete message.
    complete: u64,
    /// What of it is counted among all.
    counted: u64,
}

impl Unfinished {
    pub(super) fn among(all: &Arc<AllUnfinished>) -> Self {
        Self {
            all: Arc::clone(all),
            complete: 0,
            counted: 0,
        }
    }

    /// What the same connection holds in another way, counted among the same.
    pub(super) fn beside(&self) -> Self {
        Self::among(&self.all)
    }

    /// A message is complete, with so much received.
    #[inline]
    pub(super) fn is_complete(&mut self, received: u64) {
        self.complete = received;
        if self.counted > 0 {
            self.count(0);
        }
    }

    /// So many bytes that came were no part of a message.
    pub(super) fn not_of_message(&mut self, bytes: usize) {
        self.complete = self.complete.saturating_add(bytes as u64);
    }

    /// So much was received, and no message is complete. An error says why no more is taken.
    #[inline]
    pub(super) fn check(&mut self, received: u64) -> Result<(), String> {
        let held = received.saturating_sub(self.complete);
        if held < NEGLIGIBLE && self.counted == 0 {
            return Ok(());
        }
        let all = self.count(held);
        if all <= self.all.most {
            return Ok(());
        }
        Err(format!(
            "{held} bytes of a message that is not complete, with {all} bytes of such messages and of \
             those kept for a later step on all connections, and at most {} are held",
            self.all.most
        ))
    }

    /// Counts what is held, and says how much that is on all connections.
    fn count(&mut self, held: u64) -> u64 {
        let before = std::mem::replace(&mut self.counted, held);
        let change = held.wrapping_sub(before);
        let all = &self.all.bytes;
        all.fetch_add(change, Ordering::Relaxed)
            .wrapping_add(change)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.counted > 0 {
            self.count(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With nothing held elsewhere: tests run side by side.
    fn alone(max_message: u32) -> Arc<AllUnfinished> {
        AllUnfinished::sharing(&Arc::default(), max_message)
    }

    #[test]
    fn scenarios_share_the_bound() {
        let bytes = Arc::default();
        let one = AllUnfinished::sharing(&bytes, 1);
        let two = AllUnfinished::sharing(&bytes, 1);
        let mut first = Unfinished::among(&one);
        assert_eq!(first.check(200 << 20), Ok(()));
        assert!(Unfinished::among(&two).check(100 << 20).is_err());
    }

    #[test]
    fn all_connections_share_the_bound() {
        let all = alone(1);
        let mut one = Unfinished::among(&all);
        let mut two = Unfinished::among(&all);
        assert_eq!(one.check(200 << 20), Ok(()));
        assert!(two.check(100 << 20).is_err());
        drop(two);
        let mut three = Unfinished::among(&all);
        assert_eq!(three.check(50 << 20), Ok(()));
        one.is_complete(200 << 20);
        assert_eq!(three.check(250 << 20), Ok(()));
        assert_eq!(all.bytes.load(Ordering::Relaxed), 250 << 20);
    }

    #[test]
    fn pings_are_not_held() {
        let all = alone(1);
        let mut one = Unfinished::among(&all);
        one.not_of_message(1 << 20);
        assert_eq!(one.check(1 << 20), Ok(()));
        assert_eq!(all.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_held_beside_shares_the_bound() {
        let all = alone(1);
        let mut one = Unfinished::among(&all);
        let mut beside = one.beside();
        assert_eq!(beside.check(200 << 20), Ok(()));
        assert!(one.check(100 << 20).is_err());
        assert_eq!(beside.check(0), Ok(()));
        assert_eq!(one.check(100 << 20), Ok(()));
    }

    #[test]
    fn a_longer_message_has_room() {
        let all = alone(1 << 30);
        assert_eq!(Unfinished::among(&all).check(1 << 30), Ok(()));
    }
}
