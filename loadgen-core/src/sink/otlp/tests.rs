//! What arrives at a receiver of the tests' own.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, NumberDataPoint};
use prost::Message as _;

use super::*;
use crate::sink::metric::{GENERATOR, SCENARIO};
use crate::sink::samples::{
    AWKWARD, Receiver, Request, end, everything, info, names, nobody, second,
};

const LONG: Duration = Duration::from_secs(30);

fn url(address: std::net::SocketAddr) -> Url {
    format!("http://{address}/v1/metrics").parse().unwrap()
}

fn sink(address: std::net::SocketAddr) -> OtlpSink {
    OtlpSink::new(url(address), Vec::new(), &[names()], &info()).unwrap()
}

fn decoded(request: &Request) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest::decode(&*request.body).unwrap()
}

fn attributes(of: &[KeyValue]) -> BTreeMap<&str, &str> {
    let text = |it: &'_ KeyValue| match it.value.as_ref().and_then(|it| it.value.as_ref()) {
        Some(Any::StringValue(_)) => true,
        other => panic!("{other:?}"),
    };
    assert!(of.iter().all(text));
    of.iter()
        .map(|it| {
            let value = it.value.as_ref().and_then(|it| it.value.as_ref());
            let Some(Any::StringValue(value)) = value else {
                unreachable!("checked above")
            };
            (it.key.as_str(), value.as_str())
        })
        .collect()
}

fn points<'a>(request: &'a ExportMetricsServiceRequest, name: &str) -> &'a [NumberDataPoint] {
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let found = metrics.iter().find(|it| it.name == name);
    match found.and_then(|it| it.data.as_ref()) {
        Some(Data::Sum(sum)) => &sum.data_points,
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        other => panic!("{name}: {other:?}"),
    }
}

