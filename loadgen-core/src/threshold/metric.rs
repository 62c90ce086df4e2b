//! What a threshold can be about, and how it is read from a scenario's record.

use super::Unit;
use crate::outcome::Outcome;
use crate::record::{Histogram, Ledger, Parts, Samples, ScenarioRecord, StepRecord};
use crate::workload::{MessageFault, SampleKind};

/// Whose doing it is when a condition does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// The service's: no lateness of the generator's can be the cause.
    Service,
    /// Of a time that the generator's part is in.
    Time,
    /// Either's.
    Both,
    /// The generator's.
    Generator,
}

/// What a condition is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Metric {
    /// Failed and unanswered of completed, failed and unanswered, in percent.
    ErrorRate,
    /// What the service left without an answer, as a count or as a share of what was planned.
    Unanswered,
    /// The longest time in which iterations were under way and none ended ok.
    Silence,
    /// Completed iterations over the measured time, drain included.
    Throughput,
    /// One of the ledger's words, as a count or as a share.
    Ledger(LedgerWord),
    /// A statistic of one of the scenario's series.
    Series(Series, Statistic),
    /// Iterations that ended with this key.
    Outcome(String),
    /// Connections that this happened to.
    Connections(ConnectionWord),
    /// Something of one step.
    Step { name: String, metric: StepMetric },
}

/// What a condition on one step is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StepMetric {
    ErrorRate,
    Series(Series, Statistic),
    Outcome(String),
    MessagesSent,
    MessagesReceived,
    MessageFault(MessageFault),
}

/// Each fault of messages, as a condition names it.
pub(super) const MESSAGE_FAULTS: [(&str, MessageFault); MessageFault::ALL.len()] = [
    ("messages_missing", MessageFault::Missing),
    ("messages_out_of_order", MessageFault::OutOfOrder),
    ("messages_unexpected", MessageFault::Unexpected),
    ("messages_too_late", MessageFault::TooLate),
];

/// Declares an enum whose variants are words of the grammar.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident => $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name { $($variant,)+ }

        impl $name {
            pub(super) const WORDS: &'static [&'static str] = &[$($word,)+];

            pub(super) fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// The ledger's words.
    LedgerWord {
        Planned => "planned",
        Started => "started",
        Completed => "completed",
        Failed => "failed",
        Interrupted => "interrupted",
        Dropped => "dropped",
        Late => "late",
    }
}

words! {
    /// What can happen to a connection.
    ConnectionWord {
        Opened => "opened",
        Failed => "failed",
        Dropped => "dropped",
    }
}

words! {
    /// Times that are recorded.
    Series {
        ResponseTime => "response_time",
        ServiceTime => "service_time",
        StartLag => "start_lag",
        QueueWait => "queue_wait",
        SendLag => "send_lag",
        ReadLag => "read_lag",
        Generator => "generator",
        ConnectTime => "connect_time",
        FirstMessage => "first_message",
        MessageGap => "message_gap",
        RoundTrip => "round_trip",
        MessageLag => "message_lag",
        StreamWait => "stream_wait",
    }
}

words! {
    /// What is asked of a series.
    Statistic {
        Mean => "mean",
        Min => "min",
        P50 => "p50",
        P90 => "p90",
        P95 => "p95",
        P99 => "p99",
        P999 => "p999",
        P9999 => "p9999",
        Max => "max",
    }
}

impl Series {
    /// Those that a step has.
    pub(super) const OF_STEPS: &'static [&'static str] = &[
        "response_time",
        "service_time",
        "start_lag",
        "queue_wait",
        "send_lag",
        "read_lag",
        "generator",
        "first_message",
        "message_gap",
        "round_trip",
        "message_lag",
        "stream_wait",
    ];

    fn sample_kind(self) -> Option<SampleKind> {
        match self {
            Self::FirstMessage => Some(SampleKind::FirstMessage),
            Self::MessageGap => Some(SampleKind::MessageGap),
            Self::RoundTrip => Some(SampleKind::RoundTrip),
            Self::MessageLag => Some(SampleKind::MessageLag),
            Self::StreamWait => Some(SampleKind::StreamWait),
            _ => None,
        }
    }
}

impl Series {
    /// The histogram among a scenario's or a step's parts.
    fn among(self, parts: &Parts) -> Option<&Histogram> {
        match self {
            Self::StartLag => Some(&parts.start_lag),
            Self::QueueWait => Some(&parts.queue_wait),
            Self::SendLag => Some(&parts.send_lag),
            Self::ReadLag => Some(&parts.read_lag),
            Self::Generator => Some(&parts.generator),
            _ => None,
        }
    }

    /// Whether it is of the generator alone.
    fn is_generators(self) -> bool {
        matches!(
            self,
            Self::StartLag | Self::SendLag | Self::ReadLag | Self::Generator | Self::MessageLag
        )
    }
}

