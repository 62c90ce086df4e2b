//! A scenario's part of the document.

use std::collections::BTreeMap;

use super::super::document::{
    Address, Backend, Change, Check, Confidence, Connections, Custom, Expectation, FailureClass,
    LoadModel, Messages, Point, PointStatistics, Retries, Scenario, Silence, Stands, StandsBy,
    Statistics, Step, StepPoint, Streams, Target, ThresholdResult, round6,
};
use super::events::{event, moments};
use super::{balance, per_second, seconds, stickiness};
use crate::outcome::{Failure, Outcome};
use crate::record::{
    self, AddressRecord, BackendRecord, CheckRecord, ConnectionCounts, ConnectionRecord,
    CustomRecord, Histogram, Parts, ScenarioRecord, SeriesPoint, Sparse, StandingRecord,
    StepRecord, StreamCount, TargetRecord,
};
use crate::workload::{FileChange, MessageFault, SampleKind, Standing};

/// A scenario's part, its conditions and expectations judged. Where it has the points of its series from a place
/// on only, nothing is told that takes all of them, and samples are those that charts are drawn from.
pub(super) fn scenario(
    record: &ScenarioRecord,
    thresholds: Vec<ThresholdResult>,
    expectations: Vec<Expectation>,
    from: Option<usize>,
) -> Scenario {
    let of_open = |histogram| {
        let of = || with_samples(Statistics::of(histogram), histogram, from.is_none());
        record.open.then(of)
    };
    Scenario {
        name: record.name.clone(),
        protocol: record.protocol.clone(),
        codec: record.codec.clone(),
        codec_elsewhere: record.codec_elsewhere.clone(),
        load_model: if record.open {
            LoadModel::Open
        } else {
            LoadModel::Closed
        },
        measured_from_s: seconds(record.measured_from),
        duration_s: seconds(record.elapsed),
        ledger: record.ledger,
        unanswered: record.unanswered,
        silence: silence(&record.silence),
        throughput_per_s: per_second(record.ledger.completed, record.elapsed),
        response_time_us: Statistics::of(&record.response_time)
            .with_lower_bounds(&record.response_time, record.youngest_unanswered)
            .with_samples(Sparse::of(&record.response_time)),
        response_time_confidence_us: match from {
            None => Confidence::of(&record.response_time, &record.series),
            Some(_) => None,
        },
        service_time_us: Statistics::of(&record.service_time)
            .with_lower_bounds(&record.service_time, record.youngest_cut_off)
            .with_samples(Sparse::of(&record.service_time)),
        start_lag_us: of_open(&record.parts.start_lag),
        queue_wait_us: of_open(&record.parts.queue_wait),
        send_lag_us: Statistics::of_any(&record.parts.send_lag),
        read_lag_us: Statistics::of_any(&record.parts.read_lag),
        generator_us: Statistics::of_any(&record.parts.generator),
        undelayed_us: Statistics::of_any(&record.parts.undelayed),
        saturated_samples: record.saturated_samples,
        outcomes: outcomes(&record.outcomes),
        failures: failures(&record.outcomes, &record.examples, &record.failed_in),
        bytes: record.bytes,
        connections: connections(&record.connections),
        targets: record.targets.iter().map(target).collect(),
        addresses: addresses(&record.addresses),
        steps: (record.steps.iter())
            .map(|it| step(it, record, from.is_none()))
            .collect(),
        backends: backends(record.all_backends()),
        balanced_by: record.decided_by(),
        failovers: balance::failovers(record),
        ejections: balance::ejections(record),
        expectations,
        stickiness: stickiness::of(record),
        retries: record.retries.as_ref().map(retries),
        standings: record.standings.iter().map(stands).collect(),
        changes: record.changes.iter().map(change).collect(),
        events: record.events.iter().map(event).collect(),
        // What lasts as long as the load is due at its start, wherever the events are.
        timeline: match record.lasting {
            true => Vec::new(),
            false => moments(&record.timeline),
        },
        thresholds,
        series: series(record, from.unwrap_or_default()),
        custom: custom(&record.custom),
    }
}

pub(super) fn outcomes(counted: &[(Outcome, u64)]) -> BTreeMap<String, u64> {
    let mut keys = BTreeMap::from([(Outcome::Ok.to_string(), 0)]);
    for (outcome, count) in counted.iter().filter(|(_, count)| *count > 0) {
        *keys.entry(outcome.to_string()).or_default() += count;
    }
    keys
}

fn failures(
    counted: &[(Outcome, u64)],
    examples: &[(Failure, String)],
    seconds: &[(Failure, [u64; 2])],
) -> Vec<FailureClass> {
    let mut counts = outcomes(counted);
    counts.remove(&Outcome::Ok.to_string());
    let mut classes: Vec<FailureClass> = counts
        .into_iter()
        .map(|(outcome, count)| {
            let mut examples = examples.iter();
            let kept = examples.find(|(failure, _)| failure.to_string() == outcome);
            let mut seconds = seconds.iter();
            let came = seconds.find(|(failure, _)| failure.to_string() == outcome);
            FailureClass {
                first_s: came.map(|(_, [first, _])| *first),
                last_s: came.map(|(_, [_, last])| *last),
                example: kept.map(|(_, example)| example.clone()),
                outcome,
                count,
            }
        })
        .collect();
    // Stable, so that equal counts stay in the order of their keys.
    classes.sort_by_key(|class| std::cmp::Reverse(class.count));
    classes
}

