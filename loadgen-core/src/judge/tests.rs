use std::time::Duration;

use test_case::test_case;

use super::judge as judge_one;
use super::*;
use crate::outcome::{Failure, GrpcCode, Outcome};
use crate::record::{
    ByteCount, ConnectionCounts, ConnectionRecord, Histogram, Ledger, Parts, ScenarioRecord,
    Silence, StepRecord, Stretch, new_histogram,
};
use crate::workload::SampleKind;

fn histogram(samples_us: impl IntoIterator<Item = u64>) -> Histogram {
    let mut histogram = new_histogram();
    for sample in samples_us {
        histogram.saturating_record(sample * 1000);
    }
    histogram
}

/// 1,000 planned, 990 started, 989 ended: 979 ok, 10 failed.
fn record() -> ScenarioRecord {
    ScenarioRecord {
        name: "s".into(),
        protocol: "grpc".into(),
        open: true,
        ledger: Ledger {
            planned: 1000,
            started: 990,
            completed: 979,
            failed: 10,
            interrupted: 1,
            dropped: 10,
            late: 99,
            withheld: 0,
        },
        elapsed: Duration::from_secs(2),
        started_in_time: 990,
        response_time: histogram(1..=1000),
        service_time: histogram([]),
        parts: Parts {
            start_lag: histogram([10]),
            generator: histogram([40]),
            undelayed: histogram(1..=500),
            ..Parts::of_scenario()
        },
        saturated_samples: 0,
        outcomes: vec![
            (Outcome::Ok, 979),
            (Failure::Timeout.into(), 4),
            (Failure::Grpc(GrpcCode::new(14)).into(), 6),
        ],
        examples: Vec::new(),
        failed_in: Vec::new(),
        bytes: ByteCount::default(),
        connections: ConnectionRecord {
            counts: ConnectionCounts {
                opened: 8,
                failed: 0,
                dropped: 2,
                reconnected: 1,
                redirects: 0,
            },
            back_off: histogram([]),
            connect_time: histogram([300]),
            tls_time: histogram([200]),
        },
        steps: vec![
            StepRecord {
                part: None,
                apart: false,
                checks: Vec::new(),
                examples: Vec::new(),
                parts: None,
                name: "hello".into(),
                response_time: histogram([100, 200]),
                service_time: histogram([100]),
                outcomes: vec![(Outcome::Ok, 3), (Failure::Check.into(), 1)],
                unanswered: 0,
                youngest_unanswered: None,
                youngest_cut_off: None,
                messages_sent: 5,
                messages_received: 7,
                message_faults: [1, 2, 3, 4],
                samples: vec![(SampleKind::RoundTrip, histogram([10]))],
            },
            StepRecord {
                part: None,
                apart: false,
                checks: Vec::new(),
                examples: Vec::new(),
                parts: None,
                name: "by-the-way".into(),
                response_time: histogram([]),
                service_time: histogram([]),
                outcomes: Vec::new(),
                unanswered: 0,
                youngest_unanswered: None,
                youngest_cut_off: None,
                messages_sent: 0,
                messages_received: 0,
                message_faults: Default::default(),
                samples: vec![(SampleKind::RoundTrip, histogram([30]))],
            },
        ],
        unanswered: 11,
        silence: Silence {
            longest: Stretch {
                from: Duration::from_secs(1),
                length: Duration::from_millis(1_500),
            },
            ..Silence::default()
        },
        ..ScenarioRecord::empty("s", "grpc", true, &[])
    }
}

