//! What was expected of a balancer, and what became of the load when a server went away.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::document::{
    Answer, Ejection, Expectation, Failover, Farewell, Ramp, Statistics, Survivors, Switched,
    round3,
};
use super::seconds;
use crate::expectation::Expectations;
use crate::judge::balance::{self, Moment, Surroundings};
use crate::record::{EventRecord, ScenarioRecord};
use crate::scenario::{Plan, ScenarioPlan};

/// What is expected of whatever stood between the generator and a scenario's servers, and what it takes to judge
/// that.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Expected {
    /// What is expected.
    pub expectations: Expectations,
    /// The scenario's tags, which routes go by.
    pub tags: BTreeMap<String, String>,
    /// The names of all servers there are; empty where nobody knows, and then those that answered are all.
    pub servers: Vec<String>,
}

impl Expected {
    /// What a scenario of a plan expects, and of which servers: those that the run starts for it, that answer,
    /// and that speak what it speaks. What `identify` has may give them other names; there are as many.
    #[must_use]
    pub fn of(plan: &Plan, scenario: &ScenarioPlan) -> Self {
        Self {
            expectations: scenario.expect.clone(),
            tags: scenario.tags.clone(),
            servers: plan.answering(scenario).map(str::to_owned).collect(),
        }
    }
}

/// Whether it is as expected.
pub(super) fn expectations(expected: &Expected, record: &ScenarioRecord) -> Vec<Expectation> {
    let around = Surroundings {
        tags: &expected.tags,
        servers: &expected.servers,
    };
    let findings = balance::expected(&expected.expectations, record, around);
    let findings = findings.into_iter().map(|finding| {
        let (verdict, needed) = match finding.answer {
            balance::Answer::Holds => (Answer::Holds, None),
            balance::Answer::Fails => (Answer::Fails, None),
            balance::Answer::Undecided { needed } => (Answer::Undecided, needed),
        };
        Expectation {
            expression: finding.expression,
            observed: finding.observed,
            verdict,
            needed,
            spans_changes: record.changes().count() as u64,
        }
    });
    findings.collect()
}

/// What became of the load when servers went away.
pub(super) fn failovers(record: &ScenarioRecord) -> Vec<Failover> {
    let failovers = balance::failovers(record).into_iter();
    let failovers = failovers.map(|(event, found)| {
        let time = |moment: Moment| moment.after().map(seconds);
        let seen = |count: u64| found.was_seen.then_some(count);
        let moments = [
            ("detected", found.detected),
            ("recovered", found.recovered),
            ("returned", found.returned),
            ("rebalanced", found.rebalanced),
        ];
        let never = moments.into_iter().filter(|(_, it)| *it == Moment::Never);
        Failover {
            event: event.said.clone(),
            backend: event.backend.clone().unwrap_or_default(),
            behind: event.behind.clone(),
            at_s: event.done.map(seconds),
            back_s: event.ready.map(seconds),
            detected_s: time(found.detected),
            given: found.given,
            relapses: found.relapses,
            lost: seen(found.lost),
            lost_in_flight: seen(found.lost_in_flight),
            recorded_s: found.recorded.filter(|_| found.was_seen).map(seconds),
            slow: found.slow.filter(|_| found.was_seen),
            first_error_s: found.errors.map(|(first, _)| seconds(first)),
            last_error_s: found.errors.map(|(_, last)| seconds(last)),
            recovered_s: time(found.recovered),
            silence_s: found.was_seen.then(|| seconds(found.silence)),
            returned_s: time(found.returned),
            rebalanced_s: time(found.rebalanced),
            ramp: ramp(record, event),
            never: never.map(|(name, _)| name.to_owned()).collect(),
            untold: found.untold,
            survivors: found.survivors.and_then(survivors),
            switched: found.switched.map(|it| Switched {
                count: it.count,
                p50_s: seconds(it.p50),
                p90_s: seconds(it.p90),
                p99_s: seconds(it.p99),
                max_s: seconds(it.longest),
            }),
            farewell: found.farewell.map(|it| Farewell {
                connections: it.connections,
                open: it.open,
                finished: it.finished,
                refused: it.refused,
                sent_again: it.sent_again,
                broken: it.broken,
            }),
            reconnects_per_s: found.reconnects,
            imbalance_after: found.imbalance_after.map(round3),
        }
    });
    failovers.collect()
}

