//! Files and lists of addresses that changed while the run was under way and could not be taken: what was used
//! was old.

use super::{Findings, Titled};
use crate::report::phrase::span;

/// The most of them that are told of, for each scenario.
const MOST_TOLD: usize = 3;

/// A warning for each change that was not taken.
pub(super) fn judge(scenario: &Titled<'_>, findings: &mut Findings) {
    let refused = || scenario.changes.iter().filter(|it| it.problem.is_some());
    for change in refused().take(MOST_TOLD) {
        let at = span(u64::try_from(change.at.as_nanos()).unwrap_or(u64::MAX));
        let warning = format!("`{}`, at {at}: {change}", scenario.title);
        findings.warnings.push(warning);
    }
    let more = refused().count().saturating_sub(MOST_TOLD);
    if more > 0 {
        findings.warnings.push(format!(
            "`{}`: {more} more of these; `changes` in the result has them",
            scenario.title
        ));
    }
}
