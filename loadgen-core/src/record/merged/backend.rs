//! One server's share, and how that changes over time.

use std::cmp::Ordering;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::scenario::ScenarioRecord;
use super::series::MOST_POINTS;
use crate::record::local::OTHER_BACKENDS;
use crate::record::{Sparse, StreamCount};
use crate::text;

/// One server's share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BackendRecord {
    /// What it calls itself.
    pub id: String,
    /// Requests that ended and were its own, failed ones included: it answered, or was alone in answering on
    /// their connection before.
    pub requests: u64,
    /// Of these, those that failed.
    pub failed: u64,
    /// Its requests that the end of the run cut off.
    #[serde(default)]
    pub interrupted: u64,
    /// Connections on which it put its name to answers.
    #[serde(default)]
    pub connections: u64,
    /// Its streams.
    #[serde(default)]
    pub streams: StreamCount,
    /// Messages that came from it.
    #[serde(default)]
    pub messages: u64,
    /// When the first of its requests ended, and when the last, since the scenario began. Those that failed
    /// and count as its own are among them.
    #[serde(default)]
    pub active: Option<(Duration, Duration)>,
    /// Response times of its requests.
    pub response_time: Sparse,
    /// The same requests by when they were due.
    pub over_time: BackendSeries,
}

impl BackendRecord {
    /// A server that has answered nothing yet.
    #[must_use]
    pub fn empty(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            requests: 0,
            failed: 0,
            interrupted: 0,
            connections: 0,
            streams: StreamCount::default(),
            messages: 0,
            active: None,
            response_time: Sparse::default(),
            over_time: BackendSeries::default(),
        }
    }

    /// The order in which servers are listed: by name, as people order them, and last those that are not told
    /// apart, and what none is known for.
    pub(crate) fn order(a: &str, b: &str) -> Ordering {
        let rank = |id: &str| match id {
            ScenarioRecord::UNKNOWN => 2,
            OTHER_BACKENDS => 1,
            _ => 0,
        };
        rank(a).cmp(&rank(b)).then_with(|| text::natural(a, b))
    }

    /// Whether it is one server, and not several that are not told apart.
    pub(crate) fn is_one(&self) -> bool {
        self.id != OTHER_BACKENDS
    }

    /// Those of its requests that ended ok.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.requests.saturating_sub(self.failed)
    }

    pub(super) fn was_active(&mut self, when: Option<(Duration, Duration)>) {
        self.active = match (self.active, when) {
            (Some((from, to)), Some((first, last))) => Some((from.min(first), to.max(last))),
            (one, other) => one.or(other),
        };
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failed = self.failed.saturating_add(other.failed);
        self.interrupted = self.interrupted.saturating_add(other.interrupted);
        self.connections = self.connections.saturating_add(other.connections);
        self.streams += other.streams;
        self.messages = self.messages.saturating_add(other.messages);
        self.was_active(other.active);
        self.response_time.add(&other.response_time);
        self.over_time.merge(&other.over_time);
    }
}

/// Requests that one server answered, by the second in which they were due; above 600 points neighbours
/// merge, so that a run of any length takes the same memory: 16 bytes a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendSeries {
    /// How many seconds a point covers: a power of two.
    seconds_each: u64,
    /// Requests and, of these, those that failed.
    points: Vec<(u64, u64)>,
}

/// One stretch of a server's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackendPoint {
    /// Seconds from the scenario's start to the point's beginning.
    pub t_s: u64,
    /// How many seconds it covers.
    pub seconds: u64,
    /// Requests that were due in it and answered, failed ones included.
    pub requests: u64,
    /// Of these, answered with a failure.
    pub failed: u64,
}

impl Default for BackendSeries {
    fn default() -> Self {
        Self {
            seconds_each: 1,
            points: Vec::new(),
        }
    }
}

impl BackendSeries {
    /// The points from the scenario's start until the last second in which a request was due.
    pub fn points(&self) -> impl Iterator<Item = BackendPoint> + '_ {
        let seconds = self.seconds_each;
        let point = move |(place, (requests, failed)): (u64, &(u64, u64))| BackendPoint {
            t_s: place * seconds,
            seconds,
            requests: *requests,
            failed: *failed,
        };
        (0..).zip(&self.points).map(point)
    }

    /// Adds requests that were due in this second.
    pub(crate) fn add(&mut self, second: u64, requests: u64, failed: u64) {
        while second / self.seconds_each >= MOST_POINTS as u64 {
            self.coarsen();
        }
        let place = (second / self.seconds_each) as usize;
        if self.points.len() <= place {
            self.points.resize(place + 1, (0, 0));
        }
        let point = &mut self.points[place];
        *point = (
            point.0.saturating_add(requests),
            point.1.saturating_add(failed),
        );
    }

    /// Two points become one.
    fn coarsen(&mut self) {
        let sum = |pair: &[(u64, u64)]| {
            let sum =
                |a: (u64, u64), b: &(u64, u64)| (a.0.saturating_add(b.0), a.1.saturating_add(b.1));
            pair.iter().fold((0, 0), sum)
        };
        self.points = self.points.chunks(2).map(sum).collect();
        self.seconds_each *= 2;
    }

    fn merge(&mut self, other: &Self) {
        while self.seconds_each < other.seconds_each {
            self.coarsen();
        }
        for point in other.points() {
            if point.requests > 0 {
                self.add(point.t_s, point.requests, point.failed);
            }
        }
    }
}

impl<'de> Deserialize<'de> for BackendSeries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Stored {
            seconds_each: u64,
            points: Vec<(u64, u64)>,
        }
        const LONGEST: u64 = 1 << 40;
        let Stored {
            seconds_each,
            points,
        } = Stored::deserialize(deserializer)?;
        if !seconds_each.is_power_of_two() || seconds_each > LONGEST || points.len() > MOST_POINTS {
            return Err(de::Error::custom(
                "a backend's series that does not fit together",
            ));
        }
        Ok(Self {
            seconds_each,
            points,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_fits_and_nothing_is_lost() {
        let mut series = BackendSeries::default();
        for second in 0..10_000 {
            series.add(second, 3, 1);
        }
        let points: Vec<_> = series.points().collect();
        assert!((300..=600).contains(&points.len()), "{}", points.len());
        assert_eq!(points.iter().map(|it| it.requests).sum::<u64>(), 30_000);
        assert_eq!(points.iter().map(|it| it.failed).sum::<u64>(), 10_000);
        for pair in points.windows(2) {
            assert_eq!(pair[0].t_s + pair[0].seconds, pair[1].t_s);
        }
    }

    #[test]
    fn what_is_late_goes_to_where_it_was_due() {
        let mut series = BackendSeries::default();
        series.add(1_000, 1, 0);
        series.add(3, 1, 1);
        let second = series.points().nth(1).unwrap();
        assert_eq!((second.t_s, second.seconds, second.failed), (2, 2, 1));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for stored in [
            r#"{"seconds_each": 0, "points": []}"#.to_owned(),
            r#"{"seconds_each": 3, "points": []}"#.to_owned(),
            format!(r#"{{"seconds_each": 1, "points": {:?}}}"#, [[0; 2]; 601]),
        ] {
            assert!(serde_json::from_str::<BackendSeries>(&stored).is_err());
        }
    }
}