#[test_case("planned == 1000", Some(1000.0), true)]
#[test_case("started > 990", Some(990.0), false)]
#[test_case("started >= 990", Some(990.0), true)]
#[test_case("started >= 99%", Some(99.0), true)]
#[test_case("completed != 979", Some(979.0), false)]
#[test_case("interrupted <= 1", Some(1.0), true)]
#[test_case("dropped < 1%", Some(1.0), false; "exactly one percent is not below it")]
#[test_case("dropped <= 1%", Some(1.0), true)]
#[test_case("late<11%", Some(10.0), true; "no spaces")]
#[test_case("late == 99", Some(99.0), true)]
#[test_case("unanswered == 11", Some(11.0), true)]
#[test_case("unanswered < 1%", Some(1.1), false)]
#[test_case("error_rate < 2%", Some(2.1), false; "what is unanswered failed")]
#[test_case("silence < 1s", Some(1.5), false)]
#[test_case("generator.max < 50us", Some(40.016), true)]
#[test_case("send_lag.p99 < 1ms", None, false; "no send lag known")]
#[test_case("throughput > 489/s", Some(489.5), true)]
#[test_case("throughput > 29370/m", Some(29370.0), false)]
#[test_case("start_lag.max < 10us", Some(10.004), false; "a histogram has three digits")]
#[test_case("connect_time.min > 299us", Some(299.904), true)]
#[test_case("tls_time.max <= 200us", Some(200.0), true)]
#[test_case("queue_wait.p50 < 1h", None, false; "nothing measured")]
#[test_case("service_time.mean > 0ns", None, false; "nothing measured, other way round")]
#[test_case("outcomes.timeout == 0", Some(4.0), false)]
#[test_case("outcomes.grpc.UNAVAILABLE <= 6", Some(6.0), true)]
#[test_case("outcomes.grpc.INTERNAL == 0", Some(0.0), true; "an outcome that never came")]
#[test_case("outcomes.grpc.CODE_99 == 0", Some(0.0), true)]
#[test_case("outcomes.reset.CANCEL == 0", Some(0.0), true)]
#[test_case("outcomes.http.503 == 0", Some(0.0), true)]
#[test_case("outcomes.custom.cache_miss == 0", Some(0.0), true)]
#[test_case("connections.dropped == 0", Some(2.0), false)]
#[test_case("connections.dropped <= 25%", Some(25.0), true)]
#[test_case("connections.opened == 100%", Some(100.0), true)]
#[test_case("steps.hello.error_rate < 26%", Some(25.0), true)]
#[test_case("steps.hello.outcomes.check == 1", Some(1.0), true)]
#[test_case("steps.hello.messages_sent == 5", Some(5.0), true)]
#[test_case("steps.hello.messages_received == 7", Some(7.0), true)]
#[test_case("steps.hello.messages_sent >= 2.5/s", Some(2.5), true)]
#[test_case("steps.hello.messages_received > 600/m", Some(210.0), false)]
#[test_case("steps.hello.messages_missing == 1", Some(1.0), true)]
#[test_case("steps.hello.messages_out_of_order == 2", Some(2.0), true)]
#[test_case("steps.hello.messages_unexpected == 3", Some(3.0), true)]
#[test_case("steps.hello.messages_too_late == 4", Some(4.0), true)]
#[test_case("outcomes.close.1011 == 0", Some(0.0), true)]
#[test_case("outcomes.incomplete == 0", Some(0.0), true)]
#[test_case("steps.by-the-way.error_rate < 1%", None, false; "a step that never ran")]
#[test_case("steps.gone.error_rate < 1%", None, false; "no such step")]
fn judges(expression: &str, observed: Option<f64>, pass: bool) {
    let threshold: Threshold = expression.parse().unwrap();
    let judgement = judge_one(&threshold, &record());
    match (judgement.observed, observed) {
        (Some(is), Some(wanted)) => assert!((is - wanted).abs() < 1e-9, "{is} is not {wanted}"),
        (is, wanted) => assert_eq!(is, wanted),
    }
    assert_eq!(judgement.holds, pass);
}

#[test_case("response_time.p99 < 1s" => Some(10))]
#[test_case("response_time.p999 < 1s" => Some(1))]
#[test_case("response_time.max < 1s" => None; "no percentile")]
#[test_case("error_rate < 1%" => None; "no series")]
#[test_case("steps.hello.response_time.p50 < 1s" => Some(1); "of a step")]
#[test_case("steps.gone.response_time.p95 < 1s" => None; "no such step")]
fn samples_beyond_a_percentile(expression: &str) -> Option<u64> {
    let threshold: Threshold = expression.parse().unwrap();
    samples_beyond(threshold.metric(), &record())
}