fn count(request: &ExportMetricsServiceRequest, name: &str) -> i64 {
    let [point] = points(request, name) else {
        panic!("{name} more than once");
    };
    match point.value {
        Some(Number::AsInt(count)) => count,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_metric_arrives_and_no_other_and_counters_are_the_ledger() {
    let receiver = Receiver::start(|| (200, Vec::new()));
    let headers = vec![("x-tenant".to_owned(), "load".to_owned())];
    let run = everything();
    let to = url(receiver.address);
    let mut sink = OtlpSink::new(to, headers, &run.names(), &info()).unwrap();
    let exports = sink.exports();
    let run = run.listen(move |event: &Event<'_>| sink.hear(event));
    let record = run.execute().unwrap();
    assert!(exports.wait_for_last(LONG), "{exports:?}");
    assert_eq!(exports.failed(), 0);
    let requests = receiver.so_far();
    assert_eq!(exports.taken(), requests.len() as u64);
    let last = requests.last().unwrap();
    assert_eq!(last.target, "POST /v1/metrics");
    assert_eq!(last.headers["content-type"], "application/x-protobuf");
    assert_eq!(last.headers["x-tenant"], "load");
    let request = decoded(last);
    let [resource] = &*request.resource_metrics else {
        panic!("{request:?}");
    };
    let known = attributes(&resource.resource.as_ref().unwrap().attributes);
    assert_eq!(known["service.name"], "loadgen");
    assert_eq!(known["service.version"], "1.2.3");
    assert_eq!(known["loadgen.run.id"], "20261103T141502Z-7f3a9c");
    let metrics = &resource.scope_metrics[0].metrics;
    assert_eq!(metrics.len(), SCENARIO.len() + GENERATOR.len());
    let ledger = record.scenarios[0].ledger;
    assert!(ledger.completed > 0 && ledger.failed > 0, "{ledger:?}");
    assert_eq!(
        count(&request, "loadgen.planned"),
        ledger.planned.cast_signed()
    );
    assert_eq!(
        count(&request, "loadgen.completed"),
        ledger.completed.cast_signed()
    );
    assert_eq!(
        count(&request, "loadgen.failed"),
        ledger.failed.cast_signed()
    );
    let sent = record.scenarios[0].bytes.sent.cast_signed();
    assert_eq!(count(&request, "loadgen.bytes.sent"), sent);
    for metric in metrics {
        let Some(Data::Sum(sum)) = &metric.data else {
            continue;
        };
        assert!(sum.is_monotonic, "{}", metric.name);
        let cumulative = i32::from(AggregationTemporality::Cumulative);
        assert_eq!(sum.aggregation_temporality, cumulative, "{}", metric.name);
        for point in &sum.data_points {
            assert!(point.start_time_unix_nano > 0, "{}", metric.name);
            assert!(
                point.time_unix_nano > point.start_time_unix_nano,
                "{}",
                metric.name
            );
        }
    }
    let steps = points(&request, "loadgen.steps.requests");
    let known = attributes(
        &steps
            .iter()
            .find(|it| attributes(&it.attributes)["step"] == AWKWARD)
            .unwrap()
            .attributes,
    );
    let expected = [
        ("scenario", AWKWARD),
        ("protocol", "custom"),
        ("step", AWKWARD),
        ("team.name", AWKWARD),
        ("tag.step", "taken"),
    ];
    assert_eq!(known, BTreeMap::from(expected));
    let times = points(&request, "loadgen.response_time");
    assert!(
        times
            .iter()
            .all(|it| it.value == Some(Number::AsDouble(0.0))),
        "{times:?}"
    );
}

#[test]
fn the_newest_wins_and_nobody_waits_for_a_slow_receiver() {
    let (go, wait) = mpsc::channel::<()>();
    let receiver = Receiver::start(move || {
        wait.recv_timeout(LONG).expect("the test lets it answer");
        (200, Vec::new())
    });
    let mut sink = sink(receiver.address);
    let exports = sink.exports();
    second(&mut |event| sink.hear(event), 1);
    assert_eq!(count(&decoded(&receiver.next()), "loadgen.completed"), 1);
    // It does not answer, and this comes back all the same.
    for completed in 2..=20 {
        second(&mut |event| sink.hear(event), completed);
    }
    assert_eq!((exports.taken(), exports.failed()), (0, 0));
    go.send(()).unwrap();
    assert_eq!(count(&decoded(&receiver.next()), "loadgen.completed"), 20);
    go.send(()).unwrap();
    go.send(()).unwrap();
    end(&mut |event| sink.hear(event), 21);
    assert!(exports.wait_for_last(LONG), "{exports:?}");
    assert_eq!(count(&decoded(&receiver.next()), "loadgen.completed"), 21);
    assert_eq!(exports.taken(), 3);
}

#[test]
fn a_dead_receiver_is_told() {
    let mut sink = sink(nobody());
    let exports = sink.exports();
    end(&mut |event| sink.hear(event), 7);
    assert!(!exports.wait_for_last(LONG));
    assert_eq!((exports.taken(), exports.failed()), (0, 1));
    let why = exports.why().unwrap();
    assert!(why.contains("refused"), "{why}");
}

#[test]
fn a_sink_that_hears_nothing_is_not_waited_for() {
    let sink = sink(nobody());
    let exports = sink.exports();
    drop(sink);
    assert!(!exports.wait_for_last(LONG));
    assert_eq!(exports.failed(), 0);
}

#[test]
fn a_refusal_is_told_in_the_receivers_words() {
    let receiver = Receiver::start(|| (500, b"disk full\nmore".to_vec()));
    let mut sink = sink(receiver.address);
    let exports = sink.exports();
    end(&mut |event| sink.hear(event), 7);
    assert!(!exports.wait_for_last(LONG));
    // It is no use to say it again.
    assert_eq!((exports.failed(), receiver.so_far().len()), (1, 1));
    let why = exports.why().unwrap();
    assert_eq!(why, "it answered 500 Internal Server Error: disk full");
}

#[test]
fn the_last_is_said_again_to_who_is_busy() {
    let mut answers = [503, 429, 200].into_iter();
    let receiver = Receiver::start(move || (answers.next().unwrap(), Vec::new()));
    let mut sink = sink(receiver.address);
    let exports = sink.exports();
    end(&mut |event| sink.hear(event), 7);
    assert!(exports.wait_for_last(LONG), "{exports:?}");
    assert_eq!((exports.taken(), exports.failed()), (1, 0));
    assert_eq!(receiver.so_far().len(), 3);
}

#[test]
fn values_that_were_rejected_are_told() {
    let answer = ExportMetricsServiceResponse {
        partial_success: Some(ExportMetricsPartialSuccess {
            rejected_data_points: 4,
            error_message: "too old".to_owned(),
        }),
    };
    let receiver = Receiver::start(move || (200, answer.encode_to_vec()));
    let mut sink = sink(receiver.address);
    let exports = sink.exports();
    end(&mut |event| sink.hear(event), 7);
    assert!(exports.wait_for_last(LONG));
    assert_eq!(
        (exports.rejected(), exports.why()),
        (4, Some("too old".to_owned()))
    );
}
