//! From what a run tells to the values of the metric set.
//!
//! Owns which record is which metric. Knows no sink.

use super::metric::{self, Metric, Value};
use crate::engine::{GeneratorSnapshot, Phase, ScenarioSnapshot};
use crate::outcome::Outcome;
#[cfg(feature = "statsd")]
use crate::process::Vitals;
#[cfg(feature = "statsd")]
use crate::record::Histogram;
use crate::record::{BackendRecord, CheckRecord, Recent, ScenarioRecord, StepRecord};
use crate::report::Statistics;
use crate::workload::{MessageFault, SampleKind};

/// Where values go: the metric, the values of its labels in their order, and its own.
pub(crate) type Take<'a> = dyn FnMut(&'static Metric, &[&str], Value) + 'a;

/// The counters of a scenario, since the run began.
pub(crate) fn totals(record: &ScenarioRecord, take: &mut Take<'_>) {
    let ledger = &record.ledger;
    let counts = record.connections.counts;
    let messages = |of: fn(&StepRecord) -> u64| record.iterated().map(of).sum();
    let own = [
        (&metric::PLANNED, ledger.planned),
        (&metric::STARTED, ledger.started),
        (&metric::COMPLETED, ledger.completed),
        (&metric::FAILED, ledger.failed),
        (&metric::INTERRUPTED, ledger.interrupted),
        (&metric::DROPPED, ledger.dropped),
        (&metric::UNANSWERED, record.unanswered),
        (&metric::LATE, ledger.late),
        (&metric::BYTES_SENT, record.bytes.sent),
        (&metric::BYTES_RECEIVED, record.bytes.received),
        (&metric::MESSAGES_SENT, messages(|step| step.messages_sent)),
        (
            &metric::MESSAGES_RECEIVED,
            messages(|step| step.messages_received),
        ),
        (&metric::CONNECTIONS_OPENED, counts.opened),
        (&metric::CONNECTIONS_FAILED, counts.failed),
        (&metric::CONNECTIONS_DROPPED, counts.dropped),
        (&metric::CONNECTIONS_RECONNECTED, counts.reconnected),
        (&metric::CONNECTIONS_REDIRECTS, counts.redirects),
    ];
    for (metric, count) in own {
        take(metric, &[], Value::Count(count));
    }
    for (outcome, count) in &record.outcomes {
        let outcome = outcome.to_string();
        take(&metric::OUTCOMES, &[&outcome], Value::Count(*count));
    }
    if let Some(retries) = &record.retries {
        for (metric, count) in [
            (&metric::RETRY_ATTEMPTS, retries.attempts),
            (&metric::RETRY_OK, retries.ok),
            (&metric::RETRY_FAILED, retries.failed),
            (&metric::RETRY_THROTTLED, retries.throttled),
        ] {
            take(metric, &[], Value::Count(count));
        }
    }
    for step in &record.steps {
        step_totals(step, take);
    }
    // Where no server names itself, all are of nobody, and the scenario's own figures say it.
    let is_told = |it: &&BackendRecord| {
        it.id != ScenarioRecord::UNKNOWN || (it.requests > 0 && !record.backends.is_empty())
    };
    for backend in record.all_backends().filter(is_told) {
        let label = [backend.id.as_str()];
        let requests = Value::Count(backend.requests);
        take(&metric::BACKEND_REQUESTS, &label, requests);
        take(
            &metric::BACKEND_FAILED,
            &label,
            Value::Count(backend.failed),
        );
    }
    for (name, count) in &record.custom.counters {
        take(&metric::CUSTOM_COUNTER, &[name], Value::Count(*count));
    }
    for (name, timing) in &record.custom.timings {
        take(&metric::CUSTOM_SAMPLES, &[name], Value::Count(timing.len()));
    }
}

