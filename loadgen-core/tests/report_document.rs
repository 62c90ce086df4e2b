//! Documents made from records put together by hand: what every reader may rely on.

use std::time::{Duration, SystemTime};

use loadgen_core::outcome::{Failure, GrpcCode, Outcome};
use loadgen_core::record::{
    BackendRecord, EventAction, EventRecord, GeneratorRecord, Histogram, RunRecord, ScenarioRecord,
    SeriesPoint, Sparse, WorkerRecord, new_histogram,
};
use loadgen_core::report::{
    Backend, Context, Document, LoadModel, Statistics, Status, ThresholdResult, build, schema,
};
use loadgen_core::workload::SampleKind;
use proptest::prelude::*;
use serde_json::{Value, json};

/// How one planned iteration went.
#[derive(Debug, Clone)]
enum Fate {
    Ended {
        outcome: Outcome,
        lag_ns: u64,
        wait_ns: u64,
        service_ns: u64,
        backend: u8,
    },
    Interrupted,
    Dropped,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Ok),
        1 => Just(Failure::Timeout.into()),
        1 => (0_u32..20).prop_map(|code| Failure::Grpc(GrpcCode::new(code)).into()),
        1 => Just(Failure::Custom("other").into()),
    ];
    let ended = (
        outcome,
        0_u64..5_000_000,
        0_u64..2_000_000_000,
        1_u64..4_000_000_000_000,
        0_u8..4,
    );
    let ended = ended.prop_map(
        |(outcome, lag_ns, wait_ns, service_ns, backend)| Fate::Ended {
            outcome,
            lag_ns,
            wait_ns,
            service_ns,
            backend,
        },
    );
    let fate = prop_oneof![20 => ended, 1 => Just(Fate::Interrupted), 1 => Just(Fate::Dropped)];
    prop::collection::vec(fate, 0..400)
}

fn tally(counts: &mut Vec<(Outcome, u64)>, outcome: Outcome) {
    match counts.iter_mut().find(|(seen, _)| *seen == outcome) {
        Some((_, count)) => *count += 1,
        None => counts.push((outcome, 1)),
    }
}

fn scenario(name: &str, open: bool, fates: &[Fate]) -> ScenarioRecord {
    let mut record = ScenarioRecord::empty(name, "grpc", open, &["hello".into()]);
    record.elapsed = Duration::from_millis(10_250);
    let mut points: Vec<(SeriesPoint, Histogram)> = (0..4)
        .map(|t_s| (SeriesPoint::empty(t_s, 1), new_histogram()))
        .collect();
    for (index, fate) in fates.iter().enumerate() {
        record.ledger.planned += 1;
        let Fate::Ended {
            outcome,
            lag_ns,
            wait_ns,
            service_ns,
            backend,
        } = fate
        else {
            match fate {
                Fate::Dropped => record.ledger.dropped += 1,
                _ => {
                    record.ledger.started += 1;
                    record.ledger.interrupted += 1;
                    record.unknown.interrupted += 1;
                }
            }
            continue;
        };
        record.ledger.started += 1;
        record.started_in_time += 1;
        let response_ns = service_ns + if open { lag_ns + wait_ns } else { 0 };
        record.response_time.saturating_record(response_ns);
        record.service_time.saturating_record(*service_ns);
        if open {
            record.parts.start_lag.saturating_record(*lag_ns);
            record.parts.queue_wait.saturating_record(*wait_ns);
            record.ledger.late += u64::from(*lag_ns > 1_000_000);
        }
        tally(&mut record.outcomes, *outcome);
        let (point, latency) = &mut points[index % 4];
        point.started += 1;
        latency.saturating_record(response_ns);
        let ok = outcome.is_ok();
        if ok {
            record.ledger.completed += 1;
            point.completed += 1;
        } else {
            record.ledger.failed += 1;
            point.failed += 1;
        }
        let id = format!("backend-{backend}");
        let place = record.backends.iter().position(|seen| seen.id == id);
        let place = place.unwrap_or_else(|| {
            record.backends.push(BackendRecord::empty(id));
            record.backends.len() - 1
        });
        let answered = &mut record.backends[place];
        answered.requests += 1;
        answered.failed += u64::from(!ok);
        let mut one = new_histogram();
        one.saturating_record(response_ns);
        answered.response_time.add(&Sparse::of(&one));
    }
    record.series = points
        .into_iter()
        .map(|(mut point, latency)| {
            point.response_time = Sparse::of(&latency);
            point
        })
        .collect();
    let step = &mut record.steps[0];
    step.response_time = record.response_time.clone();
    step.service_time = record.service_time.clone();
    step.outcomes = record.outcomes.clone();
    record
}

