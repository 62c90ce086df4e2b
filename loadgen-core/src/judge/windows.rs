//! Conditions over windows: what has to be looked at while a run is under way, and what was found.

use super::{seconds, series};
use crate::condition::{
    BackendMetric, ConnectionWord, LedgerWord, Metric, Series, Statistic, StepMetric, Threshold,
    Unit,
};
use crate::record::{
    Count, Extreme, Figure, ScenarioRecord, StepCount, Times, TimesOf, Watch, WindowRecord, Worst,
};

/// What has to be looked at for these conditions, each once.
pub(crate) fn watches<'a>(conditions: impl IntoIterator<Item = &'a Threshold>) -> Vec<Watch> {
    let mut watches = Vec::new();
    for condition in conditions {
        for watch in [watch(condition), undelayed(condition)]
            .into_iter()
            .flatten()
        {
            if !watches.contains(&watch) {
                watches.push(watch);
            }
        }
    }
    watches
}

/// The worst window that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) from_s: u64,
    /// In nanoseconds, per second, in percent, or a count.
    pub(super) value: f64,
    pub(super) samples: u64,
    pub(super) is_bound: bool,
}

/// What was found for a condition in these windows; nothing where it has none. An error says why none was
/// looked at.
pub(super) fn found(
    condition: &Threshold,
    windows: &[WindowRecord],
) -> Option<Result<Option<Found>, String>> {
    let watch = watch(condition)?;
    let Some(window) = windows.iter().find(|it| it.watch == watch) else {
        return Some(Err(
            "nobody looked at its windows while the run was under way".to_owned(),
        ));
    };
    if window.seconds < watch.length_s {
        return Some(Err(format!(
            "the load came to {}, and a window has {}",
            seconds(window.seconds),
            watch.length_s,
        )));
    }
    let found = |worst: Worst| Found {
        from_s: worst.from_s,
        value: worst.value,
        samples: worst.samples,
        is_bound: window.is_bound,
    };
    Some(Ok(window.worst.map(found)))
}

/// The worst that the windows of a response time come to without the generator's part; `None` where that
/// is in no part of it.
pub(super) fn without_generator(condition: &Threshold, record: &ScenarioRecord) -> Option<f64> {
    let watch = undelayed(condition)?;
    let window = record.windows.iter().find(|it| it.watch == watch)?;
    Some(window.worst?.value)
}

/// Of a percentile of so many samples, how many lie beyond it.
pub(super) fn beyond(metric: &Metric, samples: u64) -> Option<u64> {
    let statistic = match metric {
        Metric::Series(_, statistic)
        | Metric::Step {
            metric: StepMetric::Series(_, statistic),
            ..
        }
        | Metric::Backend {
            metric: BackendMetric::ResponseTime(statistic),
            ..
        } => *statistic,
        _ => return None,
    };
    series::beyond(statistic, samples)
}

fn watch(condition: &Threshold) -> Option<Watch> {
    with_figure(
        condition,
        figure(condition.metric(), condition.value_unit())?,
    )
}

fn undelayed(condition: &Threshold) -> Option<Watch> {
    let of = |series: &Series| match series {
        Series::ResponseTime => Some(TimesOf::Undelayed),
        _ => None,
    };
    let (times, statistic) = match condition.metric() {
        Metric::Series(series, statistic) => (Times::Scenario(of(series)?), statistic),
        Metric::Step {
            name,
            metric: StepMetric::Series(series, statistic),
        } => (Times::Step(name.clone(), of(series)?), statistic),
        _ => return None,
    };
    with_figure(condition, Figure::Times(times, series::reading(*statistic)))
}

fn with_figure(condition: &Threshold, figure: Figure) -> Option<Watch> {
    Some(Watch {
        figure,
        length_s: condition.window()?.as_secs(),
        worst: match condition.bounds_from_above() {
            true => Extreme::Highest,
            false => Extreme::Lowest,
        },
    })
}

