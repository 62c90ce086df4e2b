//! How many users a staged closed model has at a moment.

use super::UserStage;
use crate::clock::{Nanos, nanos};

/// Users `at` nanoseconds after the start of the stages: straight lines from 0 through each
/// stage's end, rounded up, so that a stage that rises has its first user at once. After the last
/// stage its number stays.
#[must_use]
pub fn users_at(stages: &[UserStage], at: Nanos) -> u32 {
    let (mut begin, mut from) = (0, 0_u32);
    for stage in stages {
        let length = nanos(stage.duration);
        if at < begin + length {
            let progress = (at - begin) as f64 / length as f64;
            let users = f64::from(from) + (f64::from(stage.users) - f64::from(from)) * progress;
            let rising_at_start = at == begin && stage.users > from;
            return users.ceil() as u32 + u32::from(rising_at_start);
        }
        begin += length;
        from = stage.users;
    }
    from
}

/// The first moment from `from` on at which [`users_at`] exceeds `user`; `None` when it never does
/// again.
#[must_use]
pub fn needed_at(stages: &[UserStage], user: u32, from: Nanos) -> Option<Nanos> {
    let (mut begin, mut level) = (0, 0_u32);
    for stage in stages {
        let end = begin + nanos(stage.duration);
        let start = from.max(begin);
        if start < end {
            if users_at(stages, start) > user {
                return Some(start);
            }
            if stage.users > level && stage.users > user {
                // The line crosses `user` at this share of the stage; a nanosecond later, and
                // another for rounding, it is above.
                let share = (f64::from(user) - f64::from(level))
                    / (f64::from(stage.users) - f64::from(level));
                let crossing = begin + (share.max(0.0) * (end - begin) as f64) as Nanos + 2;
                let crossing = crossing.max(start);
                if crossing < end {
                    return Some(crossing);
                }
            }
        }
        begin = end;
        level = stage.users;
    }
    (level > user).then_some(from.max(begin))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test_case(0 => 1)]
    #[test_case(SECOND => 10)]
    #[test_case(SECOND + 1 => 11)]
    #[test_case(2 * SECOND => 20; "end of the first")]
    #[test_case(5 * SECOND => 20; "holding")]
    #[test_case(7 * SECOND => 10; "falling")]
    #[test_case(8 * SECOND => 0; "end")]
    #[test_case(100 * SECOND => 0; "after")]
    fn up_hold_down(at: Nanos) -> u32 {
        let stage = |seconds, users| UserStage {
            duration: Duration::from_secs(seconds),
            users,
        };
        users_at(&[stage(2, 20), stage(4, 20), stage(2, 0)], at)
    }

    proptest! {
        #[test]
        fn a_user_is_needed_when_the_line_says_so(
            stages in prop::collection::vec((0_u64..5_000, 0_u32..100), 1..5),
            user in 0_u32..100,
            from in 0_u64..20_000,
        ) {
            let stages: Vec<_> = stages
                .into_iter()
                .map(|(ms, users)| UserStage { duration: Duration::from_millis(ms), users })
                .collect();
            let from = from * 1_000_000;
            let needed = needed_at(&stages, user, from);
            if let Some(at) = needed {
                prop_assert!(at >= from);
                prop_assert!(users_at(&stages, at) > user, "at {at}");
            }
            // Nobody is needed before that, looked at every 10 ms.
            let until = needed.unwrap_or(30_000_000_000);
            let mut at = from;
            while at < until {
                prop_assert!(users_at(&stages, at) <= user, "at {at} before {needed:?}");
                at += 10_000_000;
            }
        }

        #[test]
        fn never_above_the_largest_stage(
            stages in prop::collection::vec((0_u64..10_000, 0_u32..1000), 1..5),
            at in 0_u64..60_000,
        ) {
            let stages: Vec<_> = stages
                .into_iter()
                .map(|(ms, users)| UserStage { duration: Duration::from_millis(ms), users })
                .collect();
            let largest = stages.iter().map(|stage| stage.users).max().unwrap_or(0);
            prop_assert!(users_at(&stages, at * 1_000_000) <= largest.max(1));
        }
    }
}