fn run(scenarios: Vec<ScenarioRecord>) -> RunRecord {
    let mut worker = WorkerRecord::default();
    worker.cpu_busy = 0.412_345_678;
    let mut generator = GeneratorRecord::default();
    generator.workers = vec![worker, WorkerRecord::default()];
    let started_at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_770_000_000_123);
    RunRecord::new(started_at, Duration::from_secs(11), scenarios, generator)
}

/// One with something in every field that a record can fill.
fn full() -> RunRecord {
    let all_ok = |i: u64| Fate::Ended {
        outcome: if i.is_multiple_of(50) {
            Failure::Grpc(GrpcCode::new(14)).into()
        } else {
            Outcome::Ok
        },
        lag_ns: 30_000,
        wait_ns: 0,
        service_ns: 1_000_000 + i * 1_000,
        backend: u8::from(!i.is_multiple_of(2)),
    };
    let mut fates: Vec<Fate> = (0..2_000).map(all_ok).collect();
    fates.extend([Fate::Interrupted, Fate::Dropped]);
    let mut open = scenario("greet", true, &fates);
    let unavailable = Failure::Grpc(GrpcCode::new(14));
    open.examples = vec![(unavailable, "the service is restarting".to_owned())];
    open.bytes.sent = 64_000;
    open.bytes.received = 128_000;
    open.connections.counts.opened = 4;
    open.connections.counts.failed = 1;
    open.connections.counts.dropped = 2;
    let connect_time = &mut open.connections.connect_time;
    connect_time.saturating_record_n(400_000, 4);
    let tls_time = &mut open.connections.tls_time;
    tls_time.saturating_record_n(200_000, 2);
    let step = &mut open.steps[0];
    step.messages_sent = 2_000;
    step.messages_received = 20_000;
    for kind in SampleKind::ALL {
        let mut histogram = new_histogram();
        histogram.saturating_record_n(50_000, 30);
        step.samples.push((kind, histogram));
    }
    open.custom.counters = vec![("cache_hits".to_owned(), 7)];
    open.custom.gauges = vec![
        ("depth".to_owned(), 1.5),
        ("broken".to_owned(), f64::NAN),
        ("endless".to_owned(), f64::INFINITY),
    ];
    open.custom.timings = vec![("parse".to_owned(), open.service_time.clone())];
    run(vec![open, scenario("closed", false, &fates)])
}

fn context() -> Context {
    let mut context = Context::new();
    context.run_id = "20260202T024000Z-7f3a9c".to_owned();
    context.plan = json!({ "scenarios": [{ "name": "greet" }] });
    context.thresholds = vec![Vec::new(); 2];
    context
}

