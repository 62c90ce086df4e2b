//! What is usual, and what is beyond that.

use super::SETTLE;
use super::around::buckets;

/// What is usual, per bucket.
#[derive(Debug, Default)]
pub(super) struct Usual {
    /// Of so many buckets.
    pub(super) buckets: usize,
    /// All requests.
    pub(super) due: f64,
    /// Requests given to the server.
    pub(super) given: f64,
    /// Its part of all.
    pub(super) share: f64,
    pub(super) nobodys: f64,
    pub(super) failed: f64,
    pub(super) slow: f64,
    pub(super) bad: f64,
}

impl Usual {
    /// So many a bucket; none where too little is known for anything to be usual.
    pub(super) fn rate(&self, of: f64) -> f64 {
        match self.buckets < buckets(SETTLE) {
            true => 0.0,
            false => of,
        }
    }

    /// What chance may add to what is usual, of failures of nobody known or of what is bad, in as long as it
    /// takes to settle.
    pub(super) fn slack(&self) -> f64 {
        let settle = buckets(SETTLE);
        let slack = |usual: f64| allowed(usual, settle) as f64 - usual * settle as f64;
        slack(self.nobodys).max(slack(self.bad))
    }
}

/// What there is beyond so many a bucket.
pub(super) fn beyond(count: u64, usual: f64, buckets: usize) -> u64 {
    (count as f64 - usual * buckets as f64).round().max(0.0) as u64
}

/// As many as may come in so many buckets by chance, where so many a bucket are usual: three deviations.
pub(super) fn allowed(usual: f64, buckets: usize) -> u64 {
    let expected = usual * buckets as f64;
    (expected + 3.0 * expected.sqrt()).ceil() as u64
}