impl Statistic {
    /// In nanoseconds; `None` without samples.
    fn of(self, histogram: &Histogram) -> Option<f64> {
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile| histogram.at(quantile) as f64;
        Some(match self {
            Self::Mean => Samples::mean(histogram),
            Self::Min => histogram.least() as f64,
            Self::P50 => at(0.5),
            Self::P90 => at(0.9),
            Self::P95 => at(0.95),
            Self::P99 => at(0.99),
            Self::P999 => at(0.999),
            Self::P9999 => at(0.9999),
            Self::Max => histogram.largest() as f64,
        })
    }

    /// Of a percentile, how many of 10,000 samples lie beyond it.
    fn beyond_of_10_000(self) -> Option<u64> {
        match self {
            Self::P50 => Some(5_000),
            Self::P90 => Some(1_000),
            Self::P95 => Some(500),
            Self::P99 => Some(100),
            Self::P999 => Some(10),
            Self::P9999 => Some(1),
            Self::Mean | Self::Min | Self::Max => None,
        }
    }
}

impl LedgerWord {
    /// What the word's share is a share of; `planned` is the whole itself.
    pub(super) fn whole(self) -> Option<Self> {
        match self {
            Self::Planned => None,
            Self::Started | Self::Dropped => Some(Self::Planned),
            Self::Completed | Self::Failed | Self::Interrupted | Self::Late => Some(Self::Started),
        }
    }

    fn of(self, ledger: &Ledger) -> u64 {
        match self {
            Self::Planned => ledger.planned,
            Self::Started => ledger.started,
            Self::Completed => ledger.completed,
            Self::Failed => ledger.failed,
            Self::Interrupted => ledger.interrupted,
            Self::Dropped => ledger.dropped,
            Self::Late => ledger.late,
        }
    }
}

impl Metric {
    pub(super) fn step(&self) -> Option<&str> {
        match self {
            Self::Step { name, .. } => Some(name),
            _ => None,
        }
    }

    pub(super) fn needs_open_model(&self) -> bool {
        matches!(self, Self::Series(Series::StartLag | Series::QueueWait, _))
    }

    /// The observed value in `unit`; `None` when nothing was measured.
    pub(super) fn observe(&self, record: &ScenarioRecord, unit: Unit) -> Option<f64> {
        let ledger = &record.ledger;
        match self {
            Self::ErrorRate => {
                let bad = ledger.failed + record.unanswered;
                percent(bad, ledger.completed + bad)
            }
            Self::Unanswered => share_of(record.unanswered, ledger.planned, unit),
            Self::Silence => {
                let longest = record.silence.longest.length;
                (ledger.started > 0).then(|| in_unit(longest.as_nanos() as f64, unit))
            }
            Self::Throughput => rate_of(ledger.completed, record, unit),
            Self::Ledger(word) => match (unit, word.whole()) {
                (Unit::Percent, Some(whole)) => percent(word.of(ledger), whole.of(ledger)),
                _ => Some(word.of(ledger) as f64),
            },
            Self::Series(series, statistic) => {
                let nanos = series_of(record, *series, |histogram| statistic.of(histogram));
                nanos.map(|nanos| in_unit(nanos, unit))
            }
            Self::Outcome(key) => share_of(
                count_of(&record.outcomes, key),
                ledger.completed + ledger.failed,
                unit,
            ),
            Self::Connections(word) => {
                let connections = record.connections.counts;
                let tried = connections.opened + connections.failed;
                let (count, whole) = match word {
                    ConnectionWord::Opened => (connections.opened, tried),
                    ConnectionWord::Failed => (connections.failed, tried),
                    ConnectionWord::Dropped => (connections.dropped, connections.opened),
                };
                share_of(count, whole, unit)
            }
            Self::Step { name, metric } => {
                let step = record.steps.iter().find(|step| step.name == *name)?;
                metric.observe(record, step, unit)
            }
        }
    }
}

impl Metric {
    /// Of a percentile, how many samples lie beyond it.
    pub(super) fn samples_beyond(&self, record: &ScenarioRecord) -> Option<u64> {
        let len = |histogram: &Histogram| Some(histogram.len());
        let (statistic, samples) = match self {
            Self::Series(series, statistic) => (statistic, series_of(record, *series, len)),
            Self::Step {
                name,
                metric: StepMetric::Series(series, statistic),
            } => {
                let step = record.steps.iter().find(|step| step.name == *name)?;
                (statistic, series_of_step(record, step, *series, len))
            }
            _ => return None,
        };
        let beyond = samples?.saturating_mul(statistic.beyond_of_10_000()?);
        Some(beyond / 10_000)
    }

    /// Who is to blame where a condition on it does not hold.
    pub(super) fn about(&self) -> About {
        match self {
            Self::Series(series, _)
            | Self::Step {
                metric: StepMetric::Series(series, _),
                ..
            } => match series {
                series if series.is_generators() => About::Generator,
                Series::ResponseTime | Series::RoundTrip => About::Time,
                _ => About::Service,
            },
            Self::ErrorRate
            | Self::Unanswered
            | Self::Silence
            | Self::Outcome(_)
            | Self::Connections(_)
            | Self::Ledger(LedgerWord::Failed) => About::Service,
            Self::Step { metric, .. } => match metric {
                StepMetric::MessagesSent | StepMetric::MessagesReceived => About::Both,
                _ => About::Service,
            },
            Self::Ledger(LedgerWord::Late) => About::Generator,
            Self::Throughput | Self::Ledger(_) => About::Both,
        }
    }

