//! Histograms as the figures that a reader sees.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::{Histogram, Samples, Sparse};

/// How many samples must lie beyond a percentile for it to be given.
const SAMPLES_BEYOND: u64 = 10;

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
}

impl Statistics {
    /// The figures of a histogram of nanoseconds.
    #[must_use]
    pub fn of(histogram: &Histogram) -> Self {
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
        }
    }

    /// The figures of a histogram, or nothing where it has no samples.
    #[must_use]
    pub fn of_any(histogram: &Histogram) -> Option<Self> {
        (!histogram.is_empty()).then(|| Self::of(histogram))
    }
}

/// What is known of the times of one stretch of a run, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct PointStatistics {
    /// Half are no larger. From 20 samples on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// 95 % are no larger. From 200 samples on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
    /// 99 % are no larger. From 1,000 samples on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// The largest.
    pub max: f64,
}

impl PointStatistics {
    /// The figures of a histogram of nanoseconds, or nothing where it has no samples.
    #[must_use]
    pub fn of_any(histogram: &Sparse) -> Option<Self> {
        (!histogram.is_empty()).then(|| Self {
            p50: percentile(histogram, Quantile::P50),
            p95: percentile(histogram, Quantile::P95),
            p99: percentile(histogram, Quantile::P99),
            max: micros(histogram.largest()),
        })
    }
}

/// The quantiles that reports give.
#[derive(Debug, Clone, Copy)]
enum Quantile {
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
}

/// A percentile in microseconds, unless too few samples lie beyond it.
fn percentile(samples: &impl Samples, quantile: Quantile) -> Option<f64> {
    let beyond = quantile.beyond_of_10_000();
    if samples.len().saturating_mul(beyond) < SAMPLES_BEYOND * 10_000 {
        return None;
    }
    let value = samples.at((10_000 - beyond) as f64 / 10_000.0);
    Some(micros(value))
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

/// Adds one histogram to another, cutting off what the receiver's range cannot hold.
pub(super) fn merge(into: &mut Histogram, other: &Histogram) {
    if into.add(other).is_err() {
        for bucket in other.iter_recorded() {
            into.saturating_record_n(bucket.value_iterated_to(), bucket.count_at_value());
        }
    }
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

    #[test]
    fn merging_into_a_smaller_range_keeps_every_sample() {
        let mut small = Histogram::new_with_bounds(1, 1_000_000, 3).unwrap();
        merge(&mut small, &histogram([10, 5_000_000_000]));
        assert_eq!(small.len(), 2);
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
            merge(&mut merged, &histogram(b.iter().copied()));
            let one = histogram(a.into_iter().chain(b));
            prop_assert_eq!(Statistics::of(&merged), Statistics::of(&one));
        }
    }
}