fn step_totals(step: &StepRecord, take: &mut Take<'_>) {
    let faults = |fault: MessageFault| step.message_faults[fault as usize];
    let sum = |of: fn(&Outcome) -> bool| {
        let outcomes = step.outcomes.iter().filter(|(outcome, _)| of(outcome));
        outcomes.map(|(_, count)| count).sum()
    };
    let own = [
        (&metric::STEP_REQUESTS, sum(|_| true)),
        (&metric::STEP_FAILED, sum(|outcome| !outcome.is_ok())),
        (&metric::STEP_MESSAGES_SENT, step.messages_sent),
        (&metric::STEP_MESSAGES_RECEIVED, step.messages_received),
        (
            &metric::STEP_MESSAGES_MISSING,
            faults(MessageFault::Missing),
        ),
        (
            &metric::STEP_MESSAGES_OUT_OF_ORDER,
            faults(MessageFault::OutOfOrder),
        ),
        (
            &metric::STEP_MESSAGES_UNEXPECTED,
            faults(MessageFault::Unexpected),
        ),
        (
            &metric::STEP_MESSAGES_TOO_LATE,
            faults(MessageFault::TooLate),
        ),
    ];
    for (metric, count) in own {
        take(metric, &[&step.name], Value::Count(count));
    }
    let checks = |of: fn(&CheckRecord) -> u64| Value::Count(step.checks.iter().map(of).sum());
    for (metric, count) in [
        (&metric::STEP_CHECKS_PASSED, checks(|it| it.passed)),
        (&metric::STEP_CHECKS_FAILED, checks(|it| it.failed)),
    ] {
        take(metric, &[&step.name], count);
    }
    for (outcome, count) in &step.outcomes {
        let outcome = outcome.to_string();
        let labels = [step.name.as_str(), &outcome];
        take(&metric::STEP_OUTCOMES, &labels, Value::Count(*count));
    }
}

/// The gauges of a scenario, of the last second. One that is over has none.
pub(crate) fn of_the_moment(snapshot: &ScenarioSnapshot<'_>, take: &mut Take<'_>) {
    if snapshot.phase == Phase::Done {
        return;
    }
    let (interval, total, levels) = (snapshot.interval, snapshot.total, snapshot.levels);
    let ledger = &total.ledger;
    let waiting = ledger
        .planned
        .saturating_sub(ledger.started + ledger.dropped);
    let own = [
        (&metric::USERS, Some(snapshot.users)),
        (&metric::WAITING, Some(waiting)),
        (&metric::IN_FLIGHT, levels.in_flight),
        (&metric::CONNECTIONS_OPEN, levels.connections),
        (&metric::REPLIES_OWED, levels.replies_owed),
        (&metric::STREAMS_IN_USE, levels.streams_in_use),
        (&metric::STREAMS_ALLOWED, levels.streams_allowed),
    ];
    for (metric, level) in own {
        if let Some(level) = level {
            take(metric, &[], Value::Level(level as f64));
        }
    }
    let seconds = interval.length.as_secs_f64();
    let rate = |count: u64| Value::Level((count as f64 / seconds * 1_000.0).round() / 1_000.0);
    if seconds > 0.0 {
        take(&metric::THROUGHPUT, &[], rate(interval.ledger.completed));
    }
    // Where nothing was heard, what was heard before is not the last that there is.
    let heard = !interval.length.is_zero();
    let recent = |metric, labels: &[&str], of: &Recent, take: &mut Take<'_>| {
        let statistics = if heard {
            Statistics::of_recent(of)
        } else {
            Statistics::of(of.second())
        };
        times(metric, labels, &statistics, take);
    };
    recent(&metric::RESPONSE_TIME, &[], &interval.response_time, take);
    recent(&metric::SERVICE_TIME, &[], &interval.service_time, take);
    recent(&metric::START_LAG, &[], &interval.start_lag, take);
    recent(&metric::QUEUE_WAIT, &[], &interval.queue_wait, take);
    recent(&metric::SEND_LAG, &[], &interval.send_lag, take);
    recent(&metric::READ_LAG, &[], &interval.read_lag, take);
    recent(&metric::GENERATOR_PART, &[], &interval.generator, take);
    recent(&metric::CONNECT_TIME, &[], &interval.connect_time, take);
    recent(&metric::TLS_TIME, &[], &interval.tls_time, take);
    for (nth, (step, record)) in interval.steps.iter().zip(&total.steps).enumerate() {
        let label = [record.name.as_str()];
        if seconds > 0.0 {
            take(&metric::STEP_THROUGHPUT, &label, rate(step.ok));
        }
        if let Some((response_time, service_time)) = interval.step_times(nth) {
            recent(&metric::STEP_RESPONSE_TIME, &label, response_time, take);
            recent(&metric::STEP_SERVICE_TIME, &label, service_time, take);
        }
        for (kind, samples) in &step.samples {
            let metric = match kind {
                SampleKind::FirstByte => &metric::STEP_FIRST_BYTE,
                SampleKind::FirstMessage => &metric::STEP_FIRST_MESSAGE,
                SampleKind::MessageGap => &metric::STEP_MESSAGE_GAP,
                SampleKind::RoundTrip => &metric::STEP_ROUND_TRIP,
                SampleKind::StreamWait => &metric::STEP_STREAM_WAIT,
                SampleKind::MessageLag => &metric::STEP_MESSAGE_LAG,
                SampleKind::UndelayedRoundTrip | SampleKind::MessageDoubt => continue,
            };
            recent(metric, &label, samples, take);
        }
    }
    for (response_time, record) in interval.backends.iter().zip(&total.backends) {
        let label = [record.id.as_str()];
        recent(&metric::BACKEND_RESPONSE_TIME, &label, response_time, take);
    }
    for (name, value) in &total.custom.gauges {
        take(&metric::CUSTOM_GAUGE, &[name], Value::Level(*value));
    }
    for (timing, (name, _)) in interval.timings.iter().zip(&total.custom.timings) {
        recent(&metric::CUSTOM_TIMING, &[name], timing, take);
    }
}

