//! The verdict: whether the figures describe the service, and whether it did what was asked.
//!
//! Owns the rules and their sentences. The numbers of the rules are the constants below; the book
//! gives the same ones.

use super::document::{Status, Verdict};
use super::phrase::{count, observed, percent, plural, span};
use super::scenario::ThresholdResult;
use super::statistics::Statistics;
use super::throttling;
use super::worker_load::{Surroundings, WorkerLoad};
use crate::record::{RunRecord, ScenarioRecord};
use crate::workload::MessageFault;

/// More than this part of the started iterations late: invalid.
const MOST_LATE: f64 = 0.01;
/// Less than this part of the arrivals started in time: the rate was missed.
const LEAST_ACHIEVED: f64 = 0.99;
/// A worker that stands still for longer: invalid.
const LONGEST_STALL_NS: u64 = 100_000_000;
/// More than this part of the arrivals waiting for a user for over [`NOTABLE_WAIT_NS`]: worth a
/// warning.
const MOST_WAITING: f64 = 0.01;
/// A wait for a user that a reader would notice, in nanoseconds.
const NOTABLE_WAIT_NS: u64 = 1_000_000;

/// Judges a run: invalid before fail before pass. `thresholds` are each scenario's conditions and
/// what became of them, in the order of the record's scenarios.
#[must_use]
pub fn verdict(record: &RunRecord, thresholds: &[Vec<ThresholdResult>]) -> Verdict {
    verdict_on(record, thresholds, None)
}

/// The same, with advice that fits a machine of so many cores.
pub(super) fn verdict_on(
    record: &RunRecord,
    thresholds: &[Vec<ThresholdResult>],
    cores: Option<u64>,
) -> Verdict {
    let workers = &record.generator.workers;
    let generator = Pressure {
        busiest: WorkerLoad::busiest(workers),
        around: Surroundings {
            measured: record.elapsed,
            workers: workers.len(),
            cores,
        },
    };
    let mut findings = Findings::default();
    judge_generator(record, &generator, &mut findings);
    findings.invalid.extend(throttling::reason(record));
    for (index, scenario) in record.scenarios.iter().enumerate() {
        judge_books(scenario, &mut findings);
        if scenario.open {
            judge_arrivals(scenario, &generator, &mut findings);
        }
        judge_remainder(scenario, &mut findings);
        judge_messages(scenario, &mut findings);
        let conditions = thresholds.get(index).map_or(&[][..], Vec::as_slice);
        judge_conditions(scenario, conditions, &mut findings);
    }
    judge_saturation(record, &generator, &mut findings);
    if record.scenarios.is_empty() {
        findings
            .fail
            .push("there was no scenario, so nothing was measured".to_owned());
    }
    findings.into_verdict()
}

/// What the verdict knows of the generator's own troubles.
#[derive(Debug)]
struct Pressure {
    busiest: Option<WorkerLoad>,
    around: Surroundings,
}

impl Pressure {
    /// The busiest worker, where it had no time to spare.
    fn saturated(&self) -> Option<WorkerLoad> {
        self.busiest
            .filter(|load| load.is_saturated(self.around.measured))
    }

    /// Why the generator did not keep up, and what helps.
    fn explain(&self, less: &str) -> String {
        self.busiest.map_or_else(
            || "the generator did not keep up".to_owned(),
            |load| load.explain(self.around, less),
        )
    }
}

/// Sentences by what they amount to.
#[derive(Debug, Default)]
struct Findings {
    invalid: Vec<String>,
    fail: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    fn into_verdict(self) -> Verdict {
        let status = if !self.invalid.is_empty() {
            Status::Invalid
        } else if !self.fail.is_empty() {
            Status::Fail
        } else {
            Status::Pass
        };
        let mut reasons = self.invalid;
        reasons.extend(self.fail);
        Verdict {
            status,
            reasons,
            warnings: self.warnings,
        }
    }
}

