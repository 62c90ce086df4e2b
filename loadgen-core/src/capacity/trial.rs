//! What a trial came to, read off its result.

use std::time::Duration;

use super::TrialStep;
use super::conclude::round;
use crate::record::RunRecord;
use crate::report::{Document, Scenario, Trial, TrialResult, hindrance};
use crate::units::{Rate, human};

/// The load of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Offered {
    /// So many users that come again as soon as they are done.
    Users(u32),
    /// So many arrivals per second.
    Rate(f64),
}

/// A goal that ended a trial before its time is lost, though by the figures it may hold: what was cut off with the load is
/// in none of them.
pub(super) fn mark_lost(record: &RunRecord, document: &mut Document) {
    let Some(early) = &record.early_end else {
        return;
    };
    let goals = document
        .scenarios
        .iter_mut()
        .flat_map(|it| &mut it.thresholds);
    for goal in goals.filter(|it| it.expression == early.condition && it.pass) {
        let after = human::duration(early.at);
        goal.pass = false;
        goal.observed = None;
        goal.unjudged = Some(format!(
            "too much was overdue after {after}, when the trial was ended"
        ));
    }
}

/// What the record of a trial and its result document say of it. `from` is when it began.
pub(super) fn trial(
    record: &RunRecord,
    document: &Document,
    step: &TrialStep,
    from: Duration,
) -> Trial {
    let (rate_per_s, users) = match step.offered {
        Offered::Rate(rate) => (Some(rate), None),
        Offered::Users(users) => (None, Some(u64::from(users))),
    };
    let scenario = document.scenarios.first();
    let goals = scenario.map(|it| it.thresholds.clone()).unwrap_or_default();
    let broken = goals.iter().find(|it| !it.pass);
    let is_empty = scenario.is_none_or(|it| it.ledger.planned == 0);
    let (result, reason) = match (hindrance(record, &goals), broken) {
        _ if is_empty => {
            let reason = "no iteration fell into it".to_owned();
            (TrialResult::Invalid, Some(reason))
        }
        (Some(reason), _) => (TrialResult::Invalid, Some(reason)),
        (None, Some(goal)) => {
            let observed = goal.observed.map_or_else(
                || {
                    goal.unjudged
                        .clone()
                        .unwrap_or_else(|| "nothing was measured".to_owned())
                },
                |it| {
                    let unit = goal.unit.as_deref().unwrap_or_default();
                    let blank = match unit.starts_with(char::is_alphabetic) {
                        true => " ",
                        false => "",
                    };
                    format!("{}{blank}{unit}", human::significant(it))
                },
            );
            let reason = format!("`{}`: {observed}", goal.expression);
            (TrialResult::Broke, Some(reason))
        }
        (None, None) => (TrialResult::Held, None),
    };
    Trial {
        purpose: step.purpose,
        rate_per_s,
        users,
        held_to_per_s: step.held_to.map(Rate::per_second),
        from_s: round(from.as_secs_f64()),
        duration_s: step.duration.as_secs_f64(),
        certain_after_s: record
            .early_end
            .as_ref()
            .map(|it| round(it.at.as_secs_f64())),
        result,
        reason,
        completed_per_s: round(scenario.map_or(0.0, completed_per_s)),
        error_rate: scenario.and_then(|it| it.ledger.error_rate(it.unanswered)),
        response_time_us: scenario.map_or_else(Default::default, |it| {
            let mut times = it.response_time_us.clone();
            times.histogram = None;
            times
        }),
        goals,
        cool_down_s: None,
    }
}

/// How fast iterations completed: from when the first could have, so that the last has as much time as it takes and no
/// more. What is worked off after the load counts, and so does the time for that.
pub(super) fn completed_per_s(scenario: &Scenario) -> f64 {
    let first = scenario.response_time_us.min.unwrap_or_default() / 1e6;
    let time = scenario.duration_s - first;
    match time > 0.0 {
        true => scenario.ledger.completed as f64 / time,
        false => 0.0,
    }
}

/// How fast iterations completed, as a part of how fast they were offered. What was offered is counted, as a chance that
/// has fewer arrivals fall into a trial is none of the service's.
pub(super) fn pace(document: &Document, duration: Duration) -> f64 {
    document.scenarios.first().map_or(0.0, |it| {
        let offered = it.ledger.wanted() as f64 / duration.as_secs_f64();
        match offered > 0.0 {
            true => completed_per_s(it) / offered,
            false => 1.0,
        }
    })
}

/// The part of what was offered that completed, 0 to 1.
pub(super) fn kept(document: &Document) -> f64 {
    document.scenarios.first().map_or(0.0, |it| {
        let (completed, wanted) = (it.ledger.completed, it.ledger.wanted());
        match wanted {
            0 => 0.0,
            wanted => completed as f64 / wanted as f64,
        }
    })
}
