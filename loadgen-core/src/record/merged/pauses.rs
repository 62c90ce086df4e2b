//! When somebody had nothing of a scenario start.

use std::ops::Range;
use std::time::Duration;

use super::{EventAction, EventRecord};

/// The pauses of a scenario, or of several, in times from where measuring begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pauses(Vec<Range<Duration>>);

impl Pauses {
    /// Those among events of a scenario, in the order in which they were told.
    pub(crate) fn among(events: &[EventRecord]) -> Self {
        let events = events.iter();
        Self::told(events.filter_map(|it| Some((it.action, it.holds_from()?))))
    }

    /// Those of what was told when, in that order. Of several processes, each of which was paused and resumed, a pause
    /// lasts until the last one goes on.
    pub(crate) fn told(events: impl IntoIterator<Item = (EventAction, Duration)>) -> Self {
        let mut pauses: Vec<Range<Duration>> = Vec::new();
        let mut paused = 0_u32;
        for (action, at) in events {
            match action {
                EventAction::Pause => {
                    if paused == 0 {
                        pauses.push(at..Duration::MAX);
                    }
                    paused += 1;
                }
                EventAction::Resume => {
                    paused = paused.saturating_sub(1);
                    if let (0, Some(last)) = (paused, pauses.last_mut()) {
                        last.end = last.end.min(at);
                    }
                }
                _ => {}
            }
        }
        Self(pauses)
    }

    /// How much of so much time, from where measuring begins, they were of a single scenario.
    #[cfg(feature = "text")]
    pub(crate) fn within(&self, length: Duration) -> Duration {
        let each = self.0.iter();
        each.map(|it| it.end.min(length).saturating_sub(it.start))
            .sum()
    }

    /// Adds those of a scenario whose seconds are those here so much later.
    pub(crate) fn add(&mut self, other: Self, later_s: u64) {
        let later = |at: Duration| at.saturating_add(Duration::from_secs(later_s));
        let others = other.0.into_iter();
        self.0
            .extend(others.map(|it| later(it.start)..later(it.end)));
    }

    /// Whether the window of so many seconds that begins there has something of one in it.
    pub(super) fn meet(&self, from_s: u64, length_s: u64) -> bool {
        let [from, to] = [from_s, from_s + length_s].map(Duration::from_secs);
        self.0.iter().any(|it| it.start < to && from < it.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Merged, their events stand in the order of their times.
    #[test]
    fn of_several_processes_last_until_all_go_on() {
        use EventAction::{Pause, Resume};
        let told = [
            (Pause, 10),
            (Pause, 11),
            (Resume, 15),
            (Resume, 17),
            (Pause, 55),
        ];
        let pauses = Pauses::told(told.map(|(action, s)| (action, Duration::from_secs(s))));
        let met = [9, 10, 16, 17, 60].map(|from_s| pauses.meet(from_s, 1));
        assert_eq!(met, [false, true, true, false, true]);
    }

    #[test]
    fn last_until_they_are_ended() {
        let event = |action, s: u64| EventRecord {
            done: Some(Duration::from_secs(s)),
            ..EventRecord::new(action, "told")
        };
        let mut begun = EventRecord::new(EventAction::Pause, "pause");
        begun.before = Some(Duration::from_secs(1));
        let pauses = Pauses::among(&[
            begun,
            event(EventAction::Resume, 2),
            event(EventAction::Rate, 3),
            event(EventAction::Pause, 10),
        ]);
        assert_eq!(
            [0, 1, 2, 8, 9, 50].map(|from_s| pauses.meet(from_s, 2)),
            [true, true, false, false, true, true]
        );
        let mut of_tag = Pauses::default();
        of_tag.add(pauses, 5);
        assert_eq!(
            [2, 4, 6, 7, 13, 14].map(|from_s| of_tag.meet(from_s, 2)),
            [false, true, true, false, false, true]
        );
    }
}
