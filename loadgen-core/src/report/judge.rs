//! What became of conditions, as a document says it.

use std::time::Duration;

use super::document::{SAMPLES_BEYOND, ThresholdResult, ThresholdWindow};
use crate::condition::{Tag, Threshold};
use crate::judge::{Judged, judge as judged};
use crate::record::{RunRecord, ScenarioRecord};

/// Judges a scenario's results by its conditions, in their order.
///
/// A percentile is judged as recorded, however few samples lie beyond it, although a report
/// withholds it with fewer than ten: a condition that somebody wrote is answered, not skipped.
/// What has no sample at all has no observed value, and then the condition does not hold: a
/// run in which nothing ended has not shown that little fails. Windows are judged where they were looked at
/// while the run was under way, which is for the conditions that its
/// [`ScenarioSpec`](crate::engine::ScenarioSpec) had.
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
    let changes: Vec<_> = record.changes().map(|(at, _)| at).collect();
    let judge = |it| result(it, judged(it, record), &changes);
    conditions.iter().map(judge).collect()
}

/// Judges what all scenarios with a tag measured together by these conditions on tags, in their order. Those
/// whose tag no scenario of the record has are left out.
///
/// Counts and histograms are added, so that a percentile is that of all samples, and a share one of sums; a
/// rate is the sum of counts over the time from when the first of these scenarios began to be measured to the
/// end of the last.
#[must_use]
pub fn judge_tags(conditions: &[Threshold], record: &RunRecord) -> Vec<ThresholdResult> {
    let mut merged: Vec<(&Tag, ScenarioRecord)> = Vec::new();
    let mut judged_by = |condition: &Threshold| {
        let tag = record.tag(condition.tag()?)?;
        let known = merged.iter().position(|(it, _)| **it == tag.tag);
        let at = known.unwrap_or_else(|| {
            merged.push((&tag.tag, record.merged(tag)));
            merged.len() - 1
        });
        let members = tag.members.iter();
        let changes = members.filter_map(|it| Some((it, record.scenarios.get(it.scenario)?)));
        let changes = changes.flat_map(|(member, scenario)| {
            let changes = scenario.changes();
            changes.map(|(at, _)| at + member.from)
        });
        let changes: Vec<_> = changes.collect();
        Some(result(
            condition,
            judged(condition, &merged[at].1),
            &changes,
        ))
    };
    conditions.iter().filter_map(&mut judged_by).collect()
}

/// What became of a condition, on what somebody changed at these moments.
fn result(condition: &Threshold, judged: Judged, changes: &[Duration]) -> ThresholdResult {
    let window = condition.window().zip(judged.window_from_s);
    let is_in_it = |at: &&Duration| {
        window.is_none_or(|(length, from_s)| {
            let from = Duration::from_secs(from_s);
            (from..from + length).contains(*at)
        })
    };
    ThresholdResult {
        few_samples: judged.beyond.is_some_and(|it| it < SAMPLES_BEYOND),
        window: window.map(|(length, from_s)| ThresholdWindow {
            from_s,
            to_s: from_s + length.as_secs(),
            is_bound: judged.is_bound,
        }),
        unjudged: judged.unjudged,
        abort: condition.abort_after().is_some(),
        spans_changes: changes.iter().filter(is_in_it).count() as u64,
        ..ThresholdResult::new(
            condition.expression(),
            condition.unit(),
            judged.observed,
            judged.holds,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{EventAction, EventRecord};

    #[test]
    fn conditions_say_how_many_changes_they_span() {
        let mut record = ScenarioRecord::empty("s", "grpc", true, &[]);
        let event = |action, done: Option<u64>| {
            let mut event = EventRecord::new(action, "said");
            event.done = done.map(Duration::from_secs);
            event
        };
        record.happened([
            event(EventAction::Pause, Some(1)),
            event(EventAction::Mark, Some(2)),
            event(EventAction::Resume, Some(3)),
            event(EventAction::Kill, Some(4)),
            event(EventAction::Rate, Some(12)),
            // Never done.
            event(EventAction::Users, None),
            event(EventAction::Stop, Some(20)),
        ]);
        let conditions = ["error_rate < 1%", "throughput > 1/s over any 10s"];
        let conditions = conditions.map(|it| it.parse().unwrap());
        let spans = |from_s: Option<u64>| {
            let judged = Judged {
                window_from_s: from_s,
                ..judged(&conditions[1], &record)
            };
            let changes: Vec<_> = record.changes().map(|(at, _)| at).collect();
            result(&conditions[1], judged, &changes).spans_changes
        };
        assert_eq!(judge(&conditions, &record)[0].spans_changes, 3);
        assert_eq!(
            [Some(0), Some(2), Some(3), Some(13)].map(spans),
            [2, 1, 2, 0]
        );
    }
}
