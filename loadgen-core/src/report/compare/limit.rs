//! What became of limits on changes.

use super::comparison::{Compared, ComparedScenario, LimitResult, LimitVerdict, ToldFrom, Unit};
use super::judge::FEWEST_RUNS;
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
        let of = common.iter().filter(|it| is_for(limit, it.name));
        let of: Vec<&Common<'_>> = of.collect();
        if let (Some(name), true) = (limit.scenario(), of.is_empty()) {
            let known: Vec<&str> = common.iter().map(|it| it.name).collect();
            return Err(unknown("scenario", name, &known));
        }
        if let Some(Metric::Step { name, .. }) = limit.metric() {
            let known: Vec<&str> = of.iter().flat_map(|it| it.steps()).collect();
            if !known.contains(&name.as_str()) {
                return Err(unknown("step", name, &known));
            }
        }
    }
    Ok(())
}

/// Makes sure that so many runs of each side tell of what there are limits on.
pub(super) fn refuse_untellable(
    limits: &[ChangeLimit],
    common: &[Common<'_>],
    runs: impl Fn(&Common<'_>) -> [usize; 2],
) -> Result<(), CompareError> {
    for limit in limits {
        for scenario in common.iter().filter(|it| is_for(limit, it.name)) {
            let [base, new] = runs(scenario);
            let are_few = base.min(new) < FEWEST_RUNS;
            let within_seconds = limit.metric().and_then(|it| scenario.within_seconds(it));
            if are_few && within_seconds.is_none() {
                let limit = limit.to_string();
                return Err(CompareError::Untellable { limit, base, new });
            }
        }
    }
    Ok(())
}

/// Makes sure that the base has what there are limits on.
pub(super) fn refuse_unmeasured(
    limits: &[ChangeLimit],
    common: &[Common<'_>],
) -> Result<(), CompareError> {
    let is_measured = |limit: &&ChangeLimit| {
        let scenarios = common.iter().filter(|it| is_for(limit, it.name));
        let mut runs = scenarios.flat_map(|it| &it.base);
        let metric = limit.metric();
        metric.is_some_and(|metric| runs.any(|it| figure::figure(it, metric).is_some()))
    };
    match limits.iter().find(|it| !is_measured(it)) {
        None => Ok(()),
        Some(limit) => {
            let scenarios = common.iter().filter(|it| is_for(limit, it.name));
            let runs = scenarios.flat_map(|it| it.base.iter().copied());
            Err(CompareError::Unmeasured {
                limit: limit.to_string(),
                samples: limit.metric().and_then(|it| figure::too_few(runs, it)),
            })
        }
    }
}

fn is_for(limit: &ChangeLimit, scenario: &str) -> bool {
    limit.scenario().is_none_or(|name| name == scenario)
}

/// What became of each limit in each scenario that has what it is on. What neither side has is a limit that
/// nobody can look after, unless both sides are the same runs.
pub(super) fn results(
    limits: &[ChangeLimit],
    common: &[Common<'_>],
    scenarios: &[ComparedScenario],
    within: f64,
    is_same_runs: bool,
) -> Vec<LimitResult> {
    let of_nothing = match is_same_runs {
        true => LimitVerdict::Kept,
        false => LimitVerdict::Untold,
    };
    let each = limits.iter().flat_map(|limit| {
        let metric = match limit.metric() {
            Some(metric) => figure::name(metric),
            None => ChangeLimit::CAPACITY.to_owned(),
        };
        let of = scenarios.iter().filter(|it| is_for(limit, &it.name));
        let of = of.filter_map(|scenario| {
            let compared = scenario.all_figures().find(|it| it.metric == metric)?;
            let common = common.iter().filter(|it| it.name == scenario.name);
            let needed = samples_needed(limit, common);
            Some(result(limit, scenario, compared, within, needed))
        });
        let results: Vec<LimitResult> = of.collect();
        match results.is_empty() {
            false => results,
            true => vec![LimitResult {
                expression: limit.to_string(),
                scenario: None,
                unit: limit.metric().map_or(Unit::PerSecond, figure::unit),
                change: None,
                samples_needed: samples_needed(
                    limit,
                    common.iter().filter(|it| is_for(limit, it.name)),
                ),
                verdict: of_nothing,
            }],
        }
    });
    each.collect()
}

/// How many samples a run takes to have the figure, where all runs of one side have had fewer.
fn samples_needed<'a>(
    limit: &ChangeLimit,
    common: impl Iterator<Item = &'a Common<'a>>,
) -> Option<u64> {
    let metric = limit.metric()?;
    let mut sides = common.flat_map(|it| [&it.base, &it.new]);
    let too_few = sides.find_map(|it| figure::too_few(it.iter().copied(), metric));
    too_few.map(|[_, needed]| needed)
}

fn result(
    limit: &ChangeLimit,
    scenario: &ComparedScenario,
    compared: &Compared,
    within: f64,
    samples_needed: Option<u64>,
) -> LimitResult {
    LimitResult {
        expression: limit.to_string(),
        scenario: Some(scenario.name.clone()),
        unit: compared.unit,
        change: compared.change,
        samples_needed,
        verdict: verdict(limit, compared, within),
    }
}

fn verdict(limit: &ChangeLimit, compared: &Compared, within: f64) -> LimitVerdict {
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
        limit.is_beyond(ends[nearer], compared.beyond(within)),
        limit.is_beyond(ends[1 - nearer], 0.0),
    ) {
        (true, _) => LimitVerdict::Broken,
        (false, true) => LimitVerdict::Undecided,
        (false, false) => LimitVerdict::Kept,
    }
}
