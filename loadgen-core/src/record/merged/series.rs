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

/// No point covers more seconds: far more than any run takes, and so few that nothing overflows.
const WIDEST_S: u64 = 1 << 40;

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

/// The run over time so far. Throughput is counted by when things happened, latency by when iterations were
/// due.
///
/// Samples of a second that has closed go to the oldest open one. Above 600 points neighbours merge, so a run
/// of any length takes the same memory.
#[derive(Debug)]
pub struct Series {
    closed: Vec<SeriesPoint>,
    /// How many seconds a closed point covers.
    width: u64,
    open: VecDeque<OpenSecond>,
    first_open: u64,
    /// How often it was said that what follows is later than what was.
    moment: u64,
    /// The last moment at which a second changed that has closed since.
    closed_changed: u64,
}

/// How far somebody has followed a [`Series`]; at first not at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Followed {
    /// All up to this moment is known.
    moment: u64,
    /// The first second that was open then.
    first_open: u64,
}

/// The end of a series: all that has changed since somebody looked, and whatever stands behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SeriesPart {
    /// How many seconds each point covers.
    pub width: u64,
    /// The second that it begins with. Points of this second and later ones are no longer true.
    pub from_s: u64,
    /// The points.
    pub points: Vec<SeriesPoint>,
}

impl Default for SeriesPart {
    /// Nothing of a series that has not begun.
    fn default() -> Self {
        Self {
            width: 1,
            from_s: 0,
            points: Vec::new(),
        }
    }
}

impl SeriesPart {
    /// Makes of the points before it those of the whole. Tells the place from which on they are others than before.
    ///
    /// # Errors
    /// [`Misfit`] where these are no points of one series, whoever wrote them.
    pub fn add_to(self, points: &mut Vec<SeriesPoint>) -> Result<usize, Misfit> {
        if !self.width.is_power_of_two() || width_of(points) > self.width {
            return Err(Misfit);
        }
        let is_wider = width_of(points) < self.width;
        if is_wider {
            widen(points, self.width);
        }
        let from = points.partition_point(|it| it.t_s < self.from_s);
        points.truncate(from);
        points.extend(self.points);
        // Until it is finished, those that are still open stand behind those that are kept.
        fit_together(points, self.width, MOST_POINTS + OPEN_SECONDS as usize)?;
        Ok(if is_wider { 0 } else { from })
    }

    /// The series that these are of a load that took so long.
    #[must_use]
    pub fn finished(mut points: Vec<SeriesPoint>, elapsed: Duration) -> Vec<SeriesPoint> {
        bound(&mut points);
        leave_out_good_byes(&mut points, elapsed);
        points
    }
}

/// Points that no series has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a series that does not fit together")]
#[non_exhaustive]
pub struct Misfit;

#[derive(Debug, Clone, Default)]
struct OpenSecond {
    /// The moment at which it changed last.
    changed: u64,
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
            moment: 1,
            closed_changed: 0,
        }
    }

    /// What comes from now on is later than what has come.
    pub(super) fn next_moment(&mut self) {
        self.moment += 1;
    }

    /// What has changed since it was last followed, at a moment before this. [`Followed::default`] has seen
    /// nothing, and is told all.
    #[must_use]
    pub fn since(&self, followed: &mut Followed) -> SeriesPart {
        let changed = |it: &OpenSecond| it.changed > followed.moment;
        let opened = self.open.iter().position(changed);
        let opened = self.first_open + opened.unwrap_or(self.open.len()) as u64;
        let from = match self.closed_changed > followed.moment {
            true => followed.first_open.min(opened),
            false => opened,
        };
        *followed = Followed {
            moment: self.moment,
            first_open: self.first_open,
        };
        // All of the point that it is in.
        let from_s = from / self.width * self.width;
        SeriesPart {
            width: self.width,
            from_s,
            points: self.points_from(from_s),
        }
    }

    fn second(&mut self, second: u64) -> &mut OpenSecond {
        let last = second.max(self.first_open);
        while self.first_open + (self.open.len() as u64) <= last {
            self.open.push_back(OpenSecond {
                changed: self.moment,
                ..OpenSecond::default()
            });
            if self.open.len() as u64 > OPEN_SECONDS {
                self.close_one();
            }
        }
        let index = second.saturating_sub(self.first_open) as usize;
        let open = &mut self.open[index];
        open.changed = self.moment;
        open
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
        self.closed_changed = self.closed_changed.max(second.changed);
        let point = point(self.first_open, second);
        self.first_open += 1;
        push(&mut self.closed, self.width, point);
        if self.closed.len() > MOST_POINTS {
            self.width *= 2;
            widen(&mut self.closed, self.width);
        }
    }

    /// The points of a load that took so long. Seconds after it in which nothing happened are
    /// those of good-byes.
    pub(super) fn points_until(&self, elapsed: Duration) -> Vec<SeriesPoint> {
        SeriesPart::finished(self.points_from(0), elapsed)
    }

    /// Every point so far, the open seconds included.
    #[must_use]
    pub fn points(&self) -> Vec<SeriesPoint> {
        let mut points = self.points_from(0);
        bound(&mut points);
        points
    }

    /// The points from this second on, the open seconds included: of these, some more than are kept.
    fn points_from(&self, second: u64) -> Vec<SeriesPoint> {
        let before = self.closed.partition_point(|it| it.t_s < second);
        let mut points = self.closed[before..].to_vec();
        for (offset, open) in self.open.iter().enumerate() {
            let t_s = self.first_open + offset as u64;
            if t_s >= second {
                push(&mut points, self.width, point(t_s, open.clone()));
            }
        }
        points
    }
}

