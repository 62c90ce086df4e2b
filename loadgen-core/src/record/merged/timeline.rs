//! Requests around the events of a run, in pieces of time that are fine enough to say when a balancer
//! noticed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Nanos, nanos};
use crate::record::Sparse;

/// Which requests a [`Timeline`] has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimelineSpec {
    /// The stretches of time that are recorded, from where measuring of the scenario begins.
    pub windows: Vec<(Duration, Duration)>,
    /// A request that took longer is slow; without it, none is.
    pub ok_within: Option<Duration>,
}

impl TimelineSpec {
    /// These stretches of time. Those that overlap become one.
    #[must_use]
    pub fn new(
        windows: impl IntoIterator<Item = (Duration, Duration)>,
        ok_within: Option<Duration>,
    ) -> Self {
        let mut windows: Vec<_> = windows.into_iter().collect();
        windows.sort_unstable();
        windows.dedup_by(|later, earlier| {
            let is_one = later.0 <= earlier.1;
            if is_one {
                earlier.1 = earlier.1.max(later.1);
            }
            is_one
        });
        Self { windows, ok_within }
    }

    /// The bucket of a moment that is recorded.
    pub(in crate::record) fn bucket(&self, at: Nanos) -> Option<u64> {
        let is_within =
            |(from, to): &(Duration, Duration)| (nanos(*from)..nanos(*to)).contains(&at);
        let is_recorded = self.windows.iter().any(is_within);
        is_recorded.then_some(at / nanos(Timeline::BUCKET))
    }
}

/// Requests of one server in one bucket of a [`Timeline`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimelineCell {
    /// Requests that were due in it and have ended.
    pub due: u64,
    /// Of these, those that failed.
    pub due_failed: u64,
    /// Of these, those that were ok and took longer than they may.
    pub due_slow: u64,
    /// Requests that were due in it and that the end of the run cut off.
    pub interrupted: u64,
    /// Requests that ended ok in it, whenever they were due.
    pub ended_ok: u64,
    /// Requests that failed in it, whenever they were due.
    pub ended_failed: u64,
    /// Of those that were due in it and failed or were cut off, those that were never sent.
    #[serde(default)]
    pub due_unsent: u64,
    /// Of those that failed in it, those that were never sent.
    #[serde(default)]
    pub ended_unsent: u64,
}

impl TimelineCell {
    /// A request of this kind among those due in a bucket.
    pub(crate) fn of_due(is_ok: bool, is_slow: bool) -> Self {
        Self {
            due: 1,
            due_failed: u64::from(!is_ok),
            due_slow: u64::from(is_ok && is_slow),
            ..Self::default()
        }
    }

    /// A request of this kind among those that ended in a bucket.
    pub(crate) fn of_ended(is_ok: bool) -> Self {
        Self {
            ended_ok: u64::from(is_ok),
            ended_failed: u64::from(!is_ok),
            ..Self::default()
        }
    }
}

