//! How long a load must last, and the same shape over another length.

use std::time::Duration;

use crate::scenario::load::validate::expected_arrivals;
use crate::schedule::{RateStage, UserStage};
use crate::units::MAX_DURATION;

/// A constant rate as a stage.
pub(in crate::scenario) fn constant(per_second: f64, duration: Duration) -> RateStage {
    RateStage {
        duration,
        from: per_second,
        to: per_second,
    }
}

/// The time in which exactly so many arrivals fall due at a rate: arrival `i` is due at
/// `i / rate`, so it ends in the last nanosecond before arrival `requests`. `None` when it is
/// longer than may be.
pub(in crate::scenario) fn time_for(requests: u64, per_second: f64) -> Option<Duration> {
    let nanos = requests as f64 / per_second * 1e9;
    if nanos > MAX_DURATION.as_nanos() as f64 {
        return None;
    }
    Some(Duration::from_nanos((nanos as u64).max(1)))
}

/// The same at the rates of stages, stretched to it.
pub(in crate::scenario) fn time_for_stages(
    requests: u64,
    stages: &[RateStage],
) -> Option<Duration> {
    if let [stage] = stages
        && stage.from == stage.to
    {
        return time_for(requests, stage.to);
    }
    let length: Duration = stages.iter().map(|stage| stage.duration).sum();
    let seconds = length.as_secs_f64() * requests as f64 / expected_arrivals(stages);
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    (duration <= MAX_DURATION).then_some(duration)
}

pub(in crate::scenario) fn stretch_users(stages: &[UserStage], length: Duration) -> Vec<UserStage> {
    let durations = stretch(stages.iter().map(|stage| stage.duration), length);
    stages
        .iter()
        .zip(durations)
        .map(|(stage, duration)| UserStage { duration, ..*stage })
        .collect()
}

pub(in crate::scenario) fn stretch_rates(stages: &[RateStage], length: Duration) -> Vec<RateStage> {
    let durations = stretch(stages.iter().map(|stage| stage.duration), length);
    stages
        .iter()
        .zip(durations)
        .map(|(stage, duration)| RateStage { duration, ..*stage })
        .collect()
}

/// The same shares of a new length. Ends are scaled and not the lengths, so that rounding does not
/// add up and the whole is exact.
fn stretch(durations: impl Iterator<Item = Duration> + Clone, length: Duration) -> Vec<Duration> {
    let total: u128 = durations.clone().map(|duration| duration.as_nanos()).sum();
    let scale = |end: u128| end.saturating_mul(length.as_nanos()) / total.max(1);
    let mut end = 0;
    durations
        .map(|duration| {
            let begin = scale(end);
            end += duration.as_nanos();
            Duration::from_nanos_u128(scale(end) - begin)
        })
        .collect()
}