/// Holds the document against everything that is promised of all of them.
fn check(record: &RunRecord, document: &Document) {
    let value = serde_json::to_value(document).expect("serialises");
    let validator = jsonschema::validator_for(&schema()).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    no_null("$", &value);

    let text = serde_json::to_string(document).expect("serialises");
    let again: Document = serde_json::from_str(&text).expect("deserialises");
    assert_eq!(&again, document);
    assert_eq!(serde_json::to_string(&again).expect("serialises"), text);

    for (scenario, record) in document.scenarios.iter().zip(&record.scenarios) {
        let ledger = &scenario.ledger;
        assert_eq!(ledger, &record.ledger);
        assert_eq!(ledger.planned, ledger.started + ledger.dropped);
        let ended = ledger.completed + ledger.failed;
        assert_eq!(ledger.started, ended + ledger.interrupted);
        assert_eq!(scenario.outcomes.values().sum::<u64>(), ended);
        assert_eq!(scenario.outcomes["ok"], ledger.completed);
        let failures: u64 = scenario.failures.iter().map(|class| class.count).sum();
        assert_eq!(failures, ledger.failed);
        assert!(scenario.failures.is_sorted_by(|a, b| a.count >= b.count));
        assert_eq!(scenario.steps[0].outcomes, scenario.outcomes);

        let open = scenario.load_model == LoadModel::Open;
        assert_eq!(scenario.start_lag_us.is_some(), open);
        assert_eq!(scenario.queue_wait_us.is_some(), open);

        let rows = &scenario.backends;
        assert_eq!(rows.last().map(|it| it.id.as_str()), Some("(unknown)"));
        let sum = |of: fn(&Backend) -> u64| rows.iter().map(of).sum::<u64>();
        assert_eq!(sum(|it| it.completed), ledger.completed);
        assert_eq!(sum(|it| it.failed), ledger.failed);
        assert_eq!(sum(|it| it.interrupted), ledger.interrupted);
        assert_eq!(sum(|it| it.requests), ended);
        if ended > 0 {
            let shares: f64 = scenario.backends.iter().map(|backend| backend.share).sum();
            let slack = 1e-6 * scenario.backends.len() as f64;
            assert!((shares - 1.0).abs() <= slack, "{shares}");
        }
        in_order(&scenario.response_time_us);
        in_order(&scenario.service_time_us);
        assert_eq!(scenario.response_time_us.count, ended);
        let points = &scenario.series;
        assert_eq!(
            points.iter().map(|point| point.completed).sum::<u64>(),
            ledger.completed
        );
    }
    let total = &document.total;
    let sum = |of: fn(&loadgen_core::report::Scenario) -> u64| {
        document.scenarios.iter().map(of).sum::<u64>()
    };
    assert_eq!(
        total.ledger.planned,
        sum(|scenario| scenario.ledger.planned)
    );
    assert_eq!(total.ledger.late, sum(|scenario| scenario.ledger.late));
    assert!(total.ledger.balances());
    let ended = total.ledger.completed + total.ledger.failed;
    assert_eq!(total.outcomes.values().sum::<u64>(), ended);
    assert_eq!(total.response_time_us.count, ended);
    in_order(&total.response_time_us);
    let longest = document
        .scenarios
        .iter()
        .filter_map(|scenario| scenario.response_time_us.max);
    assert_eq!(total.response_time_us.max, longest.reduce(f64::max));
}

fn in_order(statistics: &Statistics) {
    let rising: Vec<f64> = [
        statistics.min,
        statistics.p50,
        statistics.p90,
        statistics.p95,
        statistics.p99,
        statistics.p999,
        statistics.p9999,
        statistics.max,
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(rising.is_sorted(), "{rising:?}");
}

fn no_null(path: &str, value: &Value) {
    match value {
        Value::Null => panic!("{path} is null"),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| no_null(&format!("{path}[{index}]"), item)),
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, field)| no_null(&format!("{path}.{name}"), field)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_document_keeps_its_promises(
        one in fates(), other in fates(), open in any::<bool>(), stopped in any::<bool>(),
    ) {
        let mut record = run(vec![scenario("one", open, &one), scenario("other", !open, &other)]);
        record.stopped = stopped;
        check(&record, &build(&record, context()));
    }
}

#[test]
fn a_full_document_keeps_its_promises() {
    let record = full();
    let mut document = build(&record, context());
    document.scenarios[0].thresholds = vec![
        ThresholdResult::new("error_rate < 1%", "%", Some(f64::NAN), false),
        ThresholdResult::new("response_time.p95 < 5ms", "ms", Some(2.9), true),
    ];
    check(&record, &document);
    let custom = document.scenarios[0].custom.as_ref().unwrap();
    assert_eq!(custom.gauges.keys().collect::<Vec<_>>(), ["depth"]);
}

#[test]
fn a_run_of_nothing_is_a_document_and_does_not_pass() {
    let empty = ScenarioRecord::empty("nothing", "grpc", true, &[]);
    let mut record = run(vec![empty]);
    record.elapsed = Duration::ZERO;
    let document = build(&record, context());
    let value = serde_json::to_value(&document).unwrap();
    no_null("$", &value);
    assert!(jsonschema::is_valid(&schema(), &value));
    assert_eq!(document.verdict.status, Status::Fail);
    assert!(!document.conditions_hold());
    assert_eq!(document.total.throughput_per_s, 0.0);
    assert_eq!(
        value["scenarios"][0]["response_time_us"],
        json!({ "count": 0 })
    );
}