impl std::ops::AddAssign for TimelineCell {
    fn add_assign(&mut self, more: Self) {
        let Self {
            due,
            due_failed,
            due_slow,
            interrupted,
            ended_ok,
            ended_failed,
            due_unsent,
            ended_unsent,
        } = self;
        for (sum, more) in [
            (due, more.due),
            (due_failed, more.due_failed),
            (due_slow, more.due_slow),
            (interrupted, more.interrupted),
            (ended_ok, more.ended_ok),
            (ended_failed, more.ended_failed),
            (due_unsent, more.due_unsent),
            (ended_unsent, more.ended_unsent),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// The most buckets of servers that are kept of a scenario: some 70 MiB, and as much again for how long requests
/// took, of which a bucket that full has few.
const MOST_CELLS: usize = 1 << 20;

/// Requests by server, in buckets of time, around the events of a run. Empty where no events were planned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Timeline {
    windows: Vec<(Duration, Duration)>,
    ok_within: Option<Duration>,
    backends: Vec<String>,
    /// By the server's place, `None` where none is known, and the bucket's number.
    cells: BTreeMap<(Option<usize>, u64), TimelineCell>,
    /// How long requests took, by the same of their due time.
    times: BTreeMap<(usize, u64), Sparse>,
    is_cut: bool,
}

impl Timeline {
    /// How long a bucket is: less than what a balancer is told apart by, and more than what the clock of
    /// another process is off by.
    pub const BUCKET: Duration = Duration::from_millis(10);

    /// An empty one of these stretches of time.
    #[must_use]
    pub fn new(windows: impl IntoIterator<Item = (Duration, Duration)>) -> Self {
        Self {
            windows: windows.into_iter().collect(),
            ..Self::default()
        }
    }

    /// The same, where a request that took longer than this is slow.
    #[must_use]
    pub fn slow_after(mut self, ok_within: Option<Duration>) -> Self {
        self.ok_within = ok_within;
        self
    }

    /// A request that took longer is slow; without it, none is.
    #[must_use]
    pub fn ok_within(&self) -> Option<Duration> {
        self.ok_within
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The stretches of time that were recorded: outside of them nothing is known.
    #[must_use]
    pub fn windows(&self) -> &[(Duration, Duration)] {
        &self.windows
    }

    /// Whether more came than may be kept, so that the rest is missing.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The servers that named themselves, in the order in which they were met.
    pub fn backends(&self) -> impl Iterator<Item = &str> {
        self.backends.iter().map(String::as_str)
    }

    /// What a server had, bucket by bucket in order, those with nothing left out: when the bucket begins, and
    /// its requests. `None` is what no server is known for.
    pub fn of(&self, backend: Option<&str>) -> impl Iterator<Item = (Duration, TimelineCell)> + '_ {
        let place = backend.map(|name| self.backends.iter().position(|it| it == name));
        let range = match place {
            // A name that nobody has.
            Some(None) => None,
            Some(place @ Some(_)) => Some(place),
            None => Some(None),
        };
        let cells = range.map(|place| self.cells.range((place, 0)..=(place, u64::MAX)));
        cells
            .into_iter()
            .flatten()
            .map(|((_, bucket), cell)| (begin(*bucket), *cell))
    }

    /// How long a server's requests took that ended, failed ones included, those that were due in the buckets that
    /// begin in this stretch of time: to two digits.
    pub fn times(&self, backend: &str, due: Range<Duration>) -> impl Iterator<Item = &Sparse> + '_ {
        let place = self.backends.iter().position(|it| it == backend);
        let times = place.map(|place| self.times.range((place, 0)..=(place, u64::MAX)));
        let times = times.into_iter().flatten();
        times
            .filter(move |((_, bucket), _)| due.contains(&begin(*bucket)))
            .map(|(_, times)| times)
    }

    /// Adds how long requests of a server took that were due in the bucket of this number, and that were
    /// [added](Self::add) before. Of a bucket that is not kept these are not, either.
    pub fn add_times(&mut self, backend: &str, bucket: u64, times: &Sparse) {
        let place = self.backends.iter().position(|it| it == backend);
        if let Some(place) = place
            && self.cells.contains_key(&(Some(place), bucket))
        {
            self.times.entry((place, bucket)).or_default().add(times);
        }
    }

    /// Adds requests of a server to the bucket of this number, counted from where measuring begins.
    pub fn add(&mut self, backend: Option<&str>, bucket: u64, cell: TimelineCell) {
        let known = self.backends.len();
        let place = backend.map(|name| {
            let place = self.backends.iter().position(|it| it == name);
            place.unwrap_or(known)
        });
        if let Some(sum) = self.cells.get_mut(&(place, bucket)) {
            *sum += cell;
        } else if self.cells.len() < MOST_CELLS {
            self.backends
                .extend(backend.filter(|_| place == Some(known)).map(str::to_owned));
            self.cells.insert((place, bucket), cell);
        } else {
            self.is_cut = true;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let windows = self.windows.iter().chain(&other.windows).copied();
        self.windows = TimelineSpec::new(windows, None).windows;
        self.ok_within = self.ok_within.or(other.ok_within);
        self.is_cut |= other.is_cut;
        for ((place, bucket), cell) in &other.cells {
            let name = place.and_then(|it| other.backends.get(it));
            self.add(name.map(String::as_str), *bucket, *cell);
        }
        for ((place, bucket), times) in &other.times {
            if let Some(name) = other.backends.get(*place) {
                self.add_times(name, *bucket, times);
            }
        }
    }
}

/// When a bucket begins.
fn begin(bucket: u64) -> Duration {
    Duration::from_nanos(bucket.saturating_mul(nanos(Timeline::BUCKET)))
}

/// A server's buckets by their number; without a name, those of nobody who is known.
type OfBackend = (Option<String>, Vec<(u64, TimelineCell)>);

/// How long its requests took, likewise.
type TimesOfBackend = (String, Vec<(u64, Sparse)>);

/// As it is written: server by server.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Stored {
    windows: Vec<(Duration, Duration)>,
    #[serde(default)]
    ok_within: Option<Duration>,
    backends: Vec<OfBackend>,
    #[serde(default)]
    times: Vec<TimesOfBackend>,
    #[serde(default)]
    is_cut: bool,
}

impl From<Timeline> for Stored {
    fn from(timeline: Timeline) -> Self {
        let names = timeline.backends.iter().cloned();
        let mut times: Vec<TimesOfBackend> = names.map(|name| (name, Vec::new())).collect();
        for ((place, bucket), of_bucket) in timeline.times {
            times[place].1.push((bucket, of_bucket));
        }
        let mut backends: Vec<_> = [None]
            .into_iter()
            .chain(timeline.backends.into_iter().map(Some))
            .map(|name| (name, Vec::new()))
            .collect();
        for ((place, bucket), cell) in timeline.cells {
            backends[place.map_or(0, |it| it + 1)]
                .1
                .push((bucket, cell));
        }
        Self {
            windows: timeline.windows,
            ok_within: timeline.ok_within,
            backends,
            times,
            is_cut: timeline.is_cut,
        }
    }
}

impl From<Stored> for Timeline {
    fn from(stored: Stored) -> Self {
        let mut timeline = Self::new(stored.windows).slow_after(stored.ok_within);
        for (name, cells) in &stored.backends {
            for (bucket, cell) in cells {
                timeline.add(name.as_deref(), *bucket, *cell);
            }
        }
        for (name, times) in &stored.times {
            for (bucket, of_bucket) in times {
                timeline.add_times(name, *bucket, of_bucket);
            }
        }
        timeline.is_cut |= stored.is_cut;
        timeline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(from: u64, to: u64) -> (Duration, Duration) {
        (Duration::from_secs(from), Duration::from_secs(to))
    }

    #[test]
    fn windows_that_overlap_are_one() {
        let spec = TimelineSpec::new([seconds(8, 9), seconds(1, 3), seconds(3, 5)], None);
        assert_eq!(spec.windows, [seconds(1, 5), seconds(8, 9)]);
        let at = |ms: u64| spec.bucket(ms * 1_000_000);
        let buckets = [999, 1_000, 4_999, 5_000, 8_015].map(at);
        assert_eq!(buckets, [None, Some(100), Some(499), None, Some(801)]);
    }

    #[test]
    fn servers_are_told_apart_and_added_by_name() {
        let one = TimelineCell::of_due(false, true);
        assert_eq!((one.due, one.due_failed, one.due_slow), (1, 1, 0));
        let limit = Duration::from_millis(250);
        let mut timeline = Timeline::new([seconds(0, 2)]).slow_after(Some(limit));
        timeline.add(Some("b1"), 7, one);
        timeline.add(None, 7, one);
        timeline.add(Some("b1"), 3, TimelineCell::of_ended(true));
        let mut other = Timeline::new([seconds(1, 5)]);
        other.add(Some("b2"), 7, one);
        other.add(Some("b1"), 7, TimelineCell::of_due(true, true));
        let [short, long] = [1_000, 3_000].map(Sparse::coarse_value);
        timeline.add_times("b1", 7, &Sparse::pack([(short, 1)].into_iter()));
        other.add_times("b1", 7, &Sparse::pack([(short, 1), (long, 1)].into_iter()));
        other.add_times("b2", 7, &Sparse::pack([(long, 1)].into_iter()));
        timeline.merge(&other);
        let of = |backend: Option<&str>| {
            let cells = timeline.of(backend);
            let cells = cells.map(|(at, it)| (at.as_millis(), it.due, it.due_slow, it.ended_ok));
            cells.collect::<Vec<_>>()
        };
        assert_eq!(of(Some("b1")), [(30, 0, 0, 1), (70, 2, 1, 0)]);
        assert_eq!(of(Some("b2")), [(70, 1, 0, 0)]);
        assert_eq!(of(None), [(70, 1, 0, 0)]);
        assert_eq!(of(Some("b3")), []);
        assert_eq!(timeline.backends().collect::<Vec<_>>(), ["b1", "b2"]);
        let times = |backend: &str, from: u64, to: u64| {
            let due = Duration::from_millis(from)..Duration::from_millis(to);
            let times = timeline.times(backend, due);
            let times = times.flat_map(|it| it.counts().collect::<Vec<_>>());
            times.collect::<Vec<_>>()
        };
        assert_eq!(times("b1", 70, 80), [(short, 2), (long, 1)]);
        assert_eq!(times("b1", 71, 200), []);
        assert_eq!(times("b2", 0, 80), [(long, 1)]);
        assert_eq!(times("b3", 0, 80), []);
        assert_eq!(timeline.windows(), [seconds(0, 5)]);
        assert_eq!(timeline.ok_within(), Some(limit));
        let stored = serde_json::to_string(&timeline).unwrap();
        assert_eq!(serde_json::from_str::<Timeline>(&stored).unwrap(), timeline);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let mut timeline = Timeline::default();
        for bucket in 0..MOST_CELLS as u64 {
            timeline.add(None, bucket, TimelineCell::of_ended(true));
        }
        assert!(!timeline.is_cut());
        timeline.add(None, 5, TimelineCell::of_ended(true));
        assert!(!timeline.is_cut());
        timeline.add(Some("b1"), 5, TimelineCell::of_ended(true));
        assert!(timeline.is_cut());
        assert_eq!(timeline.of(Some("b1")).count(), 0);
        assert_eq!(timeline.backends().count(), 0);
        timeline.add_times("b1", 5, &Sparse::pack([(1_000, 1)].into_iter()));
        let all = Duration::ZERO..Duration::MAX;
        assert_eq!(timeline.times("b1", all).count(), 0);
    }
}
