//! What of a run's records becomes a counter, what a gauge, and under which name.

use std::collections::BTreeMap;

use super::names::{clean, outcome_key};
use crate::engine::ScenarioSnapshot;
use crate::record::{Histogram, Ledger, ScenarioRecord, StepRecord};
use crate::report::Statistics;
use crate::workload::MessageFault;

/// Everything there is to send at a moment, by full name.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Since the run began.
    pub(super) counters: BTreeMap<String, u64>,
    /// Of the last second.
    pub(super) gauges: BTreeMap<String, f64>,
}

impl Figures {
    /// The counters of a scenario whose names begin with `scenario`.
    pub(super) fn so_far(&mut self, scenario: &str, record: &ScenarioRecord) {
        // Names that only turn up during the run may be one after cleaning; they add up.
        let mut add = |metric: &str, count: u64| {
            if count > 0 {
                let sum = self.counters.entry(format!("{scenario}.{metric}"));
                *sum.or_default() += count;
            }
        };
        for (word, count) in words(&record.ledger) {
            add(word, count);
        }
        for (outcome, count) in &record.outcomes {
            let key = outcome_key(&outcome.to_string());
            add(&format!("outcomes.{key}"), *count);
        }
        add("bytes.sent", record.bytes.sent);
        add("bytes.received", record.bytes.received);
        let connections = record.connections.counts;
        add("connections.opened", connections.opened);
        add("connections.failed", connections.failed);
        add("connections.dropped", connections.dropped);
        for step in &record.steps {
            let name = clean(&step.name);
            for (metric, count) in step_counts(step) {
                add(&format!("steps.{name}.{metric}"), count);
            }
        }
        for backend in &record.backends {
            let id = clean(&backend.id);
            add(&format!("backends.{id}.requests"), backend.requests);
            add(&format!("backends.{id}.failed"), backend.failed);
        }
        for (name, count) in &record.custom.counters {
            add(&format!("custom.{}", clean(name)), *count);
        }
    }

    /// The gauges of a scenario whose names begin with `scenario`.
    pub(super) fn of_the_moment(&mut self, scenario: &str, snapshot: &ScenarioSnapshot<'_>) {
        let mut set = |metric: &str, value: f64| {
            // A sign would make it a change of the gauge, and there is no word for NaN.
            if value.is_finite() && value.is_sign_positive() {
                self.gauges.insert(format!("{scenario}.{metric}"), value);
            }
        };
        let interval = snapshot.interval;
        set("users", snapshot.users as f64);
        let seconds = interval.length.as_secs_f64();
        if seconds > 0.0 {
            let rate = interval.ledger.completed as f64 / seconds;
            set("throughput_per_s", (rate * 1_000.0).round() / 1_000.0);
        }
        let series = [
            ("response_time_us", &interval.response_time),
            ("service_time_us", &interval.service_time),
            ("start_lag_us", &interval.start_lag),
        ];
        for (name, histogram) in series {
            for (statistic, value) in times(histogram) {
                set(&format!("{name}.{statistic}"), value);
            }
        }
        for (name, value) in &snapshot.total.custom.gauges {
            set(&format!("custom.{}", clean(name)), *value);
        }
    }
}

fn words(ledger: &Ledger) -> [(&'static str, u64); 7] {
    [
        ("planned", ledger.planned),
        ("started", ledger.started),
        ("completed", ledger.completed),
        ("failed", ledger.failed),
        ("interrupted", ledger.interrupted),
        ("dropped", ledger.dropped),
        ("late", ledger.late),
    ]
}

fn step_counts(step: &StepRecord) -> [(&'static str, u64); 8] {
    let faults = |fault: MessageFault| step.message_faults[fault as usize];
    let ended = step.outcomes.iter().map(|(_, count)| count).sum();
    let failed = step.outcomes.iter().filter(|(outcome, _)| !outcome.is_ok());
    [
        ("requests", ended),
        ("failed", failed.map(|(_, count)| count).sum()),
        ("messages_sent", step.messages_sent),
        ("messages_received", step.messages_received),
        ("messages_missing", faults(MessageFault::Missing)),
        ("messages_out_of_order", faults(MessageFault::OutOfOrder)),
        ("messages_unexpected", faults(MessageFault::Unexpected)),
        ("messages_too_late", faults(MessageFault::TooLate)),
    ]
}

/// The statistics that the samples support; the others are left out, as everywhere.
fn times(histogram: &Histogram) -> impl Iterator<Item = (&'static str, f64)> {
    let statistics = Statistics::of(histogram);
    [
        ("mean", statistics.mean),
        ("p50", statistics.p50),
        ("p90", statistics.p90),
        ("p95", statistics.p95),
        ("p99", statistics.p99),
        ("p999", statistics.p999),
        ("max", statistics.max),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}
