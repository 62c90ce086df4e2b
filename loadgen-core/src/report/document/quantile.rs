//! Percentiles, and how many samples one needs.

use super::rounding::micros;
use crate::record::Samples;

/// How many samples must lie beyond a percentile for it to be given.
pub(in crate::report) const SAMPLES_BEYOND: u64 = 10;

/// The quantiles that reports give.
#[derive(Debug, Clone, Copy)]
pub(in crate::report) enum Quantile {
    P50,
    P90,
    P95,
    P99,
    P999,
    P9999,
}

impl Quantile {
    /// The part of the samples beyond it, in parts of ten thousand: whole numbers decide whether
    /// it is given.
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
    pub(in crate::report) const fn share(self) -> f64 {
        (10_000 - self.beyond_of_10_000()) as f64 / 10_000.0
    }

    /// The fewest samples that are enough for it.
    pub(in crate::report) const fn least_samples(self) -> u64 {
        (SAMPLES_BEYOND * 10_000).div_ceil(self.beyond_of_10_000())
    }

    /// Whether so many samples are enough for it.
    pub(in crate::report) const fn is_supported_by(self, count: u64) -> bool {
        count >= self.least_samples()
    }
}

/// A percentile in microseconds, unless too few samples lie beyond it.
pub(in crate::report) fn percentile(samples: &impl Samples, quantile: Quantile) -> Option<f64> {
    let is_supported = quantile.is_supported_by(samples.len());
    is_supported.then(|| micros(samples.at(quantile.share())))
}