#[test_case("response_time.mean", 500.5)]
#[test_case("response_time.min", 1.0)]
#[test_case("response_time.p50", 500.0)]
#[test_case("response_time.p90", 900.0)]
#[test_case("response_time.p95", 950.0)]
#[test_case("response_time.p99", 990.0)]
#[test_case("response_time.p999", 999.0)]
#[test_case("response_time.p9999", 1000.0)]
#[test_case("response_time.max", 1000.0)]
#[test_case("steps.hello.response_time.max", 200.0)]
#[test_case("steps.hello.service_time.max", 100.0)]
#[test_case("steps.hello.round_trip.max", 10.0)]
#[test_case("round_trip.max", 30.0; "all steps together")]
fn reads_statistics(metric: &str, wanted_us: f64) {
    for (unit, factor) in [
        ("ns", 1e3),
        ("us", 1.0),
        ("ms", 1e-3),
        ("s", 1e-6),
        ("m", 1e-6 / 60.0),
    ] {
        let threshold: Threshold = format!("{metric} < 5{unit}").parse().unwrap();
        let observed = judge_one(&threshold, &record()).observed.unwrap();
        let wanted = wanted_us * factor;
        assert!(
            (observed / wanted - 1.0).abs() < 0.002,
            "{observed} is not {wanted} {unit}"
        );
        assert_eq!(threshold.unit(), unit);
    }
}

#[test]
fn error_rate_is_failed_of_those_that_ended() {
    let threshold = Threshold::default_error_rate();
    assert_eq!(Ok(&threshold), "error_rate < 1%".parse().as_ref());
    let mut record = record();
    record.unanswered = 0;
    assert_eq!(
        judge_one(&threshold, &record).observed,
        Some(1000.0 / 989.0)
    );
    assert!(!judge_one(&threshold, &record).holds);
    record.ledger.completed = 990;
    assert!(
        !judge_one(&threshold, &record).holds,
        "exactly 1 % is not below 1 %"
    );
    record.ledger.completed = 991;
    assert!(judge_one(&threshold, &record).holds);
}

#[test]
fn a_run_in_which_nothing_ended_does_not_pass() {
    let mut record = record();
    record.unanswered = 0;
    record.ledger = Ledger {
        planned: 5,
        started: 5,
        interrupted: 5,
        ..Ledger::default()
    };
    let judgement = judge_one(&Threshold::default_error_rate(), &record);
    assert_eq!((judgement.observed, judgement.holds), (None, false));
}

#[test]
fn the_only_steps_figures_are_the_iterations() {
    let mut record = record();
    record.steps.truncate(1);
    record.steps[0].response_time = histogram([]);
    record.steps[0].outcomes = Vec::new();
    let rate: Threshold = "steps.hello.error_rate < 1%".parse().unwrap();
    assert_eq!(
        judge_one(&rate, &record).observed,
        Some(2.1),
        "what is unanswered failed"
    );
    let max: Threshold = "steps.hello.response_time.max < 2ms".parse().unwrap();
    assert!(judge_one(&max, &record).holds);
}

/// What somebody withheld was to become nothing: it is no share of the plan, and no lack of it.
#[test_case("planned == 1000", 1000.0)]
#[test_case("dropped == 2", 2.0)]
#[test_case("dropped < 1%", 2.0 * 100.0 / 992.0)]
#[test_case("started > 99%", 990.0 * 100.0 / 992.0)]
#[test_case("unanswered < 1%", 100.0 / 992.0)]
fn what_was_withheld_is_left_out(condition: &str, observed: f64) {
    let mut record = record();
    record.ledger.withheld = 8;
    record.unanswered = 1;
    let judged = judge_one(&condition.parse().unwrap(), &record);
    let found = judged.observed.unwrap();
    assert!((found - observed).abs() < 1e-9, "{found}");
    assert!(judged.holds);
}
