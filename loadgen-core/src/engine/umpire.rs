//! Whether a condition ends the run before its plan does.

use crate::condition::Threshold;
use crate::judge::judge_by;
use crate::record::{EarlyEnd, ScenarioRecord, WindowRecord};

/// What was measured so far, and the conditions on it.
#[derive(Debug, Clone)]
pub(super) struct Judged<'a> {
    /// Whose it is; `None` of all scenarios with a tag.
    pub(super) scenario: Option<&'a str>,
    pub(super) conditions: &'a [Threshold],
    pub(super) record: &'a ScenarioRecord,
    /// What was found over windows without a pause: one is no fault of the service, and makes no run shorter.
    pub(super) unpaused: Vec<WindowRecord>,
}

/// The first condition that does not hold by what was measured so far, and may say so by now. One of which
/// there is no value yet does not end a run: nothing has shown that it will not hold.
pub(super) fn early_end<'a>(mut judged: impl Iterator<Item = Judged<'a>>) -> Option<EarlyEnd> {
    judged.find_map(|it| {
        let Judged {
            scenario,
            record,
            conditions,
            ref unpaused,
        } = it;
        conditions.iter().find_map(|condition| {
            let after = condition.abort_after()?;
            // Nothing is measured yet where no time has passed.
            if record.elapsed.is_zero() || record.elapsed < after {
                return None;
            }
            let judged = judge_by(condition, record, unpaused);
            let observed = judged.observed.filter(|_| !judged.holds)?;
            Some(EarlyEnd::new(
                scenario.map(str::to_owned),
                condition.expression(),
                record.elapsed,
                observed,
            ))
        })
    })
}
