//! Histograms as the figures that a reader sees.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::{Histogram, Recent, Samples, SeriesPoint, Sparse};

/// How many samples must lie beyond a percentile for it to be given.
pub(super) const SAMPLES_BEYOND: u64 = 10;

/// The longest stretch that a percentile of a point may be of: a second and the ten before it. With
/// ten in all, a p99 would come and go where there are a hundred a second, give or take one.
const WIDEST_S: u64 = 11;

/// What is known of a series of times. All times are in microseconds, with up to three decimals.
///
/// A figure that the samples do not support is left out: mean, least and largest need one sample,
/// a percentile needs ten beyond it. Every figure is off by at most 0.05 %, and one sample has one
/// value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Statistics {
    /// Samples.
    pub count: u64,
    /// Arithmetic mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// The least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Half are no larger. From 20 samples on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// 90 % are no larger. From 100 samples on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90: Option<f64>,
    /// 95 % are no larger. From 200 samples on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
    /// 99 % are no larger. From 1,000 samples on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// 99.9 % are no larger. From 10,000 samples on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p999: Option<f64>,
    /// 99.99 % are no larger. From 100,000 samples on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p9999: Option<f64>,
    /// The largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The percentage from which on percentiles are lower bounds, as are mean and largest: some
    /// samples are of what was left unanswered, at its age. Left out where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub at_least_from: Option<f64>,
}

impl Statistics {
    /// The same where some samples are lower bounds, the least of which is `youngest`.
    #[must_use]
    pub(super) fn with_lower_bounds(
        mut self,
        histogram: &Histogram,
        youngest: Option<u64>,
    ) -> Self {
        self.at_least_from = youngest.filter(|_| !histogram.is_empty()).map(|youngest| {
            let bucket = histogram.lowest_equivalent(youngest);
            let below = match bucket {
                0 => 0,
                bucket => histogram.count_between(0, bucket - 1),
            };
            round3(below as f64 * 100.0 / histogram.len() as f64)
        });
        self
    }

    /// The figures of samples of nanoseconds.
    #[must_use]
    pub fn of(histogram: &impl Samples) -> Self {
        let count = histogram.len();
        if count == 0 {
            return Self::default();
        }
        Self {
            count,
            mean: Some(round3(Samples::mean(histogram) / 1_000.0)),
            min: Some(micros(histogram.least())),
            p50: percentile(histogram, Quantile::P50),
            p90: percentile(histogram, Quantile::P90),
            p95: percentile(histogram, Quantile::P95),
            p99: percentile(histogram, Quantile::P99),
            p999: percentile(histogram, Quantile::P999),
            p9999: percentile(histogram, Quantile::P9999),
            max: Some(micros(histogram.largest())),
            at_least_from: None,
        }
    }

    /// The figures of the last second. A percentile up to [`p99`](Self::p99) that it has too few
    /// samples for is that of this second and the ten before it, where these have enough.
    #[must_use]
    pub fn of_recent(recent: &Recent) -> Self {
        let mut figures = Self::of(recent.second());
        let mut missing: Vec<_> = [
            (Quantile::P50, &mut figures.p50),
            (Quantile::P90, &mut figures.p90),
            (Quantile::P95, &mut figures.p95),
            (Quantile::P99, &mut figures.p99),
        ]
        .into_iter()
        .filter(|(quantile, figure)| {
            figure.is_none() && quantile.is_supported_by(recent.longer_len())
        })
        .collect();
        if !missing.is_empty() {
            let longer = recent.longer();
            for (quantile, figure) in &mut missing {
                **figure = percentile(&longer, *quantile);
            }
        }
        figures
    }

    /// The figures of samples, or nothing where there are no samples.
    #[must_use]
    pub fn of_any(histogram: &impl Samples) -> Option<Self> {
        (!histogram.is_empty()).then(|| Self::of(histogram))
    }
}

/// What is known of the times of one stretch of a run, in microseconds.
///
/// A percentile that the stretch has too few samples for is that of a longer one which ends with
/// it: up to eleven seconds, where these have enough. How many stands beside it then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
        })
    }
}

