//! Histograms in their compact form.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Digits, HIGHEST_NS, Histogram, HistogramError, Samples, hdr, stored};
use crate::clock::Nanos;

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
        Self::pack(histogram.counted())
    }

    /// The same samples, their values to two digits (1 in 128 or closer): a fraction of the memory where
    /// hundreds of these are kept.
    #[must_use]
    pub fn coarse(histogram: &Histogram) -> Self {
        let counted = histogram.counted();
        let mut counts = counted
            .map(|(value, count)| (Self::coarse_value(value), count))
            .peekable();
        Self::pack(std::iter::from_fn(|| {
            let (value, mut count) = counts.next()?;
            while let Some((_, more)) = counts.next_if(|(next, _)| *next == value) {
                count += more;
            }
            Some((value, count))
        }))
    }

    /// What a value counts as in [`coarse`](Self::coarse): the middle of its bucket.
    #[must_use]
    pub fn coarse_value(value: Nanos) -> Nanos {
        Digits::Two.middle(Digits::Two.index(value))
    }

    /// Where a value stands among those that three digits tell apart.
    pub(in crate::record) fn bucket(value: Nanos) -> usize {
        Digits::Three.index(value) as usize
    }

    /// What the values there count as.
    pub(in crate::record) fn value_of(bucket: usize) -> Nanos {
        Digits::Three.middle(bucket as u64)
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
    pub(in crate::record) fn pack(counts: impl Iterator<Item = (Nanos, u64)>) -> Self {
        let (mut packed, mut len, mut before) = (Vec::new(), 0, 0);
        for (value, count) in counts {
            push_number(&mut packed, value - before);
            push_number(&mut packed, count);
            len = u64::saturating_add(len, count);
            before = value;
        }
        Self {
            packed: packed.into(),
            len,
        }
    }

    /// The samples of a histogram that [`to_text`](Self::to_text) or another tool wrote: HdrHistogram's
    /// encoding, version 2, deflated, in base64.
    ///
    /// # Errors
    /// What is wrong with it. It has to be of whole nanoseconds up to an hour, to two or three digits.
    pub fn from_text(text: &str) -> Result<Self, HistogramError> {
        let (_, counts) = hdr::decode(text).map_err(HistogramError)?;
        Ok(Self::pack(counts.into_iter()))
    }

    /// As text: HdrHistogram's encoding, version 2, deflated, in base64; of two digits where the samples
    /// are told apart no further. Nothing is lost.
    #[must_use]
    pub fn to_text(&self) -> String {
        hdr::encode(self.digits(), self.counts())
    }

    /// So many tell the samples apart.
    fn digits(&self) -> Digits {
        let tells = |digits: Digits| {
            let mut values = self.counts().map(|(value, _)| value);
            values.all(|value| digits.middle(digits.index(value)) == value)
        };
        if tells(Digits::Two) {
            Digits::Two
        } else {
            Digits::Three
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
                    Some((value, count.saturating_add(right.next()?.1)))
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

/// As the [`Histogram`] of the same samples, of two digits where they are told apart no further.
impl Serialize for Sparse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        stored::write(self.digits(), self.counts(), serializer)
    }
}

impl<'de> Deserialize<'de> for Sparse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (_, counts) = stored::read(deserializer)?;
        Ok(Self::pack(counts.into_iter()))
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
pub(in crate::record) fn push_number(packed: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        packed.push(number as u8 | 0x80);
        number >>= 7;
    }
    packed.push(number as u8);
}

/// Takes one off the front.
pub(in crate::record) fn take_number(packed: &mut &[u8]) -> Option<u64> {
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
