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

/// An empty histogram of two significant digits, for what is kept of each step: an eighth of the
/// memory.
#[must_use]
pub fn new_coarse_histogram() -> Histogram {
    Histogram::new_with_bounds(1, HIGHEST_NS, 2).expect("constant bounds that are in order")
}

/// A histogram that holds its counted values only, for points of the past of which many are kept.
///
/// It is packed: each value as its distance from the one before, then its count, both in as few
/// bytes as they need (LEB128). A long run keeps hundreds of these, and a value and its count then
/// take some four bytes instead of sixteen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sparse {
    packed: Box<[u8]>,
    len: u64,
    max: Nanos,
}

impl Sparse {
    /// The same samples as `histogram`.
    #[must_use]
    pub fn of(histogram: &Histogram) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let steps = histogram.iter_recorded();
        Self::pack(
            steps.map(|step| (step.value_iterated_to(), step.count_at_value())),
            histogram.max(),
        )
    }

    /// Packs values that rise, each with its count.
    fn pack(counts: impl Iterator<Item = (Nanos, u64)>, max: Nanos) -> Self {
        let (mut packed, mut len, mut before) = (Vec::new(), 0, 0);
        for (value, count) in counts {
            push_number(&mut packed, value - before);
            push_number(&mut packed, count);
            len += count;
            before = value;
        }
        Self {
            packed: packed.into(),
            len,
            max,
        }
    }

    /// Each value and its count, values rising.
    fn counts(&self) -> impl Iterator<Item = (Nanos, u64)> {
        let mut rest = &*self.packed;
        let mut value = 0;
        std::iter::from_fn(move || {
            value += take_number(&mut rest)?;
            Some((value, take_number(&mut rest)?))
        })
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
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
        let rank = ((quantile * self.len as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (value, count) in self.counts() {
            seen += count;
            if seen >= rank {
                return value.min(self.max);
            }
        }
        self.max
    }

    /// Adds the samples of `other`, exactly.
    pub fn add(&mut self, other: &Self) {
        let merged = {
            let mut left = self.counts().peekable();
            let mut right = other.counts().peekable();
            let both = std::iter::from_fn(|| match (left.peek(), right.peek()) {
                (Some(a), Some(b)) if a.0 == b.0 => {
                    let (value, count) = left.next()?;
                    Some((value, count + right.next()?.1))
                }
                (Some(a), Some(b)) if a.0 > b.0 => right.next(),
                (Some(_), _) => left.next(),
                (None, _) => right.next(),
            });
            Self::pack(both, self.max.max(other.max))
        };
        *self = merged;
    }
}

/// Appends a number, seven bits a byte, the lowest first; all bytes but the last have the high bit.
fn push_number(packed: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        packed.push(number as u8 | 0x80);
        number >>= 7;
    }
    packed.push(number as u8);
}

/// Takes one off the front.
fn take_number(packed: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = packed.split_first()?;
        *packed = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(numbers in prop::collection::vec(any::<u64>(), 0..20)) {
            let mut packed = Vec::new();
            for number in &numbers {
                push_number(&mut packed, *number);
            }
            let mut rest = packed.as_slice();
            let read: Vec<u64> = std::iter::from_fn(|| take_number(&mut rest)).collect();
            prop_assert_eq!(read, numbers);
        }

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