/// The gauges of the generator, of the last second.
pub(crate) fn of_the_generator(snapshot: &GeneratorSnapshot, take: &mut Take<'_>) {
    let workers = &snapshot.workers;
    let busy = workers.iter().map(|it| it.cpu_busy).fold(0.0, f64::max);
    let stall = workers.iter().map(|it| it.longest_stall).max();
    let stall = stall.unwrap_or_default().as_nanos() as f64 / 1_000.0;
    let process = snapshot.process;
    let counted = |count: Option<u64>| count.map(|count| count as f64);
    let own = [
        (&metric::WORKERS, Some(workers.len() as f64)),
        (&metric::CPU_BUSY, Some((busy * 1_000.0).round() / 1_000.0)),
        (&metric::CPU_CORES, process.cpu_cores),
        (
            &metric::THROTTLED_SHARE,
            snapshot
                .throttled_share
                .map(|share| (share * 1_000.0).round() / 1_000.0),
        ),
        (&metric::STALL, Some(stall)),
        (&metric::MEMORY, counted(process.memory_bytes)),
        (&metric::OPEN_FILES, counted(process.open_files)),
        (&metric::OPEN_FILES_LIMIT, counted(process.open_files_limit)),
    ];
    for (metric, level) in own {
        if let Some(level) = level {
            take(metric, &[], Value::Level(level));
        }
    }
}

/// What a reference backend has done, by its own count.
#[cfg(feature = "statsd")]
#[derive(Debug)]
pub struct Served<'a> {
    /// What its replies call it.
    pub id: &'a str,
    /// What it speaks.
    pub protocol: &'a str,
    /// Requests that were answered, since the start.
    pub requests: u64,
    /// Of these, with a failure.
    pub failed: u64,
    /// Connections that were taken, since the start.
    pub connections_opened: u64,
    /// Connections that are open.
    pub connections_open: u64,
    /// Nanoseconds from having a request until its answer is handed to the connection, of the last
    /// second.
    pub handling_time: Histogram,
}

