//! The checks of a step: what was seen where one did not hold, and how often the others did.

use super::super::document::{Check, Scenario, Step};
use super::Item;
use crate::units::human::{self, counted};

/// Checks that did not hold and are named, of one step.
const MOST_NAMED: usize = 8;

/// The checks of one step.
#[derive(Debug)]
pub(in crate::report) struct Checks {
    /// The step, where the scenario has several.
    pub(in crate::report) step: Option<String>,
    /// Those that did not always hold, the one that failed most first.
    pub(in crate::report) failed: Vec<Failed>,
    /// What there is of these beside those that are named.
    pub(in crate::report) more: Option<String>,
    /// All others together.
    pub(in crate::report) others: Option<String>,
    /// Whether any of these held: nothing is good about a check that was never made.
    pub(in crate::report) has_passed: bool,
}

/// A check that did not always hold.
#[derive(Debug)]
pub(in crate::report) struct Failed {
    pub(in crate::report) expression: String,
    /// `(3 of 1,200 failed)`.
    pub(in crate::report) count: String,
    pub(in crate::report) example: Option<String>,
}

/// All of them, where there are any.
pub(super) fn item(checks: impl Iterator<Item = Checks>) -> Option<Item> {
    let checks: Vec<Checks> = checks.collect();
    (!checks.is_empty()).then_some(Item::Checks(checks))
}

/// Those of each step that has any.
pub(super) fn of(scenario: &Scenario) -> impl Iterator<Item = Checks> {
    let is_one_of_several = scenario.steps.len() > 1;
    let with_checks = scenario.steps.iter().filter(|it| !it.checks.is_empty());
    with_checks.map(move |step| of_step(step, is_one_of_several))
}

/// The same, of steps that have some that failed.
pub(super) fn failed(scenario: &Scenario) -> impl Iterator<Item = Checks> {
    of(scenario).filter(|it| !it.failed.is_empty())
}

fn of_step(step: &Step, is_one_of_several: bool) -> Checks {
    let mut failed: Vec<&Check> = step.checks.iter().filter(|it| it.failed > 0).collect();
    // Stable, so that those that failed as often stay in their order.
    failed.sort_by_key(|check| std::cmp::Reverse(check.failed));
    let more = failed.len().saturating_sub(MOST_NAMED);
    let held = |it: &&Check| it.failed == 0 && it.passed > 0;
    Checks {
        step: is_one_of_several.then(|| step.name.clone()),
        failed: failed.into_iter().take(MOST_NAMED).map(named).collect(),
        more: (more > 0)
            .then(|| format!("… and {} that failed", counted(more as u64, "more check"))),
        others: others(&step.checks),
        has_passed: step.checks.iter().any(|it| held(&it)),
    }
}

fn named(check: &Check) -> Failed {
    let all = check.passed.saturating_add(check.failed);
    Failed {
        expression: check.expression.clone(),
        count: format!(
            "({} of {} failed)",
            human::count(check.failed),
            human::count(all)
        ),
        example: check.example.clone(),
    }
}

/// `2 checks held 2,400 times, 1 was never made`.
fn others(checks: &[Check]) -> Option<String> {
    let held = checks.iter().filter(|it| it.failed == 0 && it.passed > 0);
    let (number, times) = held.fold((0_u64, 0_u64), |(number, times), check| {
        (number + 1, times.saturating_add(check.passed))
    });
    let unmade = checks.iter().filter(|it| it.failed == 0 && it.passed == 0);
    let unmade = unmade.count() as u64;
    let held = (number > 0).then(|| {
        format!(
            "{} held {}",
            counted(number, "check"),
            counted(times, "time")
        )
    });
    let unmade = match unmade {
        0 => None,
        1 => Some("1 was never made".to_owned()),
        several => Some(format!("{} were never made", human::count(several))),
    };
    let parts: Vec<String> = held.into_iter().chain(unmade).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
