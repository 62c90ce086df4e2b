//! The value that a condition is held against.

use super::series;
use crate::condition::{
    BackendMetric, ConnectionWord, LedgerWord, Metric, RetryWord, Statistic, StepMetric, Unit,
};
use crate::outcome::Outcome;
use crate::record::{Ledger, ScenarioRecord, Sparse, StepRecord};

/// The observed value in `unit`; `None` when nothing was measured.
pub(super) fn observed(metric: &Metric, record: &ScenarioRecord, unit: Unit) -> Option<f64> {
    let ledger = &record.ledger;
    match metric {
        Metric::ErrorRate => {
            let bad = ledger.failed + record.unanswered;
            percent(bad, ledger.completed + bad)
        }
        Metric::Unanswered => share_of(record.unanswered, ledger.wanted(), unit),
        Metric::Silence => {
            let longest = record.silence.longest.length;
            (ledger.started > 0).then(|| in_unit(longest.as_nanos() as f64, unit))
        }
        Metric::Throughput => rate_of(ledger.completed, record, unit),
        Metric::Ledger(word) => match (unit, word.whole()) {
            (Unit::Percent, Some(whole)) => percent(entry(*word, ledger), whole_of(whole, ledger)),
            _ => Some(entry(*word, ledger) as f64),
        },
        Metric::Series(..) => time(metric, record, unit),
        Metric::Outcome(key) => share_of(
            count_of(&record.outcomes, key),
            ledger.completed + ledger.failed,
            unit,
        ),
        Metric::Connections(word) => {
            let connections = record.connections.counts;
            let tried = connections.opened + connections.failed;
            let (count, whole) = match word {
                ConnectionWord::Opened => (connections.opened, tried),
                ConnectionWord::Failed => (connections.failed, tried),
                ConnectionWord::Dropped => (connections.dropped, connections.opened),
            };
            share_of(count, whole, unit)
        }
        Metric::Retries(word) => {
            let retries = record.retries.as_ref()?;
            let count = match word {
                RetryWord::Attempts => retries.attempts,
                RetryWord::Ok => retries.ok,
                RetryWord::Failed => retries.failed,
                RetryWord::Throttled => retries.throttled,
            };
            Some(count as f64)
        }
        Metric::Step {
            metric: StepMetric::Series(..),
            ..
        } => time(metric, record, unit),
        Metric::Step { name, metric } => {
            let step = record.steps.iter().find(|step| step.name == *name)?;
            of_step(metric, record, step, unit)
        }
        Metric::Backend {
            metric: BackendMetric::ResponseTime(_),
            ..
        } => {
            let (times, statistic) = of_backend(metric, record)?;
            series::statistic(statistic, times).map(|nanos| in_unit(nanos, unit))
        }
        Metric::Backend { name, metric } => of_counted_backend(name, *metric, record, unit),
        // Judged by what is known of servers and events.
        Metric::Balance(_) | Metric::Failover { .. } => None,
    }
}

/// The times that a condition on a server's is about.
pub(super) fn of_backend<'a>(
    metric: &Metric,
    record: &'a ScenarioRecord,
) -> Option<(&'a Sparse, Statistic)> {
    let Metric::Backend {
        name,
        metric: BackendMetric::ResponseTime(statistic),
    } = metric
    else {
        return None;
    };
    let backend = record.backends.iter().find(|it| it.id == *name)?;
    Some((&backend.response_time, *statistic))
}

fn of_counted_backend(
    name: &str,
    metric: BackendMetric,
    record: &ScenarioRecord,
    unit: Unit,
) -> Option<f64> {
    let backend = record.all_backends().find(|it| it.id == name)?;
    let (requests, failed) = (backend.requests, backend.failed);
    let all: u64 = record.all_backends().map(|it| it.requests).sum();
    match metric {
        BackendMetric::Requests => count_or_rate(requests, record, unit),
        BackendMetric::Share => percent(requests, all),
        BackendMetric::Failed => Some(failed as f64),
        BackendMetric::ErrorRate => percent(failed, requests),
        // Read from its times.
        BackendMetric::ResponseTime(_) => None,
    }
}