pub(super) fn connections(record: &ConnectionRecord) -> Connections {
    Connections {
        opened: record.counts.opened,
        failed: record.counts.failed,
        dropped: record.counts.dropped,
        reconnected: record.counts.reconnected,
        redirects: record.counts.redirects,
        connect_time_us: Statistics::of_any(&record.connect_time),
        tls_time_us: Statistics::of_any(&record.tls_time),
        back_off_us: Statistics::of_any(&record.back_off),
    }
}

fn retries(record: &record::Retries) -> Retries {
    let outcomes = record.outcomes.iter();
    Retries {
        attempts: record.attempts,
        ok: record.ok,
        failed: record.failed,
        throttled: record.throttled,
        outcomes: outcomes.map(|(it, n)| (it.to_string(), *n)).collect(),
        backends: record.backends.iter().cloned().collect(),
    }
}

fn stands(record: &StandingRecord) -> Stands {
    Stands {
        t_s: seconds(record.at),
        peer: record.peer.clone(),
        by: match record.to {
            Standing::Closed | Standing::Open | Standing::HalfOpen => StandsBy::CircuitBreaker,
            _ => StandsBy::HealthCheck,
        },
        from: record.from,
        to: record.to,
        reason: record.why.clone(),
    }
}

fn change(change: &FileChange) -> Change {
    Change {
        t_s: seconds(change.at),
        file: change.file.clone(),
        field: change.field.clone(),
        problem: change.problem.clone(),
    }
}

fn silence(record: &crate::record::Silence) -> Option<Silence> {
    let longest = record.longest;
    (!longest.length.is_zero()).then(|| Silence {
        longest_s: seconds(longest.length),
        from_s: seconds(longest.from),
        to_end: record.last == longest,
    })
}

fn target(record: &TargetRecord) -> Target {
    Target {
        target: record.target.clone(),
        completed: record.completed,
        failed: record.failed,
        unanswered: record.unanswered,
        connections: record.connections,
    }
}

/// Where it went, if that was to several addresses, or the list of them may change.
fn addresses(records: &[AddressRecord]) -> Vec<Address> {
    let is_telling = records.len() > 1 || records.iter().any(|it| it.since.is_some());
    let records = records.iter().filter(|_| is_telling);
    let requests = |it: &AddressRecord| it.completed + it.failed + it.unanswered;
    let all: u64 = records.clone().map(requests).sum();
    let row = |it: &AddressRecord| Address {
        address: it.address.clone(),
        target: it.target.clone(),
        share: round6(requests(it) as f64 / all.max(1) as f64),
        connections: it.connections,
        completed: it.completed,
        failed: it.failed,
        unanswered: it.unanswered,
        since_s: it.since.map(seconds),
        gone_s: it.gone_at().map(seconds),
    };
    records.map(row).collect()
}

/// The same figures with the samples that they are of, in a document that is to be kept.
pub(super) fn with_samples(of: Statistics, samples: &Histogram, is_kept: bool) -> Statistics {
    match is_kept {
        true => of.with_samples(Sparse::of(samples)),
        false => of,
    }
}

fn step(record: &StepRecord, scenario: &ScenarioRecord, is_kept: bool) -> Step {
    let elapsed = scenario.elapsed;
    let part = |of: fn(&Parts) -> &Histogram| {
        let parts = record.parts.as_deref();
        parts.and_then(|parts| Statistics::of_any(of(parts)))
    };
    let samples = |kind: SampleKind| {
        let series = record.samples.iter().find(|(of, _)| *of == kind);
        series.and_then(|(_, histogram)| Statistics::of_any(histogram))
    };
    let faults = |fault: MessageFault| record.message_faults[fault as usize];
    let messages = Messages {
        sent: record.messages_sent,
        received: record.messages_received,
        sent_per_s: per_second(record.messages_sent, elapsed),
        received_per_s: per_second(record.messages_received, elapsed),
        missing: faults(MessageFault::Missing),
        out_of_order: faults(MessageFault::OutOfOrder),
        unexpected: faults(MessageFault::Unexpected),
        too_late: faults(MessageFault::TooLate),
    };
    Step {
        name: record.name.clone(),
        part: record.part,
        apart: record.apart,
        response_time_us: Statistics::of_any(&record.response_time).map(|it| {
            let it = it.with_lower_bounds(&record.response_time, record.youngest_unanswered);
            with_samples(it, &record.response_time, is_kept)
        }),
        service_time_us: Statistics::of_any(&record.service_time)
            .map(|it| it.with_lower_bounds(&record.service_time, record.youngest_cut_off)),
        queue_wait_us: part(|parts| &parts.queue_wait),
        start_lag_us: part(|parts| &parts.start_lag),
        send_lag_us: part(|parts| &parts.send_lag),
        read_lag_us: part(|parts| &parts.read_lag),
        generator_us: part(|parts| &parts.generator),
        undelayed_us: part(|parts| &parts.undelayed),
        first_byte_us: samples(SampleKind::FirstByte),
        first_message_us: samples(SampleKind::FirstMessage),
        message_gap_us: samples(SampleKind::MessageGap),
        round_trip_us: samples(SampleKind::RoundTrip),
        undelayed_round_trip_us: samples(SampleKind::UndelayedRoundTrip),
        message_lag_us: samples(SampleKind::MessageLag),
        stream_wait_us: samples(SampleKind::StreamWait),
        messages: (messages != Messages::default()).then_some(messages),
        unanswered: record.unanswered,
        outcomes: outcomes(&record.outcomes),
        failures: match record.part {
            Some(_) => failures(&record.outcomes, &record.examples, &[]),
            None => Vec::new(),
        },
        checks: record.checks.iter().map(check).collect(),
        series: (1..=record.series.len())
            .filter_map(|nth| step_point(&record.series[..nth]))
            .collect(),
    }
}

