//! A cap on how often something happens. Caps only: a bucket of tokens has no due times, so it
//! never paces an open model.

use std::num::NonZeroU32;
use std::sync::Once;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::units::Rate;

/// The finest part of a turn that is told apart.
const FINEST: Duration = Duration::from_millis(1);
/// How far a turn may be taken behind its time without moving those after it. The runtime's timer
/// wakes a millisecond late or more, which must not lower the rate for good.
const TOLERANCE: Duration = Duration::from_millis(10);

/// A cap that all workers share: turns one period apart, the first of them when it is first asked
/// for. A turn that nobody comes for is lost, but for those of the last 10 ms; they may be made up
/// for. So below 100/s there is never more than one at a time.
///
/// A turn is several tokens where turns are far apart, so that the bucket can hold one turn and the
/// tolerance. Buckets are full at the start: the tolerance is taken away when the first turn is.
#[derive(Debug)]
pub(crate) struct Cap<C: Clock = DefaultClock> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    turn: NonZeroU32,
    token: Duration,
    tolerance: Option<NonZeroU32>,
    first: Once,
}

impl Cap {
    /// A cap at this rate.
    pub(crate) fn new(rate: Rate) -> Self {
        Self::with_clock(rate, DefaultClock::default())
    }

    /// A cap at this rate in the place of another, of which nothing is taken any more: a turn that was half due is
    /// due when the other half is.
    pub(crate) fn after(before: &Self, rate: Rate) -> Self {
        Self::with_clock_after(before, rate, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Cap<C> {
    fn with_clock_after(before: &Self, rate: Rate, clock: C) -> Self {
        let cap = Self::with_clock(rate, clock);
        let period = |it: &Self| it.token.saturating_mul(it.turn.get()).as_secs_f64();
        let left = before.take().err().unwrap_or_default().as_secs_f64();
        let share = (left / period(before).max(1e-9)).min(1.0);
        cap.begin();
        // Rounded up, as a token is: never too high.
        let undue = (share * f64::from(cap.turn.get()) - 1e-6).ceil() as u32;
        if let Some(undue) = NonZeroU32::new(undue) {
            // The bucket holds a turn.
            let _ = cap.limiter.check_n(undue);
        }
        cap
    }

    fn with_clock(rate: Rate, clock: C) -> Self {
        let period_s = 1.0 / rate.per_second();
        let parts = (period_s / FINEST.as_secs_f64()).ceil();
        let turn = parts.clamp(1.0, f64::from(u32::MAX / 2)) as u32;
        // Rounded up: a cap may be a little too low and never too high.
        let token = Duration::from_nanos((period_s * 1e9 / f64::from(turn)).ceil() as u64);
        let tolerance = (TOLERANCE.as_nanos() / token.as_nanos().max(1)) as u32;
        let tokens = |count: u32| NonZeroU32::new(count);
        let quota = Quota::with_period(token.max(Duration::from_nanos(1)))
            .expect("not a period of zero")
            .allow_burst(tokens(turn + tolerance).expect("a turn is one token at least"));
        Self {
            limiter: RateLimiter::direct_with_clock(quota, clock.clone()),
            clock,
            turn: tokens(turn).expect("a turn is one token at least"),
            token,
            tolerance: tokens(tolerance),
            first: Once::new(),
        }
    }

    fn begin(&self) {
        self.first.call_once(|| {
            if let Some(tolerance) = self.tolerance {
                // The bucket is full and holds as many.
                let _ = self.limiter.check_n(tolerance);
            }
        });
    }

    /// Takes a turn, or says how long to wait before asking again.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        self.begin();
        match self.limiter.check_n(self.turn) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
            Err(_) => unreachable!("the bucket holds a turn and more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn cap(per_second: f64) -> (Cap<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let cap = Cap::with_clock(Rate::new(per_second).unwrap(), clock.clone());
        // A cap is made some time before it is first asked.
        clock.advance(7 * SECOND);
        (cap, clock)
    }

    /// When turns were taken for so long by somebody who always wants one and wakes this late.
    fn taken(
        per_second: f64,
        length: Duration,
        mut late: impl FnMut() -> Duration,
    ) -> Vec<Duration> {
        let (cap, clock) = cap(per_second);
        let (mut now, mut turns) = (Duration::ZERO, Vec::new());
        while now < length {
            match cap.take() {
                Ok(()) => turns.push(now),
                Err(wait) => {
                    let wait = wait + late();
                    clock.advance(wait);
                    now += wait;
                }
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
        let turns = taken(rate, SECOND, || Duration::ZERO);
        assert_eq!(turns.len() as f64, rate);
    }

    #[test]
    fn one_a_second_starts_one_at_a_time() {
        let (cap, clock) = cap(1.0);
        assert_eq!(cap.take(), Ok(()));
        assert_eq!(cap.take(), Err(SECOND));
        clock.advance(SECOND);
        assert_eq!(cap.take(), Ok(()));
        // A minute in which nobody came is not made up for.
        clock.advance(60 * SECOND);
        assert_eq!(cap.take(), Ok(()));
        assert_eq!(cap.take(), Err(SECOND - TOLERANCE));
    }

    #[test_case(50.0 => 1)]
    #[test_case(99.0 => 1; "a little more than ten milliseconds apart")]
    #[test_case(100.0 => 2; "ten milliseconds are a period")]
    #[test_case(1_000.0 => 11)]
    fn after_a_lull_the_last_ten_milliseconds_come_at_once(rate: f64) -> usize {
        let (cap, clock) = cap(rate);
        assert_eq!(cap.take(), Ok(()));
        clock.advance(SECOND);
        (0..100).filter(|_| cap.take().is_ok()).count()
    }

    /// However often it is changed, turns come.
    #[test]
    fn what_was_half_due_is_due_when_the_other_half_is() {
        let (mut cap, clock) = cap(1.0);
        let half = SECOND / 2;
        assert_eq!(cap.take(), Ok(()));
        clock.advance(half);
        let rate = |it| Rate::new(it).unwrap();
        cap = Cap::with_clock_after(&cap, rate(0.1), clock.clone());
        assert_eq!(cap.take(), Err(5 * SECOND));
        clock.advance(5 * half);
        cap = Cap::with_clock_after(&cap, rate(1.0), clock.clone());
        assert_eq!(cap.take(), Err(half / 2));
        for _ in 0..5 {
            clock.advance(half / 10);
            cap = Cap::with_clock_after(&cap, rate(1.0), clock.clone());
        }
        assert_eq!(cap.take(), Ok(()));
        assert_eq!(cap.take(), Err(SECOND));
    }

    proptest! {
        /// Woken up to 9 ms late each time, hardly a turn is lost, and none is taken before its
        /// time.
        #[test]
        fn late_wakes_do_not_lower_the_rate(rate in 1..5_000_u32, seed: u64) {
            let mut random = fastrand::Rng::with_seed(seed);
            let late = || Duration::from_nanos(random.u64(0..8_500_000));
            let turns = taken(rate.into(), 20 * SECOND, late);
            let all = u64::from(rate) * 20;
            let behind = u64::from(rate) / 100 + 1;
            let count = turns.len() as u64;
            prop_assert!(count <= all && count + behind >= all, "{count} of {all}");
            for (nth, at) in turns.iter().enumerate() {
                let earliest = SECOND * nth as u32 / rate;
                prop_assert!(*at >= earliest, "turn {nth} at {at:?}");
            }
        }
    }
}
