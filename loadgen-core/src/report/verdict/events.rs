//! Events that could not be done, or not be undone: the run is not the one that was asked for.

use super::{Findings, Titled};
use crate::report::phrase::span;
use crate::units::human::counted;

/// A reason where any event of the scenario failed; the first is told of.
pub(super) fn judge(scenario: &Titled<'_>, findings: &mut Findings) {
    let mut failed = scenario
        .events
        .iter()
        .filter_map(|it| Some((it, it.failure.as_deref()?)));
    let Some((event, why)) = failed.next() else {
        return;
    };
    let count = 1 + failed.count() as u64;
    let when = event.done.or(event.planned);
    let when = when.map(|it| span(u64::try_from(it.as_nanos()).unwrap_or(u64::MAX)));
    let at = when.map_or_else(String::new, |it| format!(" at {it}"));
    let first = if count == 1 { "" } else { "the first, " };
    findings.broken.push(format!(
        "`{}`: {} failed, so this is not the run that was asked for: {first}`{}`{at}: {why}",
        scenario.title,
        counted(count, "event"),
        event.said,
    ));
}
