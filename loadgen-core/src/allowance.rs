//! How much processor time may be spent beside a load on what is told of it.

use std::time::Duration;

use crate::clock::nanos;

/// What may be saved up, in nanoseconds: what writing a long run's series anew takes.
const MOST: i64 = 50_000_000;

/// Processor time that is earned while a run goes on, and spent on telling of it. Where that costs more, it is
/// told less often.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// One part in this many of a processor is earned.
    one_in: i64,
    /// In nanoseconds; below zero, what was spent too much.
    left: i64,
    /// Up to when it was earned.
    until: Duration,
}

impl Allowance {
    /// One part in so many of a processor, and all that may be saved up to begin with.
    pub(crate) const fn one_in(one_in: i64) -> Self {
        Self {
            one_in,
            left: MOST,
            until: Duration::ZERO,
        }
    }

    /// The run has gone on until this moment. Whether there is anything left.
    pub(crate) fn earn(&mut self, now: Duration) -> bool {
        let earned = signed(now.saturating_sub(self.until)) / self.one_in;
        self.until = self.until.max(now);
        self.left = self.left.saturating_add(earned).min(MOST);
        self.left > 0
    }

    /// So much was spent.
    pub(crate) fn spend(&mut self, took: Duration) {
        self.left = self.left.saturating_sub(signed(took));
    }
}

fn signed(duration: Duration) -> i64 {
    i64::try_from(nanos(duration)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    /// In how many of so many seconds there is an entry that costs so much.
    #[test_case(2, 1_000 => 1_000; "less than is earned")]
    #[test_case(5, 1_000 => 1_000; "all that is earned")]
    #[test_case(10, 1_000 => 505; "twice as much, once what was saved up is gone")]
    #[test_case(50, 1_000 => 101; "ten times as much")]
    fn entries_are_as_many_as_can_be_paid(cost_ms: u64, seconds: u64) -> usize {
        let mut allowance = Allowance::one_in(200);
        let seconds = (1..=seconds).filter(|second| {
            let may = allowance.earn(Duration::from_secs(*second));
            if may {
                allowance.spend(Duration::from_millis(cost_ms));
            }
            may
        });
        seconds.count()
    }
}
