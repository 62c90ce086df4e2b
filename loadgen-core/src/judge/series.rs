//! The times that a condition may be about, among what was recorded.

use crate::condition::{Metric, Series, Statistic, StepMetric};
use crate::record::{Histogram, Parts, Reading, Samples, ScenarioRecord, StepRecord};
use crate::workload::SampleKind;

/// The series and the statistic that a condition asks for, and the step of which. `None` where it asks
/// for something else, or of a step that there is none of.
pub(super) fn asked<'a>(
    metric: &Metric,
    record: &'a ScenarioRecord,
) -> Option<(Series, Statistic, Option<&'a StepRecord>)> {
    match metric {
        Metric::Series(series, statistic) => Some((*series, *statistic, None)),
        Metric::Step {
            name,
            metric: StepMetric::Series(series, statistic),
        } => {
            let step = record.steps.iter().find(|step| step.name == *name)?;
            Some((*series, *statistic, Some(step)))
        }
        _ => None,
    }
}

/// What is read from a series of the scenario, or of a step of it.
pub(super) fn read<T>(
    record: &ScenarioRecord,
    step: Option<&StepRecord>,
    series: Series,
    read: impl Fn(&Histogram) -> Option<T>,
) -> Option<T> {
    match step {
        None => of_scenario(record, series, read),
        Some(step) => of_step(record, step, series, read),
    }
}

/// In nanoseconds; `None` without samples.
pub(super) fn statistic(asked: Statistic, samples: &impl Samples) -> Option<f64> {
    if samples.is_empty() {
        return None;
    }
    Some(match reading(asked) {
        Reading::Mean => samples.mean(),
        Reading::Least => samples.least() as f64,
        Reading::Largest => samples.largest() as f64,
        Reading::At(quantile) => samples.at(quantile) as f64,
    })
}

/// What it takes to know a statistic.
pub(super) fn reading(asked: Statistic) -> Reading {
    match asked {
        Statistic::Mean => Reading::Mean,
        Statistic::Min => Reading::Least,
        Statistic::P50 => Reading::At(0.5),
        Statistic::P90 => Reading::At(0.9),
        Statistic::P95 => Reading::At(0.95),
        Statistic::P99 => Reading::At(0.99),
        Statistic::P999 => Reading::At(0.999),
        Statistic::P9999 => Reading::At(0.9999),
        Statistic::Max => Reading::Largest,
    }
}

/// Of a percentile of so many samples, how many lie beyond it.
pub(super) fn beyond(asked: Statistic, samples: u64) -> Option<u64> {
    Some(samples.saturating_mul(beyond_of_10_000(asked)?) / 10_000)
}

/// Of a percentile, how many of 10,000 samples lie beyond it.
fn beyond_of_10_000(asked: Statistic) -> Option<u64> {
    match asked {
        Statistic::P50 => Some(5_000),
        Statistic::P90 => Some(1_000),
        Statistic::P95 => Some(500),
        Statistic::P99 => Some(100),
        Statistic::P999 => Some(10),
        Statistic::P9999 => Some(1),
        Statistic::Mean | Statistic::Min | Statistic::Max => None,
    }
}

/// A statistic, in nanoseconds, of a series without the generator's part, where it is in it.
pub(super) fn undelayed(
    record: &ScenarioRecord,
    step: Option<&StepRecord>,
    series: Series,
    asked: Statistic,
) -> Option<f64> {
    match (series, step) {
        (Series::ResponseTime, None) => statistic(asked, &record.parts.undelayed),
        (Series::ResponseTime, Some(step)) => statistic(asked, &step.parts.as_deref()?.undelayed),
        (Series::RoundTrip, None) => {
            // Those of messages without due times have no part of ours in them.
            let of_step = |step| {
                samples_of_kind(step, SampleKind::UndelayedRoundTrip)
                    .or_else(|| samples_of_kind(step, SampleKind::RoundTrip))
            };
            statistic(asked, &merged(record.iterated().filter_map(of_step))?)
        }
        (Series::RoundTrip, Some(step)) => {
            let kind = SampleKind::UndelayedRoundTrip;
            statistic(asked, samples_of_kind(step, kind)?)
        }
        _ => None,
    }
}

/// Of a scenario's own series; those of messages are its steps' taken together.
fn of_scenario<T>(
    record: &ScenarioRecord,
    series: Series,
    read: impl Fn(&Histogram) -> Option<T>,
) -> Option<T> {
    match series {
        Series::ResponseTime => read(&record.response_time),
        Series::ServiceTime => read(&record.service_time),
        Series::StartLag
        | Series::QueueWait
        | Series::SendLag
        | Series::ReadLag
        | Series::Generator => read(among(series, &record.parts)?),
        Series::ConnectTime => read(&record.connections.connect_time),
        Series::TlsTime => read(&record.connections.tls_time),
        Series::FirstByte
        | Series::FirstMessage
        | Series::MessageGap
        | Series::RoundTrip
        | Series::MessageLag
        | Series::StreamWait => read(&of_all_steps(record, sample_kind(series)?)?),
    }
}

/// Of a step's series. The only step's is the iteration's where it has none itself.
fn of_step<T>(
    record: &ScenarioRecord,
    step: &StepRecord,
    series: Series,
    read: impl Fn(&Histogram) -> Option<T>,
) -> Option<T> {
    let own = match series {
        Series::ResponseTime => Some(&step.response_time),
        Series::ServiceTime => Some(&step.service_time),
        _ => step
            .parts
            .as_deref()
            .and_then(|parts| among(series, parts))
            .or_else(|| samples_of_kind(step, sample_kind(series)?)),
    };
    match own.filter(|histogram| !histogram.is_empty()) {
        Some(own) => read(own),
        None if record.has_single_step() => of_scenario(record, series, read),
        None => None,
    }
}

/// The histogram among a scenario's or a step's parts.
fn among(series: Series, parts: &Parts) -> Option<&Histogram> {
    match series {
        Series::StartLag => Some(&parts.start_lag),
        Series::QueueWait => Some(&parts.queue_wait),
        Series::SendLag => Some(&parts.send_lag),
        Series::ReadLag => Some(&parts.read_lag),
        Series::Generator => Some(&parts.generator),
        _ => None,
    }
}

pub(super) fn sample_kind(series: Series) -> Option<SampleKind> {
    match series {
        Series::FirstByte => Some(SampleKind::FirstByte),
        Series::FirstMessage => Some(SampleKind::FirstMessage),
        Series::MessageGap => Some(SampleKind::MessageGap),
        Series::RoundTrip => Some(SampleKind::RoundTrip),
        Series::MessageLag => Some(SampleKind::MessageLag),
        Series::StreamWait => Some(SampleKind::StreamWait),
        _ => None,
    }
}

/// The samples of one kind of all steps of the iterations together.
fn of_all_steps(record: &ScenarioRecord, kind: SampleKind) -> Option<Histogram> {
    let of_kind = |step| samples_of_kind(step, kind);
    merged(record.iterated().filter_map(of_kind))
}

fn merged<'a>(mut all: impl Iterator<Item = &'a Histogram>) -> Option<Histogram> {
    let mut merged = all.next()?.clone();
    for histogram in all {
        merged.add(histogram);
    }
    Some(merged)
}

fn samples_of_kind(step: &StepRecord, wanted: SampleKind) -> Option<&Histogram> {
    step.samples
        .iter()
        .find(|(kind, _)| *kind == wanted)
        .map(|(_, histogram)| histogram)
}
