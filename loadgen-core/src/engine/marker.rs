//! Telling a run what was done to servers while it is under way.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Nanos;
use crate::record::EventRecord;

/// Says when a run's moments are, and tells it what was done to servers at them. From any thread; cheap to
/// clone.
///
/// ```no_run
/// use std::time::{Duration, Instant};
/// use loadgen_core::record::{EventAction, EventRecord};
///
/// # fn example(run: loadgen_core::engine::Run) -> Result<(), loadgen_core::engine::RunError> {
/// let marker = run.marker();
/// std::thread::spawn(move || {
///     if marker.begun(Duration::from_secs(60)) {
///         let due = marker.due(0, Duration::from_secs(5)).expect("it has begun");
///         std::thread::sleep(due.saturating_duration_since(Instant::now()));
///         let mut event = EventRecord::new(EventAction::Mark, "halfway");
///         event.done = Some(marker.since(0, Instant::now()));
///         marker.record(0, event);
///     }
/// });
/// let record = run.execute()?;
/// assert_eq!(record.scenarios[0].events.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Marker(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Where measuring of each scenario begins, once that is known.
    from: Option<Vec<Instant>>,
    events: Vec<(usize, EventRecord)>,
    is_over: bool,
}

impl Marker {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked while holding it has changed it wholly or not at all.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the clock has started, for so long at most. Whether it has.
    #[must_use]
    pub fn begun(&self, within: Duration) -> bool {
        let waits = |state: &mut State| state.from.is_none() && !state.is_over;
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.state(), within, waits);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.from.is_some()
    }

    /// Whether the run is over, or did not begin and never will.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state().is_over
    }

    /// When this time has passed since measuring of the scenario began, by its place in the run; `None` before
    /// the clock has started, and where there is no such scenario or moment.
    #[must_use]
    pub fn due(&self, scenario: usize, at: Duration) -> Option<Instant> {
        self.state().from.as_ref()?.get(scenario)?.checked_add(at)
    }

    /// The time from the beginning of the scenario's measuring until this moment; none before it.
    #[must_use]
    pub fn since(&self, scenario: usize, moment: Instant) -> Duration {
        let state = self.state();
        let from = state.from.as_ref().and_then(|it| it.get(scenario));
        from.map_or(Duration::ZERO, |from| {
            moment.saturating_duration_since(*from)
        })
    }

    /// How long before measuring of the scenario began this moment was; `None` where it was not.
    #[must_use]
    pub fn before(&self, scenario: usize, moment: Instant) -> Option<Duration> {
        let state = self.state();
        let from = state.from.as_ref()?.get(scenario)?;
        let before = from.checked_duration_since(moment)?;
        (!before.is_zero()).then_some(before)
    }

    /// Tells of an event that is over: it was done, or could not be, and where it was to be undone, that too.
    /// Whether the run still takes it; a record that was made before can be added to.
    ///
    /// All of it is kept, in memory and in the result: how much that is is the caller's to bound. `loadgen` itself
    /// takes 100 events of a scenario, and 1,000 changes by hand of each.
    pub fn record(&self, scenario: usize, event: EventRecord) -> bool {
        let mut state = self.state();
        if !state.is_over {
            state.events.push((scenario, event));
        }
        !state.is_over
    }

    /// The clock reads `now`, and will read these where measuring of the scenarios begins.
    pub(super) fn begin(&self, now: Nanos, measure_from: impl IntoIterator<Item = Nanos>) {
        #[expect(
            clippy::disallowed_methods,
            reason = "whoever does something to servers reads no clock of the run's"
        )]
        let moment = Instant::now();
        let at = |from: Nanos| moment + Duration::from_nanos(from.saturating_sub(now));
        self.state().from = Some(measure_from.into_iter().map(at).collect());
        self.0.changed.notify_all();
    }

    /// What it was told of a scenario so far.
    pub(super) fn so_far(&self, scenario: usize) -> Vec<EventRecord> {
        let state = self.state();
        let its = state.events.iter().filter(|(of, _)| *of == scenario);
        its.map(|(_, event)| event.clone()).collect()
    }

    /// The run is over: what it was told, in the order of when it was done.
    pub(super) fn end(&self) -> Vec<(usize, EventRecord)> {
        let mut state = self.state();
        state.is_over = true;
        let mut events = std::mem::take(&mut state.events);
        drop(state);
        self.0.changed.notify_all();
        events.sort_by_key(|(_, event)| event.done.or(event.planned));
        events
    }
}

/// Says that a run is over, however it ends.
pub(super) struct EndOnDrop(pub(super) Marker);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::EventAction;

    #[test]
    fn moments_are_those_of_the_scenario() {
        let marker = Marker::new();
        assert!(!marker.begun(Duration::ZERO));
        assert_eq!(marker.due(0, Duration::ZERO), None);
        marker.begin(1_000_000_000, [1_000_000_000, 3_000_000_000]);
        assert!(marker.begun(Duration::ZERO));
        let due = |scenario, s| marker.due(scenario, Duration::from_secs(s)).unwrap();
        assert_eq!(due(0, 5), due(1, 3));
        assert_eq!(marker.since(1, due(0, 5)), Duration::from_secs(3));
        assert_eq!(marker.since(1, due(0, 1)), Duration::ZERO);
        let before = |scenario, moment| marker.before(scenario, moment);
        assert_eq!(before(1, due(0, 1)), Some(Duration::from_secs(1)));
        assert_eq!((before(0, due(0, 1)), before(1, due(1, 0))), (None, None));
        assert_eq!(marker.due(2, Duration::ZERO), None);
    }

    #[test]
    fn events_come_in_order_and_none_after_the_end() {
        let marker = Marker::new();
        for (said, done) in [("late", Some(9)), ("never", None), ("early", Some(2))] {
            let mut event = EventRecord::new(EventAction::Mark, said);
            event.planned = Some(Duration::from_secs(4));
            event.done = done.map(Duration::from_secs);
            assert!(marker.record(0, event));
        }
        let said: Vec<String> = marker.end().into_iter().map(|it| it.1.said).collect();
        assert_eq!(said, ["early", "never", "late"]);
        assert!(marker.is_over());
        assert!(!marker.record(0, EventRecord::new(EventAction::Mark, "over")));
        assert!(!marker.begun(Duration::from_secs(60)));
    }
}
