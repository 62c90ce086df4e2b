//! The one kind of histogram that everything is recorded in, and its compact form.

use std::fmt;
use std::sync::LazyLock;

use crate::clock::Nanos;

type Counts = hdrhistogram::Histogram<u64>;

/// A histogram of nanoseconds: 1 ns to one hour, to three significant digits unless it was made
/// coarser.
///
/// It takes no memory before its first sample, and from then on as much as its largest one asks for:
/// some 90 KB up to a millisecond, 270 KB up to an hour. It grows a few times at the beginning, and
/// keeps what it has when it is emptied, so that recording does not allocate once it is warm.
///
/// What is read from it is read from the histogram of `hdrhistogram` that it
/// [derefs](std::ops::Deref) to.
#[derive(Clone)]
pub struct Histogram {
    counts: Option<Counts>,
    digits: Digits,
}

/// How fine a histogram is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digits {
    Two,
    Three,
}

impl Digits {
    /// A histogram with room for values up to this one, which is [`HIGHEST_NS`] at the most.
    fn make(self, value: Nanos) -> Counts {
        let digits = match self {
            Self::Two => 2,
            Self::Three => 3,
        };
        // All that its largest bucket has room for, so that it grows a few times only.
        let highest = (value.max(2) + 1).next_power_of_two() - 1;
        Counts::new_with_bounds(1, highest, digits).expect("bounds that are in order")
    }

    /// Makes room for values up to this one. The library could grow by itself, and would take up to
    /// twice what it needs.
    #[inline]
    fn fit(self, counts: &mut Option<Counts>, value: Nanos) -> &mut Counts {
        let counts = counts.get_or_insert_with(|| self.make(value));
        if value > counts.high() {
            self.grow(counts, value);
        }
        counts
    }

    #[cold]
    fn grow(self, counts: &mut Counts, value: Nanos) {
        let mut larger = self.make(value);
        // Of the same kind, with room for all.
        let _ = larger.add(&*counts);
        *counts = larger;
    }

    /// What a histogram is read as that has no samples.
    fn nothing(self) -> &'static Counts {
        static TWO: LazyLock<Counts> = LazyLock::new(|| Digits::Two.make(0));
        static THREE: LazyLock<Counts> = LazyLock::new(|| Digits::Three.make(0));
        match self {
            Self::Two => &TWO,
            Self::Three => &THREE,
        }
    }
}

/// The largest value a histogram tells apart; larger ones count as this.
pub const HIGHEST_NS: Nanos = 3_600_000_000_000;

impl Histogram {
    fn new(digits: Digits) -> Self {
        Self {
            counts: None,
            digits,
        }
    }

    /// Records a value; one above [`HIGHEST_NS`] as that.
    #[inline]
    pub fn saturating_record(&mut self, value: Nanos) {
        self.saturating_record_n(value, 1);
    }

    /// Records a value so many times; one above [`HIGHEST_NS`] as that.
    #[inline]
    pub fn saturating_record_n(&mut self, value: Nanos, count: u64) {
        let value = value.min(HIGHEST_NS);
        let counts = self.digits.fit(&mut self.counts, value);
        // There is room.
        let _ = counts.record_n(value, count);
    }

    /// Adds the samples of another histogram: exactly where that is no finer, else each as the middle of
    /// its bucket.
    pub fn add(&mut self, other: &Self) {
        let Some(from) = other.counts.as_ref().filter(|it| !it.is_empty()) else {
            return;
        };
        let counts = self.digits.fit(&mut self.counts, from.max());
        // There is room.
        let _ = counts.add(from);
    }

    /// Forgets all samples and keeps the memory.
    pub fn reset(&mut self) {
        if let Some(counts) = self.counts.as_mut().filter(|it| !it.is_empty()) {
            counts.reset();
        }
    }

    /// Forgets all samples and gives the memory back.
    pub(super) fn release(&mut self) {
        self.counts = None;
    }
}

impl std::ops::Deref for Histogram {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        let nothing = || self.digits.nothing();
        self.counts.as_ref().unwrap_or_else(nothing)
    }
}

/// The samples of another histogram, each as what its bucket stands for there.
impl From<&Counts> for Histogram {
    fn from(counts: &Counts) -> Self {
        let mut histogram = new_histogram();
        for step in counts.iter_recorded() {
            histogram.saturating_record_n(step.value_iterated_to(), step.count_at_value());
        }
        histogram
    }
}

/// The same samples, however much memory they are kept in.
impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.digits == other.digits && Sparse::of(self) == Sparse::of(other)
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("len", &Samples::len(self))
            .field("least", &self.least())
            .field("largest", &self.largest())
            .finish_non_exhaustive()
    }
}

/// Times of something of which there may be very many, most of them with few samples: these are kept
/// one by one, and a histogram is made from some hundred on.
#[derive(Debug, Clone)]
pub(super) struct FewOrMany {
    few: Vec<Nanos>,
    many: Histogram,
}

