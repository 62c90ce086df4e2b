//! What runs are compared by, and what each run says of it.

use super::super::document::{Quantile, Scenario, Statistics, Step};
use super::comparison::{Better, Unit};
use crate::condition::{
    Metric, SERIES, STATISTICS, STEP_SERIES, Series, Statistic, StepMetric, quoted,
};

/// What one run says of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figure {
    /// Per second, a share from 0 to 1, or microseconds.
    pub(super) value: f64,
    /// Whether it may be more: some of its samples are of what was left unanswered.
    pub(super) is_lower_bound: bool,
}

/// All that a scenario is compared by as a whole.
pub(super) fn of_scenario() -> impl Iterator<Item = Metric> {
    let times = pairs(&SERIES).map(|(series, statistic)| Metric::Series(series, statistic));
    [Metric::Throughput, Metric::ErrorRate]
        .into_iter()
        .chain(times)
}

/// All that a step is compared by.
pub(super) fn of_step(name: &str) -> impl Iterator<Item = Metric> {
    pairs(&STEP_SERIES).map(move |(series, statistic)| Metric::Step {
        name: name.to_owned(),
        metric: StepMetric::Series(series, statistic),
    })
}

fn pairs(series: &'static [Series]) -> impl Iterator<Item = (Series, Statistic)> {
    let each = series.iter();
    each.flat_map(|series| STATISTICS.iter().map(|statistic| (*series, *statistic)))
}

/// What a run says of a metric; nothing where it measured too little for it.
pub(super) fn figure(scenario: &Scenario, metric: &Metric) -> Option<Figure> {
    let exact = |value| Figure {
        value,
        is_lower_bound: false,
    };
    // Where nothing ended, and nobody waits for an answer, there is neither of the two.
    let error_rate = scenario.ledger.error_rate(scenario.unanswered);
    match metric {
        Metric::Throughput => error_rate.map(|_| exact(scenario.throughput_per_s)),
        Metric::ErrorRate => error_rate.map(exact),
        Metric::Series(Series::ResponseTime, asked) => of(&scenario.response_time_us, *asked),
        Metric::Series(Series::ServiceTime, asked) => of(&scenario.service_time_us, *asked),
        Metric::Step {
            name,
            metric: StepMetric::Series(series, asked),
        } => {
            let step = scenario.steps.iter().find(|it| it.name == *name)?;
            of(times(step, *series)?, *asked)
        }
        _ => None,
    }
}

/// How many samples of what a percentile is of the run with the most has, and how many that needs; nothing where they
/// are enough.
pub(super) fn too_few<'a>(
    runs: impl IntoIterator<Item = &'a Scenario>,
    metric: &Metric,
) -> Option<[u64; 2]> {
    let runs = runs.into_iter();
    let most = runs
        .filter_map(|it| samples(it, metric))
        .max_by_key(|[has, _]| *has);
    most.filter(|[has, needed]| has < needed)
}

/// How many samples a run has of what a percentile is of, and how many that needs.
fn samples(scenario: &Scenario, metric: &Metric) -> Option<[u64; 2]> {
    let (times, asked) = match metric {
        Metric::Series(Series::ResponseTime, asked) => (&scenario.response_time_us, asked),
        Metric::Series(Series::ServiceTime, asked) => (&scenario.service_time_us, asked),
        Metric::Step {
            name,
            metric: StepMetric::Series(series, asked),
        } => {
            let step = scenario.steps.iter().find(|it| it.name == *name)?;
            (times(step, *series)?, asked)
        }
        _ => return None,
    };
    let quantile = match asked {
        Statistic::P50 => Quantile::P50,
        Statistic::P90 => Quantile::P90,
        Statistic::P95 => Quantile::P95,
        Statistic::P99 => Quantile::P99,
        Statistic::P999 => Quantile::P999,
        Statistic::P9999 => Quantile::P9999,
        Statistic::Mean | Statistic::Min | Statistic::Max => return None,
    };
    Some([times.count, quantile.least_samples()])
}

fn times(step: &Step, series: Series) -> Option<&Statistics> {
    match series {
        Series::ResponseTime => step.response_time_us.as_ref(),
        Series::FirstMessage => step.first_message_us.as_ref(),
        Series::RoundTrip => step.round_trip_us.as_ref(),
        _ => None,
    }
}

fn of(times: &Statistics, asked: Statistic) -> Option<Figure> {
    let (percentage, value) = match asked {
        // All of the samples have a part in it.
        Statistic::Mean => (100.0, times.mean),
        Statistic::P50 => (50.0, times.p50),
        Statistic::P90 => (90.0, times.p90),
        Statistic::P95 => (95.0, times.p95),
        Statistic::P99 => (99.0, times.p99),
        Statistic::P999 => (99.9, times.p999),
        Statistic::Min | Statistic::P9999 | Statistic::Max => return None,
    };
    value.map(|value| Figure {
        value,
        is_lower_bound: times.at_least_from.is_some_and(|from| percentage > from),
    })
}

/// A metric as conditions write it.
pub(super) fn name(metric: &Metric) -> String {
    let of = |series: Series, statistic: Statistic| {
        let series = Series::WORDS[series as usize];
        format!("{series}.{}", Statistic::WORDS[statistic as usize])
    };
    match metric {
        Metric::Throughput => "throughput".to_owned(),
        Metric::Series(series, statistic) => of(*series, *statistic),
        Metric::Step {
            name,
            metric: StepMetric::Series(series, statistic),
        } => format!("steps.{}.{}", quoted(name), of(*series, *statistic)),
        _ => "error_rate".to_owned(),
    }
}

/// What its figures are in.
pub(super) fn unit(metric: &Metric) -> Unit {
    match metric {
        Metric::Throughput => Unit::PerSecond,
        Metric::ErrorRate => Unit::Share,
        _ => Unit::Microseconds,
    }
}

/// Which way it gets better.
pub(super) fn better(metric: &Metric) -> Better {
    match metric {
        Metric::Throughput => Better::Higher,
        _ => Better::Lower,
    }
}
