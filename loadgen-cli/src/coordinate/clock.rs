//! Clocks of two processes: reading one, and telling how far the other's is ahead.
//!
//! Pure but for [`Wall`].

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use loadgen_core::report::ClockOffset;

use crate::moment;

/// A process's clock, in nanoseconds since 1970: what the system's showed when it was started, and steady from then
/// on, so that nothing which sets the system's clock moves what was agreed on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wall {
    began: u64,
    at: Instant,
}

impl Wall {
    pub(super) fn start() -> Self {
        Self {
            began: of_system(),
            at: moment::now(),
        }
    }

    /// By how much the system's clock is ahead of this one by now, in nanoseconds: it was set meanwhile, or is drawn
    /// to another.
    pub(super) fn behind(&self) -> i128 {
        i128::from(of_system()) - i128::from(self.now())
    }

    pub(super) fn now(&self) -> u64 {
        self.began
            .saturating_add(nanos(moment::now().saturating_duration_since(self.at)))
    }

    /// When this clock shows that; at its beginning where that was earlier.
    pub(super) fn moment(&self, at: u64) -> Instant {
        self.at + Duration::from_nanos(at.saturating_sub(self.began))
    }
}

fn of_system() -> u64 {
    nanos(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A question and its answer: when each left and came, by the clock of whoever saw it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    /// The question, by the clock of who asked.
    pub(super) sent: u64,
    /// The question, by the clock of who answered.
    pub(super) received: u64,
    /// The answer, by that clock.
    pub(super) answered: u64,
    /// The answer, by the clock of who asked.
    pub(super) back: u64,
}

impl Exchange {
    /// How long both were on their way together.
    fn delay(&self) -> u64 {
        let there_and_back = self.back.saturating_sub(self.sent);
        there_and_back.saturating_sub(self.answered.saturating_sub(self.received))
    }

    /// How far the clock of who answered is ahead, if both ways take the same time (RFC 5905, 8): wrong by half of
    /// their difference, which is no more than half of the delay.
    fn offset(&self) -> i128 {
        let [sent, received, answered, back] =
            [self.sent, self.received, self.answered, self.back].map(i128::from);
        ((received - sent) + (answered - back)) / 2
    }
}

/// How far another clock is ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    ahead: i128,
    delay: u64,
}

impl Offset {
    /// By the quickest of these exchanges: what waited in a queue waited on one way only.
    pub(super) fn of(exchanges: &[Exchange]) -> Option<Self> {
        let quickest = exchanges.iter().min_by_key(|it| it.delay())?;
        Some(Self {
            ahead: quickest.offset(),
            delay: quickest.delay(),
        })
    }

    /// What the own clock shows when the other shows this.
    pub(super) fn here(&self, there: u64) -> u64 {
        let here = i128::from(there).saturating_sub(self.ahead);
        u64::try_from(here.max(0)).unwrap_or(u64::MAX)
    }

    /// How long a message and its answer take.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_nanos(self.delay)
    }

    /// As results have it, whose times are the system's clock's: that was set ahead by so many nanoseconds since.
    pub(super) fn told(&self, since: i128) -> ClockOffset {
        let ahead = self.ahead.saturating_sub(since);
        ClockOffset::new(ahead as f64 / 1e3, self.delay as f64 / 2e3)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    /// An exchange that took so long each way, with a clock that is so far ahead.
    fn exchange(ahead: i64, there: u64, at_work: u64, back: u64) -> Exchange {
        let sent = 1_800_000_000_000_000_000_u64;
        let received = (sent + there).saturating_add_signed(ahead);
        let answered = received + at_work;
        Exchange {
            sent,
            received,
            answered,
            back: sent + there + at_work + back,
        }
    }

    proptest! {
        /// However long each way takes, it is never wrong by more than it says.
        #[test]
        fn the_offset_is_as_good_as_it_says(
            ahead in -HOUR..HOUR,
            ways in prop::collection::vec((0..50_000_000_u64, 0..1_000_000_u64, 0..50_000_000_u64), 1..16),
        ) {
            let exchanges: Vec<Exchange> =
                ways.iter().map(|(there, work, back)| exchange(ahead, *there, *work, *back)).collect();
            let offset = Offset::of(&exchanges).unwrap();
            let wrong_by = (offset.ahead - i128::from(ahead)).unsigned_abs();
            prop_assert!(wrong_by <= u128::from(offset.delay / 2 + 1), "{offset:?}");
            let quickest = ways.iter().map(|(there, _, back)| there + back).min().unwrap();
            prop_assert_eq!(offset.delay, quickest);
        }

        /// Two shards that were told the same moment meet within what their offsets may be wrong by.
        #[test]
        fn shards_meet(
            clocks in [-HOUR..HOUR, -HOUR..HOUR],
            ways in [(1..5_000_000_u64, 1..5_000_000_u64), (1..5_000_000_u64, 1..5_000_000_u64)],
        ) {
            let start = 1_800_000_001_000_000_000_u64;
            let mut moments = clocks.iter().zip(ways).map(|(ahead, (there, back))| {
                let offset = Offset::of(&[exchange(*ahead, there, 10, back)]).unwrap();
                // By the coordinator's clock, when the shard's own shows what it was told.
                (offset.here(start).saturating_add_signed(*ahead), offset.delay)
            });
            let ((one, of_one), (other, of_other)) = (moments.next().unwrap(), moments.next().unwrap());
            prop_assert!(one.abs_diff(other) <= (of_one + of_other) / 2 + 2);
        }
    }

    #[test]
    fn nothing_is_known_without_an_exchange() {
        assert_eq!(Offset::of(&[]), None);
    }

    #[test]
    fn a_clock_that_is_behind_is_told_below_zero() {
        let offset = Offset::of(&[exchange(-5_000_000_000, 200_000, 0, 200_000)]).unwrap();
        assert_eq!(offset.told(0), ClockOffset::new(-5_000_000.0, 200.0));
        // Meanwhile it was set back by three of the five seconds.
        let set = offset.told(-3_000_000_000);
        assert_eq!(set, ClockOffset::new(-2_000_000.0, 200.0));
        assert_eq!(offset.here(10_000_000_000), 15_000_000_000);
    }
}