impl FewOrMany {
    /// How many are kept one by one: 2 KiB.
    const FEW: usize = 256;

    pub(super) fn new() -> Self {
        Self {
            few: Vec::new(),
            many: new_histogram(),
        }
    }

    #[inline]
    pub(super) fn record(&mut self, value: Nanos) {
        let has_many = self.many.counts.as_ref().is_some_and(|it| !it.is_empty());
        if !has_many && self.few.len() < Self::FEW {
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
    pub(super) fn add_to(&self, histogram: &mut Histogram) {
        for value in &self.few {
            histogram.saturating_record(*value);
        }
        histogram.add(&self.many);
    }

    /// The same samples, packed.
    pub(super) fn pack(&self) -> Sparse {
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
    pub(super) fn reset(&mut self) {
        self.few.clear();
        self.many.reset();
    }
}

/// An empty histogram of three significant digits.
#[must_use]
pub fn new_histogram() -> Histogram {
    Histogram::new(Digits::Three)
}

/// An empty histogram of two significant digits, for what is kept of each step: an eighth of the
/// memory.
#[must_use]
pub fn new_coarse_histogram() -> Histogram {
    Histogram::new(Digits::Two)
}

/// What is read from samples of nanoseconds, whatever form they are kept in.
///
/// Of a sample is known only which bucket it fell into, and a bucket is up to 0.1 % wide. Every
/// sample counts as the middle of its bucket, so a figure is off by at most 0.05 %, and one sample
/// has one value: least, mean, largest and every percentile are the same. What is above an hour
/// counts as an hour.
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
        // What is above an hour, and a sum's last digit, must not lead out of the samples' range.
        Counts::mean(self).clamp(self.least() as f64, self.largest() as f64)
    }

    fn at(&self, quantile: f64) -> Nanos {
        middle(self, self.value_at_quantile(quantile))
    }
}

/// What every sample counts as that fell into the same bucket as this one.
fn middle(histogram: &Histogram, value: Nanos) -> Nanos {
    histogram.median_equivalent(value).min(HIGHEST_NS)
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
}

impl Sparse {
    /// The same samples as `histogram`.
    #[must_use]
    pub fn of(histogram: &Histogram) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let steps = histogram.iter_recorded();
        Self::pack(steps.map(|step| {
            let value = histogram.median_equivalent(step.value_iterated_to());
            (value, step.count_at_value())
        }))
    }

    /// The same samples, their values to two digits (1 in 128 or closer): a fraction of the memory where
    /// hundreds of these are kept.
    #[must_use]
    pub fn coarse(histogram: &Histogram) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let steps = histogram.iter_recorded();
        let mut counts = steps
            .map(|step| {
                (
                    Self::coarse_value(step.value_iterated_to()),
                    step.count_at_value(),
                )
            })
            .peekable();
        Self::pack(std::iter::from_fn(|| {
            let (value, mut count) = counts.next()?;
            while let Some((_, more)) = counts.next_if(|(next, _)| *next == value) {
                count += more;
            }
            Some((value, count))
        }))
    }

    /// What a value counts as in [`coarse`](Self::coarse): the middle of the numbers that have the same
    /// first eight binary digits.
    #[must_use]
    pub fn coarse_value(value: Nanos) -> Nanos {
        const DIGITS: u32 = 8;
        let below = (Nanos::BITS - value.leading_zeros()).saturating_sub(DIGITS);
        (value >> below << below) + (1 << below >> 1)
    }

    /// The samples of all of these together, exactly.
    #[must_use]
    pub fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all: Vec<_> = parts.into_iter().flat_map(Self::counts).collect();
        // Each part is in order, and this sort makes use of that.
        all.sort_by_key(|(value, _)| *value);
        all.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            kept.1 += if is_same { next.1 } else { 0 };
            is_same
        });
        Self::pack(all.into_iter())
    }

    /// Packs values that rise, each with its count.
    fn pack(counts: impl Iterator<Item = (Nanos, u64)>) -> Self {
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
        }
    }

    /// Each value in nanoseconds and its count, values rising.
    pub fn counts(&self) -> impl Iterator<Item = (Nanos, u64)> {
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
            Self::pack(both)
        };
        *self = merged;
    }
}

impl Samples for Sparse {
    fn len(&self) -> u64 {
        self.len
    }

    fn least(&self) -> Nanos {
        let first = self.counts().next();
        first.map_or(0, |(value, _)| value.min(HIGHEST_NS))
    }

    fn largest(&self) -> Nanos {
        let last = self.counts().last();
        last.map_or(0, |(value, _)| value.min(HIGHEST_NS))
    }

    fn mean(&self) -> f64 {
        if self.is_empty() {
            return 0.0;
        }
        let weighted = |(value, count)| value as f64 * count as f64;
        let mean = self.counts().map(weighted).sum::<f64>() / self.len as f64;
        // What is above an hour, and a sum's last digit, must not lead out of the samples' range.
        mean.clamp(self.least() as f64, self.largest() as f64)
    }