/// The quantiles that reports give.
#[derive(Debug, Clone, Copy)]
pub(super) enum Quantile {
    P50,
    P90,
    P95,
    P99,
    P999,
    P9999,
}

impl Quantile {
    /// The part of the samples beyond it, in parts of ten thousand: whole numbers decide whether
    /// it is withheld.
    const fn beyond_of_10_000(self) -> u64 {
        match self {
            Self::P50 => 5_000,
            Self::P90 => 1_000,
            Self::P95 => 500,
            Self::P99 => 100,
            Self::P999 => 10,
            Self::P9999 => 1,
        }
    }

    /// The part of the samples that are no larger, 0 to 1.
    pub(super) const fn share(self) -> f64 {
        (10_000 - self.beyond_of_10_000()) as f64 / 10_000.0
    }

    /// Whether so many samples are enough for it.
    pub(super) const fn is_supported_by(self, count: u64) -> bool {
        count.saturating_mul(self.beyond_of_10_000()) >= SAMPLES_BEYOND * 10_000
    }
}

/// A percentile in microseconds, unless too few samples lie beyond it.
fn percentile(samples: &impl Samples, quantile: Quantile) -> Option<f64> {
    let is_supported = quantile.is_supported_by(samples.len());
    is_supported.then(|| micros(samples.at(quantile.share())))
}

/// Nanoseconds as microseconds with three decimals.
pub(super) fn micros(nanos: u64) -> f64 {
    round3(nanos as f64 / 1_000.0)
}

/// Rounds to three decimals; what is not finite becomes 0, since JSON cannot say it.
pub(super) fn round3(value: f64) -> f64 {
    round(value, 1_000.0)
}

/// Rounds to six decimals; what is not finite becomes 0, since JSON cannot say it.
pub(super) fn round6(value: f64) -> f64 {
    round(value, 1_000_000.0)
}