/// What concerns all scenarios: panics, stalls, an early stop.
fn judge_generator(record: &RunRecord, generator: &Pressure, findings: &mut Findings) {
    if let Some(message) = &record.panic {
        findings.invalid.push(format!(
            "a workload panicked and the run ended early: {message}"
        ));
    }
    let stalled = record
        .generator
        .workers
        .iter()
        .enumerate()
        .max_by_key(|(_, worker)| worker.longest_stall);
    if let Some((index, worker)) = stalled {
        let stall_ns = crate::clock::nanos(worker.longest_stall);
        if stall_ns > LONGEST_STALL_NS {
            let load = WorkerLoad::of(index, worker);
            let why = if load.is_starved(generator.around.measured) {
                load.explain(generator.around, "fewer users or a lower rate")
            } else {
                "the process or its machine was suspended or short of processor time, or a \
                 workload blocked its thread; run where nothing else does, and never block in a \
                 workload"
                    .to_owned()
            };
            findings.invalid.push(format!(
                "worker {index} stood still for {} (at most {} may): {why}",
                span(stall_ns),
                span(LONGEST_STALL_NS),
            ));
        }
    }
    if record.stopped {
        findings.warnings.push(format!(
            "stopped early: the figures cover {}",
            span(crate::clock::nanos(record.elapsed)),
        ));
    }
}

/// Sums that must come out, whatever the service did.
fn judge_books(scenario: &ScenarioRecord, findings: &mut Findings) {
    let ledger = &scenario.ledger;
    let name = &scenario.name;
    if !ledger.balances() {
        findings.invalid.push(format!(
            "`{name}`: the ledger does not balance (planned {}, started {}, dropped {}, completed \
             {}, failed {}, interrupted {}), which is a fault of loadgen: please report it",
            count(ledger.planned),
            count(ledger.started),
            count(ledger.dropped),
            count(ledger.completed),
            count(ledger.failed),
            count(ledger.interrupted),
        ));
    }
    let outcomes: u64 = scenario.outcomes.iter().map(|(_, count)| count).sum();
    let ended = ledger.completed + ledger.failed;
    if outcomes != ended {
        findings.invalid.push(format!(
            "`{name}`: {} counted for {} that completed or failed, which is a fault of loadgen: \
             please report it",
            plural(outcomes, "outcome"),
            plural(ended, "iteration"),
        ));
    }
}

/// Whether an open model's arrivals started when they should have, and whose fault it is if not.
fn judge_arrivals(scenario: &ScenarioRecord, generator: &Pressure, findings: &mut Findings) {
    let ledger = &scenario.ledger;
    let name = &scenario.name;
    let too_late = is_late(scenario);
    if too_late {
        let lag = Statistics::of(&scenario.start_lag);
        let worst = match (lag.p99, lag.max) {
            (Some(p99), _) => format!("start lag p99 {}", span_us(p99)),
            (None, Some(max)) => format!("start lag up to {}", span_us(max)),
            (None, None) => "start lag not recorded".to_owned(),
        };
        findings.invalid.push(format!(
            "`{name}`: {} of {} ({}) started late, {worst} (at most {} may be late): {}",
            count(ledger.late),
            plural(ledger.started, "iteration"),
            percent(ratio(ledger.late, ledger.started)),
            percent(MOST_LATE),
            generator.explain("a lower rate"),
        ));
    }
    let in_time = ratio(scenario.started_in_time, ledger.planned);
    let missed = missed_its_rate(scenario);
    let started = || {
        format!(
            "`{name}`: {} of {} ({}) started within the plan's time (at least {} should)",
            count(scenario.started_in_time),
            plural(ledger.planned, "arrival"),
            percent(in_time),
            percent(LEAST_ACHIEVED),
        )
    };
    // Both may have happened; what made arrivals wait longer is what kept them from starting.
    let mean = |series| Statistics::of(series).mean.unwrap_or_default();
    let waited_for_users = mean(&scenario.queue_wait) > mean(&scenario.start_lag);
    if missed && too_late && !waited_for_users {
        // What hindered it is said with the late starts.
        findings.invalid.push(format!(
            "{}, and start lag shows that the generator was the cause",
            started()
        ));
    } else if missed && !too_late && generator.saturated().is_some() {
        findings.invalid.push(format!(
            "{}, while {}",
            started(),
            generator.explain("a lower rate")
        ));
    } else {
        warn_of_busy_users(scenario, missed, in_time, findings);
    }
}

