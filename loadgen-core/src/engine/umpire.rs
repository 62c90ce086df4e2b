//! Whether a condition ends the run before its plan does.

use std::ops::Range;
use std::time::Duration;

use crate::condition::Threshold;
use crate::judge::judge;
use crate::record::{EarlyEnd, EventAction, EventRecord, ScenarioRecord};

/// What was measured so far, and the conditions on it.
#[derive(Debug, Clone)]
pub(super) struct Judged<'a> {
    /// Whose it is; `None` of all scenarios with a tag.
    pub(super) scenario: Option<&'a str>,
    pub(super) conditions: &'a [Threshold],
    pub(super) record: &'a ScenarioRecord,
    /// When somebody had nothing start.
    pub(super) pauses: Vec<Range<Duration>>,
}

/// The pauses among events of a scenario, in the order in which they were told.
pub(super) fn pauses(events: &[EventRecord]) -> Vec<Range<Duration>> {
    let mut pauses: Vec<Range<Duration>> = Vec::new();
    for event in events {
        let Some(at) = event.holds_from() else {
            continue;
        };
        match event.action {
            EventAction::Pause => pauses.push(at..Duration::MAX),
            EventAction::Resume => pauses.iter_mut().for_each(|it| it.end = it.end.min(at)),
            _ => {}
        }
    }
    pauses
}

/// Whether the window that begins there has something of a pause in it.
fn is_paused(pauses: &[Range<Duration>], from_s: u64, length: Duration) -> bool {
    let from = Duration::from_secs(from_s);
    pauses
        .iter()
        .any(|it| it.start < from + length && from < it.end)
}

/// The first condition that does not hold by what was measured so far, and may say so by now. One of which
/// there is no value yet does not end a run: nothing has shown that it will not hold.
pub(super) fn early_end<'a>(mut judged: impl Iterator<Item = Judged<'a>>) -> Option<EarlyEnd> {
    judged.find_map(|it| {
        let Judged {
            scenario,
            record,
            conditions,
            ref pauses,
        } = it;
        conditions.iter().find_map(|condition| {
            let after = condition.abort_after()?;
            // Nothing is measured yet where no time has passed.
            if record.elapsed.is_zero() || record.elapsed < after {
                return None;
            }
            let judged = judge(condition, record);
            // A pause is no fault of the service, and makes no run shorter.
            let window = condition.window().zip(judged.window_from_s);
            if window.is_some_and(|(length, from_s)| is_paused(pauses, from_s, length)) {
                return None;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_last_until_they_are_ended() {
        let event = |action, s: u64| EventRecord {
            done: Some(Duration::from_secs(s)),
            ..EventRecord::new(action, "told")
        };
        let mut begun = EventRecord::new(EventAction::Pause, "pause");
        begun.before = Some(Duration::from_secs(1));
        let pauses = pauses(&[
            begun,
            event(EventAction::Resume, 2),
            event(EventAction::Rate, 3),
            event(EventAction::Pause, 10),
        ]);
        let is_paused = |from_s| is_paused(&pauses, from_s, Duration::from_secs(2));
        assert_eq!(
            [0, 1, 2, 8, 9, 50].map(is_paused),
            [true, true, false, false, true, true]
        );
    }
}
