//! What is made of two groups' figures.

use super::super::document::{Scenario, round3, round6};
use super::comparison::{
    Better, Change, Compared, ComparedScenario, ComparedStep, Counts, Figures, Judgement, ToldFrom,
    Unit,
};
use super::figure::{self, Figure};
use super::rank::{self, Shift};
use super::seconds::Draws;
use super::{Common, has_ended};
use crate::condition::Metric;

/// So many runs a side are needed to tell of them by their ranks: of three and four, chance alone has one side
/// above all of the other in more than 5 of 100 cases.
pub(super) const FEWEST_RUNS: usize = 4;
/// Chance alone may call so large a part of all comparisons different.
pub(super) const CHANCE: f64 = 0.05;
/// Error rates are the same within so much of each other: they are nothing most of the time, and of that
/// there is no part.
const ERROR_RATE_WITHIN: f64 = 0.001;

/// Every figure of every scenario, judged.
pub(super) fn scenarios(
    common: &[Common<'_>],
    within: f64,
    is_same_runs: bool,
) -> Vec<ComparedScenario> {
    let each = common.iter().map(|it| scenario(it, is_same_runs));
    let mut scenarios: Vec<ComparedScenario> = each.collect();
    let p_values: Vec<f64> = figures(&scenarios).filter_map(|it| it.p).collect();
    let mut of_all = rank::held_against_all(&p_values).into_iter();
    for scenario in &mut scenarios {
        let steps = scenario.steps.iter_mut().flat_map(|it| &mut it.figures);
        for compared in scenario.figures.iter_mut().chain(steps) {
            compared.p_of_all = compared.p.and_then(|_| of_all.next());
            compared.verdict = compared.judged(within);
            compared.round();
        }
    }
    scenarios
}

/// The figures of all scenarios and their steps.
pub(super) fn figures(scenarios: &[ComparedScenario]) -> impl Iterator<Item = &Compared> {
    scenarios.iter().flat_map(ComparedScenario::all_figures)
}

pub(super) fn counts(scenarios: &[ComparedScenario]) -> Counts {
    let mut counts = Counts::default();
    for compared in figures(scenarios) {
        let count = match compared.verdict {
            Judgement::Better => &mut counts.better,
            Judgement::Worse => &mut counts.worse,
            Judgement::Same => &mut counts.same,
            Judgement::Undecided => &mut counts.undecided,
        };
        *count += 1;
    }
    counts
}

fn scenario(common: &Common<'_>, is_same_runs: bool) -> ComparedScenario {
    let has_runs = [&common.base, &common.new].map(|runs| {
        let measured = runs.iter().filter(|it| has_ended(it));
        measured.count() >= FEWEST_RUNS
    });
    let draws = match has_runs {
        _ if is_same_runs => None,
        [true, true] => None,
        _ => Draws::of(&common.base, &common.new),
    };
    let compared = |metrics: &mut dyn Iterator<Item = Metric>| {
        metrics
            .filter_map(|it| compared(common, &it, draws.as_ref(), is_same_runs))
            .collect()
    };
    let steps = common.steps().into_iter().map(|name| ComparedStep {
        name: name.to_owned(),
        figures: compared(&mut figure::of_step(name)),
    });
    ComparedScenario {
        name: common.name.to_owned(),
        protocol: common.protocol.to_owned(),
        figures: compared(&mut figure::of_scenario()),
        steps: steps
            .filter(|it: &ComparedStep| !it.figures.is_empty())
            .collect(),
    }
}

/// A metric of both groups, not judged yet; nothing where no run has it.
fn compared(
    common: &Common<'_>,
    metric: &Metric,
    draws: Option<&Draws>,
    is_same_runs: bool,
) -> Option<Compared> {
    let of = |runs: &[&Scenario]| -> Vec<Figure> {
        runs.iter()
            .filter_map(|it| figure::figure(it, metric))
            .collect()
    };
    let (base, new) = (of(&common.base), of(&common.new));
    if base.is_empty() && new.is_empty() {
        return None;
    }
    let unit = figure::unit(metric);
    let differ = |base: f64, new: f64| match unit {
        Unit::Share => new - base,
        // Nothing from nothing, too.
        _ if base == new => 0.0,
        _ => (new - base) / base,
    };
    let values = [&base, &new].map(|it| it.iter().map(|it| it.value).collect::<Vec<f64>>());
    let [of_base, of_new] = &values;
    let shift = rank::shift(of_base, of_new, differ);
    let has_runs = values.iter().all(|it| it.len() >= FEWEST_RUNS);
    let seconds = || draws?.interval(&common.within_seconds(metric)?, differ);
    let (told_from, interval) = match shift {
        None => (ToldFrom::Nothing, None),
        Some(_) if is_same_runs => (ToldFrom::SameRuns, Some([0.0, 0.0])),
        Some(shift) if has_runs => (ToldFrom::Runs, shift.interval),
        Some(_) => match seconds() {
            Some(interval) => (ToldFrom::Seconds, Some(interval)),
            None => (ToldFrom::Nothing, None),
        },
    };
    let (base, new) = (figures_of(&base), figures_of(&new));
    let change = shift.map(|Shift { middle, .. }| {
        // What may be more has no end on that side; but not more than itself.
        let may_be_open = told_from != ToldFrom::SameRuns;
        let is_open = |it: &Option<Figures>| may_be_open && it.is_some_and(|it| it.at_least);
        let end = |at: usize| interval.map(|it| it[at]).filter(|it| it.is_finite());
        Change {
            estimate: Some(middle).filter(|it| it.is_finite()),
            low: end(0).filter(|_| !is_open(&base)),
            high: end(1).filter(|_| !is_open(&new)),
        }
    });
    Some(Compared {
        metric: figure::name(metric),
        unit,
        better: figure::better(metric),
        base,
        new,
        change,
        told_from,
        p: (told_from == ToldFrom::Runs).then(|| rank::p_value(of_base, of_new)),
        p_of_all: None,
        verdict: Judgement::Undecided,
    })
}

pub(super) fn figures_of(figures: &[Figure]) -> Option<Figures> {
    let mut values: Vec<f64> = figures.iter().map(|it| it.value).collect();
    values.sort_by(f64::total_cmp);
    Some(Figures {
        runs: values.len() as u64,
        median: rank::median(&values)?,
        min: *values.first()?,
        max: *values.last()?,
        at_least: figures.iter().any(|it| it.is_lower_bound),
    })
}

impl Compared {
    /// What has to be beyond by so much at least: what is told from seconds by more than runs differ by of
    /// themselves.
    pub(super) fn beyond(&self, within: f64) -> f64 {
        match self.told_from {
            ToldFrom::Seconds => self.within(within),
            _ => 0.0,
        }
    }

    /// By how much it may differ and is the same.
    fn within(&self, within: f64) -> f64 {
        match self.unit {
            Unit::Share => ERROR_RATE_WITHIN,
            _ => within,
        }
    }

    pub(super) fn judged(&self, within: f64) -> Judgement {
        let beyond = self.beyond(within);
        let within = self.within(within);
        let Some(change) = self.change else {
            return Judgement::Undecided;
        };
        let low = change.low.unwrap_or(f64::NEG_INFINITY);
        let high = change.high.unwrap_or(f64::INFINITY);
        if self.told_from == ToldFrom::Nothing {
            return Judgement::Undecided;
        }
        if -within <= low && high <= within {
            return Judgement::Same;
        }
        let is_chance = self.p_of_all.is_some_and(|p| p > CHANCE);
        let is_from_nothing = change.estimate.is_none()
            && self.base.map(|it| it.median) < self.new.map(|it| it.median);
        let rises = low > beyond || is_from_nothing;
        match (is_chance, rises, high < -beyond) {
            (true, ..) | (false, false, false) => Judgement::Undecided,
            (false, true, _) if self.better == Better::Higher => Judgement::Better,
            (false, false, true) if self.better == Better::Lower => Judgement::Better,
            (false, ..) => Judgement::Worse,
        }
    }

    /// To as many decimals as a document has.
    pub(super) fn round(&mut self) {
        let decimals = match self.unit {
            Unit::Share => round6,
            _ => round3,
        };
        for figures in [&mut self.base, &mut self.new].into_iter().flatten() {
            for value in [&mut figures.median, &mut figures.min, &mut figures.max] {
                *value = decimals(*value);
            }
        }
        let change = self.change.iter_mut();
        let parts = change.flat_map(|it| [&mut it.estimate, &mut it.low, &mut it.high]);
        for value in parts.chain([&mut self.p, &mut self.p_of_all]).flatten() {
            *value = round6(*value);
        }
    }
}

impl ComparedScenario {
    /// Its figures, and those of its steps.
    pub(super) fn all_figures(&self) -> impl Iterator<Item = &Compared> {
        let steps = self.steps.iter().flat_map(|it| &it.figures);
        self.figures.iter().chain(steps)
    }
}
