//! What became of limits on changes.

use super::comparison::{Compared, ComparedScenario, LimitResult, LimitVerdict, ToldFrom};
use super::{Common, CompareError, figure};
use crate::condition::{ChangeLimit, Metric};
use crate::nearest::did_you_mean;

/// Makes sure that every limit is on scenarios and steps that there are.
pub(super) fn refuse_unknown(
    limits: &[ChangeLimit],
    common: &[Common<'_>],
) -> Result<(), CompareError> {
    for limit in limits {
        let unknown = |what: &'static str, name: &str, known: &[&str]| CompareError::Unknown {
            limit: limit.to_string(),
            what,
            name: name.to_owned(),
            expected: did_you_mean(name, known.iter().copied())
                .unwrap_or_else(|| format!("there is {}", known.join(", "))),
        };
        let is_of = |it: &&Common<'_>| limit.scenario().is_none_or(|name| name == it.name);
        let of: Vec<&Common<'_>> = common.iter().filter(is_of).collect();
        if let (Some(name), true) = (limit.scenario(), of.is_empty()) {
            let known: Vec<&str> = common.iter().map(|it| it.name).collect();
            return Err(unknown("scenario", name, &known));
        }
        if let Metric::Step { name, .. } = limit.metric() {
            let known: Vec<&str> = of.iter().flat_map(|it| it.steps()).collect();
            if !known.contains(&name.as_str()) {
                return Err(unknown("step", name, &known));
            }
        }
    }
    Ok(())
}

/// What became of each limit in each scenario that has what it is on.
pub(super) fn results(limits: &[ChangeLimit], scenarios: &[ComparedScenario]) -> Vec<LimitResult> {
    let each = limits.iter().flat_map(|limit| {
        let metric = figure::name(limit.metric());
        let is_of = |it: &&ComparedScenario| limit.scenario().is_none_or(|name| name == it.name);
        let of = scenarios.iter().filter(is_of).filter_map(|scenario| {
            let compared = scenario.all_figures().find(|it| it.metric == metric)?;
            Some(result(limit, scenario, compared))
        });
        let results: Vec<LimitResult> = of.collect();
        match results.is_empty() {
            false => results,
            true => vec![LimitResult {
                expression: limit.to_string(),
                scenario: None,
                unit: figure::unit(limit.metric()),
                change: None,
                verdict: LimitVerdict::Untold,
            }],
        }
    });
    each.collect()
}

fn result(limit: &ChangeLimit, scenario: &ComparedScenario, compared: &Compared) -> LimitResult {
    LimitResult {
        expression: limit.to_string(),
        scenario: Some(scenario.name.clone()),
        unit: compared.unit,
        change: compared.change,
        verdict: verdict(limit, compared),
    }
}

fn verdict(limit: &ChangeLimit, compared: &Compared) -> LimitVerdict {
    let Some(change) = compared
        .change
        .filter(|_| compared.told_from != ToldFrom::Nothing)
    else {
        return LimitVerdict::Untold;
    };
    let ends = [
        change.low.unwrap_or(f64::NEG_INFINITY),
        change.high.unwrap_or(f64::INFINITY),
    ];
    let nearer = limit.nearer_end();
    match (
        limit.is_beyond(ends[nearer]),
        limit.is_beyond(ends[1 - nearer]),
    ) {
        (true, _) => LimitVerdict::Broken,
        (false, true) => LimitVerdict::Undecided,
        (false, false) => LimitVerdict::Kept,
    }
}
