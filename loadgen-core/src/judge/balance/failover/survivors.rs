//! How long the other servers took while one was away.

use std::ops::Range;
use std::time::Duration;

use crate::record::{Histogram, Samples, Timeline, new_coarse_histogram};

/// How long requests took that other servers answered, failed ones included, to two digits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Survivors {
    /// Those that were due in the time before it.
    pub(crate) before: Histogram,
    /// Those that were due while the server was away.
    pub(crate) during: Histogram,
}

impl Survivors {
    /// A p99 of fewer has fewer than ten beyond it.
    pub(crate) const LEAST: u64 = 1_000;

    /// Of all servers but these, due in these two stretches of time.
    pub(super) fn of(
        timeline: &Timeline,
        away: &[&str],
        before: Range<Duration>,
        during: Range<Duration>,
    ) -> Self {
        let others = || timeline.backends().filter(|it| !away.contains(it));
        let due_in = |due: Range<Duration>| {
            let mut all = new_coarse_histogram();
            for times in others().flat_map(|it| timeline.times(it, due.clone())) {
                for (time, count) in times.counts() {
                    all.saturating_record_n(time, count);
                }
            }
            all
        };
        Self {
            before: due_in(before),
            during: due_in(during),
        }
    }

    /// What 99 of 100 of them did not exceed; `None` of too few.
    pub(crate) fn p99(times: &Histogram) -> Option<Duration> {
        let is_enough = Samples::len(times) >= Self::LEAST;
        is_enough.then(|| Duration::from_nanos(times.at(0.99)))
    }
}