/// How long the other servers took, where they answered anything.
fn survivors(found: balance::Survivors) -> Option<Survivors> {
    let balance::Survivors { before, during } = found;
    let is_any = !before.is_empty() || !during.is_empty();
    is_any.then(|| Survivors {
        before_us: Statistics::of(&before),
        during_us: Statistics::of(&during),
    })
}

/// When servers got nothing although they were up.
pub(super) fn ejections(record: &ScenarioRecord) -> Vec<Ejection> {
    let all = balance::ejections(record).unwrap_or_default().into_iter();
    let all = all.map(|it| Ejection {
        from_s: seconds(it.from),
        until_s: it.until.map(seconds),
        bad: it.bad,
        healthy: it.is_healthy,
        backend: it.backend,
    });
    all.collect()
}

/// How the load of the server grew that an event brought back.
fn ramp(record: &ScenarioRecord, event: &EventRecord) -> Vec<Ramp> {
    let all = balance::returns(record).into_iter();
    let own = all.filter(|(it, _)| std::ptr::eq(*it, event));
    let seconds = own.filter_map(|(_, seconds)| seconds.ok()).flatten();
    let ramp = seconds.map(|it| Ramp {
        t_s: it.at.as_secs_f64(),
        part: (it.part * 1e3).round() / 1e3,
    });
    ramp.collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::{Context, build};
    use super::*;
    use crate::outcome::Outcome;
    use crate::record::{BackendRecord, GeneratorRecord, Ledger, RunRecord};
    use crate::report::Status;

    /// A run of 1,000 requests that b1 and b2 answered.
    fn run(b1: u64, b2: u64) -> RunRecord {
        let mut scenario = ScenarioRecord::empty("lb", "grpc", false, &[]);
        let requests = b1 + b2;
        scenario.ledger = Ledger {
            planned: requests,
            started: requests,
            completed: requests,
            ..Ledger::default()
        };
        scenario.elapsed = Duration::from_secs(2);
        scenario.outcomes = vec![(Outcome::Ok, requests)];
        for (id, requests) in [("b1", b1), ("b2", b2)] {
            scenario.backends.push(BackendRecord {
                requests,
                ..BackendRecord::empty(id)
            });
        }
        let elapsed = scenario.elapsed;
        let generator = GeneratorRecord::default();
        RunRecord::new(SystemTime::now(), elapsed, vec![scenario], generator)
    }

    fn judged(record: &RunRecord) -> crate::report::Document {
        let expected = Expected {
            expectations: Expectations {
                distribution: Some("even within 5%".parse().unwrap()),
                ..Expectations::default()
            },
            ..Expected::default()
        };
        let mut context = Context::new();
        context.thresholds = vec![vec!["balance.imbalance < 1.1".parse().unwrap()]];
        context.expected = vec![expected];
        build(record, context)
    }

    #[test]
    fn what_holds_passes() {
        let document = judged(&run(10_000, 10_000));
        assert_eq!(
            document.verdict.status,
            Status::Pass,
            "{:?}",
            document.verdict
        );
        assert!(document.conditions_hold());
        let [expectation] = document.scenarios[0].expectations.as_slice() else {
            panic!("one was given");
        };
        assert_eq!(expectation.verdict, Answer::Holds);
        assert_eq!(document.scenarios[0].thresholds[0].observed, Some(1.0));
    }

    #[test]
    fn what_does_not_hold_fails() {
        let document = judged(&run(15_000, 5_000));
        assert_eq!(document.verdict.status, Status::Fail);
        assert_eq!(
            document.verdict.reasons,
            [
                "`lb`: `balance.imbalance < 1.1` does not hold, observed 1.5",
                "`lb`: `distribution even within 5%` does not hold: b1 75%, b2 25% (±0.86%) of 20,000 requests, dispersion 5000",
            ]
        );
        assert!(!document.conditions_hold());
    }

    #[test]
    fn what_is_undecided_fails_and_says_what_would_tell() {
        let document = judged(&run(52, 48));
        let [expectation] = document.scenarios[0].expectations.as_slice() else {
            panic!("one was given");
        };
        assert_eq!(expectation.verdict, Answer::Undecided);
        assert!(expectation.needed.unwrap() > 1_000, "{expectation:?}");
        assert_eq!(document.verdict.status, Status::Fail);
        let reason = &document.verdict.reasons[0];
        assert!(
            reason.contains("is undecided: ") && reason.ends_with(" would tell"),
            "{reason}"
        );
        assert!(!document.conditions_hold());
    }
}
