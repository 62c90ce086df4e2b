//! The one kind of histogram that everything is recorded in, and its compact form.

use crate::clock::Nanos;

/// A histogram of nanoseconds: 3 significant digits, 1 ns to one hour.
pub type Histogram = hdrhistogram::Histogram<u64>;

/// The largest value a histogram tells apart; larger ones count as this.
pub const HIGHEST_NS: Nanos = 3_600_000_000_000;

/// An empty histogram. It never resizes, so recording never allocates.
#[must_use]
pub fn new_histogram() -> Histogram {
    Histogram::new_with_bounds(1, HIGHEST_NS, 3).expect("constant bounds that are in order")
}

/// A histogram that holds its counted values only, for points of the past of which many are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sparse {
    /// Value in nanoseconds and count, values rising.
    counts: Vec<(Nanos, u64)>,
    max: Nanos,
}

impl Sparse {
    /// The same samples as `histogram`.
    #[must_use]
    pub fn of(histogram: &Histogram) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        Self {
            counts: histogram
                .iter_recorded()
                .map(|step| (step.value_iterated_to(), step.count_at_value()))
                .collect(),
            max: histogram.max(),
        }
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The largest sample, in nanoseconds; 0 when empty.
    #[must_use]
    pub fn max(&self) -> Nanos {
        self.max
    }

    /// The smallest value that at least this share (0 to 1) of the samples do not exceed, in
    /// nanoseconds; 0 when empty.
    #[must_use]
    pub fn value_at_quantile(&self, quantile: f64) -> Nanos {
        let rank = ((quantile * self.len() as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (value, count) in &self.counts {
            seen += count;
            if seen >= rank {
                return (*value).min(self.max);
            }
        }
        self.max
    }

    /// Adds the samples of `other`, exactly.
    pub fn add(&mut self, other: &Self) {
        let mut merged = Vec::with_capacity(self.counts.len() + other.counts.len());
        let mut left = self.counts.iter().copied().peekable();
        let mut right = other.counts.iter().copied().peekable();
        while let (Some(a), Some(b)) = (left.peek().copied(), right.peek().copied()) {
            match a.0.cmp(&b.0) {
                std::cmp::Ordering::Less => merged.extend(left.next()),
                std::cmp::Ordering::Greater => merged.extend(right.next()),
                std::cmp::Ordering::Equal => {
                    merged.push((a.0, a.1 + b.1));
                    left.next();
                    right.next();
                }
            }
        }
        merged.extend(left);
        merged.extend(right);
        merged.shrink_to_fit();
        self.counts = merged;
        self.max = self.max.max(other.max);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sparse_agrees_with_the_full_form(
            left in prop::collection::vec(0_u64..10_000_000_000, 0..200),
            right in prop::collection::vec(0_u64..10_000_000, 1..200),
            quantile in 0.0_f64..=1.0,
        ) {
            let fill = |values: &[u64]| {
                let mut histogram = new_histogram();
                for value in values {
                    histogram.saturating_record(*value);
                }
                histogram
            };
            let (left, right) = (fill(&left), fill(&right));
            let mut sparse = Sparse::of(&left);
            sparse.add(&Sparse::of(&right));
            let mut full = left;
            full.add(&right).unwrap();
            prop_assert_eq!(sparse.len(), full.len());
            prop_assert_eq!(sparse.max(), full.max());
            let exact = full.value_at_quantile(quantile).min(full.max());
            prop_assert_eq!(sparse.value_at_quantile(quantile), exact);
        }
    }
}
