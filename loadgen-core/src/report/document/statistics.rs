//! Histograms as the figures that a reader sees.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantile::{Quantile, percentile};
use super::rounding::{micros, round3};
use crate::record::{Histogram, Recent, Samples, Sparse};

/// What is known of a series of times. All times are in microseconds, with up to three decimals.
///
/// A figure that the samples do not support is left out: mean, least and largest need one sample,
/// a percentile needs ten beyond it. Every figure is off by at most 0.05 %, and one sample has one
/// value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The samples themselves, in nanoseconds: HdrHistogram's encoding, version 2, deflated, in base64. Left
    /// out of series that no other run is compared with, and where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("contentEncoding" = "base64"))]
    pub histogram: Option<Sparse>,
}

impl Statistics {
    /// The same where some samples are lower bounds, the least of which is `youngest`.
    #[must_use]
    pub(in crate::report) fn with_lower_bounds(
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

    /// The same with the samples themselves.
    #[must_use]
    pub(in crate::report) fn with_samples(mut self, samples: Sparse) -> Self {
        self.histogram = Some(samples).filter(|it| !it.is_empty());
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
            histogram: None,
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

    #[test_case(u64::MAX; "cut off by the histogram")]
    #[test_case(4_000_000_000_000; "in a bucket beyond the range")]
    fn an_hour_is_the_most(sample: u64) {
        const HOUR_US: f64 = 3_600_000_000.0;
        let statistics = Statistics::of(&histogram([sample]));
        assert_eq!(statistics.max, Some(HOUR_US));
        assert!(statistics.mean.unwrap() <= HOUR_US);
        assert!(statistics.min.unwrap() <= statistics.mean.unwrap());
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