fn check(record: &CheckRecord) -> Check {
    Check {
        expression: record.expression.clone(),
        passed: record.passed,
        failed: record.failed,
        example: record.example.clone(),
    }
}

/// A row for each of these servers, by name. What none is known for is one of them, or the shares would be of an
/// unknown whole.
pub(super) fn backends<'a>(
    records: impl Iterator<Item = &'a BackendRecord> + Clone,
) -> Vec<Backend> {
    let all: u64 = records.clone().map(|it| it.requests).sum();
    let row = |record: &BackendRecord| {
        let StreamCount { opened, broken, .. } = record.streams;
        Backend {
            id: record.id.clone(),
            requests: record.requests,
            share: round6(record.requests as f64 / all.max(1) as f64),
            completed: record.completed(),
            failed: record.failed,
            interrupted: record.interrupted,
            connections: record.connections,
            streams: (opened > 0).then(|| Streams {
                opened,
                open: record.streams.open(),
                broken,
            }),
            messages: record.messages,
            first_s: record.active.map(|(first, _)| seconds(first)),
            last_s: record.active.map(|(_, last)| seconds(last)),
            response_time_us: Statistics::of_any(&record.response_time)
                .map(|it| it.with_samples(record.response_time.clone())),
            scenarios: BTreeMap::new(),
        }
    };
    let mut rows: Vec<Backend> = records.map(row).collect();
    rows.sort_by(|a, b| BackendRecord::order(&a.id, &b.id));
    rows
}

/// The points of the series from a place on, each with what servers had in it.
fn series(record: &ScenarioRecord, from: usize) -> Vec<Point> {
    let mut points: Vec<Point> = (from + 1..=record.series.len())
        .filter_map(|nth| last_point(&record.series[..nth]))
        .collect();
    if record.backends.is_empty() {
        return points;
    }
    for backend in record.all_backends() {
        for of in backend.over_time.points().filter(|it| it.requests > 0) {
            // What was due in the last second may end after it.
            let after = points.partition_point(|it| it.t_s <= of.t_s);
            let Some(point) = after.checked_sub(1).and_then(|it| points.get_mut(it)) else {
                continue;
            };
            let count = point.backends.entry(backend.id.clone()).or_default();
            count.completed += of.requests - of.failed;
            count.failed += of.failed;
        }
    }
    points
}

/// The last of these, of a step. Histograms of twenty steps would be most of a document.
fn step_point(records: &[SeriesPoint]) -> Option<StepPoint> {
    let record = records.last()?;
    let times = PointStatistics::of_last(records);
    Some(StepPoint {
        t_s: record.t_s,
        seconds: record.seconds,
        completed: record.completed,
        failed: record.failed,
        response_time_us: times.map(|it| PointStatistics {
            histogram: None,
            ..it
        }),
    })
}

/// The last of these; those before it are what its percentiles may be of, too.
fn last_point(records: &[SeriesPoint]) -> Option<Point> {
    let record = records.last()?;
    Some(Point {
        t_s: record.t_s,
        seconds: record.seconds,
        started: record.started,
        completed: record.completed,
        failed: record.failed,
        users: record.users,
        connections: (record.connections != ConnectionCounts::default())
            .then_some(record.connections),
        response_time_us: PointStatistics::of_last(records),
        backends: BTreeMap::new(),
    })
}

fn custom(record: &CustomRecord) -> Option<Custom> {
    let mut counters = BTreeMap::new();
    for (name, count) in &record.counters {
        *counters.entry(name.clone()).or_default() += count;
    }
    let custom = Custom {
        counters,
        gauges: record
            .gauges
            .iter()
            .filter(|(_, value)| value.is_finite())
            .cloned()
            .collect(),
        timings_us: record
            .timings
            .iter()
            .map(|(name, histogram)| (name.clone(), Statistics::of(histogram)))
            .collect(),
    };
    (custom != Custom::default()).then_some(custom)
}
