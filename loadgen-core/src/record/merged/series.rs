//! The run over time, in bounded memory.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::record::local::Happened;
use crate::record::{ConnectionCounts, Histogram, Sparse};

/// How long a second stays open for late samples.
pub(super) const OPEN_SECONDS: u64 = 60;
/// The most points kept; above it neighbours merge.
pub(super) const MOST_POINTS: usize = 600;

/// One stretch of the run over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SeriesPoint {
    /// Seconds from the scenario's start to the point's beginning.
    pub t_s: u64,
    /// How many seconds it covers: 1 until neighbours had to be merged.
    pub seconds: u64,
    /// Iterations that started in it.
    pub started: u64,
    /// Iterations that completed in it.
    pub completed: u64,
    /// Iterations that failed in it.
    pub failed: u64,
    /// The most users busy in it; of several processes, the sum of each one's most.
    pub users: u64,
    /// What became of connections in it; the first point has those before the clock started too.
    pub connections: ConnectionCounts,
    /// Response times of the iterations that were due in it.
    pub response_time: Sparse,
}

impl SeriesPoint {
    /// A stretch in which nothing has happened.
    #[must_use]
    pub fn empty(t_s: u64, seconds: u64) -> Self {
        Self {
            t_s,
            seconds,
            started: 0,
            completed: 0,
            failed: 0,
            users: 0,
            connections: ConnectionCounts::default(),
            response_time: Sparse::default(),
        }
    }

    /// Adds what can be added up.
    fn add(&mut self, other: &Self) {
        self.started = self.started.saturating_add(other.started);
        self.completed = self.completed.saturating_add(other.completed);
        self.failed = self.failed.saturating_add(other.failed);
        self.connections += other.connections;
        self.response_time.add(&other.response_time);
    }
}

/// Collects points: throughput by when things happened, latency by when iterations were due.
///
/// Samples of a second that has closed go to the oldest open one. Above [`MOST_POINTS`]
/// neighbours merge, so a run of any length takes the same memory.
#[derive(Debug)]
pub(super) struct Series {
    closed: Vec<SeriesPoint>,
    /// How many seconds a closed point covers.
    width: u64,
    open: VecDeque<OpenSecond>,
    first_open: u64,
}

#[derive(Debug, Clone, Default)]
struct OpenSecond {
    happened: Happened,
    response_time: Sparse,
}

impl Series {
    pub(super) fn new() -> Self {
        Self {
            closed: Vec::new(),
            width: 1,
            open: VecDeque::new(),
            first_open: 0,
        }
    }

    fn second(&mut self, second: u64) -> &mut OpenSecond {
        let last = second.max(self.first_open);
        while self.first_open + (self.open.len() as u64) <= last {
            self.open.push_back(OpenSecond::default());
            if self.open.len() as u64 > OPEN_SECONDS {
                self.close_one();
            }
        }
        let index = second.saturating_sub(self.first_open) as usize;
        &mut self.open[index]
    }

    pub(super) fn happened(&mut self, second: u64, happened: Happened) {
        let into = &mut self.second(second).happened;
        into.started = into.started.saturating_add(happened.started);
        into.completed = into.completed.saturating_add(happened.completed);
        into.failed = into.failed.saturating_add(happened.failed);
        into.users = into.users.saturating_add(happened.users);
        into.connections += happened.connections;
    }

    pub(super) fn response_time(&mut self, second: u64, samples: &Histogram) {
        self.second(second)
            .response_time
            .add(&Sparse::coarse(samples));
    }

    fn close_one(&mut self) {
        let Some(second) = self.open.pop_front() else {
            return;
        };
        let point = point(self.first_open, second);
        self.first_open += 1;
        push(&mut self.closed, self.width, point);
        if self.closed.len() > MOST_POINTS {
            self.width *= 2;
            let points = std::mem::take(&mut self.closed);
            for point in points {
                push(&mut self.closed, self.width, point);
            }
        }
    }

    /// The points of a load that took so long. Seconds after it in which nothing happened are
    /// those of good-byes.
    pub(super) fn points_until(&self, elapsed: Duration) -> Vec<SeriesPoint> {
        let mut points = self.points();
        while let Some(last) = points.last()
            && Duration::from_secs(last.t_s) >= elapsed
            && last.started + last.completed + last.failed == 0
            && last.connections == ConnectionCounts::default()
            && last.response_time.is_empty()
        {
            points.pop();
        }
        points
    }

    /// Every point so far, the open seconds included.
    pub(super) fn points(&self) -> Vec<SeriesPoint> {
        let mut points = self.closed.clone();
        for (offset, second) in self.open.iter().enumerate() {
            let point = point(self.first_open + offset as u64, second.clone());
            push(&mut points, self.width, point);
        }
        while points.len() > MOST_POINTS {
            let width = points[0].seconds.max(self.width) * 2;
            let narrow = std::mem::take(&mut points);
            for point in narrow {
                push(&mut points, width, point);
            }
        }
        points
    }
}

