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
        at_s: record.planned.map(seconds),
        done_s: record.done.map(seconds),
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
            count.completed += cell.due - cell.due_failed;
            count.failed += cell.due_failed;
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
        let found = moments(&timeline);
        let found: Vec<_> = found
            .iter()
            .flat_map(|it| {
                let backends = it.backends.iter();
                backends.map(|(id, of)| (it.t_s, id.as_str(), of.completed, of.failed))
            })
            .collect();
        let expected = [
            (4.0, "(unknown)", 0, 1),
            (4.0, "b1", 1, 1),
            (4.1, "b1", 1, 0),
        ];
        assert_eq!(found, expected);
    }
}
