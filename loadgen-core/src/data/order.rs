//! Which row is the n-th to be used.

use crate::chance::mix_in;

/// In which order rows are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As they stand in the file; from the beginning again after the last one.
    #[default]
    Sequential,
    /// Any row at any time.
    Random,
    /// Each once in an order of chance, then each once in another one.
    Shuffle,
    /// As they stand in the file, each once.
    Once,
}

impl Order {
    /// Which of so many rows is the `nth` to be used, both from 0; chance is decided by the seed. `None` where there
    /// are none (any more).
    pub(crate) fn row(self, rows: u64, nth: u64, seed: u64) -> Option<u64> {
        if rows == 0 {
            return None;
        }
        let (pass, place) = (nth / rows, nth % rows);
        Some(match self {
            Self::Sequential => place,
            Self::Once => (pass == 0).then_some(place)?,
            Self::Random => below(rows, mix_in(seed, nth)),
            Self::Shuffle => shuffled(place, rows, mix_in(seed, pass)),
        })
    }
}

/// A number below `most`, from one without pattern.
fn below(most: u64, random: u64) -> u64 {
    ((u128::from(random) * u128::from(most)) >> 64) as u64
}

/// The place of `number` in an order of chance of the numbers below `len`, without a list of them: a Feistel
/// network permutes the next larger power of four, and what falls outside goes through it again.
pub(crate) fn shuffled(number: u64, len: u64, seed: u64) -> u64 {
    const ROUNDS: u64 = 4;
    let half = (64 - (len - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1_u64 << half) - 1;
    let mut at = number;
    loop {
        let (mut left, mut right) = (at >> half, at & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (mix_in(seed, right ^ (round << 60)) & mask));
        }
        at = (left << half) | right;
        if at < len {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use test_case::test_matrix;

    use super::*;
    use crate::schedule::Shard;

    #[test]
    fn in_the_order_of_the_file() {
        let rows = |order: Order| (0..5).map(|nth| order.row(3, nth, 7)).collect::<Vec<_>>();
        assert_eq!(rows(Order::Sequential), [0, 1, 2, 0, 1].map(Some));
        assert_eq!(rows(Order::Once), [Some(0), Some(1), Some(2), None, None]);
        assert_eq!(Order::Random.row(0, 0, 7), None);
    }

    #[test_matrix([1, 2, 3, 4, 5, 64, 1000, 1025])]
    fn a_shuffle_uses_each_row_once_and_then_in_another_order(len: u64) {
        let pass = |pass| -> Vec<u64> {
            let rows = pass * len..(pass + 1) * len;
            rows.map(|nth| Order::Shuffle.row(len, nth, 7).unwrap())
                .collect()
        };
        for nth in 0..2 {
            assert_eq!(
                pass(nth).into_iter().collect::<BTreeSet<_>>().len() as u64,
                len
            );
        }
        if len > 4 {
            assert_ne!(pass(0), pass(1));
            assert_ne!(pass(0), (0..len).collect::<Vec<_>>());
        }
        assert_ne!(
            Order::Shuffle.row(1000, 0, 8),
            Order::Shuffle.row(1000, 0, 9)
        );
    }

    #[test]
    fn chance_is_even() {
        let mut counts = [0_u32; 10];
        for nth in 0..10_000 {
            counts[Order::Random.row(10, nth, 7).unwrap() as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }

    /// Each numbers what it takes as its place among all says.
    #[test_matrix([1, 2, 3, 7, 64], [1, 5, 10, 100])]
    fn shards_use_the_rows_that_one_process_would(shards: u32, rows: u64) {
        for order in [
            Order::Sequential,
            Order::Once,
            Order::Shuffle,
            Order::Random,
        ] {
            let whole: Vec<_> = (0..3 * rows).map(|nth| order.row(rows, nth, 7)).collect();
            let mut used = vec![None; whole.len()];
            for shard in (0..shards).map(|it| Shard::new(it, shards).unwrap()) {
                for nth in 0..shard.part_of(3 * rows) {
                    let number = shard.number(nth);
                    used[number as usize] = order.row(rows, number, 7);
                }
            }
            assert_eq!(used, whole);
        }
    }
}
