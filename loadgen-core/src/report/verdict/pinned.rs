//! One connection on which one server answered all, where others stood beside it.
//!
//! Owns when that is worth a word: where it is known that there are others, or that shares matter.

use super::super::document::{Expectation, ThresholdResult};
use super::{Findings, Titled};
use crate::units::human::count;

/// With fewer answers nobody asks how they were divided.
const FEW: u64 = 20;

/// A balancer that gives whole connections away has had nothing to divide, and its shares look like a fault of
/// its own.
pub(super) fn judge(
    scenario: &Titled<'_>,
    conditions: &[ThresholdResult],
    expectations: &[Expectation],
    findings: &mut Findings,
) {
    let mut named = scenario.backends.iter().filter(|it| it.is_one());
    let (Some(one), None) = (named.next(), named.next()) else {
        return;
    };
    let is_pinned = one.connections == 1 && one.completed() >= FEW && scenario.targets.len() < 2;
    let is_divided = scenario.servers.len() > 1
        || (expectations.iter()).any(|it| it.expression.starts_with("distribution"))
        || (conditions.iter()).any(|it| it.expression.starts_with("balance."));
    if is_pinned && is_divided {
        findings.warnings.push(format!(
            "`{}`: {} answers came over one connection, all of {}; a balancer that gives whole connections \
             away has had one to give: with more of them (`connections`, `connection_per`) it is seen how it \
             divides",
            scenario.title,
            count(one.completed()),
            one.id,
        ));
    }
}