fn of_step(
    metric: &StepMetric,
    record: &ScenarioRecord,
    step: &StepRecord,
    unit: Unit,
) -> Option<f64> {
    // The only step's figures are the iteration's, whether or not they were copied to it.
    let only = record.has_single_step();
    let outcomes = if only && step.outcomes.is_empty() {
        &record.outcomes
    } else {
        &step.outcomes
    };
    let ended = outcomes.iter().map(|(_, count)| count).sum();
    match metric {
        StepMetric::ErrorRate if only => observed(&Metric::ErrorRate, record, unit),
        StepMetric::ErrorRate => {
            let bad = ended - count_of(outcomes, "ok") + step.unanswered;
            percent(bad, ended + step.unanswered)
        }
        StepMetric::Outcome(key) => share_of(count_of(outcomes, key), ended, unit),
        StepMetric::MessagesSent => count_or_rate(step.messages_sent, record, unit),
        StepMetric::MessagesReceived => count_or_rate(step.messages_received, record, unit),
        StepMetric::MessageFault(word) => Some(step.message_faults[word.fault() as usize] as f64),
        // Times are read by way of the scenario, which they may be the same as.
        StepMetric::Series(..) => None,
    }
}

/// A statistic of a series, the scenario's or a step's.
fn time(metric: &Metric, record: &ScenarioRecord, unit: Unit) -> Option<f64> {
    let (series, statistic, step) = series::asked(metric, record)?;
    let nanos = series::read(record, step, series, |histogram| {
        series::statistic(statistic, histogram)
    });
    nanos.map(|nanos| in_unit(nanos, unit))
}

fn entry(word: LedgerWord, ledger: &Ledger) -> u64 {
    match word {
        LedgerWord::Planned => ledger.planned,
        LedgerWord::Started => ledger.started,
        LedgerWord::Completed => ledger.completed,
        LedgerWord::Failed => ledger.failed,
        LedgerWord::Interrupted => ledger.interrupted,
        LedgerWord::Dropped => ledger.missed(),
        LedgerWord::Late => ledger.late,
    }
}

/// The same as what others are a share of: of what somebody withheld nothing was to become.
fn whole_of(word: LedgerWord, ledger: &Ledger) -> u64 {
    match word {
        LedgerWord::Planned => ledger.wanted(),
        _ => entry(word, ledger),
    }
}

fn count_of(outcomes: &[(Outcome, u64)], key: &str) -> u64 {
    outcomes
        .iter()
        .filter(|(outcome, _)| outcome.to_string() == key)
        .map(|(_, count)| count)
        .sum()
}

fn share_of(count: u64, whole: u64, unit: Unit) -> Option<f64> {
    match unit {
        Unit::Percent => percent(count, whole),
        _ => Some(count as f64),
    }
}

/// So many over the measured time; `None` where no time passed.
fn rate_of(count: u64, record: &ScenarioRecord, unit: Unit) -> Option<f64> {
    let elapsed_s = record.elapsed.as_secs_f64();
    (elapsed_s > 0.0).then(|| in_unit(count as f64 / elapsed_s, unit))
}

fn count_or_rate(count: u64, record: &ScenarioRecord, unit: Unit) -> Option<f64> {
    match unit {
        Unit::PerTime { .. } => rate_of(count, record, unit),
        _ => Some(count as f64),
    }
}

/// Rounded once, so that 1 of 1,000 is the same number as `0.1` when read.
fn percent(count: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| count as f64 * 100.0 / whole as f64)
}

/// Nanoseconds, or a rate per second, in the expression's unit.
pub(super) fn in_unit(value: f64, unit: Unit) -> f64 {
    match unit {
        Unit::Time { nanos, .. } => value / nanos,
        Unit::PerTime { seconds, .. } => value * seconds,
        Unit::Count | Unit::Percent => value,
    }
}
