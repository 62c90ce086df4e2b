//! Verdicts and their sentences.

use std::time::{Duration, SystemTime};

use test_case::test_case;

use super::*;
use crate::outcome::{Failure, Outcome};
use crate::record::{GeneratorRecord, ScenarioRecord, Stretch, TargetRecord, WorkerRecord};
use crate::workload::{MessageFault, SampleKind};

const DOCTOR: &str = "`loadgen doctor` says what holds this machine back";

/// A run of one scenario with 10,000 iterations, all well, changed by the test.
fn run(open: bool, change: impl FnOnce(&mut RunRecord)) -> RunRecord {
    let mut scenario = ScenarioRecord::empty("greet", "grpc", open, &["hello".to_owned()]);
    scenario.ledger.planned = 10_000;
    scenario.ledger.started = 10_000;
    scenario.ledger.completed = 10_000;
    scenario.outcomes = vec![(Outcome::Ok, 10_000)];
    scenario
        .response_time
        .saturating_record_n(1_000_000, 10_000);
    scenario
        .parts
        .undelayed
        .saturating_record_n(1_000_000, 10_000);
    if open {
        scenario.started_in_time = 10_000;
        scenario.parts.start_lag.saturating_record_n(30_000, 10_000);
        scenario.parts.queue_wait.saturating_record_n(0, 10_000);
    }
    let worker = WorkerRecord {
        cpu_busy: 0.3,
        ..WorkerRecord::default()
    };
    let mut record = RunRecord::new(
        SystemTime::UNIX_EPOCH,
        Duration::from_secs(10),
        vec![scenario],
        GeneratorRecord {
            workers: vec![WorkerRecord::default(), worker],
            ..GeneratorRecord::default()
        },
    );
    change(&mut record);
    record
}

fn late(record: &mut RunRecord, late: u64) {
    let scenario = &mut record.scenarios[0];
    scenario.ledger.late = late;
    scenario.parts.start_lag.reset();
    let on_time = scenario.ledger.started - late;
    scenario
        .parts
        .start_lag
        .saturating_record_n(30_000, on_time);
    scenario
        .parts
        .start_lag
        .saturating_record_n(12_000_000, late);
    delay(record, late, 12_000_000);
}

/// Has the generator's part of so many response times be this.
fn delay(record: &mut RunRecord, delayed: u64, part_ns: u64) {
    let scenario = &mut record.scenarios[0];
    let others = scenario.response_time.len() - delayed;
    scenario.response_time.reset();
    scenario
        .response_time
        .saturating_record_n(1_000_000, others);
    let seen = 1_000_000 + part_ns;
    scenario.response_time.saturating_record_n(seen, delayed);
}

fn drop_arrivals(record: &mut RunRecord, dropped: u64) {
    let scenario = &mut record.scenarios[0];
    scenario.ledger.started -= dropped;
    scenario.ledger.completed -= dropped;
    scenario.ledger.dropped = dropped;
    scenario.started_in_time -= dropped;
    scenario.outcomes = vec![(Outcome::Ok, scenario.ledger.completed)];
}

fn busy(record: &mut RunRecord, cpu_busy: f64, cpu_starved: f64) {
    record.generator.workers[1].cpu_busy = cpu_busy;
    record.generator.workers[1].cpu_starved = cpu_starved;
}

fn silent(record: &mut RunRecord, millis: u64) {
    let stretch = Stretch {
        from: Duration::from_secs(2),
        length: Duration::from_millis(millis),
    };
    record.scenarios[0].silence.longest = stretch;
    record.scenarios[0].silence.last = stretch;
}

fn stall(record: &mut RunRecord, millis: u64) {
    record.generator.workers[0].longest_stall = Duration::from_millis(millis);
}

fn nothing_ended(record: &mut RunRecord) {
    let scenario = &mut record.scenarios[0];
    scenario.ledger.completed = 0;
    scenario.ledger.interrupted = scenario.ledger.started;
    scenario.outcomes.clear();
}