/// A rate that was missed, or waits that came about, because the service kept all users busy.
fn warn_of_busy_users(
    scenario: &ScenarioRecord,
    missed: bool,
    in_time: f64,
    findings: &mut Findings,
) {
    let ledger = &scenario.ledger;
    let mut troubles = Vec::new();
    if ledger.dropped > 0 {
        troubles.push(format!(
            "{} of {} ({}) never started",
            count(ledger.dropped),
            plural(ledger.planned, "arrival"),
            percent(ratio(ledger.dropped, ledger.planned)),
        ));
    } else if missed {
        troubles.push(format!(
            "only {} of {} ({}) started within the plan's time",
            count(scenario.started_in_time),
            plural(ledger.planned, "arrival"),
            percent(in_time),
        ));
    }
    let waits = &scenario.queue_wait;
    let short = waits.count_between(0, NOTABLE_WAIT_NS);
    let long = waits.len().saturating_sub(short);
    let share = ratio(long, waits.len());
    if share > MOST_WAITING {
        let longest = Statistics::of(waits).max.unwrap_or_default();
        troubles.push(format!(
            "{} of the {} that started ({}) waited over {} for a free user, up to {} (which is in \
             the response time, as a client would have felt it)",
            count(long),
            count(waits.len()),
            percent(share),
            span(NOTABLE_WAIT_NS),
            span_us(longest),
        ));
    }
    if !troubles.is_empty() {
        findings.warnings.push(format!(
            "`{}`: {}, because all users were busy with iterations that the service had not \
             ended: raise the most users (`load.open.users.max`, `--concurrency`) if the service \
             should see the whole rate",
            scenario.name,
            troubles.join(", and "),
        ));
    }
}

/// What is missing from the latency figures.
fn judge_remainder(scenario: &ScenarioRecord, findings: &mut Findings) {
    let name = &scenario.name;
    let interrupted = scenario.ledger.interrupted;
    if interrupted > 0 {
        findings.warnings.push(format!(
            "`{name}`: {} cut off by the end of the run; how long they would have taken is in no \
             figure",
            were(interrupted, "iteration"),
        ));
    }
    if scenario.saturated_samples > 0 {
        findings.warnings.push(format!(
            "`{name}`: {} above an hour and counted as one hour",
            were(scenario.saturated_samples, "sample"),
        ));
    }
}

/// Messages that make the figures of others doubtful.
fn judge_messages(scenario: &ScenarioRecord, findings: &mut Findings) {
    for step in &scenario.steps {
        let unexpected = step.message_faults[MessageFault::Unexpected as usize];
        if unexpected > 0 {
            findings.warnings.push(format!(
                "`{}`: {} came to step `{}` that nothing had asked for; where replies are matched \
                 by their order, one of them may have been taken for an answer: number them \
                 (`match_id`) if the service can",
                scenario.name,
                plural(unexpected, "message"),
                step.name,
            ));
        }
    }
}

/// The conditions on the results, and that there are results.
fn judge_conditions(
    scenario: &ScenarioRecord,
    conditions: &[ThresholdResult],
    findings: &mut Findings,
) {
    let name = &scenario.name;
    let measured = scenario.ledger.error_rate().is_some();
    if !measured {
        findings.fail.push(format!(
            "`{name}`: no iteration completed or failed ({} planned), so there is nothing to judge",
            count(scenario.ledger.planned),
        ));
    }
    for condition in conditions.iter().filter(|condition| !condition.pass) {
        let expression = &condition.expression;
        match condition.observed {
            Some(value) => findings.fail.push(format!(
                "`{name}`: `{expression}` does not hold, observed {}",
                observed(value, condition.unit.as_deref().unwrap_or_default()),
            )),
            // Said once for the scenario, not again for each condition.
            None if !measured => {}
            None => findings.fail.push(format!(
                "`{name}`: `{expression}` cannot be judged, too little was measured"
            )),
        }
    }
}