/// The counters of a reference backend, since it began.
#[cfg(feature = "statsd")]
pub(crate) fn totals_of_a_backend(served: &Served<'_>, take: &mut Take<'_>) {
    for (metric, count) in [
        (&metric::SERVED_REQUESTS, served.requests),
        (&metric::SERVED_FAILED, served.failed),
        (&metric::SERVED_OPENED, served.connections_opened),
    ] {
        take(metric, &[served.protocol], Value::Count(count));
    }
}

/// The gauges of a reference backend, of the last second.
#[cfg(feature = "statsd")]
pub(crate) fn backend_of_the_moment(served: &Served<'_>, take: &mut Take<'_>) {
    let label = [served.protocol];
    let open = Value::Level(served.connections_open as f64);
    take(&metric::SERVED_OPEN, &label, open);
    let handling_time = Statistics::of(&served.handling_time);
    times(&metric::HANDLING_TIME, &label, &handling_time, take);
}

/// The gauges of a reference backend's process.
#[cfg(feature = "statsd")]
pub(crate) fn of_the_process(vitals: Vitals, take: &mut Take<'_>) {
    let counted = |count: Option<u64>| count.map(|count| count as f64);
    for (metric, level) in [
        (&metric::PROCESS_CPU, vitals.cpu_cores),
        (&metric::PROCESS_MEMORY, counted(vitals.memory_bytes)),
        (&metric::PROCESS_FILES, counted(vitals.open_files)),
        (
            &metric::PROCESS_FILES_LIMIT,
            counted(vitals.open_files_limit),
        ),
    ] {
        if let Some(level) = level {
            take(metric, &[], Value::Level(level));
        }
    }
}

/// Each statistic that there is, in microseconds. `labels` come before the statistic.
pub(crate) fn times(
    metric: &'static Metric,
    labels: &[&str],
    statistics: &Statistics,
    take: &mut Take<'_>,
) {
    for (name, value) in [
        ("mean", statistics.mean),
        ("p50", statistics.p50),
        ("p90", statistics.p90),
        ("p95", statistics.p95),
        ("p99", statistics.p99),
        ("p999", statistics.p999),
        ("max", statistics.max),
    ] {
        if let Some(value) = value {
            let labels = [labels, &[name]].concat();
            take(metric, &labels, Value::Level(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::{Merger, Names, Recorder, Tick};
    use crate::workload::{Levels, Observer as _, Timing};

    fn statistics_sent(merger: &Merger) -> Vec<String> {
        let snapshot = ScenarioSnapshot {
            phase: Phase::Measure,
            users: 1,
            levels: Levels::default(),
            interval: merger.interval(),
            total: merger.total(),
        };
        let mut sent = Vec::new();
        of_the_moment(&snapshot, &mut |metric, labels, _| {
            if let ([_, statistic], "custom.<name>_us.<statistic>") = (labels, metric.name) {
                sent.push((*statistic).to_owned());
            }
        });
        sent
    }

    #[test]
    fn a_hundred_a_second_have_a_p99_after_ten_seconds() {
        let names = Names {
            timings: vec!["own".to_owned()],
            ..Names::default()
        };
        let (mut merger, recorder) = (Merger::new(&names, 1), Recorder::new(&names));
        for _ in 1..=10 {
            assert!(!statistics_sent(&merger).contains(&"p99".to_owned()));
            merger.next_interval();
            for _ in 0..100 {
                recorder.timing(Timing::at(0), 5_000);
            }
            let mut tick = recorder.swap(Box::new(Tick::new(&names)));
            merger.add(0, &mut tick, &[]);
            merger.end_interval(Duration::from_secs(1));
        }
        let all = ["mean", "p50", "p90", "p95", "p99", "max"];
        assert_eq!(statistics_sent(&merger), all);
        merger.next_interval();
        merger.end_interval(Duration::ZERO);
        assert!(statistics_sent(&merger).is_empty(), "nothing was heard");
        merger.next_interval();
        merger.end_interval(Duration::from_secs(1));
        let percentiles = ["p50", "p90", "p95", "p99"];
        assert_eq!(statistics_sent(&merger), percentiles, "an idle second");
    }
}
