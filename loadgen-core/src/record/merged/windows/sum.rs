//! Samples of a window that slides: some are added, others taken out again.

use crate::record::watch::Reading;
use crate::record::{HIGHEST_NS, Sparse};

/// Samples by their bucket.
#[derive(Debug, Default)]
pub(super) struct Sum {
    counts: Vec<u64>,
    len: u64,
}

impl Sum {
    pub(super) fn add(&mut self, samples: &Sparse) {
        for (value, count) in samples.counts() {
            let bucket = Sparse::bucket(value);
            if self.counts.len() <= bucket {
                self.counts.resize(bucket + 1, 0);
            }
            self.counts[bucket] += count;
        }
        self.len += samples.len();
    }

    /// Takes out what was added.
    pub(super) fn remove(&mut self, samples: &Sparse) {
        for (value, count) in samples.counts() {
            self.counts[Sparse::bucket(value)] -= count;
        }
        self.len -= samples.len();
    }

    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
        self.len = 0;
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// In nanoseconds; `None` without samples.
    pub(super) fn read(&self, reading: Reading) -> Option<f64> {
        let samples = || {
            let counts = self
                .counts
                .iter()
                .enumerate()
                .filter(|(_, count)| **count > 0);
            counts.map(|(bucket, count)| (Sparse::value_of(bucket).min(HIGHEST_NS), *count))
        };
        let (least, _) = samples().next()?;
        Some(match reading {
            Reading::Least => least as f64,
            Reading::Largest => samples().next_back()?.0 as f64,
            Reading::Mean => {
                let weighted = |(value, count)| value as f64 * count as f64;
                let mean = samples().map(weighted).sum::<f64>() / self.len as f64;
                // A sum's last digit must not lead out of the samples' range.
                mean.clamp(least as f64, samples().next_back()?.0 as f64)
            }
            Reading::At(quantile) => {
                let rank = ((quantile * self.len as f64).ceil() as u64).max(1);
                let mut seen = 0;
                let found = samples().find(|(_, count)| {
                    seen += count;
                    seen >= rank
                });
                found.or_else(|| samples().next_back())?.0 as f64
            }
        })
    }
}
