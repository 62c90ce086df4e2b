//! Times of which there are mostly few.

use crate::clock::Nanos;
use crate::record::{HIGHEST_NS, Histogram, Sparse, new_histogram};

/// Times of something of which there may be very many, most of them with few samples: these are kept
/// one by one, and a histogram is made from some hundred on.
#[derive(Debug, Clone)]
pub(in crate::record) struct FewOrMany {
    few: Vec<Nanos>,
    many: Histogram,
}

impl FewOrMany {
    /// How many are kept one by one: 2 KiB.
    const FEW: usize = 256;

    pub(in crate::record) fn new() -> Self {
        Self {
            few: Vec::new(),
            many: new_histogram(),
        }
    }

    #[inline]
    pub(in crate::record) fn record(&mut self, value: Nanos) {
        if !self.many.has_any() && self.few.len() < Self::FEW {
            self.few.push(value);
        } else {
            self.gather();
            self.many.saturating_record(value);
        }
    }

    fn gather(&mut self) {
        for value in self.few.drain(..) {
            self.many.saturating_record(value);
        }
    }

    /// Adds them to a histogram.
    pub(in crate::record) fn add_to(&self, histogram: &mut Histogram) {
        for value in &self.few {
            histogram.saturating_record(*value);
        }
        histogram.add(&self.many);
    }

    /// The same samples, packed.
    pub(in crate::record) fn pack(&self) -> Sparse {
        let many = Sparse::of(&self.many);
        if self.few.is_empty() {
            return many;
        }
        let bucket = |value: &Nanos| self.many.median_equivalent((*value).min(HIGHEST_NS));
        let mut few: Vec<Nanos> = self.few.iter().map(bucket).collect();
        few.sort_unstable();
        let mut packed = Sparse::pack(few.chunk_by(Nanos::eq).map(|it| (it[0], it.len() as u64)));
        packed.add(&many);
        packed
    }

    /// Forgets all samples and keeps the memory.
    pub(in crate::record) fn reset(&mut self) {
        self.few.clear();
        self.many.reset();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn few_or_many_they_are_the_same_samples(
            samples in prop::collection::vec(0_u64..5_000_000_000_000, 0..600),
        ) {
            let mut times = FewOrMany::new();
            for sample in &samples {
                times.record(*sample);
            }
            let whole = samples.iter().fold(new_histogram(), |mut all, sample| {
                all.saturating_record(*sample);
                all
            });
            let mut added = new_histogram();
            times.add_to(&mut added);
            prop_assert_eq!(&added, &whole);
            prop_assert_eq!(times.pack(), Sparse::of(&whole));
            times.reset();
            prop_assert!(times.pack().is_empty());
        }
    }
}
