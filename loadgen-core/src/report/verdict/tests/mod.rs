//! Verdicts and their sentences.

mod backends;
mod conditions;
mod generator;
mod service;

use std::time::{Duration, SystemTime};

use test_case::test_case;

use super::*;
use crate::outcome::Outcome;
use crate::record::{GeneratorRecord, ScenarioRecord, Stretch, WorkerRecord};

const DOCTOR: &str = "`loadgen doctor` says what holds this machine back";

/// A run of one scenario with 10,000 iterations, all well, changed by the test.
fn run(open: bool, change: impl FnOnce(&mut RunRecord)) -> RunRecord {
    let mut scenario = ScenarioRecord::empty("greet", "grpc", open, &["hello".into()]);
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
    let verdict = verdict(&run(open, change), &[], &[]);
    assert_eq!(verdict.reasons.is_empty(), verdict.status == Status::Pass);
    verdict.status
}