/// Late by milliseconds, and in line for seconds: that is not the generator's doing.
#[test]
fn a_rate_that_was_missed_for_want_of_users_is_not_blamed_on_lateness() {
    let record = run(true, |record| {
        late(record, 200);
        let scenario = &mut record.scenarios[0];
        scenario.started_in_time = 7_000;
        scenario.parts.queue_wait.reset();
        scenario
            .parts
            .queue_wait
            .saturating_record_n(2_000_000_000, 10_000);
    });
    let verdict = verdict(&record, &[]);
    assert_eq!(verdict.status, Status::Invalid);
    assert_eq!(verdict.reasons.len(), 1, "{:?}", verdict.reasons);
    assert!(
        verdict.reasons[0].contains("is the generator's part"),
        "{:?}",
        verdict.reasons
    );
    assert!(
        verdict.warnings[0].contains("raise the most users"),
        "{:?}",
        verdict.warnings
    );
}

#[test]
fn messages_out_of_the_blue_are_warned_of() {
    let record = run(false, |record| {
        let step = &mut record.scenarios[0].steps[0];
        step.message_faults[MessageFault::Unexpected as usize] = 1_204;
        let mut replies = crate::record::new_histogram();
        replies.saturating_record_n(1_000_000, 10_000);
        step.samples = vec![(SampleKind::RoundTrip, replies)];
    });
    let verdict = verdict(&record, &[]);
    assert_eq!(verdict.status, Status::Pass);
    insta::assert_snapshot!(verdict.warnings.join("\n"), @"`greet`: 1,204 messages came to step `hello` that nothing had asked for, beside 10,000 taken for replies; where replies are taken in the order in which they come, any of them may have been something else: say which message is a reply, by a number that it repeats (`match_id`) or by a field and its value (`reply`), and what comes by itself (`\"greeting\": 1`, `\"pushes\": true`)");
}

#[test]
fn messages_out_of_the_blue_beside_none_that_was_asked_for() {
    let record = run(false, |record| {
        let step = &mut record.scenarios[0].steps[0];
        step.message_faults[MessageFault::Unexpected as usize] = 1;
        step.messages_received = 5;
    });
    let verdict = verdict(&record, &[]);
    assert!(
        verdict.warnings[0].starts_with(
            "`greet`: 1 message came to step `hello` that nothing had asked for, of 5 received;"
        ),
        "{:?}",
        verdict.warnings
    );
}

#[test_case(true, |_| () => Status::Pass; "open and well")]
#[test_case(false, |_| () => Status::Pass; "closed and well")]
#[test_case(true, |r| late(r, 10) => Status::Pass; "late, and beyond every percentile")]
#[test_case(true, |r| late(r, 101) => Status::Invalid; "a percentile is lateness")]
#[test_case(true, |r| late(r, 99) => Status::Pass; "p99 dot 9 is lateness")]
#[test_case(false, |r| delay(r, 101, 12_000_000) => Status::Invalid; "closed, and a percentile is the generator's")]
#[test_case(true, |r| delay(r, 5_000, 900_000) => Status::Pass; "less than the tolerance")]
#[test_case(true, |r| delay(r, 5_001, 1_100_000) => Status::Invalid; "most of the median, and above the tolerance")]
#[test_case(false, |r| { r.scenarios[0].unanswered = 1; r.scenarios[0].ledger.completed -= 1; r.scenarios[0].ledger.interrupted = 1; r.scenarios[0].outcomes[0].1 -= 1; } => Status::Pass; "one unanswered of many")]
#[test_case(false, |r| silent(r, 1_000) => Status::Pass; "silent for a second")]
#[test_case(false, |r| silent(r, 1_010) => Status::Pass; "silent, and no condition was given")]
#[test_case(true, |r| r.scenarios[0].started_in_time = 9_900 => Status::Pass; "exactly 99 percent in time")]
#[test_case(true, |r| drop_arrivals(r, 5_000) => Status::Pass; "users busy is not the generator's fault")]
#[test_case(true, |r| { drop_arrivals(r, 100); busy(r, 0.99, 0.0); } => Status::Pass; "saturated and 99 percent in time")]
#[test_case(true, |r| { drop_arrivals(r, 101); busy(r, 0.99, 0.0); } => Status::Invalid; "saturated and under 99 percent in time")]
#[test_case(true, |r| { drop_arrivals(r, 101); busy(r, 0.60, 0.35); } => Status::Invalid; "starved and under 99 percent in time")]
#[test_case(true, |r| { drop_arrivals(r, 101); busy(r, 0.60, 0.34); } => Status::Pass; "not quite saturated")]
#[test_case(false, |r| busy(r, 1.0, 0.0) => Status::Pass; "closed and saturated")]
#[test_case(false, |r| stall(r, 100) => Status::Pass; "stall of 100 ms")]
#[test_case(false, |r| stall(r, 101) => Status::Invalid; "closed and stalled for longer")]
#[test_case(true, |r| stall(r, 101) => Status::Invalid; "open and stalled for longer")]
#[test_case(false, |r| r.panic = Some("no".to_owned()) => Status::Invalid; "panic")]
#[test_case(false, |r| r.stopped = true => Status::Pass; "stopped")]
#[test_case(false, |r| r.scenarios[0].ledger.planned += 1 => Status::Invalid; "unbalanced ledger")]
#[test_case(false, |r| r.scenarios[0].outcomes[0].1 -= 1 => Status::Invalid; "outcomes that do not add up")]
#[test_case(false, nothing_ended => Status::Fail; "nothing ended")]
#[test_case(false, |r| r.scenarios[0] = ScenarioRecord::empty("n", "grpc", false, &[]) => Status::Fail; "nothing planned")]
#[test_case(false, |r| r.scenarios.clear() => Status::Fail; "no scenario")]
fn statuses(open: bool, change: fn(&mut RunRecord)) -> Status {
    let verdict = verdict(&run(open, change), &[]);
    assert_eq!(verdict.reasons.is_empty(), verdict.status == Status::Pass);
    verdict.status
}

