//! What was done to servers, and what became of requests around it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::document::{BackendCount, Event, Moment};
use super::seconds;
use crate::record::{EventRecord, ScenarioRecord, Timeline};

/// How long a piece of the document's timeline is.
const MOMENT: Duration = Duration::from_millis(100);

pub(super) fn event(record: &EventRecord) -> Event {
    Event {
        action: record.action,
        event: record.said.clone(),
        backend: record.backend.clone(),
        switched: record.switched.clone(),
        at_s: record.planned.map(seconds),
        done_s: record.done.map(seconds),
        done_before_s: record.before.map(seconds),
        ready_s: record.ready.map(seconds),
        failure: record.failure.clone(),
    }
}

/// The pieces of time in which requests were due, in order.
pub(super) fn moments(timeline: &Timeline) -> Vec<Moment> {
    let mut moments: BTreeMap<u128, BTreeMap<String, BackendCount>> = BTreeMap::new();
    let backends = timeline.backends().map(Some).chain([None]);
    for backend in backends {
        let name = backend.unwrap_or(ScenarioRecord::UNKNOWN);
        for (at, cell) in timeline.of(backend).filter(|(_, cell)| cell.due > 0) {
            let moment = moments.entry(at.as_millis() / MOMENT.as_millis());
            let count = moment.or_default().entry(name.to_owned()).or_default();
            let completed = cell.due.saturating_sub(cell.due_failed);
            count.completed = count.completed.saturating_add(completed);
            count.failed = count.failed.saturating_add(cell.due_failed);
        }
    }
    let moments = moments.into_iter().map(|(nth, backends)| Moment {
        t_s: nth as f64 / 10.0,
        backends,
    });
    moments.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::TimelineCell;

    #[test]
    fn ten_buckets_are_a_moment() {
        let mut timeline = Timeline::default();
        let cell = |is_ok| TimelineCell::of_due(is_ok, false);
        for (backend, bucket, is_ok) in [
            (Some("b1"), 400, true),
            (Some("b1"), 409, false),
            (Some("b1"), 410, true),
            (None, 405, false),
        ] {
            timeline.add(backend, bucket, cell(is_ok));
        }
        timeline.add(Some("b1"), 500, TimelineCell::of_ended(true));
        timeline.add(Some("b10"), 410, cell(true));
        timeline.add(Some("b2"), 410, cell(true));
        let found = serde_json::to_string(&moments(&timeline)).unwrap();
        let expected = concat!(
            r#"[{"t_s":4.0,"backends":{"b1":{"completed":1,"failed":1},"(unknown)":{"completed":0,"failed":1}}},"#,
            r#"{"t_s":4.1,"backends":{"b1":{"completed":1,"failed":0},"b2":{"completed":1,"failed":0},"#,
            r#""b10":{"completed":1,"failed":0}}}]"#,
        );
        assert_eq!(found, expected);
    }

    /// Whatever a stored record says of itself.
    #[test]
    fn more_failures_than_requests_are_no_end() {
        let stored = r#"{"windows":[],"backends":[[null,[[400,{"due":1,"due_failed":2,"due_slow":0,"interrupted":0,"ended_ok":0,"ended_failed":0}]]]]}"#;
        let timeline: Timeline = serde_json::from_str(stored).unwrap();
        let found = moments(&timeline);
        let count = &found[0].backends[ScenarioRecord::UNKNOWN];
        assert_eq!((count.completed, count.failed), (0, 2));
    }
}
