//! How long to wait before connecting again.

use std::time::Duration;

/// Waits between attempts: each drawn between the shortest and a bound that doubles, so that
/// connections cut together do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    random: fastrand::Rng,
}

impl Backoff {
    const SHORTEST_US: u64 = 10_000;
    const LONGEST_US: u64 = 1_000_000;

    pub(crate) fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    pub(crate) fn next(&mut self) -> Duration {
        let bound = Self::SHORTEST_US
            .saturating_mul(2_u64.saturating_pow(self.failures + 1))
            .min(Self::LONGEST_US);
        self.failures = self.failures.saturating_add(1).min(32);
        let spread = bound - Self::SHORTEST_US;
        Duration::from_micros(Self::SHORTEST_US + self.random.u64(..=spread))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_stay_in_bounds_and_grow(seed: u64) {
            let mut backoff = Backoff::new(seed);
            for attempt in 0..40_u32 {
                let wait = backoff.next();
                let bound = 10_u64.saturating_mul(2_u64.saturating_pow(attempt + 1)).min(1_000);
                prop_assert!(wait >= Duration::from_millis(10));
                prop_assert!(wait <= Duration::from_millis(bound));
            }
            backoff.reset();
            prop_assert!(backoff.next() <= Duration::from_millis(20));
        }
    }
}