#[test]
fn what_the_service_did_comes_first_and_what_either_may_have_done_last() {
    let record = run(true, |record| stall(record, 500));
    let failed = ThresholdResult::new("error_rate < 1%", "%", Some(3.0), false);
    let missed = ThresholdResult::new("throughput > 2000/s", "/s", Some(999.0), false);
    let of_the_service = verdict(&record, &[vec![missed.clone(), failed]]);
    assert_eq!(of_the_service.status, Status::Fail);
    let verdict = verdict(&record, &[vec![missed]]);
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
    let verdict = verdict(&run(false, slow), &[conditions]);
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
    let verdict = verdict(&run(false, nothing_ended), &[vec![condition]]);
    insta::assert_snapshot!(verdict.reasons.join("\n"), @"`greet`: no iteration completed or failed (10,000 planned), so there is nothing to judge");
}

/// One in a thousand is what p99 is a tenth of; 2 of 10,000 are too few for it, and nothing is said
/// of p99.99, which 10,000 do not give.
#[test_case(0 => ""; "none")]
#[test_case(1 => ""; "too few for any percentile that is given")]
#[test_case(2 => "`greet`: the generator read 0.02% of the replies together with later ones, and the system tells only when the last of them came: p99.9 of their times and above may be shown longer than they were, by 100 µs each in the mean"; "enough for p99.9")]
#[test_case(70 => "`greet`: the generator read 0.7% of the replies together with later ones, and the system tells only when the last of them came: p95 of their times and above may be shown longer than they were, by 100 µs each in the mean"; "enough for p95")]
fn replies_that_share_a_stamp(in_doubt: u64) -> String {
    let record = run(false, |record| {
        let scenario = &mut record.scenarios[0];
        scenario.service_time.saturating_record_n(1_000_000, 10_000);
        scenario.parts.in_doubt = in_doubt;
        scenario.parts.doubt = in_doubt * 100_000;
    });
    verdict(&record, &[]).warnings.join("\n")
}

#[test]
fn messages_that_share_a_stamp() {
    let record = run(false, |record| {
        let step = &mut record.scenarios[0].steps[0];
        step.samples = [
            (SampleKind::RoundTrip, 1_000_000, 1_000),
            (SampleKind::MessageDoubt, 200_000, 70),
        ]
        .map(|(kind, value, count)| {
            let mut samples = crate::record::new_histogram();
            samples.saturating_record_n(value, count);
            (kind, samples)
        })
        .into();
    });
    let warnings = verdict(&record, &[]).warnings.join("\n");
    insta::assert_snapshot!(warnings, @"`greet`: the generator read 7% of the messages together with later ones, and the system tells only when the last of them came: p50 of their times and above may be shown longer than they were, by 200 µs each in the mean");
}

/// What is said of the generator's part covers it.
#[test]
fn replies_that_share_a_stamp_of_a_late_generator() {
    let record = run(true, |record| {
        late(record, 312);
        let scenario = &mut record.scenarios[0];
        scenario.service_time.saturating_record_n(1_000_000, 10_000);
        scenario.parts.in_doubt = 5_000;
    });
    let warnings = verdict(&record, &[]).warnings.join("\n");
    assert!(!warnings.contains("read together"), "{warnings}");
}

