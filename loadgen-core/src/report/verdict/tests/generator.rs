//! What the generator did to the run, in words.

use test_case::test_case;

use super::*;
use crate::pacer::Pacing;
use crate::record::GridRecord;
use crate::workload::SampleKind;

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
    let verdict = verdict(&record, &[], &[]);
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

/// One in a thousand is what p99 is a tenth of; 2 of 10,000 are too few for it, and nothing is said
/// of p99.99, which 10,000 do not give.
#[test_case(0 => ""; "none")]
#[test_case(1 => ""; "too few for any percentile that is given")]
#[test_case(2 => "`greet`: the generator read 0.02% of the replies together with what followed them, and the system tells only when the last of that came: p99.9 of their times and above may be shown longer than they were, by 100 µs each in the mean"; "enough for p99.9")]
#[test_case(70 => "`greet`: the generator read 0.7% of the replies together with what followed them, and the system tells only when the last of that came: p95 of their times and above may be shown longer than they were, by 100 µs each in the mean"; "enough for p95")]
fn replies_that_share_a_stamp(in_doubt: u64) -> String {
    let record = run(false, |record| {
        let scenario = &mut record.scenarios[0];
        scenario.service_time.saturating_record_n(1_000_000, 10_000);
        scenario.parts.in_doubt = in_doubt;
        scenario.parts.doubt = in_doubt * 100_000;
    });
    verdict(&record, &[], &[]).warnings.join("\n")
}

/// A tick and 50 µs at the most are a grid's own, and nothing where one worker had none.
#[test_case(149_000, true => "`greet`: 12.98% of response time p90 (1.15 ms) is the generator's part, without it 1 ms; that is as expected: a grid of 100 µs was chosen to save processor time (`--pacing auto`; a finer one delays less, `exact` by nothing)"; "as expected")]
#[test_case(149_000, false => "`greet`: 12.98% of response time p90 (1.15 ms) is the generator's part, without it 1 ms; only in part because a grid of 100 µs was chosen to save processor time (`--pacing auto`; a finer one delays less, `exact` by nothing)\n`loadgen doctor` says what holds this machine back"; "of some workers")]
#[test_case(400_000, true => "`greet`: 28.57% of response time p90 (1.4 ms) is the generator's part, without it 1 ms; only in part because a grid of 100 µs was chosen to save processor time (`--pacing auto`; a finer one delays less, `exact` by nothing)\n`loadgen doctor` says what holds this machine back"; "more than that")]
fn a_grid_is_named_as_chosen(part_ns: u64, by_all: bool) -> String {
    let record = run(true, |record| {
        delay(record, 1_001, part_ns);
        on_a_grid(record, Pacing::AUTO);
        if !by_all {
            record.generator.workers[0].grid = None;
        }
    });
    verdict(&record, &[], &[]).warnings.join("\n")
}

#[test]
fn replies_that_wait_for_a_tick_share_a_stamp() {
    let record = run(true, |record| {
        let scenario = &mut record.scenarios[0];
        scenario.service_time.saturating_record_n(1_000_000, 10_000);
        scenario.parts.in_doubt = 70;
        scenario.parts.doubt = 70 * 50_000;
        on_a_grid(record, Pacing::GRID);
    });
    insta::assert_snapshot!(verdict(&record, &[], &[]).warnings.join("\n"), @"`greet`: the generator read 0.7% of the replies together with what followed them, and the system tells only when the last of that came: p95 of their times and above may be shown longer than they were, by 50 µs each in the mean; a grid of 100 µs was chosen to save processor time (`--pacing grid=100us`; a finer one delays less, `exact` by nothing)");
}

/// What shares a stamp waits for one more tick, which moves a percentile where so many do.
#[test_case(0 => false; "none")]
#[test_case(1 => false; "one")]
#[test_case(1_000 => false; "as many as are above p90")]
#[test_case(1_001 => true; "more")]
fn what_shares_stamps_explains_another_tick(in_doubt: u64) -> bool {
    let record = run(true, |record| {
        delay(record, 1_001, 249_000);
        let scenario = &mut record.scenarios[0];
        scenario.service_time.reset();
        scenario.service_time.saturating_record_n(1_000_000, 10_000);
        scenario.parts.in_doubt = in_doubt;
        on_a_grid(record, Pacing::GRID);
    });
    let warnings = verdict(&record, &[], &[]).warnings.join("\n");
    assert!(warnings.contains("response time p90"), "{warnings}");
    warnings.contains("that is as expected")
}

/// It is the step's own, however few of the scenario's replies are that step's.
#[test_case(600 => true; "most of the step's")]
#[test_case(60 => false; "too few")]
fn what_shares_stamps_is_of_its_step(in_doubt: u64) -> bool {
    let record = run(true, |record| {
        let scenario = &mut record.scenarios[0];
        scenario.service_time.saturating_record_n(1_000_000, 10_000);
        scenario.parts.in_doubt = in_doubt;
        let mut step = ScenarioRecord::empty("", "", true, &["rare".into()])
            .steps
            .remove(0);
        step.response_time.saturating_record_n(1_000_000, 800);
        step.response_time.saturating_record_n(1_249_000, 200);
        step.service_time.saturating_record_n(1_000_000, 1_000);
        let mut parts = crate::record::Parts::of_scenario();
        parts.undelayed.saturating_record_n(1_000_000, 1_000);
        parts.in_doubt = in_doubt;
        step.parts = Some(Box::new(parts));
        scenario.steps.push(step);
        on_a_grid(record, Pacing::GRID);
    });
    let warnings = verdict(&record, &[], &[]).warnings.join("\n");
    assert!(warnings.contains("step `rare`: "), "{warnings}");
    warnings.contains("that is as expected")
}