/// Adds the points of another process, counted from the same beginning. All is added exactly but for
/// the users where points cover several seconds: each process knows its own most only.
pub(super) fn merge(points: &mut Vec<SeriesPoint>, other: &[SeriesPoint]) {
    let width = width_of(points).max(width_of(other));
    let mut left = in_stretches(points, width);
    let right = in_stretches(other, width);
    left.resize_with(left.len().max(right.len()), || None);
    for (place, from) in right.into_iter().enumerate() {
        let Some(from) = from else { continue };
        match &mut left[place] {
            Some(into) => {
                into.seconds = into.seconds.max(from.seconds);
                into.users = into.users.saturating_add(from.users);
                into.add(&from);
            }
            none => *none = Some(from),
        }
    }
    *points = left.into_iter().flatten().collect();
}

/// How many seconds each but the last covers.
fn width_of(points: &[SeriesPoint]) -> u64 {
    points.first().map_or(1, |first| first.seconds)
}

/// Each at its place among stretches of this width.
fn in_stretches(points: &[SeriesPoint], width: u64) -> Vec<Option<SeriesPoint>> {
    let mut coarse = Vec::new();
    for point in points {
        push(&mut coarse, width, point.clone());
    }
    let mut placed = Vec::new();
    for point in coarse {
        let place = (point.t_s / width) as usize;
        placed.resize_with(placed.len().max(place + 1), || None);
        placed[place] = Some(point);
    }
    placed
}

/// Refuses points that no series has.
pub(super) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<SeriesPoint>, D::Error> {
    let points = Vec::<SeriesPoint>::deserialize(deserializer)?;
    let width = width_of(&points);
    let fits = |(place, point): (u64, &SeriesPoint)| {
        point.t_s == place * width && (1..=width).contains(&point.seconds)
    };
    let is_bounded = points.len() <= MOST_POINTS && width <= 1 << 40;
    if !is_bounded || !(0..).zip(&points).all(fits) {
        return Err(de::Error::custom("a series that does not fit together"));
    }
    Ok(points)
}

fn point(t_s: u64, second: OpenSecond) -> SeriesPoint {
    SeriesPoint {
        t_s,
        seconds: 1,
        started: second.happened.started,
        completed: second.happened.completed,
        failed: second.happened.failed,
        users: second.happened.users,
        connections: second.happened.connections,
        response_time: second.response_time,
    }
}

/// Appends a point, merged with the last one where both fall into the same stretch of `width`.
fn push(points: &mut Vec<SeriesPoint>, width: u64, point: SeriesPoint) {
    match points.last_mut() {
        Some(last) if last.t_s / width == point.t_s / width => {
            last.seconds = point.t_s + point.seconds - last.t_s;
            last.users = last.users.max(point.users);
            last.add(&point);
        }
        _ => points.push(point),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::new_histogram;

    fn one(value: u64) -> Histogram {
        let mut histogram = new_histogram();
        histogram.saturating_record(value);
        histogram
    }

    fn completed(count: u64) -> Happened {
        Happened {
            completed: count,
            users: 3,
            ..Happened::default()
        }
    }

    #[test]
    fn latency_goes_to_the_second_it_was_due_in() {
        let mut series = Series::new();
        series.happened(5, completed(1));
        series.response_time(2, &one(3_000_000_000));
        let points = series.points();
        assert_eq!(points.len(), 6);
        assert_eq!(points[2].response_time.len(), 1);
        assert_eq!(points[2].completed, 0);
        assert_eq!(points[5].completed, 1);
    }

    #[test]
    fn samples_of_a_closed_second_go_to_the_oldest_open_one() {
        let mut series = Series::new();
        series.happened(100, completed(1));
        series.response_time(3, &one(97_000_000_000));
        let points = series.points();
        assert!(points[3].response_time.is_empty());
        assert_eq!(points[41].response_time.len(), 1);
    }

    #[test]
    fn seconds_of_good_byes_are_left_out_unless_something_happened_in_them() {
        let mut series = Series::new();
        series.happened(1, completed(1));
        series.happened(3, Happened::default());
        let points = |series: &Series, ms| series.points_until(Duration::from_millis(ms)).len();
        assert_eq!(points(&series, 1_900), 2);
        assert_eq!(points(&series, 2_100), 3);
        assert_eq!(points(&series, 500), 2, "what completed is in some point");
        let dropped = ConnectionCounts {
            dropped: 1,
            ..ConnectionCounts::default()
        };
        series.happened(
            2,
            Happened {
                connections: dropped,
                ..Happened::default()
            },
        );
        assert_eq!(points(&series, 1_900), 3);
    }

    #[test]
    fn any_length_fits_and_nothing_is_lost() {
        let mut series = Series::new();
        let seconds = 10_000;
        for second in 0..seconds {
            series.happened(second, completed(7));
            series.response_time(second, &one(second + 1));
        }
        let points = series.points();
        assert!(points.len() <= MOST_POINTS, "{}", points.len());
        assert!(points.len() > MOST_POINTS / 3, "{}", points.len());
        assert_eq!(points.iter().map(|p| p.completed).sum::<u64>(), 7 * seconds);
        assert_eq!(
            points.iter().map(|p| p.response_time.len()).sum::<u64>(),
            seconds
        );
        assert_eq!(points.iter().map(|p| p.seconds).sum::<u64>(), seconds);
        assert!(points.iter().all(|p| p.users == 3));
        for pair in points.windows(2) {
            assert_eq!(pair[0].t_s + pair[0].seconds, pair[1].t_s);
        }
    }
}
