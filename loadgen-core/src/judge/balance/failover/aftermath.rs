//! What an event brought in its wake, by the second: connections that were opened anew, and how even requests
//! were once it was over.

use std::time::Duration;

use super::departures;
use crate::record::ScenarioRecord;

/// The most connections in a second that took the place of dropped ones, from an event on until the next.
pub(super) fn reconnects(
    record: &ScenarioRecord,
    done: Duration,
    next: Option<Duration>,
) -> Option<u64> {
    // Points begin at whole seconds.
    let (from, to) = (done.as_secs(), next.map_or(u64::MAX, |next| next.as_secs()));
    let points = record.series.iter();
    let within = points.filter(|it| (from..to.max(from + 1)).contains(&it.t_s));
    let rates = within.map(|it| it.connections.reconnected.div_ceil(it.seconds.max(1)));
    rates.max()
}

/// The most that a server got over the mean, in whole seconds from when an event was over until the next; of the
/// servers that are there then.
pub(super) fn imbalance(
    record: &ScenarioRecord,
    over: Option<Duration>,
    next: Option<Duration>,
) -> Option<f64> {
    let over = over?;
    let departures = departures(record);
    let is_there = |id: &str| {
        let mut of_it = departures.iter().filter(|(_, backend, _)| *backend == id);
        !of_it.any(|(event, _, from)| *from <= over && event.ready.is_none_or(|back| back > over))
    };
    let counts = record.backends.iter().filter(|it| is_there(&it.id));
    let counts: Vec<u64> = counts
        .map(|backend| {
            let points = backend.over_time.points().filter(|it| {
                let from = Duration::from_secs(it.t_s);
                let to = from + Duration::from_secs(it.seconds);
                from >= over && next.is_none_or(|next| to <= next)
            });
            points.map(|it| it.requests).sum()
        })
        .collect();
    let (sum, most) = (counts.iter().sum::<u64>(), *counts.iter().max()?);
    (counts.len() > 1 && sum > 0).then(|| most as f64 * counts.len() as f64 / sum as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BackendRecord, ConnectionCounts, EventAction, EventRecord, SeriesPoint};

    fn event(backend: &str, done_s: u64, ready: Option<Duration>) -> EventRecord {
        let mut event = EventRecord::new(EventAction::Drain, format!("drain {backend}"));
        event.backend = Some(backend.to_owned());
        event.done = Some(Duration::from_secs(done_s));
        event.ready = ready;
        event
    }

    #[test]
    fn reconnections_are_counted_by_the_second() {
        let mut record = ScenarioRecord::empty("lb", "grpc", false, &[]);
        assert_eq!(reconnects(&record, Duration::ZERO, None), None);
        for (t_s, reconnected) in [(2, 90), (3, 4), (4, 7), (6, 50)] {
            record.series.push(SeriesPoint {
                connections: ConnectionCounts {
                    reconnected,
                    ..ConnectionCounts::default()
                },
                ..SeriesPoint::empty(t_s, 1)
            });
        }
        let (done, next) = (Duration::from_millis(3_200), Duration::from_secs(6));
        assert_eq!(reconnects(&record, done, Some(next)), Some(7));
        assert_eq!(reconnects(&record, done, None), Some(50));
    }

    /// Who went for good is not missed among those that are left.
    #[test]
    fn evenness_is_of_those_that_are_there_afterwards() {
        let mut record = ScenarioRecord::empty("lb", "grpc", false, &[]);
        for (id, before, after) in [("b1", 900, 10), ("b2", 10, 30), ("b3", 10, 50)] {
            let mut backend = BackendRecord::empty(id);
            backend.over_time.add(2, before, 0);
            backend.over_time.add(6, after, 0);
            record.backends.push(backend);
        }
        let over = Some(Duration::from_millis(3_500));
        let rounded = |it: Option<f64>| it.map(|it| (it * 1e3).round() / 1e3);
        let mut after = |events: Vec<EventRecord>, next| {
            record.events = events;
            rounded(imbalance(&record, over, next))
        };
        assert_eq!(after(vec![event("b1", 3, None)], None), Some(1.25));
        assert_eq!(after(vec![event("b1", 3, over)], None), Some(1.667));
        let next = Some(Duration::from_millis(6_500));
        assert_eq!(after(vec![event("b1", 3, over)], next), None, "no second");
        // One that went for good earlier, and one that goes later.
        let both = vec![event("b2", 1, None), event("b1", 3, None)];
        assert_eq!(after(both, None), None, "one is left");
        let later = vec![event("b1", 3, None), event("b2", 5, None)];
        assert_eq!(after(later, None), Some(1.25));
        // Those behind a proxy are who went.
        let mut behind = event("p1", 3, None);
        behind.behind = vec!["b1".to_owned()];
        assert_eq!(after(vec![behind], None), Some(1.25));
        assert_eq!(imbalance(&record, None, None), None);
    }
}
