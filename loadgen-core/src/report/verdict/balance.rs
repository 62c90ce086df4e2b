//! Whether whatever stands between the generator and the servers did what was expected of it.

use super::super::document::{Answer, Expectation};
use super::{Findings, Titled};
use crate::units::human::count;

pub(super) fn judge(scenario: &Titled<'_>, expectations: &[Expectation], findings: &mut Findings) {
    // Where nothing was measured that is said once.
    if scenario.error_rate().is_none() {
        return;
    }
    for expectation in expectations {
        let Expectation {
            expression,
            observed,
            verdict,
            needed,
            ..
        } = expectation;
        let name = &scenario.title;
        let what = match verdict {
            Answer::Holds => continue,
            Answer::Fails => "does not hold",
            Answer::Undecided => "is undecided",
        };
        let more = needed.map(|more| format!("; {} more would tell", count(more)));
        let more = more.unwrap_or_default();
        findings
            .failed
            .push(format!("`{name}`: `{expression}` {what}: {observed}{more}"));
    }
}
