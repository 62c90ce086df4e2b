//! Whose doing it is when a condition does not hold.

use super::observe::in_unit;
use super::series;
use crate::condition::{LedgerWord, Metric, Series, StepMetric, Threshold};
use crate::record::ScenarioRecord;

/// Whose doing it is when a condition does not hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::report) enum Blame {
    /// The service's: no lateness of the generator's can be the cause.
    Service,
    /// Either's.
    Both,
    /// The generator's; of a time that its part is in, what the value were without that.
    Generator { without: Option<f64> },
}

/// Who is to blame where `condition` does not hold.
pub(in crate::report) fn blame(condition: &Threshold, record: &ScenarioRecord) -> Blame {
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
                let nanos = series::asked(metric, record).and_then(|(series, statistic, step)| {
                    series::undelayed(record, step, series, statistic)
                });
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
        | Metric::Ledger(LedgerWord::Failed) => Blame::Service,
        Metric::Step { metric, .. } => match metric {
            StepMetric::MessagesSent | StepMetric::MessagesReceived => Blame::Both,
            _ => Blame::Service,
        },
        Metric::Ledger(LedgerWord::Late) => Blame::Generator { without: None },
        Metric::Throughput | Metric::Ledger(_) => Blame::Both,
    }
}
