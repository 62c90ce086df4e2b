//! What is read from samples, whatever form they are kept in.

use super::{Counts, HIGHEST_NS, Histogram};
use crate::clock::Nanos;

/// What is read from samples of nanoseconds, whatever form they are kept in.
///
/// Of a sample is known only which bucket it fell into, and a bucket is up to 0.1 % wide. Every
/// sample counts as the middle of its bucket, so a figure is off by at most 0.05 %, and one sample
/// has one value: least, mean, largest and every percentile are the same. What is above an hour
/// counts as an hour. Where samples are kept to two digits ([`Sparse::coarse`], points of the run over
/// time), a bucket is up to 0.8 % wide and a figure off by at most 0.4 %.
///
/// [`Sparse::coarse`]: super::Sparse::coarse
pub trait Samples {
    /// How many there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The least; 0 when there are none.
    fn least(&self) -> Nanos;

    /// The largest; 0 when there are none.
    fn largest(&self) -> Nanos;

    /// The arithmetic mean, between the least and the largest; 0 when there are none.
    fn mean(&self) -> f64;

    /// The smallest value that at least this share (0 to 1) of the samples do not exceed; 0 when
    /// there are none.
    fn at(&self, quantile: f64) -> Nanos;
}

impl Samples for Histogram {
    fn len(&self) -> u64 {
        Counts::len(self)
    }

    fn least(&self) -> Nanos {
        middle(self, self.min())
    }

    fn largest(&self) -> Nanos {
        middle(self, self.max())
    }

    fn mean(&self) -> f64 {
        let counted = self.counted();
        let sum: u128 = counted
            .map(|(value, count)| u128::from(value) * u128::from(count))
            .sum();
        let mean = sum as f64 / Samples::len(self).max(1) as f64;
        // What is above an hour, and the last digit, must not lead out of the samples' range.
        mean.clamp(self.least() as f64, self.largest() as f64)
    }

    fn at(&self, quantile: f64) -> Nanos {
        middle(self, self.value_at_quantile(quantile))
    }
}

/// What every sample counts as that fell into the same bucket as this one.
fn middle(histogram: &Histogram, value: Nanos) -> Nanos {
    histogram.median_equivalent(value).min(HIGHEST_NS)
}
