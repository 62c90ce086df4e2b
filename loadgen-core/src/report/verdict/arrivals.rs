//! Whether an open model's arrivals started when they should have, and whose fault it is if not.

use super::super::document::{Statistics, micros};
use super::super::phrase::{percent, span};
use super::pressure::Pressure;
use super::service::{long_silence, when};
use super::{Findings, Titled, ratio, span_us};
use crate::record::{LifePart, Samples, ScenarioRecord, StepRecord};
use crate::units::human::{count, counted};

/// More than this part of the started iterations late, and ten at least: the generator was late.
const MOST_LATE: f64 = 0.01;
const LEAST_LATE: u64 = 10;
/// Less than this part of the arrivals started in time: the rate was missed.
const LEAST_ACHIEVED: f64 = 0.99;
/// More than this part of the arrivals waiting for a user for over [`NOTABLE_WAIT_NS`]: worth a
/// warning.
const MOST_WAITING: f64 = 0.01;
/// A wait for a user that a reader would notice, in nanoseconds.
const NOTABLE_WAIT_NS: u64 = 1_000_000;

pub(super) fn judge(
    scenario: &Titled<'_>,
    generator: &Pressure,
    is_cut_off: bool,
    findings: &mut Findings,
) {
    let ledger = &scenario.ledger;
    let in_time = ratio(scenario.started_in_time, ledger.wanted());
    let missed = missed_its_rate(scenario);
    let started = || {
        format!(
            "`{}`: {} of {} ({}) started within the plan's time (at least {} should)",
            scenario.title,
            count(scenario.started_in_time),
            counted(ledger.wanted(), "arrival"),
            percent(in_time),
            percent(LEAST_ACHIEVED),
        )
    };
    let was_late = ledger.late >= LEAST_LATE && ratio(ledger.late, ledger.started) > MOST_LATE;
    // Both may have happened; what made arrivals wait longer is what kept them from starting.
    let waited_for_users = missed
        && (ledger.missed() > 0 && without_user(scenario) == ledger.missed()
            || Samples::mean(&scenario.parts.queue_wait)
                > Samples::mean(&scenario.parts.start_lag));
    if missed && was_late && !waited_for_users {
        let lag = Statistics::of(&scenario.parts.start_lag);
        let worst = match (lag.p99, lag.max) {
            (Some(p99), _) => format!("p99 {}", span_us(p99)),
            (None, max) => format!("up to {}", span_us(max.unwrap_or_default())),
        };
        let late = super::were(ledger.late, "start");
        findings.invalid(
            1.0 - in_time,
            format!(
                "{}, and {late} late by the generator's fault (start lag {worst})",
                started()
            ),
        );
    } else if missed && !was_late && generator.saturated().is_some() {
        findings.invalid(
            1.0 - in_time,
            format!("{}, while a worker had no time to spare", started()),
        );
    } else {
        if missed && !waited_for_users && (ledger.late > 0 || ledger.missed() == 0) {
            let sentence = format!("{}: the generator was late for some", started());
            findings.warnings.push(sentence);
        }
        warn_of_busy_users(scenario, waited_for_users, in_time, findings);
        warn_of_others(scenario, is_cut_off, findings);
    }
}

/// Arrivals that never started, and not because all users were busy, as far as is known: of a run that was cut
/// off it is not.
fn warn_of_others(scenario: &Titled<'_>, is_cut_off: bool, findings: &mut Findings) {
    let others = scenario
        .ledger
        .missed()
        .saturating_sub(without_user(scenario));
    if others == 0 {
        return;
    }
    let what = match is_cut_off {
        true => {
            "had not started when the run was cut off; whether they waited for the service or the generator is not \
             known"
        }
        false => {
            "never started, which is not the service's doing: the generator was held up when they fell due, or the \
             run ended before their turn"
        }
    };
    let arrivals = counted(others, "arrival");
    findings
        .warnings
        .push(format!("`{}`: {arrivals} {what}", scenario.title));
}

/// Arrivals that never started because all users were busy: by the service's doing, or because that is to last.
fn without_user(scenario: &ScenarioRecord) -> u64 {
    let ScenarioRecord {
        dropped_unanswered,
        dropped_kept,
        ..
    } = scenario;
    dropped_unanswered.saturating_add(*dropped_kept)
}

/// A rate that was missed, or waits that came about, because the service kept all users busy.
fn warn_of_busy_users(scenario: &Titled<'_>, missed: bool, in_time: f64, findings: &mut Findings) {
    let ledger = &scenario.ledger;
    let mut troubles = Vec::new();
    let without_user = without_user(scenario);
    if without_user > 0 {
        troubles.push(format!(
            "{} of {} ({}) never started",
            count(without_user),
            counted(ledger.wanted(), "arrival"),
            percent(ratio(without_user, ledger.wanted())),
        ));
    } else if missed && ledger.missed() == 0 {
        troubles.push(format!(
            "only {} of {} ({}) started within the plan's time",
            count(scenario.started_in_time),
            counted(ledger.wanted(), "arrival"),
            percent(in_time),
        ));
    }
    let waits = &scenario.parts.queue_wait;
    let short = waits.count_between(0, NOTABLE_WAIT_NS);
    let long = waits.len().saturating_sub(short);
    let share = ratio(long, waits.len());
    if share > MOST_WAITING {
        let longest = micros(waits.largest());
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
    if troubles.is_empty() {
        return;
    }
    let because = match long_silence(scenario) {
        Some(silence) => format!(
            "because all users were busy while no iteration ended ok, {}",
            when(silence)
        ),
        None if scenario.lasting => {
            "because each user keeps its stream until the load is over: raise the most users \
             (`load.open.users.max`, `--concurrency`) to as many as there should be streams"
                .to_owned()
        }
        None => {
            let begins = |step: &StepRecord| step.part == Some(LifePart::Begin);
            let with_what = match scenario.steps.iter().any(begins) {
                true => "what users do first (`begin`), or with iterations, that",
                false => "iterations that",
            };
            format!(
                "because all users were busy with {with_what} the service had not ended: raise \
                 the most users (`load.open.users.max`, `--concurrency`) if the service should see \
                 the whole rate"
            )
        }
    };
    findings.warnings.push(format!(
        "`{}`: {}, {because}",
        scenario.title,
        troubles.join(", and "),
    ));
}

/// Whether an open model had fewer of its arrivals started in time than it should.
pub(super) fn missed_its_rate(scenario: &ScenarioRecord) -> bool {
    let wanted = scenario.ledger.wanted();
    scenario.open && wanted > 0 && ratio(scenario.started_in_time, wanted) < LEAST_ACHIEVED
}
