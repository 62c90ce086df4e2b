//! What of a scenario a search is made of, and whether one can be.

use super::CapacityError;
use crate::condition::Threshold;
use crate::data::Order;
use crate::scenario::{CapacityPlan, ScenarioPlan};
use crate::schedule::{DEFAULT_MAX_USERS, Load};
use crate::units::Rate;

/// What has to hold: the search's goals, else the scenario's thresholds, but for those over windows and those on events,
/// of which there are none in a trial. Where none of them is about failures, that
/// hardly any are comes with them: a service that refuses all is as fast as can be.
#[must_use]
pub fn goals(scenario: &ScenarioPlan, search: &CapacityPlan) -> Vec<Threshold> {
    let own = scenario
        .thresholds
        .iter()
        .filter(|it| it.window().is_none() && !it.is_about_failover());
    let mut goals = match search.goals.is_empty() {
        true => own.cloned().map(Threshold::judged_at_the_end).collect(),
        false => search.goals.clone(),
    };
    if !goals.iter().any(Threshold::is_about_failures) {
        goals.push(Threshold::default_error_rate());
    }
    goals
}

/// The scenario with an open load, as a search makes it: spaced as its own is and with as many users where that is open,
/// else evenly and with 1,000 users at the most, or as many as it has.
///
/// # Errors
/// [`CapacityError::Unfit`] where no search can be made of it.
pub fn openly(
    scenario: &ScenarioPlan,
    search: &CapacityPlan,
) -> Result<ScenarioPlan, CapacityError> {
    check(scenario, search, &goals(scenario, search))?;
    let mut openly = scenario.clone();
    if let Load::Closed(model) = &scenario.load {
        let rate = search.to.or(search.from);
        let rate = rate.map_or_else(|| Rate::new(1.0), Ok);
        let load = Load::open(rate.expect("1/s is a rate")).for_(search.budget);
        openly.load = load.max_users(model.users.max(DEFAULT_MAX_USERS)).into();
    }
    openly.thresholds = goals(scenario, search);
    Ok(openly)
}

/// Whether a search can be made of this scenario.
///
/// # Errors
/// [`CapacityError::Unfit`] for the first thing that is in the way.
pub(super) fn check(
    scenario: &ScenarioPlan,
    search: &CapacityPlan,
    goals: &[Threshold],
) -> Result<(), CapacityError> {
    let unfit = |found: String, expected: &str| {
        Err(CapacityError::Unfit {
            scenario: scenario.name.clone(),
            found,
            expected: expected.to_owned(),
        })
    };
    let held = CapacityPlan {
        goals: goals.to_vec(),
        ..search.clone()
    };
    if let Err(error) = held.check() {
        return unfit(
            format!("{} is {}", error.field, error.found),
            &error.expected,
        );
    }
    if scenario.protocol.may_last_as_load() {
        let expected = "steps that end by themselves: how many begin in a second says nothing of streams that last";
        return unfit(
            "its streams last for as long as the load".to_owned(),
            expected,
        );
    }
    if let Some(source) = scenario.data.iter().find(|it| it.order == Order::Once) {
        let found = format!("the rows of `{}` are given out once", source.name);
        return unfit(
            found,
            "another `order`: each of some twenty trials takes them from the first on",
        );
    }
    Ok(())
}