#[test]
fn a_late_generator_in_words() {
    let verdict = verdict(&run(true, |r| late(r, 312)), &[]);
    insta::assert_snapshot!(verdict.reasons.join("\n"), @"`greet`: 92.3% of response time p99 (13 ms) is the generator's part, without it 1 ms (at most 50% may be, where that is more than 1 ms)");
    assert!(
        verdict.warnings[0].ends_with(DOCTOR),
        "{:?}",
        verdict.warnings
    );
    assert_eq!(verdict.warnings.len(), 1);
}

#[test]
fn a_missed_rate_in_words() {
    let record = run(true, |record| {
        drop_arrivals(record, 3_000);
        late(record, 2_000);
        busy(record, 0.9, 0.09);
    });
    let verdict = verdict(&record, &[]);
    insta::assert_snapshot!(verdict.reasons.join("\n"), @r"
`greet`: 92.3% of response time p90 (13 ms) is the generator's part, without it 1 ms (at most 50% may be, where that is more than 1 ms)
`greet`: 7,000 of 10,000 arrivals (70%) started within the plan's time (at least 99% should), and 2,000 starts were late by the generator's fault (start lag p99 12 ms)
");
    assert!(
        verdict.warnings[0].ends_with(DOCTOR),
        "{:?}",
        verdict.warnings
    );
    assert_eq!(verdict.warnings.len(), 1);
}

#[test]
fn a_missed_rate_shown_by_start_lag_in_words() {
    let record = run(true, |record| {
        drop_arrivals(record, 3_000);
        late(record, 2_000);
    });
    insta::assert_snapshot!(verdict(&record, &[]).reasons[1], @"`greet`: 7,000 of 10,000 arrivals (70%) started within the plan's time (at least 99% should), and 2,000 starts were late by the generator's fault (start lag p99 12 ms)");
}

#[test]
fn a_missed_rate_without_late_starts_in_words() {
    let record = run(true, |record| {
        drop_arrivals(record, 3_000);
        busy(record, 0.97, 0.0);
    });
    let verdict = verdict_on(&record, &[], Some(2));
    insta::assert_snapshot!(verdict.reasons.join("\n"), @"`greet`: 7,000 of 10,000 arrivals (70%) started within the plan's time (at least 99% should), while a worker had no time to spare");
    assert!(
        verdict.warnings[0].ends_with(DOCTOR),
        "{:?}",
        verdict.warnings
    );
    assert_eq!(verdict.warnings.len(), 1);
}

#[test]
fn a_starved_worker_that_stood_still_in_words() {
    let record = run(false, |record| {
        stall(record, 500);
        record.generator.workers[0].cpu_busy = 0.5;
        record.generator.workers[0].cpu_starved = 0.4;
    });
    insta::assert_snapshot!(verdict(&record, &[]).reasons.join("\n"), @"worker 0 stood still for 500 ms (at most 100 ms may)");
}

#[test]
fn a_run_too_short_to_tell_has_no_saturation() {
    let record = run(false, |record| {
        busy(record, 0.96, 0.74);
        record.elapsed = Duration::from_millis(3);
    });
    assert_eq!(verdict(&record, &[]).warnings, [""; 0]);
}

#[test]
fn broken_books_in_words() {
    let record = run(false, |record| {
        record.scenarios[0].ledger.failed = 1;
        record.panic = Some("index out of bounds".to_owned());
    });
    insta::assert_snapshot!(verdict(&record, &[]).reasons.join("\n"), @r"
a workload panicked and the run ended early: index out of bounds
`greet`: the ledger does not balance (planned 10,000, started 10,000, dropped 0, completed 10,000, failed 1, interrupted 0), which is a fault of loadgen: please report it
`greet`: 10,000 outcomes counted for 10,001 iterations that completed or failed, which is a fault of loadgen: please report it
");
}

#[test]
fn a_slow_service_in_words() {
    let record = run(true, |record| {
        drop_arrivals(record, 812);
        let scenario = &mut record.scenarios[0];
        scenario.unanswered = 812;
        scenario.dropped_unanswered = 812;
        scenario.parts.queue_wait.reset();
        scenario.parts.queue_wait.saturating_record_n(0, 9_000);
        scenario
            .parts
            .queue_wait
            .saturating_record_n(900_000_000, 188);
    });
    let verdict = verdict(&record, &[]);
    assert_eq!(verdict.status, Status::Pass);
    insta::assert_snapshot!(verdict.warnings.join("\n"), @"`greet`: 812 of 10,000 arrivals (8.12%) never started, and 188 of the 9,188 that started (2.05%) waited over 1 ms for a free user, up to 900 ms (which is in the response time, as a client would have felt it), because all users were busy with iterations that the service had not ended: raise the most users (`load.open.users.max`, `--concurrency`) if the service should see the whole rate
`greet`: 812 iterations were left unanswered (8.12% of those planned: 812 never started because all users were busy): they count as failed, and in the percentiles with their age, which is a lower bound");
}

#[test]
fn starts_after_the_end_of_the_plan_in_words() {
    let record = run(true, |record| record.scenarios[0].started_in_time = 9_000);
    insta::assert_snapshot!(verdict(&record, &[]).warnings.join("\n"), @"`greet`: 9,000 of 10,000 arrivals (90%) started within the plan's time (at least 99% should): the generator was late for some");
}

#[test]
fn a_generator_at_its_end_in_words() {
    let mut record = run(false, |record| busy(record, 0.97, 0.0));
    record.scenarios.extend(run(true, |_| ()).scenarios);
    record.scenarios[1].name = "steady".to_owned();
    insta::assert_snapshot!(verdict(&record, &[]).warnings.join("\n"), @r"
`greet`, `steady`: worker 1 had no time to spare (busy 97% of the time), so throughput is a lower bound: use more workers, if there are cores for them, or fewer users
");
}

#[test]
fn what_the_figures_leave_out_in_words() {
    let record = run(false, |record| {
        record.stopped = true;
        record.elapsed = Duration::from_millis(2_500);
        let scenario = &mut record.scenarios[0];
        scenario.saturated_samples = 2;
        scenario.ledger.completed = 9_998;
        scenario.ledger.failed = 1;
        scenario.ledger.interrupted = 1;
        scenario.outcomes = vec![(Outcome::Ok, 9_998), (Failure::Timeout.into(), 1)];
    });
    let verdict = verdict(&record, &[]);
    assert_eq!(verdict.status, Status::Pass);
    insta::assert_snapshot!(verdict.warnings.join("\n"), @r"
stopped early: the figures cover 2.5 s
`greet`: 1 iteration was cut off by the end of the run; how long they would have taken is in no figure
`greet`: 2 samples were above an hour and counted as one hour
");
}

/// What fails only through the generator says nothing of the service.
#[test]
fn a_time_that_only_the_generator_missed_is_no_failure() {
    let record = run(false, |record| delay(record, 4_000, 400_000));
    let condition = ThresholdResult::new("response_time.p95 < 1.2ms", "ms", Some(1.4), false);
    let verdict = verdict(&record, &[vec![condition]]);
    assert_eq!(verdict.status, Status::Invalid);
    insta::assert_snapshot!(verdict.reasons.join("\n"), @"`greet`: `response_time.p95 < 1.2ms` does not hold, observed 1.4 ms, by the generator's part alone: without it 1 ms");
    insta::assert_snapshot!(verdict.warnings[0], @"`greet`: 28.57% of response time p90 (1.4 ms) is the generator's part, without it 1 ms");
}

#[test]
fn a_service_that_went_silent_fails_unless_told_otherwise() {
    let record = run(false, |record| silent(record, 2_500));
    let condition = |expression: &str| vec![ThresholdResult::new(expression, "", Some(0.0), true)];
    let failed = verdict(&record, &[condition("error_rate < 1%")]);
    assert_eq!(failed.status, Status::Fail);
    insta::assert_snapshot!(failed.reasons.join("\n"), @"`greet`: no iteration ended ok to the end of the load, for 2.5 s, from 2 s on, while some were under way");
    for expression in ["silence < 1m", "error_rate < 1%"] {
        let mut conditions = condition("silence < 1m");
        conditions.extend(condition(expression));
        assert_eq!(verdict(&record, &[conditions]).status, Status::Pass);
    }
}

/// A service that takes a second for each answer may be slow; and may have died.
#[test]
fn a_silence_that_may_be_a_slow_answer_is_told() {
    let record = run(false, |record| {
        silent(record, 2_500);
        let scenario = &mut record.scenarios[0];
        scenario.service_time.reset();
        scenario
            .service_time
            .saturating_record_n(1_000_000_000, 10_000);
    });
    let lax = ThresholdResult::new("error_rate < 95%", "%", Some(0.0), true);
    let verdict = verdict(&record, &[vec![lax]]);
    assert_eq!(verdict.status, Status::Pass);
    insta::assert_snapshot!(verdict.warnings.join("\n"), @"`greet`: no iteration ended ok to the end of the load, for 2.5 s, from 2 s on, while some were under way: no failure, as it is less than 10 times the service time's p99 (10 s), and yet the service may have died");
}

/// It is not all that there is to say.
#[test]
fn a_longer_silence_before_is_told_too() {
    let record = run(false, |record| {
        silent(record, 2_500);
        let scenario = &mut record.scenarios[0];
        scenario.service_time.reset();
        scenario
            .service_time
            .saturating_record_n(1_000_000_000, 10_000);
        scenario.silence.longest = Stretch {
            from: Duration::ZERO,
            length: Duration::from_secs(30),
        };
    });
    let lax = ThresholdResult::new("error_rate < 95%", "%", Some(0.0), true);
    let warnings = verdict(&record, &[vec![lax]]).warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[1].contains("for 30 s, from the start on"),
        "{warnings:?}"
    );
}

#[test]
fn percentiles_of_failures_are_told() {
    let told = |failed| {
        let record = run(false, |record| {
            let scenario = &mut record.scenarios[0];
            scenario.ledger.completed -= failed;
            scenario.ledger.failed = failed;
            let refused = (Failure::Connect.into(), failed);
            scenario.outcomes = vec![(Outcome::Ok, 10_000 - failed), refused];
        });
        verdict(&record, &[]).warnings.join("\n")
    };
    assert_eq!(told(1_000), "");
    assert_eq!(told(10_000), "", "nothing else is in them");
    insta::assert_snapshot!(told(5_700), @"`greet`: 57% of the times are of iterations that failed, which are in all percentiles");
}

/// 1,000 answers within a millisecond, then none: that those left unanswered are old does not make
/// the silence an answer that is slow.
#[test]
fn a_silence_is_not_excused_by_what_it_left_unanswered() {
    let record = run(true, |record| {
        let scenario = &mut record.scenarios[0];
        scenario.ledger.started = 1_575;
        scenario.ledger.dropped = 8_425;
        scenario.ledger.completed = 1_000;
        scenario.ledger.interrupted = 575;
        scenario.outcomes = vec![(Outcome::Ok, 1_000)];
        scenario.unanswered = 9_000;
        scenario.dropped_unanswered = 8_425;
        scenario.service_time.saturating_record_n(1_000_000, 1_000);
        scenario
            .service_time
            .saturating_record_n(2_000_000_000, 575);
        scenario
            .response_time
            .saturating_record_n(2_000_000_000, 9_000);
        let stretch = Stretch {
            from: Duration::from_secs(2),
            length: Duration::from_secs(2),
        };
        scenario.silence.longest = stretch;
        scenario.silence.last = stretch;
    });
    let lax = ThresholdResult::new("error_rate < 95%", "%", Some(90.0), true);
    let verdict = verdict(&record, &[vec![lax]]);
    assert_eq!(verdict.status, Status::Fail);
    insta::assert_snapshot!(verdict.reasons[0], @"`greet`: no iteration ended ok to the end of the load, for 2 s, from 2 s on, while some were under way");
}

#[test]
fn a_silence_is_named_instead_of_advice() {
    let record = run(true, |record| {
        drop_arrivals(record, 500);
        let scenario = &mut record.scenarios[0];
        scenario.unanswered = 500;
        scenario.dropped_unanswered = 500;
        scenario.silence.longest = Stretch {
            from: Duration::from_secs(2),
            length: Duration::from_millis(1_500),
        };
    });
    insta::assert_snapshot!(verdict(&record, &[]).warnings[0], @"`greet`: 500 of 10,000 arrivals (5%) never started, because all users were busy while no iteration ended ok, for 1.5 s, from 2 s on");
}

#[test]
fn a_dead_target_is_named() {
    let record = run(false, |record| {
        let mut dead = TargetRecord::empty("10.0.0.1:80");
        dead.connections.failed = 12;
        let mut alive = TargetRecord::empty("10.0.0.2:80");
        alive.completed = 10_000;
        record.scenarios[0].targets = vec![dead, alive];
    });
    insta::assert_snapshot!(verdict(&record, &[]).warnings.join("\n"), @"`greet`: target 10.0.0.1:80 is dead beside others that are not: 0 completed, 0 iterations failed and 0 left unanswered there, 0 connections opened and 12 attempts failed");
}
