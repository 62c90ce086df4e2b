//! What broke first: read off the result of the trial at the lowest rate that did not hold.

use super::trial::completed_per_s;
use crate::condition::{Metric, StepMetric, Threshold};
use crate::record::ScenarioRecord;
use crate::report::{
    Backend, Breach, BreachCause, Document, Scenario, Statistics, Step, ThresholdResult,
};
use crate::units::human::{self, count, percent};

/// Waiting for a user or a stream is what is in the way where it is more than this part of the mean: with one that takes
/// calls one after the other, what a goal of a few times its service time breaks by is half of it.
const GREAT_PART: f64 = 1.0 / 3.0;

/// What was in the way of a goal in a trial at this rate.
pub(super) fn breach(document: &Document, goal: &ThresholdResult, at_per_s: f64) -> Option<Breach> {
    let scenario = document.scenarios.first()?;
    let condition: Threshold = goal.expression.parse().ok()?;
    let outcome = worst_outcome(scenario);
    let failed = ended(scenario) - ok(scenario) + scenario.unanswered;
    let is_of_time = is_of_time(&condition);
    let waits = waits(scenario);
    let (cause, explanation) = match (&outcome, waits) {
        // Where times break a goal, what fails in them is beside the point unless it is most of them.
        (_, Some((cause, share))) if is_of_time || scenario.unanswered > failed / 2 => {
            let for_what = match cause {
                BreachCause::Users => {
                    "a free user: all were busy. A higher `load.open.users.max` (`--concurrency`) shows \
                     whether the service holds more"
                }
                _ => {
                    "a free stream on their connection. More `connections`, or a higher limit of the \
                     server's, show whether it holds more"
                }
            };
            let explanation = format!(
                "{} of the response time was waiting for {for_what}",
                percent(share)
            );
            (cause, explanation)
        }
        (Some((key, number)), _) if !is_of_time => {
            let example = scenario.failures.iter().find(|it| it.outcome == *key);
            let example = example.and_then(|it| it.example.as_ref());
            let example = example.map_or_else(String::new, |it| format!(", such as: {it}"));
            let explanation = format!("{} times `{key}`{example}", count(*number));
            let cause = match is_of_connections(key) {
                true => BreachCause::Connections,
                false => BreachCause::Failing,
            };
            (cause, explanation)
        }
        (None, _) if !is_of_time && scenario.unanswered > 0 => {
            let explanation = format!(
                "{} iterations were left without an answer: the service completed {}",
                count(scenario.unanswered),
                human::rate(completed_per_s(scenario)),
            );
            (BreachCause::Slow, explanation)
        }
        _ => {
            let explanation = format!(
                "the service completed {} of {}, {} of the response time was waiting for a free user or stream",
                human::rate(completed_per_s(scenario)),
                human::rate(at_per_s),
                waited(scenario),
            );
            (BreachCause::Slow, explanation)
        }
    };
    Some(Breach {
        goal: goal.clone(),
        at_per_s,
        cause,
        step: step(scenario, &condition, is_of_time),
        backend: backend(scenario, &condition, is_of_time),
        // What failed is beside the point where times are.
        outcome: outcome.filter(|_| !is_of_time).map(|(key, _)| key),
        explanation,
    })
}

/// Whether a condition is on how long something takes.
fn is_of_time(condition: &Threshold) -> bool {
    matches!(
        condition.metric(),
        Metric::Series(..)
            | Metric::Silence
            | Metric::Step {
                metric: StepMetric::Series(..),
                ..
            }
            | Metric::Backend {
                metric: crate::condition::BackendMetric::ResponseTime(_),
                ..
            }
    )
}

fn is_of_connections(key: &str) -> bool {
    matches!(key, "connect" | "connection") || key.starts_with("reset.")
}

fn ended(scenario: &Scenario) -> u64 {
    scenario.outcomes.values().sum()
}

fn ok(scenario: &Scenario) -> u64 {
    scenario.outcomes.get("ok").copied().unwrap_or_default()
}

/// The outcome other than ok that came most often.
fn worst_outcome(scenario: &Scenario) -> Option<(String, u64)> {
    let bad = scenario.outcomes.iter().filter(|(key, _)| *key != "ok");
    let worst = bad.max_by_key(|(_, count)| **count)?;
    (*worst.1 > 0).then(|| (worst.0.clone(), *worst.1))
}

/// What a great part of the response time was waiting for, where it was: a user, or a stream.
fn waits(scenario: &Scenario) -> Option<(BreachCause, f64)> {
    let all = shares_waited(scenario).into_iter();
    all.filter(|(_, share)| *share > GREAT_PART)
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// Which part of the response time was waiting for a free user, and for a free stream.
fn shares_waited(scenario: &Scenario) -> [(BreachCause, f64); 2] {
    let whole = sum(&scenario.response_time_us);
    let share = |waited: f64| match whole > 0.0 {
        true => (waited / whole).min(1.0),
        false => 0.0,
    };
    let for_users = scenario.queue_wait_us.as_ref().map_or(0.0, sum);
    let steps = scenario.steps.iter();
    let for_streams: f64 = steps
        .filter_map(|it| it.stream_wait_us.as_ref())
        .map(sum)
        .sum();
    [
        (BreachCause::Users, share(for_users)),
        (BreachCause::Streams, share(for_streams)),
    ]
}

/// `none`, `12%`.
fn waited(scenario: &Scenario) -> String {
    let share: f64 = shares_waited(scenario).iter().map(|(_, share)| share).sum();
    match share < 0.001 {
        true => "none".to_owned(),
        false => percent(share),
    }
}

fn sum(times: &Statistics) -> f64 {
    times.mean.unwrap_or_default() * times.count as f64
}

/// The step that a goal is about, or else the one that took or failed most.
fn step(scenario: &Scenario, condition: &Threshold, is_of_time: bool) -> Option<String> {
    if let Some(step) = condition.step() {
        return Some(step.to_owned());
    }
    let badness = |step: &Step| match is_of_time {
        true => step.response_time_us.as_ref().map_or(0.0, sum),
        false => {
            let bad = step.outcomes.iter().filter(|(key, _)| *key != "ok");
            let bad: u64 = bad.map(|(_, count)| count).sum();
            (bad + step.unanswered) as f64
        }
    };
    let steps = scenario.steps.iter().filter(|it| it.part.is_none());
    if steps.clone().count() < 2 {
        return None;
    }
    let worst = steps.max_by(|a, b| badness(a).total_cmp(&badness(b)))?;
    (badness(worst) > 0.0).then(|| worst.name.clone())
}

/// The server that a goal is about, or else the one that did worst; of several that did the same the most loaded.
fn backend(scenario: &Scenario, condition: &Threshold, is_of_time: bool) -> Option<String> {
    if let Some(backend) = condition.backend() {
        return Some(backend.to_owned());
    }
    let is_one = |it: &&Backend| it.id != ScenarioRecord::UNKNOWN && it.requests > 0;
    let named: Vec<&Backend> = scenario.backends.iter().filter(is_one).collect();
    if named.len() < 2 {
        return None;
    }
    let badness = |it: &Backend| match is_of_time {
        true => {
            let times = it.response_time_us.as_ref();
            times
                .and_then(|it| it.p99.or(it.p95).or(it.mean))
                .unwrap_or_default()
        }
        false => it.failed as f64 / it.requests as f64,
    };
    let worst = named.iter().map(|it| badness(it)).fold(0.0, f64::max);
    // Within a tenth they did the same.
    let alike = named.iter().filter(|it| badness(it) >= worst * 0.9);
    alike.max_by_key(|it| it.requests).map(|it| it.id.clone())
}