#[test_case(Pacing::GRID; "asked for")]
#[test_case(Pacing::AUTO; "chosen")]
fn what_comes_without_stamps_is_told_of_on_a_grid(pacing: Pacing) {
    let record = run(true, |record| {
        on_a_grid(record, pacing);
        let worker = &mut record.generator.workers[1];
        worker.grid = worker.grid.map(|grid| GridRecord {
            unstamped: true,
            ..grid
        });
    });
    let warnings = verdict(&record, &[], &[]).warnings.join("\n");
    if pacing == Pacing::AUTO {
        assert_eq!(warnings, "", "none is chosen once there is such a thing");
        return;
    }
    insta::assert_snapshot!(warnings, @"not all that was received had a stamp of the system's, as on UNIX sockets, and what came was looked at each 100 µs only (`--pacing grid=100us`): times of the service have up to that of the generator's; `--pacing exact` has none of it, and `auto` chooses that there");
}

/// Has the second worker sleep to a grid.
fn on_a_grid(record: &mut RunRecord, pacing: Pacing) {
    record.generator.pacing = pacing;
    for worker in &mut record.generator.workers {
        worker.grid = Some(GridRecord {
            ticks_apart: Duration::from_micros(100),
            share: 0.99,
            cpu_saved: Some(0.31),
            unstamped: false,
        });
    }
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
    let warnings = verdict(&record, &[], &[]).warnings.join("\n");
    insta::assert_snapshot!(warnings, @"`greet`: the generator read 7% of the messages together with what followed them, and the system tells only when the last of that came: p50 of their times and above may be shown longer than they were, by 200 µs each in the mean");
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
    let warnings = verdict(&record, &[], &[]).warnings.join("\n");
    assert!(!warnings.contains("read together"), "{warnings}");
}

#[test]
fn a_late_generator_in_words() {
    let verdict = verdict(&run(true, |r| late(r, 312)), &[], &[]);
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
    let verdict = verdict(&record, &[], &[]);
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
    insta::assert_snapshot!(verdict(&record, &[], &[]).reasons[1], @"`greet`: 7,000 of 10,000 arrivals (70%) started within the plan's time (at least 99% should), and 2,000 starts were late by the generator's fault (start lag p99 12 ms)");
}

#[test]
fn a_missed_rate_without_late_starts_in_words() {
    let record = run(true, |record| {
        drop_arrivals(record, 3_000);
        busy(record, 0.97, 0.0);
    });
    let verdict = verdict_on(
        &record,
        &[],
        &[],
        &About {
            cores: Some(2),
            ..About::default()
        },
    );
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
    insta::assert_snapshot!(verdict(&record, &[], &[]).reasons.join("\n"), @"worker 0 stood still for 500 ms (at most 100 ms may)");
}

#[test]
fn a_run_too_short_to_tell_has_no_saturation() {
    let record = run(false, |record| {
        busy(record, 0.96, 0.74);
        record.elapsed = Duration::from_millis(3);
    });
    assert_eq!(verdict(&record, &[], &[]).warnings, [""; 0]);
}

#[test]
fn broken_books_in_words() {
    let record = run(false, |record| {
        record.scenarios[0].ledger.failed = 1;
        record.panic = Some("index out of bounds".to_owned());
    });
    insta::assert_snapshot!(verdict(&record, &[], &[]).reasons.join("\n"), @r"
a workload panicked and the run ended early: index out of bounds
`greet`: the ledger does not balance (planned 10,000, started 10,000, dropped 0, completed 10,000, failed 1, interrupted 0), which is a fault of loadgen: please report it
`greet`: 10,000 outcomes counted for 10,001 iterations that completed or failed, which is a fault of loadgen: please report it
");
}

#[test]
fn starts_after_the_end_of_the_plan_in_words() {
    let record = run(true, |record| record.scenarios[0].started_in_time = 9_000);
    insta::assert_snapshot!(verdict(&record, &[], &[]).warnings.join("\n"), @"`greet`: 9,000 of 10,000 arrivals (90%) started within the plan's time (at least 99% should): the generator was late for some");
}

#[test]
fn a_generator_at_its_end_in_words() {
    let mut record = run(false, |record| busy(record, 0.97, 0.0));
    record.scenarios.extend(run(true, |_| ()).scenarios);
    record.scenarios[1].name = "steady".to_owned();
    insta::assert_snapshot!(verdict(&record, &[], &[]).warnings.join("\n"), @r"
`greet`, `steady`: worker 1 had no time to spare (busy 97% of the time), so throughput is a lower bound: use more workers, if there are cores for them, or fewer users
");
}