/// A worker without time to spare, where that does not make the run invalid.
fn judge_saturation(record: &RunRecord, generator: &Pressure, findings: &mut Findings) {
    let Some(load) = generator.saturated() else {
        return;
    };
    let names = |open: bool| {
        let scenarios = record.scenarios.iter();
        // The reason for `invalid` has said it already.
        let of_kind =
            scenarios.filter(|it| it.open == open && !missed_its_rate(it) && !is_late(it));
        let names: Vec<String> = of_kind.map(|it| format!("`{}`", it.name)).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let mut warn = |names: Option<String>, figures: &str, less: &str| {
        findings.warnings.extend(names.map(|names| {
            format!(
                "{names}: {}, so {figures} the generator's own queueing: {}",
                load.cause(),
                load.remedy(generator.around, less),
            )
        }));
    };
    warn(
        names(false),
        "throughput is a lower bound and latency includes",
        "fewer users",
    );
    warn(names(true), "latency includes", "a lower rate");
}

/// Whether more of an open model's iterations started late than may.
fn is_late(scenario: &ScenarioRecord) -> bool {
    scenario.open && ratio(scenario.ledger.late, scenario.ledger.started) > MOST_LATE
}

/// Whether an open model had fewer of its arrivals started in time than it should.
fn missed_its_rate(scenario: &ScenarioRecord) -> bool {
    let planned = scenario.ledger.planned;
    scenario.open && planned > 0 && ratio(scenario.started_in_time, planned) < LEAST_ACHIEVED
}

/// `1 iteration was`, `2 iterations were`.
fn were(number: u64, noun: &str) -> String {
    let verb = if number == 1 { "was" } else { "were" };
    format!("{} {verb}", plural(number, noun))
}

fn span_us(micros: f64) -> String {
    span((micros * 1_000.0).round() as u64)
}

/// A part of a whole; 0 of nothing.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use test_case::test_case;

    use super::*;
    use crate::outcome::{Failure, Outcome};
    use crate::record::{GeneratorRecord, WorkerRecord};

    /// A run of one scenario with 10,000 iterations, all well, changed by the test.
    fn run(open: bool, change: impl FnOnce(&mut RunRecord)) -> RunRecord {
        let mut scenario = ScenarioRecord::empty("greet", "grpc", open, &["hello".to_owned()]);
        scenario.ledger.planned = 10_000;
        scenario.ledger.started = 10_000;
        scenario.ledger.completed = 10_000;
        scenario.outcomes = vec![(Outcome::Ok, 10_000)];
        scenario.response_time.record_n(1_000_000, 10_000).unwrap();
        if open {
            scenario.started_in_time = 10_000;
            scenario.start_lag.record_n(30_000, 10_000).unwrap();
            scenario.queue_wait.record_n(0, 10_000).unwrap();
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
        scenario.start_lag.reset();
        let on_time = scenario.ledger.started - late;
        scenario.start_lag.record_n(30_000, on_time).unwrap();
        scenario.start_lag.record_n(12_000_000, late).unwrap();
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
            scenario.queue_wait.reset();
            scenario.queue_wait.record_n(2_000_000_000, 10_000).unwrap();
        });
        let verdict = verdict(&record, &[]);
        assert_eq!(verdict.status, Status::Invalid);
        assert_eq!(verdict.reasons.len(), 1, "{:?}", verdict.reasons);
        assert!(
            verdict.reasons[0].contains("started late"),
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
            record.scenarios[0].steps[0].message_faults[MessageFault::Unexpected as usize] = 1;
        });
        let verdict = verdict(&record, &[]);
        assert_eq!(verdict.status, Status::Pass);
        insta::assert_snapshot!(verdict.warnings.join("\n"), @"`greet`: 1 message came to step `hello` that nothing had asked for; where replies are matched by their order, one of them may have been taken for an answer: number them (`match_id`) if the service can");
    }

    #[test_case(true, |_| () => Status::Pass; "open and well")]
    #[test_case(false, |_| () => Status::Pass; "closed and well")]
    #[test_case(true, |r| late(r, 100) => Status::Pass; "exactly 1 percent late")]
    #[test_case(true, |r| late(r, 101) => Status::Invalid; "more than 1 percent late")]
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
    fn invalid_comes_before_fail() {
        let record = run(true, |record| stall(record, 500));
        let failed = ThresholdResult::new("error_rate < 1%", "%", Some(3.0), false);
        let verdict = verdict(&record, &[vec![failed]]);
        assert_eq!(verdict.status, Status::Invalid);
        insta::assert_snapshot!(verdict.reasons.join("\n"), @r"
    worker 0 stood still for 500 ms (at most 100 ms may): the process or its machine was suspended or short of processor time, or a workload blocked its thread; run where nothing else does, and never block in a workload
    `greet`: `error_rate < 1%` does not hold, observed 3%
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
        let verdict = verdict(&run(false, |_| ()), &[conditions]);
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

    #[test]
    fn a_late_generator_in_words() {
        let verdict = verdict(&run(true, |r| late(r, 312)), &[]);
        insta::assert_snapshot!(verdict.reasons.join("\n"), @"`greet`: 312 of 10,000 iterations (3.12%) started late, start lag p99 12 ms (at most 1% may be late): worker 1 had processor time to spare (busy 30% of the time) but was held off it by another process, the host, or a workload that blocked; run where nothing else does, and never block in a workload");
        assert!(verdict.warnings.is_empty(), "{:?}", verdict.warnings);
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
    `greet`: 2,000 of 7,000 iterations (28.57%) started late, start lag p99 12 ms (at most 1% may be late): worker 1 had no time to spare (busy 90% of the time and without a processor for 9%); use more workers, if there are cores for them, or a lower rate
    `greet`: 7,000 of 10,000 arrivals (70%) started within the plan's time (at least 99% should), and start lag shows that the generator was the cause
");
        assert!(verdict.warnings.is_empty(), "{:?}", verdict.warnings);
    }

    #[test]
    fn a_missed_rate_shown_by_start_lag_in_words() {
        let record = run(true, |record| {
            drop_arrivals(record, 3_000);
            late(record, 2_000);
        });
        insta::assert_snapshot!(verdict(&record, &[]).reasons[1], @"`greet`: 7,000 of 10,000 arrivals (70%) started within the plan's time (at least 99% should), and start lag shows that the generator was the cause");
    }

    #[test]
    fn a_missed_rate_without_late_starts_in_words() {
        let record = run(true, |record| {
            drop_arrivals(record, 3_000);
            busy(record, 0.97, 0.0);
        });
        let verdict = verdict_on(&record, &[], Some(2));
        insta::assert_snapshot!(verdict.reasons.join("\n"), @"`greet`: 7,000 of 10,000 arrivals (70%) started within the plan's time (at least 99% should), while worker 1 had no time to spare (busy 97% of the time); use a lower rate or a machine with more cores");
        assert!(verdict.warnings.is_empty(), "{:?}", verdict.warnings);
    }

    #[test]
    fn a_starved_worker_that_stood_still_in_words() {
        let record = run(false, |record| {
            stall(record, 500);
            record.generator.workers[0].cpu_busy = 0.5;
            record.generator.workers[0].cpu_starved = 0.4;
        });
        insta::assert_snapshot!(verdict(&record, &[]).reasons.join("\n"), @"worker 0 stood still for 500 ms (at most 100 ms may): worker 0 had to wait for a processor (busy 50% of the time and without a processor for 40%); give the machine's cores to the generator alone");
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
            scenario.queue_wait.reset();
            scenario.queue_wait.record_n(0, 9_000).unwrap();
            scenario.queue_wait.record_n(900_000_000, 188).unwrap();
        });
        let verdict = verdict(&record, &[]);
        assert_eq!(verdict.status, Status::Pass);
        insta::assert_snapshot!(verdict.warnings.join("\n"), @"`greet`: 812 of 10,000 arrivals (8.12%) never started, and 188 of the 9,188 that started (2.05%) waited over 1 ms for a free user, up to 900 ms (which is in the response time, as a client would have felt it), because all users were busy with iterations that the service had not ended: raise the most users (`load.open.users.max`, `--concurrency`) if the service should see the whole rate");
    }

    #[test]
    fn starts_after_the_end_of_the_plan_in_words() {
        let record = run(true, |record| record.scenarios[0].started_in_time = 9_000);
        insta::assert_snapshot!(verdict(&record, &[]).warnings.join("\n"), @"`greet`: only 9,000 of 10,000 arrivals (90%) started within the plan's time, because all users were busy with iterations that the service had not ended: raise the most users (`load.open.users.max`, `--concurrency`) if the service should see the whole rate");
    }

    #[test]
    fn a_generator_at_its_end_in_words() {
        let mut record = run(false, |record| busy(record, 0.97, 0.0));
        record.scenarios.extend(run(true, |_| ()).scenarios);
        record.scenarios[1].name = "steady".to_owned();
        insta::assert_snapshot!(verdict(&record, &[]).warnings.join("\n"), @r"
    `greet`: worker 1 had no time to spare (busy 97% of the time), so throughput is a lower bound and latency includes the generator's own queueing: use more workers, if there are cores for them, or fewer users
    `steady`: worker 1 had no time to spare (busy 97% of the time), so latency includes the generator's own queueing: use more workers, if there are cores for them, or a lower rate
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
}
