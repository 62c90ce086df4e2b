//! From what was measured to the document.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::confidence::Confidence;
use super::document::{Delivery, Document, Generator, Run, SchemaVersion, Total, Worker};
use super::environment::{Host, new_run_id, timestamp};
use super::judge::judge;
use super::scenario::{
    Backend, Connections, Custom, FailureClass, LoadModel, Messages, Point, Scenario, Silence,
    Step, Target, ThresholdResult,
};
use super::statistics::{PointStatistics, Statistics, micros, round3, round6};
use super::verdict::verdict_on;
use super::worker_load::WorkerLoad;
use crate::clock::{Nanos, nanos};
use crate::condition::Threshold;
use crate::outcome::Outcome;
use crate::record::{
    ByteCount, ConnectionCounts, ConnectionRecord, CustomRecord, GeneratorRecord, Histogram,
    Ledger, Parts, RunRecord, ScenarioRecord, SeriesPoint, StepRecord, TargetRecord, new_histogram,
};
use crate::scenario::{Plan, to_json};
use crate::secrets::Secrets;
use crate::workload::{MessageFault, SampleKind};

/// What a document says that no measurement tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Context {
    /// Names the run; [`new_run_id`] makes one.
    pub run_id: String,
    /// The resolved plan.
    pub plan: Value,
    /// The conditions of each scenario, in the order of the record's scenarios. Those that have no entry
    /// are judged by the one that holds where a scenario gives none, `error_rate < 1%`.
    pub thresholds: Vec<Vec<Threshold>>,
    /// Version of the program that ran it.
    pub version: String,
    /// The machine it ran on.
    pub host: Host,
    /// Where figures went while the run was under way.
    pub sinks: Vec<Delivery>,
}

impl Context {
    /// A context of this plan and its conditions, with an id made now, this machine's facts and this
    /// library's version.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let scenarios = &plan.scenarios;
        Self {
            plan: to_json(scenarios),
            thresholds: scenarios.iter().map(|it| it.thresholds.clone()).collect(),
            ..Self::new()
        }
    }

    /// A context with an id made now, this machine's facts and this library's version; no plan
    /// (an empty object) and the condition that holds where none is given.
    #[must_use]
    pub fn new() -> Self {
        Self {
            run_id: new_run_id(SystemTime::now()),
            plan: Value::Object(serde_json::Map::new()),
            thresholds: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: Host::detect(),
            sinks: Vec::new(),
        }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes the document of a run. Secrets in the plan, told by their names, are masked in it, and so are
/// their values in the examples of failures, whoever made the run.
#[must_use]
pub fn build(record: &RunRecord, context: Context) -> Document {
    let by_default = Threshold::default_error_rate();
    let judged: Vec<Vec<ThresholdResult>> = record
        .scenarios
        .iter()
        .enumerate()
        .map(|(index, scenario)| {
            let given = context.thresholds.get(index);
            let thresholds = given.map_or(std::slice::from_ref(&by_default), Vec::as_slice);
            judge(thresholds, scenario)
        })
        .collect();
    assemble(record, context, judged)
}

/// Makes the document of a run whose conditions are judged.
pub(super) fn assemble(
    record: &RunRecord,
    mut context: Context,
    judged: Vec<Vec<ThresholdResult>>,
) -> Document {
    let secrets = Secrets::mask_in(&mut context.plan);
    let mut verdict = verdict_on(record, &judged, context.host.cores);
    verdict.warnings.extend(unverified(&context.plan));
    let mut document = Document {
        schema: SchemaVersion::V1,
        verdict,
        total: total(record),
        run: Run {
            id: context.run_id,
            started_at: timestamp(record.started_at),
            duration_s: seconds(record.elapsed),
            version: context.version,
            host: context.host,
            plan: context.plan,
            generator: generator(&record.generator, record.elapsed),
            stopped: record.stopped,
            sinks: context.sinks,
        },
        scenarios: record
            .scenarios
            .iter()
            .zip(judged)
            .map(|(record, thresholds)| scenario(record, thresholds))
            .collect(),
    };
    // What the verdict says is our own, and stays.
    let scenarios = document.scenarios.iter_mut();
    for failure in scenarios.flat_map(|it| &mut it.failures) {
        failure.example = failure.example.as_deref().map(|it| secrets.masked(it));
    }
    document
}

/// A warning for each scenario of the plan that accepted any certificate.
fn unverified(plan: &Value) -> impl Iterator<Item = String> + '_ {
    let scenarios = plan["scenarios"].as_array().into_iter().flatten();
    scenarios
        .filter(|it| it["tls"]["insecure_skip_verify"] == true)
        .filter_map(|it| it["name"].as_str())
        .map(|name| {
            format!("`{name}`: any certificate was accepted, so whoever answered is not verified")
        })
}

