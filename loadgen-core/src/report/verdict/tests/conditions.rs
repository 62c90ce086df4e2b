//! Conditions that do not hold, and whose doing it was.

use super::*;

#[test]
fn what_the_service_did_comes_first_and_what_either_may_have_done_last() {
    let record = run(true, |record| stall(record, 500));
    let failed = ThresholdResult::new("error_rate < 1%", "%", Some(3.0), false);
    let missed = ThresholdResult::new("throughput > 2000/s", "/s", Some(999.0), false);
    let of_the_service = verdict(&record, &[vec![missed.clone(), failed]], &[]);
    assert_eq!(of_the_service.status, Status::Fail);
    let verdict = verdict(&record, &[vec![missed]], &[]);
    assert_eq!(verdict.status, Status::Invalid);
    let verdict = of_the_service;
    insta::assert_snapshot!(verdict.reasons.join("\n"), @r"
`greet`: `error_rate < 1%` does not hold, observed 3%
worker 0 stood still for 500 ms (at most 100 ms may)
`greet`: `throughput > 2000/s` does not hold, observed 999/s
");
}

#[test]
fn failed_conditions_are_reasons() {
    let conditions = vec![
        ThresholdResult::new("error_rate < 1%", "%", Some(0.0), true),
        ThresholdResult::new(
            "response_time.p95 < 5ms",
            "ms",
            Some(7.200_000_000_1),
            false,
        ),
        ThresholdResult::new("response_time.p9999 < 1s", "s", None, false),
        ThresholdResult::new("dropped == 0", "", Some(3.0), false),
    ];
    let slow = |record: &mut RunRecord| {
        let scenario = &mut record.scenarios[0];
        for histogram in [&mut scenario.response_time, &mut scenario.parts.undelayed] {
            histogram.reset();
            histogram.saturating_record_n(7_200_000, 10_000);
        }
    };
    let verdict = verdict(&run(false, slow), &[conditions], &[]);
    assert_eq!(verdict.status, Status::Fail);
    insta::assert_snapshot!(verdict.reasons.join("\n"), @r"
`greet`: `response_time.p95 < 5ms` does not hold, observed 7.2 ms
`greet`: `response_time.p9999 < 1s` cannot be judged, too little was measured
`greet`: `dropped == 0` does not hold, observed 3
");
}

#[test]
fn a_run_that_measured_nothing_says_so_once() {
    let condition = ThresholdResult::new("error_rate < 1%", "%", None, false);
    let verdict = verdict(&run(false, nothing_ended), &[vec![condition]], &[]);
    insta::assert_snapshot!(verdict.reasons.join("\n"), @"`greet`: no iteration completed or failed (10,000 planned), so there is nothing to judge");
}

/// What fails only through the generator says nothing of the service.
#[test]
fn a_time_that_only_the_generator_missed_is_no_failure() {
    let record = run(false, |record| delay(record, 4_000, 400_000));
    let condition = ThresholdResult::new("response_time.p95 < 1.2ms", "ms", Some(1.4), false);
    let verdict = verdict(&record, &[vec![condition]], &[]);
    assert_eq!(verdict.status, Status::Invalid);
    insta::assert_snapshot!(verdict.reasons.join("\n"), @"`greet`: `response_time.p95 < 1.2ms` does not hold, observed 1.4 ms, by the generator's part alone: without it 1 ms");
    insta::assert_snapshot!(verdict.warnings[0], @"`greet`: 28.57% of response time p90 (1.4 ms) is the generator's part, without it 1 ms");
}
