//! Whether a condition ends the run before its plan does.

use crate::condition::Threshold;
use crate::judge::judge;
use crate::record::{EarlyEnd, ScenarioRecord};

/// What was measured so far, and the conditions on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged<'a> {
    /// Whose it is; `None` of all scenarios with a tag.
    pub(super) scenario: Option<&'a str>,
    pub(super) conditions: &'a [Threshold],
    pub(super) record: &'a ScenarioRecord,
}

/// The first condition that does not hold by what was measured so far, and may say so by now. One of which
/// there is no value yet does not end a run: nothing has shown that it will not hold.
pub(super) fn early_end<'a>(judged: impl Iterator<Item = Judged<'a>>) -> Option<EarlyEnd> {
    judged
        .flat_map(|it| it.conditions.iter().map(move |condition| (condition, it)))
        .find_map(
            |(
                condition,
                Judged {
                    scenario, record, ..
                },
            )| {
                let after = condition.abort_after()?;
                // Nothing is measured yet where no time has passed.
                if record.elapsed.is_zero() || record.elapsed < after {
                    return None;
                }
                let judged = judge(condition, record);
                let observed = judged.observed.filter(|_| !judged.holds)?;
                Some(EarlyEnd::new(
                    scenario.map(str::to_owned),
                    condition.expression(),
                    record.elapsed,
                    observed,
                ))
            },
        )
}
