//! How far a run is to go, and how far it has come.

use std::time::Duration;

use crate::record::RunRecord;
use crate::report::Progress;
use crate::scenario::ScenarioPlan;
use crate::schedule::{Limit, Load};
use crate::units::human;

/// How far a run is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// Since the clock started.
    Time(Duration),
    Iterations(u64),
    /// Some scenarios are over after a time, some after so many iterations.
    Mixed,
}

/// What is known of how far a run is to go.
#[derive(Debug, Clone)]
pub(super) struct Extent {
    /// What is run.
    name: String,
    goal: Goal,
}

impl Extent {
    pub(super) fn of(scenarios: &[ScenarioPlan]) -> Self {
        let goals: Vec<Goal> = scenarios.iter().map(goal).collect();
        let longest = goals
            .iter()
            .try_fold(Duration::ZERO, |longest, it| match it {
                Goal::Time(time) => Some(longest.max(*time)),
                _ => None,
            });
        let many = goals.iter().try_fold(0_u64, |sum, it| match it {
            Goal::Iterations(many) => Some(sum.saturating_add(*many)),
            _ => None,
        });
        let of_time = longest.map(Goal::Time);
        Self {
            name: match scenarios {
                [only] => only.name.clone(),
                several => format!("{} scenarios", several.len()),
            },
            goal: of_time
                .or(many.map(Goal::Iterations))
                .unwrap_or(Goal::Mixed),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Before there are figures.
    pub(super) fn before(&self) -> Progress {
        Progress::waiting(&*self.name)
    }

    /// The load has begun.
    pub(super) fn begun(&self) -> Progress {
        Progress {
            sentence: "The load has begun. Figures come once a second.",
            ..Progress::running("RUNNING", &*self.name)
        }
    }

    /// There is no result, and why.
    pub(super) fn failed(&self, why: &str) -> Progress {
        Progress::failed(format!("{}: {why}", self.name))
    }

    /// How far it is, so long after the clock started; whether somebody has paused all of it.
    pub(super) fn progress(&self, at: Duration, record: &RunRecord, is_paused: bool) -> Progress {
        let name = &self.name;
        let seconds = |it: Duration| human::duration(Duration::from_secs(it.as_secs()));
        let is_ending = record.stopped || record.early_end.is_some();
        let (word, so_far) = match self.goal {
            Goal::Time(whole) if at > whole + Duration::from_secs(1) => (
                "DRAINING",
                format!("{}, what is under way ends", seconds(at)),
            ),
            Goal::Time(whole) => {
                let at = at.min(whole);
                (
                    "RUNNING",
                    format!("{} of {}", seconds(at), human::duration(whole)),
                )
            }
            Goal::Iterations(whole) => {
                let ledgers = record.scenarios.iter().map(|it| &it.ledger);
                let done = ledgers.map(|it| it.completed + it.failed).sum();
                let (done, whole) = (human::count(done), human::count(whole));
                (
                    "RUNNING",
                    format!("{done} of {whole} iterations, {}", seconds(at)),
                )
            }
            Goal::Mixed => ("RUNNING", format!("{} so far", seconds(at))),
        };
        let (word, so_far) = match is_ending {
            true => ("STOPPING", so_far),
            false if is_paused => ("PAUSED", format!("{so_far}, nothing new starts")),
            false => (word, so_far),
        };
        Progress::running(word, format!("{name}, {so_far}"))
    }
}

fn goal(plan: &ScenarioPlan) -> Goal {
    match (plan.load.duration(), &plan.load) {
        (Some(duration), _) => Goal::Time(plan.start_after + plan.warm_up + duration),
        (None, Load::Closed(closed)) => match closed.limit {
            Limit::IterationsPerUser(each) => {
                Goal::Iterations(each.saturating_mul(closed.users.into()))
            }
            Limit::Iterations(all) => Goal::Iterations(all),
            Limit::Duration(_) | Limit::Stages(_) => Goal::Mixed,
        },
        (None, Load::Open(_)) => Goal::Mixed,
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use test_case::test_case;

    use super::*;
    use crate::record::{GeneratorRecord, ScenarioRecord};

    fn progress(goal: Goal, at_s: f64, stopped: bool, is_paused: bool) -> String {
        let extent = Extent {
            name: "greet".to_owned(),
            goal,
        };
        let mut scenario = ScenarioRecord::empty("greet", "grpc", false, &[]);
        scenario.ledger.completed = 1_200;
        let generator = GeneratorRecord::default();
        let mut record = RunRecord::new(UNIX_EPOCH, Duration::ZERO, vec![scenario], generator);
        record.stopped = stopped;
        let progress = extent.progress(Duration::from_secs_f64(at_s), &record, is_paused);
        format!("{} {}", progress.word, progress.what)
    }

    const MINUTE: Goal = Goal::Time(Duration::from_secs(60));

    #[test_case(MINUTE, 12.004, false => "RUNNING greet, 12 s of 60 s"; "on its way")]
    #[test_case(MINUTE, 60.3, false => "RUNNING greet, 60 s of 60 s"; "at the end")]
    #[test_case(MINUTE, 64.0, false => "DRAINING greet, 64 s, what is under way ends"; "after the end")]
    #[test_case(MINUTE, 12.0, true => "STOPPING greet, 12 s of 60 s"; "stopped")]
    #[test_case(Goal::Iterations(10_000), 3.0, false => "RUNNING greet, 1,200 of 10,000 iterations, 3 s")]
    #[test_case(Goal::Mixed, 3.0, false => "RUNNING greet, 3 s so far")]
    fn tells_how_far_it_is(goal: Goal, at_s: f64, stopped: bool) -> String {
        progress(goal, at_s, stopped, false)
    }

    #[test]
    fn a_pause_is_told_until_the_run_ends() {
        let paused = |stopped| progress(MINUTE, 12.0, stopped, true);
        assert_eq!(
            paused(false),
            "PAUSED greet, 12 s of 60 s, nothing new starts"
        );
        assert_eq!(paused(true), "STOPPING greet, 12 s of 60 s");
    }
}
