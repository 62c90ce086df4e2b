//! Which part of a run one of several processes carries out.

use std::fmt;
use std::str::FromStr;

use super::Share;
use crate::units::Rate;

/// One of several processes that carry out a run together: each of them takes every `count`-th of what is numbered,
/// users, arrivals and iterations, beginning with its own number.
///
/// None of them needs to know of another. Together they do exactly what one process would.
///
/// ```
/// use loadgen_core::schedule::Shard;
///
/// let second: Shard = "1/4".parse()?;
/// assert_eq!((second.index(), second.count()), (1, 4));
/// assert_eq!(second.part_of(10), 3, "numbers 1, 5 and 9");
/// assert_eq!(second.number(2), 9);
/// assert_eq!(
///     "4/4".parse::<Shard>().unwrap_err().to_string(),
///     "there is no shard 4 of 4: they are counted from 0, and the last one is 3/4",
/// );
/// # Ok::<(), loadgen_core::schedule::ShardError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shard {
    index: u32,
    count: u32,
}

/// What is no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// It is not written as one.
    #[error("expected I/N, the number of this shard from 0 and how many there are, such as 0/4")]
    Form,
    /// There are none, or too many.
    #[error("there cannot be {count} shards: expected 1 to {}", Shard::MOST)]
    Count {
        /// How many there should be.
        count: u32,
    },
    /// There are not so many.
    #[error(
        "there is no shard {index} of {count}: they are counted from 0, and the last one is {}/{count}",
        count - 1
    )]
    Index {
        /// Its number.
        index: u32,
        /// How many there are.
        count: u32,
    },
}

impl Shard {
    /// The only one.
    pub const ALL: Self = Self { index: 0, count: 1 };
    /// The most that there can be.
    pub const MOST: u32 = 65_536;

    /// The shard with this number, from 0, of so many.
    ///
    /// # Errors
    /// [`ShardError`] where there are not so many, none, or more than [`MOST`](Self::MOST).
    pub fn new(index: u32, count: u32) -> Result<Self, ShardError> {
        match () {
            () if !(1..=Self::MOST).contains(&count) => Err(ShardError::Count { count }),
            () if index >= count => Err(ShardError::Index { index, count }),
            () => Ok(Self { index, count }),
        }
    }

