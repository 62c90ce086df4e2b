//! Times of about a second, and of the ten seconds before it.
//!
//! One second of a slow service has too few samples for its high percentiles; eleven of them may
//! have enough. What is past is kept in the compact form, for every series has ten of it.

use std::collections::VecDeque;

use crate::record::{Histogram, Sparse, new_histogram};

/// The samples of one series over about a second, and those of the ten seconds before it.
#[derive(Debug, Clone)]
pub struct Recent {
    second: Histogram,
    /// The stretches before it, the oldest first. Whoever holds this says how many to keep.
    before: VecDeque<Sparse>,
}

impl Recent {
    pub(crate) fn new() -> Self {
        Self {
            second: new_histogram(),
            before: VecDeque::new(),
        }
    }

    /// The samples of these stretches, the oldest first; the last one is the second that was last.
    #[must_use]
    pub fn of(stretches: impl IntoIterator<Item = Histogram>) -> Self {
        let mut stretches = stretches.into_iter();
        let mut recent = Self::new();
        recent.second = stretches.next().unwrap_or_else(new_histogram);
        for stretch in stretches {
            recent.before.push_back(Sparse::of(&recent.second));
            recent.second = stretch;
        }
        recent
    }

    /// The samples of the last second.
    #[must_use]
    pub fn second(&self) -> &Histogram {
        &self.second
    }

    pub(crate) fn second_mut(&mut self) -> &mut Histogram {
        &mut self.second
    }

    /// How many samples [`longer`](Self::longer) has.
    #[must_use]
    pub fn longer_len(&self) -> u64 {
        self.second.len() + self.before.iter().map(Sparse::len).sum::<u64>()
    }

    /// The samples of the last second and the ten before it. They are added up here.
    #[must_use]
    pub fn longer(&self) -> Sparse {
        let last = Sparse::of(&self.second);
        Sparse::sum(self.before.iter().chain([&last]))
    }

    /// Begins a new second, and remembers this many of those before it.
    pub(crate) fn next(&mut self, kept: usize) {
        self.before.push_back(Sparse::of(&self.second));
        self.before.drain(..self.before.len().saturating_sub(kept));
        self.forget_second();
    }

    /// Begins the second anew, as if this one had not been. One without samples gives its memory back:
    /// there may be thousands of series of which each has some now and then.
    pub(super) fn forget_second(&mut self) {
        if self.second.is_empty() {
            self.second.release();
        } else {
            self.second.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Samples;

    #[test]
    fn the_longer_stretch_ends_with_the_last_second() {
        let mut recent = Recent::new();
        for second in 1..=13 {
            recent.next(10);
            recent.second_mut().saturating_record_n(second * 1_000, 2);
        }
        assert_eq!(recent.second().len(), 2);
        assert_eq!(recent.longer_len(), 22);
        let all = recent.longer();
        assert_eq!(
            (all.len(), all.least() / 100),
            (22, 30),
            "from the third on"
        );
        recent.next(0);
        assert_eq!(recent.longer_len(), 0, "none was to be kept");
        assert!(recent.longer().is_empty());
    }
}