    /// What [`observe`](Self::observe) would give without the generator's part, where it is in it.
    pub(super) fn observe_undelayed(&self, record: &ScenarioRecord, unit: Unit) -> Option<f64> {
        let (series, statistic, step) = match self {
            Self::Series(series, statistic) => (series, statistic, None),
            Self::Step {
                name,
                metric: StepMetric::Series(series, statistic),
            } => {
                let step = record.steps.iter().find(|step| step.name == *name)?;
                (series, statistic, Some(step))
            }
            _ => return None,
        };
        let nanos = match (series, step) {
            (Series::ResponseTime, None) => statistic.of(&record.parts.undelayed),
            (Series::ResponseTime, Some(step)) => statistic.of(&step.parts.as_deref()?.undelayed),
            (Series::RoundTrip, None) => {
                // Those of messages without due times have no part of ours in them.
                let of_step = |step| {
                    samples_of_kind(step, SampleKind::UndelayedRoundTrip)
                        .or_else(|| samples_of_kind(step, SampleKind::RoundTrip))
                };
                statistic.of(&merged(record.steps.iter().filter_map(of_step))?)
            }
            (Series::RoundTrip, Some(step)) => {
                let kind = SampleKind::UndelayedRoundTrip;
                statistic.of(samples_of_kind(step, kind)?)
            }
            _ => None,
        };
        nanos.map(|nanos| in_unit(nanos, unit))
    }
}

impl StepMetric {
    fn observe(&self, record: &ScenarioRecord, step: &StepRecord, unit: Unit) -> Option<f64> {
        // The only step's figures are the iteration's, whether or not they were copied to it.
        let only = record.steps.len() == 1;
        let outcomes = if only && step.outcomes.is_empty() {
            &record.outcomes
        } else {
            &step.outcomes
        };
        let ended = outcomes.iter().map(|(_, count)| count).sum();
        match self {
            Self::ErrorRate if only => Metric::ErrorRate.observe(record, unit),
            Self::ErrorRate => {
                let bad = ended - count_of(outcomes, "ok") + step.unanswered;
                percent(bad, ended + step.unanswered)
            }
            Self::Outcome(key) => share_of(count_of(outcomes, key), ended, unit),
            Self::MessagesSent => count_or_rate(step.messages_sent, record, unit),
            Self::MessagesReceived => count_or_rate(step.messages_received, record, unit),
            Self::MessageFault(fault) => Some(step.message_faults[*fault as usize] as f64),
            Self::Series(series, statistic) => {
                let of = |histogram: &Histogram| statistic.of(histogram);
                let nanos = series_of_step(record, step, *series, of);
                nanos.map(|nanos| in_unit(nanos, unit))
            }
        }
    }
}

/// What is read from a scenario's own series; those of messages are its steps' taken together.
fn series_of<T>(
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
        | Series::Generator => read(series.among(&record.parts)?),
        Series::ConnectTime => read(&record.connections.connect_time),
        Series::FirstMessage
        | Series::MessageGap
        | Series::RoundTrip
        | Series::MessageLag
        | Series::StreamWait => read(&of_all_steps(record, series.sample_kind()?)?),
    }
}

/// What is read from a step's series. The only step's is the iteration's where it has none itself.
fn series_of_step<T>(
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
            .and_then(|parts| series.among(parts))
            .or_else(|| samples_of(step, series)),
    };
    match own.filter(|histogram| !histogram.is_empty()) {
        Some(own) => read(own),
        None if record.steps.len() == 1 => series_of(record, series, read),
        None => None,
    }
}

/// The samples of one kind of all steps together.
fn of_all_steps(record: &ScenarioRecord, kind: SampleKind) -> Option<Histogram> {
    let of_kind = |step| samples_of_kind(step, kind);
    merged(record.steps.iter().filter_map(of_kind))
}

fn merged<'a>(mut all: impl Iterator<Item = &'a Histogram>) -> Option<Histogram> {
    let mut merged = all.next()?.clone();
    for histogram in all {
        merged.add(histogram);
    }
    Some(merged)
}

fn samples_of(step: &StepRecord, series: Series) -> Option<&Histogram> {
    samples_of_kind(step, series.sample_kind()?)
}

fn samples_of_kind(step: &StepRecord, wanted: SampleKind) -> Option<&Histogram> {
    step.samples
        .iter()
        .find(|(kind, _)| *kind == wanted)
        .map(|(_, histogram)| histogram)
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
fn in_unit(value: f64, unit: Unit) -> f64 {
    match unit {
        Unit::Time { nanos, .. } => value / nanos,
        Unit::PerTime { seconds, .. } => value * seconds,
        Unit::Count | Unit::Percent => value,
    }
}