#[test]
fn conditions_decide_even_where_the_run_is_invalid() {
    let mut record = full();
    record.generator.workers[0].longest_stall = Duration::from_secs(1);
    let mut document = build(&record, context());
    assert_eq!(document.verdict.status, Status::Invalid);
    assert!(document.conditions_hold());
    document.scenarios[0].thresholds = vec![ThresholdResult::new(
        "error_rate < 1%",
        "%",
        Some(2.0),
        false,
    )];
    assert!(!document.conditions_hold());
}

#[test]
fn another_version_is_refused() {
    let mut value = serde_json::to_value(build(&full(), context())).unwrap();
    value["schema"] = json!("loadgen.result/2");
    let error = serde_json::from_value::<Document>(value).unwrap_err();
    insta::assert_snapshot!(error, @"unknown variant `loadgen.result/2`, expected `loadgen.result/1`");
}

#[test]
fn a_document_with_further_fields_is_read() {
    let mut value = serde_json::to_value(build(&full(), context())).unwrap();
    value["run"]["later"] = json!(true);
    value["scenarios"][0]["later"] = json!({});
    serde_json::from_value::<Document>(value).unwrap();
}

/// The schema must be able to refuse: each of these breaks a promise.
#[test]
fn the_schema_refuses_what_breaks_a_promise() {
    let whole = serde_json::to_value(build(&full(), context())).unwrap();
    let breaks: [(&str, Value); 6] = [
        ("/verdict/status", json!("fine")),
        ("/scenarios/0/ledger/planned", json!(-1)),
        ("/scenarios/0/response_time_us/p99", Value::Null),
        ("/scenarios/0/start_lag_us", Value::Null),
        ("/scenarios/0/backends/0/share", json!(1.5)),
        ("/schema", json!("loadgen.result/2")),
    ];
    for (pointer, value) in breaks {
        let mut broken = whole.clone();
        *broken.pointer_mut(pointer).unwrap() = value;
        assert!(!jsonschema::is_valid(&schema(), &broken), "{pointer}");
    }
    let mut short = whole;
    short["scenarios"][0]
        .as_object_mut()
        .unwrap()
        .remove("ledger");
    assert!(!jsonschema::is_valid(&schema(), &short));
}

/// What people can read of a document: histograms are looked at in `report_histograms`.
fn without_histograms(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_histograms),
        Value::Object(fields) => {
            fields.shift_remove("histogram");
            fields.values_mut().for_each(without_histograms);
        }
        _ => {}
    }
}

