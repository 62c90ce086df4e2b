//! The conditions on the results, that there are results, and whose doing it is when one does not
//! hold.

use super::super::document::ThresholdResult;
use super::super::phrase::{observed, span};
use super::Findings;
use crate::condition::Threshold;
use crate::judge::{Blame, blame};
use crate::record::ScenarioRecord;
use crate::units::human::count;

/// In which window it was.
fn when(condition: &ThresholdResult) -> String {
    let window = condition
        .window
        .map(|it| format!(" from {} s to {} s", it.from_s, it.to_s));
    window.unwrap_or_default()
}

pub(super) fn judge(
    scenario: &ScenarioRecord,
    conditions: &[ThresholdResult],
    findings: &mut Findings,
) {
    let name = &scenario.name;
    let measured = scenario.error_rate().is_some();
    if !measured {
        findings.failed.push(format!(
            "`{name}`: no iteration completed or failed ({} planned), so there is nothing to judge",
            count(scenario.ledger.planned),
        ));
    }
    for condition in conditions.iter().filter(|condition| !condition.pass) {
        let expression = &condition.expression;
        let unit = condition.unit.as_deref().unwrap_or_default();
        let sentence = if let Some(ended) = &condition.ended_run {
            let so_far = observed(ended.observed, unit);
            let at = span((ended.at_s * 1e9).round() as u64);
            format!(
                "`{name}`: `{expression}` ended the run after {at}: it did not hold, observed {so_far}"
            )
        } else if let Some(value) = condition.observed {
            let value = observed(value, unit);
            let most = if condition.window.is_some_and(|it| it.is_bound) {
                " at the worst"
            } else {
                ""
            };
            format!(
                "`{name}`: `{expression}` does not hold, observed {value}{most}{}",
                when(condition)
            )
        } else {
            // Said once for the scenario, not again for each condition.
            if measured {
                let why = condition.unjudged.as_deref();
                let why = why.unwrap_or("too little was measured");
                findings
                    .failed
                    .push(format!("`{name}`: `{expression}` cannot be judged, {why}"));
            }
            continue;
        };
        // An expression of somebody's own is about the service.
        let parsed: Option<Threshold> = expression.parse().ok();
        let blame = parsed.map_or(Blame::Service, |condition| blame(&condition, scenario));
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
}