    /// Its number, from 0.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count
    }

    /// Whether it is the only one.
    #[must_use]
    pub fn is_all(self) -> bool {
        self.count == 1
    }

    /// How many of so many things are its.
    #[must_use]
    pub fn part_of(self, total: u64) -> u64 {
        total
            .saturating_sub(u64::from(self.index))
            .div_ceil(u64::from(self.count))
    }

    /// How many of so many things are those of the shards before it.
    #[must_use]
    pub fn before(self, total: u64) -> u64 {
        let (index, count) = (u64::from(self.index), u64::from(self.count));
        index * (total / count) + index.min(total % count)
    }

    /// Which of all things its `nth` one is, both from 0.
    #[must_use]
    pub fn number(self, nth: u64) -> u64 {
        nth.saturating_mul(u64::from(self.count))
            .saturating_add(u64::from(self.index))
    }

    /// Its part of a rate, never below the least that there may be.
    #[must_use]
    pub fn rate(self, of_all: Rate) -> Rate {
        Rate::new(of_all.per_second() / f64::from(self.count)).unwrap_or(Rate::LEAST)
    }

    /// The same of those that take part where only so many can, the first ones; `None` where it is none of them.
    #[must_use]
    pub fn among(self, most: u64) -> Option<Self> {
        let count = u32::try_from(most).unwrap_or(u32::MAX).min(self.count);
        Self::new(self.index, count).ok()
    }

    /// What one of so many workers of its takes of the arrivals, however many the others have.
    #[must_use]
    pub fn share(self, worker: usize, workers: usize) -> Share {
        Share {
            index: self.number(worker as u64),
            of: u64::from(self.count) * workers as u64,
        }
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let number = |text: &str| {
            let is_plain = text.bytes().all(|it| it.is_ascii_digit());
            is_plain.then(|| text.parse().ok())?
        };
        let numbers = text.split_once('/');
        match numbers.map(|(index, count)| (number(index), number(count))) {
            Some((Some(index), Some(count))) => Self::new(index, count),
            _ => Err(ShardError::Form),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use crate::schedule::{Arrivals, RateStage, Spacing};

    #[test_case("4/4" => "there is no shard 4 of 4: they are counted from 0, and the last one is 3/4")]
    #[test_case("0/0" => "there cannot be 0 shards: expected 1 to 65536")]
    #[test_case("0/65537" => "there cannot be 65537 shards: expected 1 to 65536")]
    #[test_case("x" => "expected I/N, the number of this shard from 0 and how many there are, such as 0/4")]
    #[test_case("1/" => "expected I/N, the number of this shard from 0 and how many there are, such as 0/4"; "no count")]
    #[test_case("+1/4" => "expected I/N, the number of this shard from 0 and how many there are, such as 0/4"; "a sign")]
    #[test_case("1/4/2" => "expected I/N, the number of this shard from 0 and how many there are, such as 0/4"; "one number more")]
    #[test_case("1/99999999999" => "expected I/N, the number of this shard from 0 and how many there are, such as 0/4"; "no number of ours")]
    fn refused(text: &str) -> String {
        text.parse::<Shard>().unwrap_err().to_string()
    }

    fn all(count: u32) -> impl Iterator<Item = Shard> {
        (0..count).map(move |index| Shard::new(index, count).unwrap())
    }

    proptest! {
        /// Whatever is numbered is some shard's, and no other's.
        #[test]
        fn shards_share_all_there_is(count in 1_u32..=64, total in 0_u64..1_000) {
            let numbers = all(count).flat_map(|it| (0..it.part_of(total)).map(move |nth| it.number(nth)));
            let mut numbers: Vec<_> = numbers.collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..total).collect::<Vec<_>>());
            let mut before = 0;
            for shard in all(count) {
                prop_assert_eq!(shard.before(total), before);
                before += shard.part_of(total);
            }
        }

        /// Each on as many workers as its machine has.
        #[test]
        fn arrivals_of_all_shards_are_those_of_one_process(
            workers in prop::collection::vec(1_usize..5, 1..=64),
            rate in 1.0_f64..2_000.0,
        ) {
            let stages = [
                RateStage::new(Duration::from_millis(300), 0.0, rate),
                RateStage::new(Duration::from_millis(700), rate, rate),
            ];
            let of = |share| Arrivals::new(&stages, Spacing::Uniform, share, 0);
            let whole: Vec<_> = of(Share::ALL).collect();
            let shards = all(workers.len() as u32).zip(&workers);
            let shares = shards.flat_map(|(shard, workers)| {
                (0..*workers).map(move |worker| shard.share(worker, *workers))
            });
            let mut parts: Vec<_> = shares.flat_map(of).collect();
            parts.sort_unstable();
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn the_first_take_part_where_not_all_can(count in 1_u32..=64, most in 0_u64..80) {
            let part: Vec<_> = all(count).filter_map(|it| it.among(most)).collect();
            let expected = u64::from(count).min(most);
            prop_assert_eq!(part, all(expected as u32).collect::<Vec<_>>());
        }
    }

    /// Each worker draws for itself: together they are a Poisson process of the whole rate.
    #[test]
    fn poisson_arrivals_of_all_shards_are_a_poisson_process() {
        let stages = [RateStage::new(Duration::from_secs(100), 1_000.0, 1_000.0)];
        for count in [1, 4, 64] {
            let mut due: Vec<_> = all(count)
                .flat_map(|shard| {
                    let share = shard.share(0, 1);
                    Arrivals::new(
                        &stages,
                        Spacing::Poisson,
                        share,
                        77 + u64::from(shard.index()),
                    )
                })
                .collect();
            due.sort_unstable();
            // 100,000 are expected, with a deviation of 316.
            assert!(
                (due.len() as f64 - 1e5).abs() < 5.0 * 316.0,
                "{}",
                due.len()
            );
            // Gaps are exponential: as many are above their mean as 1/e says.
            let gaps: Vec<_> = due.windows(2).map(|it| it[1] - it[0]).collect();
            let above = gaps.iter().filter(|it| **it > 1_000_000).count() as f64;
            let share = above / gaps.len() as f64;
            assert!((share - (-1.0_f64).exp()).abs() < 0.008, "{count}: {share}");
            // And the numbers in a tenth of a second vary as a Poisson distribution's.
            let mut counts = vec![0_u32; 1_000];
            due.iter()
                .for_each(|at| counts[(at / 100_000_000) as usize] += 1);
            let mean = counts.iter().sum::<u32>() as f64 / 1e3;
            let variance = counts
                .iter()
                .map(|it| (f64::from(*it) - mean).powi(2))
                .sum::<f64>()
                / 1e3;
            assert!(
                (variance / mean - 1.0).abs() < 0.25,
                "{count}: {variance} of {mean}"
            );
        }
    }
}