fn scenario(record: &ScenarioRecord, thresholds: Vec<ThresholdResult>) -> Scenario {
    let of_open = |histogram| record.open.then(|| Statistics::of(histogram));
    Scenario {
        name: record.name.clone(),
        protocol: record.protocol.clone(),
        load_model: if record.open {
            LoadModel::Open
        } else {
            LoadModel::Closed
        },
        duration_s: seconds(record.elapsed),
        ledger: record.ledger,
        unanswered: record.unanswered,
        silence: silence(&record.silence),
        throughput_per_s: per_second(record.ledger.completed, record.elapsed),
        response_time_us: Statistics::of(&record.response_time)
            .with_lower_bounds(&record.response_time, record.youngest_unanswered),
        response_time_confidence_us: Confidence::of(&record.response_time, &record.series),
        service_time_us: Statistics::of(&record.service_time)
            .with_lower_bounds(&record.service_time, record.youngest_cut_off),
        start_lag_us: of_open(&record.parts.start_lag),
        queue_wait_us: of_open(&record.parts.queue_wait),
        send_lag_us: Statistics::of_any(&record.parts.send_lag),
        read_lag_us: Statistics::of_any(&record.parts.read_lag),
        generator_us: Statistics::of_any(&record.parts.generator),
        undelayed_us: Statistics::of_any(&record.parts.undelayed),
        saturated_samples: record.saturated_samples,
        outcomes: outcomes(&record.outcomes),
        failures: failures(record),
        bytes: record.bytes,
        connections: connections(&record.connections),
        targets: record.targets.iter().map(target).collect(),
        steps: record.steps.iter().map(|it| step(it, record)).collect(),
        backends: backends(record),
        thresholds,
        series: (1..=record.series.len())
            .filter_map(|nth| last_point(&record.series[..nth]))
            .collect(),
        custom: custom(&record.custom),
    }
}

fn outcomes(counted: &[(Outcome, u64)]) -> BTreeMap<String, u64> {
    let mut keys = BTreeMap::from([(Outcome::Ok.to_string(), 0)]);
    for (outcome, count) in counted.iter().filter(|(_, count)| *count > 0) {
        *keys.entry(outcome.to_string()).or_default() += count;
    }
    keys
}

