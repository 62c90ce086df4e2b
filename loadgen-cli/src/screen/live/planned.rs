//! What is known of a scenario before it runs, and how far it has come.

use std::time::Duration;

use loadgen_core::engine::Phase;
use loadgen_core::scenario::ScenarioPlan;
use loadgen_core::schedule::{Limit, Load};

use super::moment::Moment;
use crate::human;

/// What is known of a scenario before it runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planned {
    pub(super) name: String,
    pub(super) open: bool,
    pub(super) extent: Extent,
}

/// What the bar of a scenario measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Extent {
    /// Time since the clock started.
    Time(Duration),
    /// Iterations.
    Iterations(u64),
}

impl Planned {
    /// Each of these scenarios, with its protocol where another one has the same name.
    pub(super) fn all(plans: &[ScenarioPlan]) -> Vec<Self> {
        let alike = |name: &str| plans.iter().filter(|it| it.name == name).count();
        let planned = plans.iter().map(|plan| {
            let mut planned = Self::of(plan);
            if alike(&plan.name) > 1 {
                planned.name.push_str(&format!(" {}", plan.protocol()));
            }
            planned
        });
        planned.collect()
    }

    fn of(plan: &ScenarioPlan) -> Self {
        let extent = match (plan.load.duration(), &plan.load) {
            (Some(duration), _) => Extent::Time(plan.start_after + plan.warm_up + duration),
            (None, Load::Closed(closed)) => Extent::Iterations(match closed.limit {
                Limit::IterationsPerUser(each) => each.saturating_mul(closed.users.into()),
                Limit::Iterations(all) => all,
                Limit::Duration(_) | Limit::Stages(_) => 0,
            }),
            (None, Load::Open(_)) => Extent::Time(Duration::ZERO),
        };
        Self {
            name: plan.name.clone(),
            open: matches!(plan.load, Load::Open(_)),
            extent,
        }
    }

    /// The phase as a person sees it: once the plan's time is over nothing new falls due, and the
    /// arrivals that are still in line are part of what drains.
    pub(super) fn phase(&self, now: &Moment) -> Phase {
        match self.extent {
            Extent::Time(whole) if now.phase == Phase::Measure && now.elapsed > whole => {
                Phase::Drain
            }
            _ => now.phase,
        }
    }
}

/// How far it is; while it drains there is no goal any more, only what is left to end.
pub(super) fn extent(planned: &Planned, now: &Moment) -> String {
    let (done, whole, _) = progress(planned, now);
    match now.phase {
        Phase::Connect | Phase::WarmUp | Phase::Measure => format!("{done} / {whole}"),
        Phase::Drain => {
            let words = if planned.open {
                "under way or in line"
            } else {
                "under way"
            };
            let left = human::count(now.left());
            format!("{}, {left} {words}", human::clock(now.elapsed))
        }
        Phase::Done => done,
    }
}

/// What is done, what there is in all, and the share.
pub(super) fn progress(planned: &Planned, now: &Moment) -> (String, String, f64) {
    let (done, whole, share) = match planned.extent {
        Extent::Time(whole) => (
            human::clock(now.elapsed),
            human::clock(whole),
            now.elapsed.as_secs_f64() / whole.as_secs_f64(),
        ),
        Extent::Iterations(whole) => {
            let done = now.ledger.completed + now.ledger.failed;
            (
                human::count(done),
                human::count(whole),
                done as f64 / whole as f64,
            )
        }
    };
    let share = if share.is_finite() { share } else { 0.0 };
    (done, whole, share.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use loadgen_core::scenario::shipped;

    use super::*;

    #[test]
    fn scenarios_of_one_name_are_told_apart() {
        let names = ["hello_light", "echo_light"].map(str::to_owned);
        let plan = shipped().select(&names, None).unwrap();
        let planned = Planned::all(&plan.scenarios);
        let names: Vec<&str> = planned.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(
            names,
            ["hello_light", "echo_light grpc", "echo_light websocket"]
        );
    }
}
