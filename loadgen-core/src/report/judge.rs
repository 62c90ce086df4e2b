//! Judging: what became of conditions, one function of them and of what was recorded.
//!
//! Reads a scenario's record and changes nothing; whether a failed condition fails the run is for the
//! verdict to say, with [`blame`].

mod blame;
mod observe;
mod series;

use super::document::{SAMPLES_BEYOND, ThresholdResult};
use crate::condition::{Metric, Threshold};
use crate::record::ScenarioRecord;

pub(super) use blame::{Blame, blame};

/// Judges a scenario's results by its conditions, in their order.
///
/// A percentile is judged as recorded, however few samples lie beyond it, although a report
/// withholds it with fewer than ten: a condition that somebody wrote is answered, not skipped.
/// What has no sample at all has no observed value, and then the condition does not hold: a
/// run in which nothing ended has not shown that little fails.
///
/// ```
/// use loadgen_core::record::ScenarioRecord;
///
/// let nothing = ScenarioRecord::empty("greet", "grpc", true, &[]);
/// let judged = loadgen_core::report::judge(&["error_rate < 1%".parse()?], &nothing);
/// assert_eq!((judged[0].observed, judged[0].pass), (None, false));
/// # Ok::<(), loadgen_core::condition::ThresholdError>(())
/// ```
#[must_use]
pub fn judge(conditions: &[Threshold], record: &ScenarioRecord) -> Vec<ThresholdResult> {
    conditions.iter().map(|it| judge_one(it, record)).collect()
}

fn judge_one(condition: &Threshold, record: &ScenarioRecord) -> ThresholdResult {
    let observed = observe::observed(condition.metric(), record, condition.value_unit());
    let beyond = samples_beyond(condition.metric(), record);
    ThresholdResult {
        few_samples: observed.is_some() && beyond.is_some_and(|it| it < SAMPLES_BEYOND),
        ..ThresholdResult::new(
            condition.expression(),
            condition.unit(),
            observed,
            observed.is_some_and(|it| condition.holds(it)),
        )
    }
}

/// Of a percentile, how many samples lie beyond it.
fn samples_beyond(metric: &Metric, record: &ScenarioRecord) -> Option<u64> {
    let (series, statistic, step) = series::asked(metric, record)?;
    let samples = series::read(record, step, series, |histogram| Some(histogram.len()))?;
    let beyond = samples.saturating_mul(series::beyond_of_10_000(statistic)?);
    Some(beyond / 10_000)
}

/// Whether a condition says how long the service may be silent.
pub(super) fn is_about_silence(condition: &Threshold) -> bool {
    *condition.metric() == Metric::Silence
}

#[cfg(test)]
mod tests;
