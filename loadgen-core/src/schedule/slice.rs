//! How much of a load is one shard's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arrivals::arrivals_of;
use super::{ClosedModel, Limit, Load, OpenModel, RateStage, Shard, UserStage};

/// What of a scenario's load is one shard's, by the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Slice {
    /// The scenario's name.
    pub scenario: String,
    /// The most users at a time that are this shard's.
    pub users: u64,
    /// The same of all shards.
    pub users_of_all: u64,
    /// Arrivals or iterations, those of the warm-up left out, that are this shard's. Left out where the plan does not
    /// fix their number; with Poisson arrivals it is the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<u64>,
    /// The same of all shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_of_all: Option<u64>,
    /// Seconds that the load lasts, the warm-up left out. Left out where the plan does not fix that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub duration_s: Option<f64>,
}

impl Slice {
    /// What is the part of a scenario's load of this shard, if it has one.
    #[must_use]
    pub fn of(scenario: impl Into<String>, load: &Load, part: Option<Shard>) -> Self {
        let part_of = |all: u64| part.map_or(0, |it| it.part_of(all));
        let users = u64::from(load.max_users());
        let planned = match load {
            // Each user has its own.
            Load::Closed(ClosedModel {
                limit: Limit::IterationsPerUser(each),
                ..
            }) => Some((
                part_of(users).saturating_mul(*each),
                users.saturating_mul(*each),
            )),
            _ => load.planned().map(|all| (part_of(all), all)),
        };
        Self {
            scenario: scenario.into(),
            users: part_of(users),
            users_of_all: users,
            planned: planned.map(|(part, _)| part),
            planned_of_all: planned.map(|(_, all)| all),
            duration_s: load.duration().map(|it| it.as_secs_f64()),
        }
    }
}

impl Load {
    /// How many iterations there are in all, where the plan fixes it; the mean of Poisson arrivals.
    fn planned(&self) -> Option<u64> {
        match self {
            Self::Open(open) => Some(arrivals_of(&open.stages)),
            Self::Closed(closed) => match closed.limit {
                Limit::Iterations(all) => Some(all),
                Limit::IterationsPerUser(each) => Some(each.saturating_mul(closed.users.into())),
                Limit::Duration(_) | Limit::Stages(_) => None,
            },
        }
    }

    /// A load as large as the part that one shard has of this one: what it takes of a machine, and how far it is. Its
    /// users have numbers of their own, so it is none to be made in the place of the part.
    #[must_use]
    pub fn as_large_as(&self, part: Shard) -> Self {
        let users = |all: u32| u32::try_from(part.part_of(all.into())).unwrap_or(all);
        match self {
            Self::Closed(closed) => {
                let limit = match &closed.limit {
                    Limit::Iterations(all) => Limit::Iterations(part.part_of(*all)),
                    Limit::Stages(stages) => Limit::Stages(
                        (stages.iter())
                            .map(|it| UserStage::new(it.duration, users(it.users)))
                            .collect(),
                    ),
                    other => other.clone(),
                };
                Self::Closed(ClosedModel {
                    users: users(closed.users),
                    limit,
                    rate_limit: closed.rate_limit.map(|it| part.rate(it)),
                    ..closed.clone()
                })
            }
            Self::Open(open) => {
                let rate = |all: f64| all / f64::from(part.count());
                let stages = open.stages.iter();
                Self::Open(OpenModel {
                    stages: stages
                        .map(|it| RateStage::new(it.duration, rate(it.from), rate(it.to)))
                        .collect(),
                    max_users: users(open.max_users),
                    ..open.clone()
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn loads() -> impl Strategy<Value = Load> {
        let second = Duration::from_secs(1);
        prop_oneof![
            (1_u32..200, 1_u64..1_000)
                .prop_map(|(users, all)| Load::closed(users).iterations(all).into()),
            (1_u32..200, 1_u64..9)
                .prop_map(|(users, each)| Load::closed(users).iterations_per_user(each).into()),
            (1_u32..200).prop_map(move |users| Load::closed(users).for_(second).into()),
            (1_u32..200, 0.5_f64..900.0).prop_map(move |(users, rate)| {
                let stages = vec![
                    RateStage::new(second, 0.0, rate),
                    RateStage::new(second, rate, rate),
                ];
                Load::open_stages(stages).max_users(users).into()
            }),
        ]
    }

    proptest! {
        #[test]
        fn slices_add_up_to_the_plan(load in loads(), count in 1_u32..=64) {
            let shards = (0..count).map(|index| Shard::new(index, count).unwrap());
            let most = u64::from(load.max_users());
            let slices: Vec<_> = shards.map(|it| Slice::of("s", &load, it.among(most))).collect();
            let (mut users, mut planned) = (0, 0);
            for slice in &slices {
                users += slice.users;
                planned += slice.planned.unwrap_or_default();
                prop_assert_eq!(slice.users_of_all, most);
                prop_assert_eq!(slice.planned_of_all, load.planned());
                prop_assert_eq!(slice.planned.is_some(), slice.planned_of_all.is_some());
            }
            prop_assert_eq!(users, most);
            prop_assert_eq!(planned, load.planned().unwrap_or_default());
        }
    }
}
