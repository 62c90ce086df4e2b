//! How often each outcome was seen.

use super::bounds::MOST_CLASSES;
use crate::outcome::{Failure, Outcome};

/// How often each outcome was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::record) struct Tally {
    ok: u64,
    failed: Vec<(Failure, u64)>,
}

impl Tally {
    #[inline]
    pub(in crate::record) fn add(&mut self, outcome: Outcome, count: u64) {
        match outcome {
            Outcome::Ok => self.ok += count,
            Outcome::Failed(failure) => {
                let seen = self.failed.iter_mut().find(|(seen, _)| *seen == failure);
                if let Some((_, total)) = seen {
                    *total += count;
                } else if failure == Failure::Others || self.failed.len() < MOST_CLASSES {
                    self.failed.push((failure, count));
                } else {
                    self.add(Failure::Others.into(), count);
                }
            }
        }
    }

    pub(in crate::record) fn iter(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        let ok = (self.ok > 0).then_some((Outcome::Ok, self.ok));
        let failed = self.failed.iter().map(|(f, n)| (Outcome::Failed(*f), *n));
        ok.into_iter().chain(failed)
    }

    pub(in crate::record) fn clear(&mut self) {
        self.ok = 0;
        self.failed.clear();
    }
}