    fn at(&self, quantile: f64) -> Nanos {
        let rank = ((quantile * self.len as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.counts().find(|(_, count)| {
            seen += count;
            seen >= rank
        });
        found.map_or_else(|| self.largest(), |(value, _)| value.min(HIGHEST_NS))
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

    fn fill(values: &[u64]) -> Histogram {
        let mut histogram = new_histogram();
        for value in values {
            histogram.saturating_record(*value);
        }
        histogram
    }

    proptest! {
        #[test]
        fn coarse_values_are_close_and_none_is_lost(values in prop::collection::vec(1..HIGHEST_NS, 1..200)) {
            let histogram = fill(&values);
            let (fine, coarse) = (Sparse::of(&histogram), Sparse::coarse(&histogram));
            prop_assert_eq!(coarse.len(), fine.len());
            let each = |it: &Sparse| -> Vec<u64> {
                it.counts().flat_map(|(value, count)| (0..count).map(move |_| value)).collect()
            };
            for (fine, coarse) in each(&fine).into_iter().zip(each(&coarse)) {
                prop_assert!(fine.abs_diff(coarse) <= fine / 128, "{} for {}", coarse, fine);
            }
            let values: Vec<_> = coarse.counts().map(|(value, _)| value).collect();
            prop_assert!(values.windows(2).all(|pair| pair[0] < pair[1]));
        }

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
            left in prop::collection::vec(0_u64..10_000_000_000_000, 0..200),
            right in prop::collection::vec(0_u64..10_000_000, 1..200),
            quantile in 0.0_f64..=1.0,
        ) {
            let (left, right) = (fill(&left), fill(&right));
            let mut sparse = Sparse::of(&left);
            sparse.add(&Sparse::of(&right));
            let sum = Sparse::sum([&Sparse::of(&left), &Sparse::default(), &Sparse::of(&right)]);
            prop_assert_eq!(&sum, &sparse);
            let mut full = left;
            full.add(&right);
            prop_assert_eq!(&Sparse::of(&full), &sparse);
            prop_assert_eq!(sparse.len(), full.len());
            prop_assert_eq!(sparse.least(), full.least());
            prop_assert_eq!(sparse.largest(), full.largest());
            prop_assert_eq!(sparse.at(quantile), full.at(quantile));
            let (mean, exact) = (sparse.mean(), Samples::mean(&full));
            prop_assert!((mean - exact).abs() <= exact * 1e-9, "{mean} {exact}");
        }

        #[test]
        fn one_sample_has_one_value(sample in 0_u64..3_600_000_000_000, times in 1_u64..50) {
            let mut histogram = new_histogram();
            histogram.saturating_record_n(sample, times);
            let sparse = Sparse::of(&histogram);
            let value = histogram.at(0.5);
            let off = value.abs_diff(sample) as f64;
            prop_assert!(off <= sample as f64 * 0.000_5, "{sample} is {value}");
            for samples in [&histogram as &dyn Samples, &sparse] {
                for same in [samples.least(), samples.largest(), samples.at(0.0), samples.at(1.0)] {
                    prop_assert_eq!(same, value);
                }
                prop_assert_eq!(samples.mean(), value as f64);
            }
        }

        #[test]
        fn few_or_many_they_are_the_same_samples(
            samples in prop::collection::vec(0_u64..5_000_000_000_000, 0..600),
        ) {
            let mut times = FewOrMany::new();
            for sample in &samples {
                times.record(*sample);
            }
            let whole = fill(&samples);
            let mut added = new_histogram();
            times.add_to(&mut added);
            prop_assert_eq!(&added, &whole);
            prop_assert_eq!(times.pack(), Sparse::of(&whole));
            times.reset();
            prop_assert!(times.pack().is_empty());
        }

        #[test]
        fn figures_rise(samples in prop::collection::vec(0_u64..5_000_000_000_000, 1..300)) {
            let histogram = fill(&samples);
            let figures: Vec<u64> = [0.0, 0.1, 0.5, 0.9, 0.99, 1.0].map(|it| histogram.at(it)).into();
            prop_assert!(figures.is_sorted(), "{figures:?}");
            prop_assert_eq!(histogram.least(), figures[0]);
            prop_assert_eq!(histogram.largest(), figures[5]);
            let mean = Samples::mean(&histogram);
            prop_assert!(histogram.least() as f64 <= mean && mean <= histogram.largest() as f64);
        }
    }

    #[test]
    fn nothing_is_zero() {
        for samples in [&new_histogram() as &dyn Samples, &Sparse::default()] {
            let whole = [
                samples.len(),
                samples.least(),
                samples.largest(),
                samples.at(0.5),
            ];
            assert_eq!(whole, [0; 4]);
            assert_eq!(samples.mean(), 0.0);
        }
    }
}
