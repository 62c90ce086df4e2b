//! A cap on how often something happens. Caps only: it has no due times, so it never paces an open
//! model.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Nanos;
use crate::units::Rate;

/// How far a turn may be taken behind its time without moving those after it. The runtime's timer
/// wakes a millisecond late or more, which must not lower the rate for good.
const TOLERANCE: Nanos = 10_000_000;

/// A cap that all workers share: turns one period apart, the first of them when it is first asked
/// for. A turn that nobody comes for is lost, but for those of the last 10 ms; they may be made up
/// for. So below 100/s there is never more than one at a time.
///
/// This is the generic cell rate algorithm (ITU-T I.371, virtual scheduling) with a bucket that is
/// empty at the start.
#[derive(Debug)]
pub(crate) struct Cap {
    period: Nanos,
    /// When the next turn is; [`UNUSED`](Self::UNUSED) before the first.
    next: AtomicU64,
}

impl Cap {
    const UNUSED: Nanos = Nanos::MAX;

    /// A cap at this rate.
    pub(crate) fn new(rate: Rate) -> Self {
        // Rounded up: a cap may be a little too low and never too high.
        let period = (1e9 / rate.per_second()).ceil();
        Self {
            period: (period as Nanos).max(1),
            next: AtomicU64::new(Self::UNUSED),
        }
    }

    /// Takes a turn, or says how long to wait before asking again.
    pub(crate) fn take(&self, now: Nanos) -> Result<(), Duration> {
        let turn = |next: Nanos| match next {
            Self::UNUSED => now,
            next => next.max(now.saturating_sub(TOLERANCE)),
        };
        // Nothing else is published with it, so no order among other memory is asked for.
        let taken = self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                let turn = turn(next);
                (turn <= now).then(|| turn.saturating_add(self.period).min(Self::UNUSED - 1))
            });
        match taken {
            Ok(_) => Ok(()),
            Err(next) => Err(Duration::from_nanos(turn(next) - now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use crate::clock::nanos;

    const SECOND: Nanos = 1_000_000_000;

    fn cap(per_second: f64) -> Cap {
        Cap::new(Rate::new(per_second).unwrap())
    }

    /// When turns were taken until `end` by somebody who always wants one and wakes this late.
    fn taken(cap: &Cap, from: Nanos, end: Nanos, mut late: impl FnMut() -> Nanos) -> Vec<Nanos> {
        let (mut now, mut turns) = (from, Vec::new());
        while now < end {
            match cap.take(now) {
                Ok(()) => turns.push(now),
                Err(wait) => now += nanos(wait) + late(),
            }
        }
        turns
    }

    #[test_case(1.0)]
    #[test_case(10.0)]
    #[test_case(99.0)]
    #[test_case(100.0)]
    #[test_case(200.0)]
    #[test_case(10_000.0)]
    fn the_first_second_has_the_rate_and_no_more(rate: f64) {
        let from = 7 * SECOND;
        let turns = taken(&cap(rate), from, from + SECOND, || 0);
        assert_eq!(turns.len() as f64, rate);
    }

    #[test]
    fn one_a_second_starts_one_at_a_time() {
        let cap = cap(1.0);
        assert_eq!(cap.take(5), Ok(()));
        assert_eq!(cap.take(5), Err(Duration::from_secs(1)));
        assert_eq!(cap.take(SECOND), Err(Duration::from_nanos(5)));
        assert_eq!(cap.take(SECOND + 5), Ok(()));
        // A minute in which nobody came is not made up for.
        assert_eq!(cap.take(61 * SECOND), Ok(()));
        let tolerated = Duration::from_millis(990);
        assert_eq!(cap.take(61 * SECOND), Err(tolerated));
    }

    #[test_case(50.0 => 1)]
    #[test_case(100.0 => 2; "ten milliseconds are a period")]
    #[test_case(1_000.0 => 11)]
    fn after_a_lull_the_last_ten_milliseconds_come_at_once(rate: f64) -> usize {
        let cap = cap(rate);
        assert_eq!(cap.take(0), Ok(()));
        (0..100).filter(|_| cap.take(SECOND).is_ok()).count()
    }

    #[test]
    fn what_many_take_is_not_more_than_what_one_takes() {
        let cap = Arc::new(cap(1_000.0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let cap = Arc::clone(&cap);
                std::thread::spawn(move || taken(&cap, 0, SECOND, || 0).len())
            })
            .collect();
        let all: usize = threads.into_iter().map(|it| it.join().unwrap()).sum();
        // However far apart their times are.
        assert_eq!(all, 1_000);
    }

    proptest! {
        /// Woken up to 9 ms late each time, all turns are taken all the same, and none before its
        /// time.
        #[test]
        fn late_wakes_do_not_lower_the_rate(rate in 1..5_000_u32, seed: u64) {
            let mut random = fastrand::Rng::with_seed(seed);
            let seconds = 20;
            let late = || random.u64(0..9_000_000);
            let turns = taken(&cap(rate.into()), 0, seconds * SECOND, late);
            let all = u64::from(rate) * seconds;
            let behind = u64::from(rate) / 100 + 1;
            let count = turns.len() as u64;
            prop_assert!(count <= all && count + behind >= all, "{count} of {all}");
            for (nth, at) in turns.iter().enumerate() {
                let earliest = nth as u64 * SECOND / u64::from(rate);
                prop_assert!(*at >= earliest, "turn {nth} at {at}");
            }
        }
    }
}