fn failures(record: &ScenarioRecord) -> Vec<FailureClass> {
    let mut counts = outcomes(&record.outcomes);
    counts.remove(&Outcome::Ok.to_string());
    let mut classes: Vec<FailureClass> = counts
        .into_iter()
        .map(|(outcome, count)| {
            let kept = record
                .examples
                .iter()
                .find(|(failure, _)| failure.to_string() == outcome);
            FailureClass {
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

fn connections(record: &ConnectionRecord) -> Connections {
    Connections {
        opened: record.counts.opened,
        failed: record.counts.failed,
        dropped: record.counts.dropped,
        reconnected: record.counts.reconnected,
        connect_time_us: Statistics::of_any(&record.connect_time),
        back_off_us: Statistics::of_any(&record.back_off),
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

fn step(record: &StepRecord, scenario: &ScenarioRecord) -> Step {
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
        response_time_us: Statistics::of_any(&record.response_time)
            .map(|it| it.with_lower_bounds(&record.response_time, record.youngest_unanswered)),
        service_time_us: Statistics::of_any(&record.service_time)
            .map(|it| it.with_lower_bounds(&record.service_time, record.youngest_cut_off)),
        queue_wait_us: part(|parts| &parts.queue_wait),
        start_lag_us: part(|parts| &parts.start_lag),
        send_lag_us: part(|parts| &parts.send_lag),
        read_lag_us: part(|parts| &parts.read_lag),
        generator_us: part(|parts| &parts.generator),
        undelayed_us: part(|parts| &parts.undelayed),
        first_message_us: samples(SampleKind::FirstMessage),
        message_gap_us: samples(SampleKind::MessageGap),
        round_trip_us: samples(SampleKind::RoundTrip),
        undelayed_round_trip_us: samples(SampleKind::UndelayedRoundTrip),
        message_lag_us: samples(SampleKind::MessageLag),
        stream_wait_us: samples(SampleKind::StreamWait),
        messages: (messages != Messages::default()).then_some(messages),
        unanswered: record.unanswered,
        outcomes: outcomes(&record.outcomes),
    }
}

/// What no server put its name to is a row of its own, or the shares would be of an unknown whole.
fn backends(scenario: &ScenarioRecord) -> Vec<Backend> {
    let records = &scenario.backends;
    let (unnamed, unnamed_failed) = scenario.unnamed().unwrap_or_default();
    let named: u64 = records.iter().map(|backend| backend.requests).sum();
    let share = |requests: u64| round6(requests as f64 / (named + unnamed) as f64);
    let unnamed = (unnamed > 0).then(|| Backend {
        id: ScenarioRecord::UNNAMED.to_owned(),
        requests: unnamed,
        share: share(unnamed),
        failed: unnamed_failed,
        response_time_us: None,
    });
    let named = records.iter().map(|record| Backend {
        id: record.id.clone(),
        requests: record.requests,
        share: share(record.requests),
        failed: record.failed,
        response_time_us: Statistics::of_any(&record.response_time),
    });
    named.chain(unnamed).collect()
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

fn generator(record: &GeneratorRecord, measured: Duration) -> Generator {
    let workers = &record.workers;
    let per_worker: Vec<Worker> = workers
        .iter()
        .enumerate()
        .map(|(index, worker)| {
            let load = WorkerLoad::of(index, worker);
            Worker {
                cpu_busy: load.busy,
                cpu_waiting: Some(round6(worker.cpu_waiting)).filter(|it| *it > 0.0),
                cpu_starved: load.starved,
                longest_stall_us: micros(nanos(worker.longest_stall)),
            }
        })
        .collect();
    Generator {
        workers: per_worker.len() as u64,
        cpu_busy: per_worker
            .iter()
            .map(|worker| worker.cpu_busy)
            .fold(0.0, f64::max),
        pacing: record.pacing.to_string(),
        throttled_share: record.throttled_share.map(round6),
        saturated: WorkerLoad::busiest(workers).is_some_and(|it| it.is_saturated(measured)),
        per_worker,
    }
}

fn total(record: &RunRecord) -> Total {
    let mut ledger = Ledger::default();
    let mut bytes = ByteCount::default();
    let mut outcomes_by_key = outcomes(&[]);
    let mut counts = ConnectionCounts::default();
    let mut connect_time = new_histogram();
    let mut back_off = new_histogram();
    for scenario in &record.scenarios {
        ledger += scenario.ledger;
        bytes.sent += scenario.bytes.sent;
        bytes.received += scenario.bytes.received;
        for (key, count) in outcomes(&scenario.outcomes) {
            *outcomes_by_key.entry(key).or_default() += count;
        }
        counts += scenario.connections.counts;
        connect_time.add(&scenario.connections.connect_time);
        back_off.add(&scenario.connections.back_off);
    }
    let merged = |of: fn(&ScenarioRecord) -> &Histogram| {
        let mut all = new_histogram();
        for scenario in &record.scenarios {
            all.add(of(scenario));
        }
        all
    };
    let youngest = |of: fn(&ScenarioRecord) -> Option<Nanos>| {
        let scenarios = record.scenarios.iter();
        scenarios.filter_map(of).min()
    };
    let response_time = merged(|scenario| &scenario.response_time);
    let service_time = merged(|scenario| &scenario.service_time);
    Total {
        ledger,
        unanswered: record.scenarios.iter().map(|it| it.unanswered).sum(),
        throughput_per_s: per_second(ledger.completed, record.elapsed),
        response_time_us: Statistics::of(&response_time)
            .with_lower_bounds(&response_time, youngest(|it| it.youngest_unanswered)),
        service_time_us: Statistics::of(&service_time)
            .with_lower_bounds(&service_time, youngest(|it| it.youngest_cut_off)),
        outcomes: outcomes_by_key,
        bytes,
        connections: connections(&ConnectionRecord {
            counts,
            connect_time,
            back_off,
        }),
    }
}

/// Seconds to the microsecond.
fn seconds(duration: Duration) -> f64 {
    round6(duration.as_secs_f64())
}

/// A count as a rate; 0 where no time passed.
fn per_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() {
        return 0.0;
    }
    round3(count as f64 / elapsed.as_secs_f64())
}