/// Seconds after the load in which nothing happened are those of good-byes.
fn leave_out_good_byes(points: &mut Vec<SeriesPoint>, elapsed: Duration) {
    while let Some(last) = points.last()
        && Duration::from_secs(last.t_s) >= elapsed
        && last.started + last.completed + last.failed == 0
        && last.connections == ConnectionCounts::default()
        && last.response_time.is_empty()
    {
        points.pop();
    }
}

/// No more points than are kept.
fn bound(points: &mut Vec<SeriesPoint>) {
    while points.len() > MOST_POINTS {
        let width = width_of(points) * 2;
        widen(points, width);
    }
}

/// Each point covers so many seconds.
fn widen(points: &mut Vec<SeriesPoint>, width: u64) {
    for point in std::mem::take(points) {
        push(points, width, point);
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
    fit_together(&points, width, MOST_POINTS).map_err(de::Error::custom)?;
    Ok(points)
}

/// Makes sure that these stand one behind the other, each as wide as that, and are no more than so many.
fn fit_together(points: &[SeriesPoint], width: u64, most: usize) -> Result<(), Misfit> {
    let fits = |(place, point): (u64, &SeriesPoint)| {
        point.t_s == place * width && (1..=width).contains(&point.seconds)
    };
    let is_bounded = points.len() <= most && width <= WIDEST_S;
    match is_bounded && (0..).zip(points).all(fits) {
        true => Ok(()),
        false => Err(Misfit),
    }
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
    use proptest::prelude::*;
    use test_case::test_case;

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

    proptest! {
        /// However often somebody looks, also at samples that come late and once points are wider.
        #[test]
        fn who_follows_has_all_points(
            happens in prop::collection::vec((0_u64..400, 0_u64..90, 0_u8..4), 1..40),
        ) {
            let mut series = Series::new();
            let (mut followed, mut points) = (Followed::default(), Vec::new());
            let mut now = 0;
            for (later, late, looks) in happens {
                now += later;
                series.happened(now, completed(1));
                series.response_time(now.saturating_sub(late), &one(later + 1));
                if looks == 0 {
                    series.since(&mut followed).add_to(&mut points).unwrap();
                    let known = SeriesPart::finished(points.clone(), Duration::ZERO);
                    prop_assert_eq!(known, series.points_until(Duration::ZERO));
                }
                series.next_moment();
            }
            series.since(&mut followed).add_to(&mut points).unwrap();
            bound(&mut points);
            prop_assert_eq!(points, series.points());
        }
    }

    fn part(width: u64, from_s: u64, points: &[(u64, u64)]) -> SeriesPart {
        let points = points
            .iter()
            .map(|(t_s, seconds)| SeriesPoint::empty(*t_s, *seconds));
        SeriesPart {
            width,
            from_s,
            points: points.collect(),
        }
    }

    /// Whoever wrote it, and whatever happened to it since.
    #[test_case(part(1, 2, &[(2, 1), (3, 1)]) => Ok(vec![0, 1, 2, 3]); "what comes next")]
    #[test_case(part(1, 1, &[(1, 1)]) => Ok(vec![0, 1]); "what has changed")]
    #[test_case(part(2, 0, &[(0, 2), (2, 1)]) => Ok(vec![0, 2]); "wider points")]
    #[test_case(part(1, 3, &[(3, 1)]) => Err(Misfit); "a gap")]
    #[test_case(part(1, 2, &[(1, 1)]) => Err(Misfit); "one before its beginning")]
    #[test_case(part(1, 2, &[(3, 1), (2, 1)]) => Err(Misfit); "in another order")]
    #[test_case(part(1, 2, &[(2, 0)]) => Err(Misfit); "one that covers nothing")]
    #[test_case(part(1, 2, &[(2, 2)]) => Err(Misfit); "one that covers too much")]
    #[test_case(part(0, 0, &[]) => Err(Misfit); "no width")]
    #[test_case(part(3, 0, &[(0, 3)]) => Err(Misfit); "a width that no merging makes")]
    #[test_case(part(1 << 63, 0, &[(0, u64::MAX)]) => Err(Misfit); "wider than any run")]
    #[test_case(part(1, u64::MAX, &[(u64::MAX, u64::MAX)]) => Err(Misfit); "at the end of time")]
    fn what_is_added_has_to_fit(part: SeriesPart) -> Result<Vec<u64>, Misfit> {
        let mut points = vec![SeriesPoint::empty(0, 1), SeriesPoint::empty(1, 1)];
        part.add_to(&mut points)?;
        Ok(points.iter().map(|it| it.t_s).collect())
    }

    #[test]
    fn more_points_than_are_kept_do_not_fit() {
        let seconds = |count: u64| {
            let points: Vec<(u64, u64)> = (0..count).map(|t_s| (t_s, 1)).collect();
            part(1, 0, &points).add_to(&mut Vec::new())
        };
        assert_eq!(seconds(660), Ok(0));
        assert_eq!(seconds(661), Err(Misfit));
    }

    /// Else each second's entry in a journal would have a minute of them.
    #[test]
    fn who_follows_is_told_of_what_has_changed_only() {
        let mut series = Series::new();
        let mut followed = Followed::default();
        let told: Vec<usize> = (0..100)
            .map(|second| {
                series.happened(second, completed(1));
                let told = series.since(&mut followed).points.len();
                series.next_moment();
                told
            })
            .collect();
        assert_eq!(told, [1; 100]);
        assert_eq!(series.since(&mut followed).points, []);
        assert_eq!(series.since(&mut Followed::default()).points.len(), 100);
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
