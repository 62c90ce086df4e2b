//! The one kind of histogram that everything is recorded in, and its compact form.

mod hdr;
mod samples;
mod sparse;
mod stored;

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Nanos;

pub use samples::Samples;
pub use sparse::Sparse;
pub(in crate::record) use sparse::{push_number, take_number};

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
        let digits = self.number() as u8;
        Counts::new_with_bounds(1, Self::room_for(value), digits).expect("bounds that are in order")
    }

    /// How many they are.
    fn number(self) -> u32 {
        match self {
            Self::Two => 2,
            Self::Three => 3,
        }
    }

    /// All that the largest bucket has room for, so that a histogram grows a few times only.
    fn room_for(value: Nanos) -> Nanos {
        (value.max(2) + 1).next_power_of_two() - 1
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

    /// Whether there are samples, without making up an empty histogram to ask.
    #[inline]
    pub(in crate::record) fn has_any(&self) -> bool {
        self.counts.as_ref().is_some_and(|it| !it.is_empty())
    }

    /// What each bucket with samples counts as, rising, and how many it has. `iter_recorded` of the library has the
    /// same in twice the time: it looks at all buckets below the least sample, too.
    pub(in crate::record) fn counted(&self) -> impl Iterator<Item = (Nanos, u64)> {
        let digits = self.digits;
        let places = match &self.counts {
            Some(counts) if !counts.is_empty() => {
                digits.index(counts.min())..digits.index(counts.max()) + 1
            }
            _ => 0..0,
        };
        places.filter_map(move |place| {
            let value = digits.middle(place);
            let count = self.count_at(value);
            (count > 0).then_some((value, count))
        })
    }

    /// Forgets all samples and keeps the memory.
    pub fn reset(&mut self) {
        if let Some(counts) = self.counts.as_mut().filter(|it| !it.is_empty()) {
            counts.reset();
        }
    }

    /// Forgets all samples and gives the memory back.
    pub(in crate::record) fn release(&mut self) {
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

/// HdrHistogram's encoding, version 2: as text deflated and in base64, as bytes plain. Nothing is lost.
impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        stored::write(self.digits, self.counted(), serializer)
    }
}

/// From the same. Values of two or three digits up to an hour are taken.
impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (digits, counts) = stored::read(deserializer)?;
        let mut histogram = Self::new(digits);
        // The largest first, so that it never grows.
        for (value, count) in counts.into_iter().rev() {
            histogram.saturating_record_n(value, count);
        }
        Ok(histogram)
    }
}

/// A text that is no histogram, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a histogram {0}")]
pub struct HistogramError(&'static str);

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

#[cfg(test)]
mod tests;