fn round(value: f64, steps: f64) -> f64 {
    if !value.is_finite() {
        return 0.0;
    }
    let rounded = (value * steps).round() / steps;
    if rounded.is_finite() { rounded } else { value }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use crate::record::new_histogram;

    fn histogram(samples: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = new_histogram();
        for sample in samples {
            histogram.saturating_record(sample);
        }
        histogram
    }

    #[test_case(0, 0; "none")]
    #[test_case(1, 0; "one sample has no percentile")]
    #[test_case(19, 0)]
    #[test_case(20, 1)]
    #[test_case(99, 1)]
    #[test_case(100, 2)]
    #[test_case(199, 2)]
    #[test_case(200, 3)]
    #[test_case(999, 3)]
    #[test_case(1_000, 4)]
    #[test_case(9_999, 4)]
    #[test_case(10_000, 5)]
    #[test_case(99_999, 5)]
    #[test_case(100_000, 6)]
    fn percentiles_need_ten_samples_beyond(count: u64, given: usize) {
        let statistics = Statistics::of(&histogram((0..count).map(|_| 5_000)));
        let percentiles = [
            statistics.p50,
            statistics.p90,
            statistics.p95,
            statistics.p99,
            statistics.p999,
            statistics.p9999,
        ];
        assert_eq!(percentiles.iter().flatten().count(), given);
        assert!(percentiles[..given].iter().all(Option::is_some));
        assert_eq!(statistics.max.is_some(), count > 0);
        assert_eq!(statistics.min.is_some(), count > 0);
        assert_eq!(statistics.mean.is_some(), count > 0);
    }

    #[test_case(&[], None => None; "all answered")]
    #[test_case(&[2_000_000], Some(2_000_000) => Some(99.01); "above all others")]
    #[test_case(&[1], Some(1) => Some(0.0); "below all others")]
    fn lower_bounds(unanswered: &[u64], youngest: Option<u64>) -> Option<f64> {
        let samples = (0..100)
            .map(|it| 1_000 + it)
            .chain(unanswered.iter().copied());
        let histogram = histogram(samples);
        let statistics = Statistics::of(&histogram).with_lower_bounds(&histogram, youngest);
        statistics.at_least_from
    }

    #[test]
    fn known_samples() {
        let statistics = Statistics::of(&histogram((1..=1_000).map(|i| i * 1_000)));
        insta::assert_snapshot!(serde_json::to_string_pretty(&statistics).unwrap(), @r#"
    {
      "count": 1000,
      "mean": 500.505,
      "min": 1.0,
      "p50": 500.096,
      "p90": 899.84,
      "p95": 950.016,
      "p99": 989.952,
      "max": 1000.192
    }
"#);
    }

    /// Seconds with so many samples each, of 100 ns times the second's number.
    fn recent(seconds: &[u64]) -> Recent {
        let mut recent = Recent::new();
        for (nth, count) in seconds.iter().enumerate() {
            if nth > 0 {
                recent.next(10);
            }
            let value = 100 * (1 + nth as u64);
            recent.second_mut().saturating_record_n(value, *count);
        }
        recent
    }

    #[test_case(&[100; 10], Some(10), Some(10), Some(10); "a hundred a second")]
    #[test_case(&[10; 10], Some(5), Some(9), None; "ten a second")]
    #[test_case(&[100; 3], Some(3), Some(3), None; "too few yet")]
    #[test_case(&[1_000; 3], Some(3), Some(3), Some(3); "a second of its own")]
    #[test_case(&[5_000, 0], Some(1), Some(1), Some(1); "a second without any")]
    #[test_case(&[5_000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], None, None, None; "too long ago")]
    fn eleven_seconds_where_one_has_too_few(
        seconds: &[u64],
        p50: Option<u64>,
        p90: Option<u64>,
        p99: Option<u64>,
    ) {
        let figures = Statistics::of_recent(&recent(seconds));
        let found = from([figures.p50, figures.p90, figures.p99]);
        assert_eq!(found, [p50, p90, p99]);
        let own = Statistics::of(recent(seconds).second());
        assert_eq!(figures.count, own.count);
        assert_eq!((figures.mean, figures.max), (own.mean, own.max));
        assert_eq!((figures.p999, figures.p9999), (own.p999, own.p9999));
    }

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

    #[test_case(u64::MAX; "cut off by the histogram")]
    #[test_case(4_000_000_000_000; "in a bucket beyond the range")]
    fn an_hour_is_the_most(sample: u64) {
        const HOUR_US: f64 = 3_600_000_000.0;
        let statistics = Statistics::of(&histogram([sample]));
        assert_eq!(statistics.max, Some(HOUR_US));
        assert!(statistics.mean.unwrap() <= HOUR_US);
        assert!(statistics.min.unwrap() <= statistics.mean.unwrap());
    }

    #[test_case(0 => 0.0)]
    #[test_case(1 => 0.001)]
    #[test_case(1_234_567 => 1_234.567)]
    fn nanoseconds_as_microseconds(nanos: u64) -> f64 {
        micros(nanos)
    }

    #[test_case(f64::NAN => 0.0)]
    #[test_case(f64::INFINITY => 0.0)]
    #[test_case(0.123_456 => 0.123)]
    #[test_case(1e300 => 1e300)]
    fn rounding(value: f64) -> f64 {
        round3(value)
    }

    proptest! {
        #[test]
        fn figures_are_in_order(samples in prop::collection::vec(0_u64..4_000_000_000_000, 1..3_000)) {
            let statistics = Statistics::of(&histogram(samples));
            let (min, mean, max) =
                (statistics.min.unwrap(), statistics.mean.unwrap(), statistics.max.unwrap());
            prop_assert!(min <= mean && mean <= max);
            let rising: Vec<f64> = [
                Some(min), statistics.p50, statistics.p90, statistics.p95, statistics.p99,
                statistics.p999, statistics.p9999, Some(max),
            ].into_iter().flatten().collect();
            prop_assert!(rising.is_sorted(), "{rising:?}");
        }

        #[test]
        fn merging_is_recording_in_one(
            a in prop::collection::vec(0_u64..10_000_000_000, 0..300),
            b in prop::collection::vec(0_u64..10_000_000_000, 0..300),
        ) {
            let mut merged = histogram(a.iter().copied());
            merged.add(&histogram(b.iter().copied()));
            let one = histogram(a.into_iter().chain(b));
            prop_assert_eq!(Statistics::of(&merged), Statistics::of(&one));
        }
    }
}
