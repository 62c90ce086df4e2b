//! The times of one stretch of a run over time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantile::{Quantile, percentile};
use super::rounding::micros;
use crate::record::{Samples, SeriesPoint, Sparse};

/// The longest stretch that a percentile of a point may be of: a second and the ten before it. With
/// ten in all, a p99 would come and go where there are a hundred a second, give or take one.
const WIDEST_S: u64 = 11;

/// What is known of the times of one stretch of a run, in microseconds.
///
/// A percentile that the stretch has too few samples for is that of a longer one which ends with
/// it: up to eleven seconds, where these have enough. How many stands beside it then. Points are kept
/// to two digits: a figure is off by at most 0.4 %.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct PointStatistics {
    /// Half are no larger. From 20 samples on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// Seconds that `p50` is of, where they are more than the point's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_over_s: Option<u64>,
    /// 95 % are no larger. From 200 samples on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
    /// Seconds that `p95` is of, where they are more than the point's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_over_s: Option<u64>,
    /// 99 % are no larger. From 1,000 samples on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// Seconds that `p99` is of, where they are more than the point's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_over_s: Option<u64>,
    /// The largest.
    pub max: f64,
    /// The samples of the stretch itself, in nanoseconds: HdrHistogram's encoding, version 2, deflated, in
    /// base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("contentEncoding" = "base64"))]
    pub histogram: Option<Sparse>,
}

impl PointStatistics {
    /// The figures of the last of these points, or nothing where it has no samples.
    #[must_use]
    pub fn of_last(points: &[SeriesPoint]) -> Option<Self> {
        let own = &points.last()?.response_time;
        if own.is_empty() {
            return None;
        }
        let mut wide_s = 0;
        let wide = points.iter().rev().take_while(|point| {
            wide_s += point.seconds;
            wide_s <= WIDEST_S
        });
        let wide: Vec<&SeriesPoint> = wide.collect();
        let wide_len = wide.iter().map(|point| point.response_time.len()).sum();
        let wide_s = wide.iter().map(|point| point.seconds).sum();
        let mut sum = None;
        let mut read = |quantile: Quantile| {
            let figure = percentile(own, quantile);
            if figure.is_some() || !quantile.is_supported_by(wide_len) {
                return (figure, None);
            }
            let times = wide.iter().map(|point| &point.response_time);
            let sum = sum.get_or_insert_with(|| Sparse::sum(times));
            (percentile(sum, quantile), Some(wide_s))
        };
        let (p50, p50_over_s) = read(Quantile::P50);
        let (p95, p95_over_s) = read(Quantile::P95);
        let (p99, p99_over_s) = read(Quantile::P99);
        Some(Self {
            p50,
            p50_over_s,
            p95,
            p95_over_s,
            p99,
            p99_over_s,
            max: micros(own.largest()),
            histogram: Some(own.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::record::new_histogram;

    /// The numbers of the seconds that these are from.
    fn from<const N: usize>(figures: [Option<f64>; N]) -> [Option<u64>; N] {
        figures.map(|us| us.map(|us| (us * 10.0).round() as u64))
    }

    /// Points of so many seconds each, with so many samples each, of 100 ns times the point's
    /// number.
    fn points(seconds: u64, counts: &[u64]) -> Vec<SeriesPoint> {
        let points = counts.iter().zip(0..).map(|(count, nth)| {
            let mut times = new_histogram();
            times.saturating_record_n(100 * (nth + 1), *count);
            let mut point = SeriesPoint::empty(nth * seconds, seconds);
            point.response_time = Sparse::of(&times);
            point
        });
        points.collect()
    }

    #[test_case(1, &[100; 14], Some(14), None, Some(14), Some(11); "a hundred a second")]
    #[test_case(1, &[200; 5], Some(5), None, Some(5), Some(5); "enough after five seconds")]
    #[test_case(1, &[15; 3], Some(2), Some(3), None, None; "too few for most")]
    #[test_case(1, &[1_000; 3], Some(3), None, Some(3), None; "its own")]
    #[test_case(4, &[500; 5], Some(5), None, Some(5), Some(8); "eight seconds of points of four")]
    #[test_case(8, &[500; 5], Some(5), None, None, None; "two points would be too long")]
    fn points_of_eleven_seconds_where_one_has_too_few(
        seconds: u64,
        counts: &[u64],
        p50: Option<u64>,
        p50_over_s: Option<u64>,
        p99: Option<u64>,
        p99_over_s: Option<u64>,
    ) {
        let figures = PointStatistics::of_last(&points(seconds, counts)).unwrap();
        let found = from([figures.p50, figures.p99, Some(figures.max)]);
        assert_eq!(found, [p50, p99, Some(counts.len() as u64)]);
        assert_eq!(figures.p50_over_s, p50_over_s);
        assert_eq!(figures.p99_over_s, p99_over_s);
    }

    #[test]
    fn a_point_without_samples_has_no_figures() {
        assert!(PointStatistics::of_last(&points(1, &[5_000, 0])).is_none());
        assert!(PointStatistics::of_last(&[]).is_none());
    }
}