/// What a metric is of a window. Nothing for what is of a whole run.
fn figure(metric: &Metric, unit: Unit) -> Option<Figure> {
    let counted = |count: Count, whole: Vec<Count>| match unit {
        Unit::Percent => share(vec![count], whole),
        Unit::PerTime { .. } => Figure::Rate(count),
        Unit::Count | Unit::Time { .. } => Figure::Count(count),
    };
    let ended = || vec![Count::Completed, Count::Failed];
    Some(match metric {
        Metric::Silence
        | Metric::Unanswered
        | Metric::Balance(_)
        | Metric::Retries(_)
        | Metric::Failover { .. } => return None,
        Metric::ErrorRate => share(
            vec![Count::Failed, Count::Unanswered],
            vec![Count::Completed, Count::Failed, Count::Unanswered],
        ),
        Metric::Throughput => Figure::Rate(Count::Completed),
        Metric::Ledger(word) => {
            let whole = word.whole().map(|it| vec![whole_of_ledger(it)]);
            counted(of_ledger(*word), whole.unwrap_or_default())
        }
        Metric::Series(series, statistic) => times(Times::Scenario(times_of(*series)), *statistic),
        Metric::Outcome(key) => counted(Count::Outcome(key.clone()), ended()),
        Metric::Connections(word) => {
            let tried = vec![Count::ConnectionsOpened, Count::ConnectionsFailed];
            match word {
                ConnectionWord::Opened => counted(Count::ConnectionsOpened, tried),
                ConnectionWord::Failed => counted(Count::ConnectionsFailed, tried),
                ConnectionWord::Dropped => {
                    counted(Count::ConnectionsDropped, vec![Count::ConnectionsOpened])
                }
            }
        }
        Metric::Step { name, metric } => of_step(name, metric, counted),
        Metric::Backend { name, metric } => {
            let (requests, failed) = (
                Count::BackendRequests(name.clone()),
                Count::BackendFailed(name.clone()),
            );
            match metric {
                BackendMetric::Requests => counted(requests, Vec::new()),
                BackendMetric::Share => share(vec![requests], vec![Count::Requests]),
                BackendMetric::Failed => counted(failed, Vec::new()),
                BackendMetric::ErrorRate => share(vec![failed], vec![requests]),
                BackendMetric::ResponseTime(statistic) => {
                    times(Times::Backend(name.clone()), *statistic)
                }
            }
        }
    })
}

fn of_step(
    name: &str,
    metric: &StepMetric,
    counted: impl Fn(Count, Vec<Count>) -> Figure,
) -> Figure {
    let count = |count| Count::OfStep(name.to_owned(), count);
    let ended = || vec![count(StepCount::Ok), count(StepCount::Failed)];
    match metric {
        StepMetric::ErrorRate => {
            let bad = || vec![count(StepCount::Failed), count(StepCount::Unanswered)];
            share(bad(), [vec![count(StepCount::Ok)], bad()].concat())
        }
        StepMetric::Series(series, statistic) => {
            times(Times::Step(name.to_owned(), times_of(*series)), *statistic)
        }
        StepMetric::Outcome(key) => counted(count(StepCount::Outcome(key.clone())), ended()),
        StepMetric::MessagesSent => counted(count(StepCount::Sent), Vec::new()),
        StepMetric::MessagesReceived => counted(count(StepCount::Received), Vec::new()),
        StepMetric::MessageFault(word) => {
            counted(count(StepCount::Fault(word.fault())), Vec::new())
        }
    }
}

fn share(part: Vec<Count>, whole: Vec<Count>) -> Figure {
    Figure::Share { part, whole }
}

fn times(times: Times, statistic: Statistic) -> Figure {
    Figure::Times(times, series::reading(statistic))
}

fn of_ledger(word: LedgerWord) -> Count {
    match word {
        LedgerWord::Planned => Count::Planned,
        LedgerWord::Started => Count::Started,
        LedgerWord::Completed => Count::Completed,
        LedgerWord::Failed => Count::Failed,
        LedgerWord::Interrupted => Count::Interrupted,
        LedgerWord::Dropped => Count::Dropped,
        LedgerWord::Late => Count::Late,
    }
}

/// The same as what others are a share of: of what somebody withheld nothing was to become.
fn whole_of_ledger(word: LedgerWord) -> Count {
    match word {
        LedgerWord::Planned => Count::Wanted,
        _ => of_ledger(word),
    }
}

fn times_of(series: Series) -> TimesOf {
    match series {
        Series::ResponseTime => TimesOf::ResponseTime,
        Series::ServiceTime => TimesOf::ServiceTime,
        Series::StartLag => TimesOf::StartLag,
        Series::QueueWait => TimesOf::QueueWait,
        Series::SendLag => TimesOf::SendLag,
        Series::ReadLag => TimesOf::ReadLag,
        Series::Generator => TimesOf::Generator,
        Series::ConnectTime => TimesOf::ConnectTime,
        Series::TlsTime => TimesOf::TlsTime,
        Series::FirstByte
        | Series::FirstMessage
        | Series::MessageGap
        | Series::RoundTrip
        | Series::MessageLag
        | Series::StreamWait => match series::sample_kind(series) {
            Some(kind) => TimesOf::Sample(kind),
            None => TimesOf::ResponseTime,
        },
    }
}
