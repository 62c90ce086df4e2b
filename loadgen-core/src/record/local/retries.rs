//! How often calls were made again.

use super::tally::Tally;
use crate::workload::{BackendIndex, RetryEvent};

/// How often calls were made again, between two swaps.
#[derive(Debug, Default)]
pub(in crate::record) struct RetryTick {
    pub(in crate::record) ok: u64,
    pub(in crate::record) failed: u64,
    pub(in crate::record) throttled: u64,
    /// How attempts ended that were followed by another.
    pub(in crate::record) outcomes: Tally,
    /// Who those were with, by the worker's own numbers.
    pub(in crate::record) backends: Vec<(Option<BackendIndex>, u64)>,
}

impl RetryTick {
    pub(in crate::record) fn has_any(&self) -> bool {
        !self.backends.is_empty() || self.ok + self.failed + self.throttled > 0
    }

    pub(super) fn count(&mut self, event: RetryEvent, backend: Option<BackendIndex>) {
        match event {
            RetryEvent::Again(failure) => {
                self.outcomes.add(failure.into(), 1);
                match self.backends.iter_mut().find(|(of, _)| *of == backend) {
                    Some((_, count)) => *count += 1,
                    None => self.backends.push((backend, 1)),
                }
            }
            RetryEvent::Ok => self.ok += 1,
            RetryEvent::Failed => self.failed += 1,
            RetryEvent::Throttled => self.throttled += 1,
        }
    }

    pub(super) fn clear(&mut self) {
        self.ok = 0;
        self.failed = 0;
        self.throttled = 0;
        self.outcomes.clear();
        self.backends.clear();
    }
}
