//! The conditions on the results, that there are results, and whose doing it is when one does not
//! hold.

use super::super::document::ThresholdResult;
use super::super::phrase::{observed, span};
use super::{Findings, Titled};
use crate::condition::Threshold;
use crate::judge::{Blame, blame};
use crate::record::{RunRecord, ScenarioRecord};
use crate::units::human::count;

/// In which window it was.
fn when(condition: &ThresholdResult) -> String {
    let window = condition
        .window
        .map(|it| format!(" from {} s to {} s", it.from_s, it.to_s));
    window.unwrap_or_default()
}

/// `is_part` says that there are others' figures, with which it is judged, and `lacks_parts` that there was load
/// that is in no figure: nobody knows then what of it there would have been.
pub(super) fn judge(
    scenario: &Titled<'_>,
    conditions: &[ThresholdResult],
    (is_part, lacks_parts): (bool, bool),
    findings: &mut Findings,
) {
    let name = &scenario.title;
    if scenario.error_rate().is_none() {
        let sentence = format!(
            "`{name}`: no iteration completed or failed ({} planned), so there is nothing to judge",
            count(scenario.ledger.planned),
        );
        match (is_part, lacks_parts) {
            (true, _) => findings.warnings.push(sentence),
            (false, true) => findings.incomplete(sentence),
            (false, false) => findings.failed.push(sentence),
        }
    }
    let of = format!("`{name}`: ");
    for condition in conditions.iter().filter(|condition| !condition.pass) {
        judge_one(&of, (scenario, lacks_parts), condition, findings);
    }
}

/// The conditions on all scenarios with a tag.
pub(super) fn judge_tags(
    record: &RunRecord,
    conditions: &[ThresholdResult],
    lacks_parts: bool,
    findings: &mut Findings,
) {
    for condition in conditions.iter().filter(|condition| !condition.pass) {
        let parsed: Option<Threshold> = condition.expression.parse().ok();
        let tag = parsed.as_ref().and_then(Threshold::tag);
        if let Some(tag) = tag.and_then(|tag| record.tag(tag)) {
            // The condition itself says whose it is.
            let record = record.merged(tag);
            judge_one("", (&record, lacks_parts), condition, findings);
        }
    }
}

/// A condition that does not hold; `of` says whose it is.
fn judge_one(
    of: &str,
    (record, lacks_parts): (&ScenarioRecord, bool),
    condition: &ThresholdResult,
    findings: &mut Findings,
) {
    let expression = &condition.expression;
    let unit = condition.unit.as_deref().unwrap_or_default();
    let sentence = if let Some(ended) = &condition.ended_run {
        let so_far = observed(ended.observed, unit);
        let at = span((ended.at_s * 1e9).round() as u64);
        format!("{of}`{expression}` ended the run after {at}: it did not hold, observed {so_far}")
    } else if let Some(value) = condition.observed {
        let value = observed(value, unit);
        let most = if condition.window.is_some_and(|it| it.is_bound) {
            " at the worst"
        } else {
            ""
        };
        format!(
            "{of}`{expression}` does not hold, observed {value}{most}{}",
            when(condition)
        )
    } else {
        // Where nothing was measured that is said once for each scenario, not again for each condition.
        if record.error_rate().is_some() {
            let why = condition.unjudged.as_deref();
            let why = why.unwrap_or("too little was measured");
            let parsed: Option<Threshold> = expression.parse().ok();
            let is_failover = parsed.is_some_and(|it| it.is_about_failover());
            let what = match is_failover {
                // Mostly that it never came.
                true => "does not hold",
                false => "cannot be judged",
            };
            let sentence = format!("{of}`{expression}` {what}, {why}");
            findings.failed.push(sentence);
        }
        return;
    };
    // An expression of somebody's own is about the service.
    let parsed: Option<Threshold> = expression.parse().ok();
    let blame = match parsed {
        // The part that is missing may be what there is too little of.
        Some(condition) if lacks_parts && condition.is_of_all() => Blame::Both,
        Some(condition) => blame(&condition, record),
        None => Blame::Service,
    };
    match blame {
        Blame::Generator {
            without: Some(without),
        } => findings.invalid(
            0.5,
            format!(
                "{sentence}, by the generator's part alone: without it {}",
                observed(without, unit)
            ),
        ),
        Blame::Generator { without: None } => findings.invalid(0.5, sentence),
        Blame::Both => findings.missed.push(sentence),
        Blame::Service => findings.failed.push(sentence),
    }
}