#[test]
fn a_scenario_as_json() {
    let document = build(&full(), context());
    let mut scenario = serde_json::to_value(&document.scenarios[0]).unwrap();
    without_histograms(&mut scenario);
    insta::assert_snapshot!(serde_json::to_string_pretty(&scenario).unwrap(), @r#"
    {
      "name": "greet",
      "protocol": "grpc",
      "load_model": "open",
      "measured_from_s": 0.0,
      "duration_s": 10.25,
      "ledger": {
        "planned": 2002,
        "started": 2001,
        "completed": 1960,
        "failed": 40,
        "interrupted": 1,
        "dropped": 1,
        "late": 0
      },
      "unanswered": 0,
      "throughput_per_s": 191.22,
      "response_time_us": {
        "count": 2000,
        "mean": 2029.507,
        "min": 1029.888,
        "p50": 2029.056,
        "p90": 2829.312,
        "p95": 2929.664,
        "p99": 3009.536,
        "max": 3030.016
      },
      "service_time_us": {
        "count": 2000,
        "mean": 1999.504,
        "min": 1000.192,
        "p50": 1999.36,
        "p90": 2798.592,
        "p95": 2898.944,
        "p99": 2978.816,
        "max": 2999.296
      },
      "start_lag_us": {
        "count": 2000,
        "mean": 30.008,
        "min": 30.008,
        "p50": 30.008,
        "p90": 30.008,
        "p95": 30.008,
        "p99": 30.008,
        "max": 30.008
      },
      "queue_wait_us": {
        "count": 2000,
        "mean": 0.0,
        "min": 0.0,
        "p50": 0.0,
        "p90": 0.0,
        "p95": 0.0,
        "p99": 0.0,
        "max": 0.0
      },
      "saturated_samples": 0,
      "outcomes": {
        "grpc.UNAVAILABLE": 40,
        "ok": 1960
      },
      "failures": [
        {
          "outcome": "grpc.UNAVAILABLE",
          "count": 40,
          "example": "the service is restarting"
        }
      ],
      "bytes": {
        "sent": 64000,
        "received": 128000
      },
      "connections": {
        "opened": 4,
        "failed": 1,
        "dropped": 2,
        "reconnected": 0,
        "redirects": 0,
        "connect_time_us": {
          "count": 4,
          "mean": 400.0,
          "min": 400.0,
          "max": 400.0
        },
        "tls_time_us": {
          "count": 2,
          "mean": 200.0,
          "min": 200.0,
          "max": 200.0
        }
      },
      "targets": [],
      "steps": [
        {
          "name": "hello",
          "response_time_us": {
            "count": 2000,
            "mean": 2029.507,
            "min": 1029.888,
            "p50": 2029.056,
            "p90": 2829.312,
            "p95": 2929.664,
            "p99": 3009.536,
            "max": 3030.016
          },
          "service_time_us": {
            "count": 2000,
            "mean": 1999.504,
            "min": 1000.192,
            "p50": 1999.36,
            "p90": 2798.592,
            "p95": 2898.944,
            "p99": 2978.816,
            "max": 2999.296
          },
          "first_byte_us": {
            "count": 30,
            "mean": 50.0,
            "min": 50.0,
            "p50": 50.0,
            "max": 50.0
          },
          "first_message_us": {
            "count": 30,
            "mean": 50.0,
            "min": 50.0,
            "p50": 50.0,
            "max": 50.0
          },
          "message_gap_us": {
            "count": 30,
            "mean": 50.0,
            "min": 50.0,
            "p50": 50.0,
            "max": 50.0
          },
          "round_trip_us": {
            "count": 30,
            "mean": 50.0,
            "min": 50.0,
            "p50": 50.0,
            "max": 50.0
          },
          "undelayed_round_trip_us": {
            "count": 30,
            "mean": 50.0,
            "min": 50.0,
            "p50": 50.0,
            "max": 50.0
          },
          "message_lag_us": {
            "count": 30,
            "mean": 50.0,
            "min": 50.0,
            "p50": 50.0,
            "max": 50.0
          },
          "stream_wait_us": {
            "count": 30,
            "mean": 50.0,
            "min": 50.0,
            "p50": 50.0,
            "max": 50.0
          },
          "messages": {
            "sent": 2000,
            "received": 20000,
            "sent_per_s": 195.122,
            "received_per_s": 1951.22
          },
          "outcomes": {
            "grpc.UNAVAILABLE": 40,
            "ok": 1960
          }
        }
      ],
      "backends": [
        {
          "id": "backend-0",
          "requests": 1000,
          "share": 0.5,
          "completed": 960,
          "failed": 40,
          "interrupted": 0,
          "connections": 0,
          "messages": 0,
          "response_time_us": {
            "count": 1000,
            "mean": 2029.008,
            "min": 1029.888,
            "p50": 2028.032,
            "p90": 2827.264,
            "p95": 2927.616,
            "p99": 3007.488,
            "max": 3027.968
          }
        },
        {
          "id": "backend-1",
          "requests": 1000,
          "share": 0.5,
          "completed": 1000,
          "failed": 0,
          "interrupted": 0,
          "connections": 0,
          "messages": 0,
          "response_time_us": {
            "count": 1000,
            "mean": 2030.005,
            "min": 1030.912,
            "p50": 2029.056,
            "p90": 2829.312,
            "p95": 2929.664,
            "p99": 3009.536,
            "max": 3030.016
          }
        },
        {
          "id": "(unknown)",
          "requests": 0,
          "share": 0.0,
          "completed": 0,
          "failed": 0,
          "interrupted": 1,
          "connections": 0,
          "messages": 0
        }
      ],
      "thresholds": [],
      "series": [
        {
          "t_s": 0,
          "seconds": 1,
          "started": 500,
          "completed": 480,
          "failed": 20,
          "users": 0,
          "response_time_us": {
            "p50": 2025.984,
            "p95": 2925.568,
            "max": 3025.92
          }
        },
        {
          "t_s": 1,
          "seconds": 1,
          "started": 500,
          "completed": 500,
          "failed": 0,
          "users": 0,
          "response_time_us": {
            "p50": 2027.008,
            "p95": 2927.616,
            "p99": 3007.488,
            "p99_over_s": 2,
            "max": 3027.968
          }
        },
        {
          "t_s": 2,
          "seconds": 1,
          "started": 500,
          "completed": 480,
          "failed": 20,
          "users": 0,
          "response_time_us": {
            "p50": 2028.032,
            "p95": 2927.616,
            "p99": 3007.488,
            "p99_over_s": 3,
            "max": 3027.968
          }
        },
        {
          "t_s": 3,
          "seconds": 1,
          "started": 500,
          "completed": 500,
          "failed": 0,
          "users": 0,
          "response_time_us": {
            "p50": 2029.056,
            "p95": 2929.664,
            "p99": 3009.536,
            "p99_over_s": 4,
            "max": 3030.016
          }
        }
      ],
      "custom": {
        "counters": {
          "cache_hits": 7
        },
        "gauges": {
          "depth": 1.5
        },
        "timings_us": {
          "parse": {
            "count": 2000,
            "mean": 1999.504,
            "min": 1000.192,
            "p50": 1999.36,
            "p90": 2798.592,
            "p95": 2898.944,
            "p99": 2978.816,
            "max": 2999.296
          }
        }
      }
    }
"#);
}

#[test]
fn a_run_as_json() {
    let mut context = context();
    context.version = "1.2.3".to_owned();
    context.host = serde_json::from_value(json!({
        "os": "linux", "kernel": "6.1", "arch": "x86_64", "cores": 2
    }))
    .unwrap();
    let document = build(&full(), context);
    insta::assert_snapshot!(serde_json::to_string_pretty(&document.run).unwrap(), @r#"
    {
      "id": "20260202T024000Z-7f3a9c",
      "started_at": "2026-02-02T02:40:00.123000Z",
      "duration_s": 11.0,
      "version": "1.2.3",
      "host": {
        "os": "linux",
        "kernel": "6.1",
        "arch": "x86_64",
        "cores": 2
      },
      "plan": {
        "scenarios": [
          {
            "name": "greet"
          }
        ]
      },
      "generator": {
        "workers": 2,
        "cpu_busy": 0.412346,
        "saturated": false,
        "pacing": "exact",
        "per_worker": [
          {
            "cpu_busy": 0.412346,
            "cpu_starved": 0.0,
            "longest_stall_us": 0.0
          },
          {
            "cpu_busy": 0.0,
            "cpu_starved": 0.0,
            "longest_stall_us": 0.0
          }
        ]
      },
      "stopped": false
    }
"#);
}

/// A program of somebody's own that gives no conditions must not be told that all is well.
#[test]
fn a_run_in_which_everything_failed_does_not_pass_by_default() {
    let mut scenario = ScenarioRecord::empty("down", "custom", false, &["down".into()]);
    scenario.ledger.planned = 100;
    scenario.ledger.started = 100;
    scenario.ledger.failed = 100;
    scenario.elapsed = Duration::from_secs(1);
    scenario.outcomes = vec![(Failure::Timeout.into(), 100)];
    let record = RunRecord::new(
        SystemTime::UNIX_EPOCH,
        Duration::from_secs(1),
        vec![scenario],
        GeneratorRecord::default(),
    );
    let document = build(&record, Context::default());
    assert_eq!(document.verdict.status, Status::Fail);
    assert_eq!(
        document.scenarios[0].thresholds[0].expression,
        "error_rate < 1%"
    );
    assert!(!document.conditions_hold());
    let mut none = Context::default();
    none.thresholds = vec![Vec::new()];
    let document = build(&record, none);
    assert_eq!(document.verdict.status, Status::Pass, "none were asked for");
}

#[test]
fn requests_that_no_server_put_its_name_to_have_a_row() {
    let mut scenario = ScenarioRecord::empty("s", "grpc", false, &["s".into()]);
    scenario.ledger.planned = 10;
    scenario.ledger.started = 10;
    scenario.ledger.completed = 7;
    scenario.ledger.failed = 3;
    scenario.outcomes = vec![(Outcome::Ok, 7), (Failure::Timeout.into(), 3)];
    scenario.steps[0].outcomes = scenario.outcomes.clone();
    let mut backend = BackendRecord::empty("a");
    backend.requests = 6;
    backend.failed = 1;
    scenario.backends = vec![backend];
    scenario.unknown.requests = 4;
    scenario.unknown.failed = 2;
    let elapsed = Duration::from_secs(1);
    let generator = GeneratorRecord::default();
    let record = RunRecord::new(SystemTime::UNIX_EPOCH, elapsed, vec![scenario], generator);
    let mut context = Context::default();
    context.plan = json!({"metadata": {"authorization": "Bearer abcdef"}});
    let document = build(&record, context);
    let rows: Vec<_> = document.scenarios[0]
        .backends
        .iter()
        .map(|it| (it.id.as_str(), it.requests, it.failed, it.share))
        .collect();
    assert_eq!(rows, [("a", 6, 1, 0.6), ("(unknown)", 4, 2, 0.4)]);
    assert_eq!(
        document.run.plan,
        json!({"metadata": {"authorization": "***"}})
    );
}

/// What a server says is masked; what the verdict says is our own, whatever a secret is called.
#[test]
fn a_verdict_is_never_masked() {
    let mut scenario = ScenarioRecord::empty("server", "grpc", false, &["s".into()]);
    scenario.ledger.planned = 10;
    scenario.ledger.started = 10;
    scenario.ledger.failed = 10;
    let failure = Failure::Timeout;
    scenario.outcomes = vec![(failure.into(), 10)];
    scenario.steps[0].outcomes = scenario.outcomes.clone();
    let said = "the server said: no server for error_rate-1".to_owned();
    scenario.examples = vec![(failure, said.clone())];
    let mut event = EventRecord::new(EventAction::Http, "POST /drain?token=error_rate-1");
    event.failure = Some(said);
    scenario.events = vec![event];
    let elapsed = Duration::from_secs(1);
    let generator = GeneratorRecord::default();
    let record = RunRecord::new(SystemTime::UNIX_EPOCH, elapsed, vec![scenario], generator);
    let mut context = Context::default();
    context.plan = json!({"metadata": {"x-key": "server", "token": "error_rate-1"}});
    let document = build(&record, context);
    let failure = &document.scenarios[0].failures[0];
    let example = failure.example.as_deref();
    assert_eq!(example, Some("the server said: no *** for ***"));
    let event = &document.scenarios[0].events[0];
    assert_eq!(event.event, "POST /drain?token=***");
    assert_eq!(event.failure.as_deref(), example);
    let reasons = &document.verdict.reasons;
    assert!(
        reasons
            .iter()
            .any(|it| it.starts_with("`server`: `error_rate")),
        "{reasons:?}"
    );
}

#[test]
fn whoever_is_not_verified_is_named() {
    let mut context = Context::default();
    let anyone = json!({"tls": {"insecure_skip_verify": true}});
    let verified = json!({"tls": {}});
    context.plan = json!({"scenarios": [
        {"name": "a", "tls": {"insecure_skip_verify": true}, "elsewhere": {"http": verified}},
        {"name": "b", "elsewhere": {"http": anyone, "tcp": verified}},
        {"name": "c", "tls": {"insecure_skip_verify": false}},
    ]});
    let document = build(&full(), context);
    let warnings = document.verdict.warnings.iter();
    let not_verified: Vec<_> = warnings
        .filter(|it| it.contains("any certificate"))
        .collect();
    assert_eq!(
        not_verified,
        [
            "`a`: any certificate was accepted, so whoever answered is not verified",
            "`b`: any certificate was accepted elsewhere over `http`, so whoever answered is not verified",
        ]
    );
}
