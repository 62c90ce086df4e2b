//! The conditions on the results, that there are results, and whose doing it is when one does not
//! hold.

use super::super::document::ThresholdResult;
use super::super::judge::{Blame, blame};
use super::super::phrase::observed;
use super::Findings;
use crate::condition::Threshold;
use crate::record::ScenarioRecord;
use crate::units::human::count;

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
        let Some(value) = condition.observed else {
            // Said once for the scenario, not again for each condition.
            if measured {
                findings.failed.push(format!(
                    "`{name}`: `{expression}` cannot be judged, too little was measured"
                ));
            }
            continue;
        };
        let unit = condition.unit.as_deref().unwrap_or_default();
        let sentence = format!(
            "`{name}`: `{expression}` does not hold, observed {}",
            observed(value, unit)
        );
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
