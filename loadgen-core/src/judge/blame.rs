//! Whose doing it is when a condition does not hold.

use super::observe::in_unit;
use super::{series, windows};
use crate::condition::{BackendMetric, LedgerWord, Metric, Series, StepMetric, Threshold};
use crate::record::ScenarioRecord;

/// Whose doing it is when a condition does not hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Blame {
    /// The service's: no lateness of the generator's can be the cause.
    Service,
    /// Either's.
    Both,
    /// The generator's; of a time that its part is in, what the value were without that.
    Generator { without: Option<f64> },
}

/// Who is to blame where `condition` does not hold.
pub(crate) fn blame(condition: &Threshold, record: &ScenarioRecord) -> Blame {
    match condition.metric() {
        metric @ (Metric::Series(series, _)
        | Metric::Step {
            metric: StepMetric::Series(series, _),
            ..
        }) => match series {
            Series::StartLag
            | Series::SendLag
            | Series::ReadLag
            | Series::Generator
            | Series::MessageLag => Blame::Generator { without: None },
            Series::ResponseTime | Series::RoundTrip => {
                let nanos = match condition.window() {
                    Some(_) => windows::without_generator(condition, record),
                    None => series::asked(metric, record).and_then(|(series, statistic, step)| {
                        series::undelayed(record, step, series, statistic)
                    }),
                };
                let without = nanos.map(|nanos| in_unit(nanos, condition.value_unit()));
                match without.filter(|value| condition.holds(*value)) {
                    None => Blame::Service,
                    without => Blame::Generator { without },
                }
            }
            _ => Blame::Service,
        },
        Metric::ErrorRate
        | Metric::Unanswered
        | Metric::Silence
        | Metric::Outcome(_)
        | Metric::Connections(_)
        | Metric::Retries(_)
        | Metric::Ledger(LedgerWord::Failed) => Blame::Service,
        Metric::Step { metric, .. } => match metric {
            StepMetric::MessagesSent | StepMetric::MessagesReceived => Blame::Both,
            _ => Blame::Service,
        },
        Metric::Backend { metric, .. } => match metric {
            // Its part in the times of one server is not known; in a count it may be any.
            BackendMetric::Requests | BackendMetric::ResponseTime(_) => Blame::Both,
            BackendMetric::Share | BackendMetric::Failed | BackendMetric::ErrorRate => {
                Blame::Service
            }
        },
        Metric::Balance(_) => Blame::Service,
        // Times are by when requests were due, and what a late generator makes late counts as slow.
        Metric::Failover { .. } => Blame::Both,
        Metric::Ledger(LedgerWord::Late) => Blame::Generator { without: None },
        Metric::Throughput | Metric::Ledger(_) => Blame::Both,
    }
}
