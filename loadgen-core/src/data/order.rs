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

/// The rows of a table that one shard of a run uses: those whose number leaves `shard` when divided by
/// `shards`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    rows: u64,
    shard: u64,
    shards: u64,
    seed: u64,
}

impl Slice {
    /// The rows of this shard, of so many; chance is decided by the seed.
    pub(crate) fn new(rows: u64, shard: u64, shards: u64, seed: u64) -> Self {
        Self {
            rows,
            shard,
            shards: shards.max(1),
            seed,
        }
    }

    /// How many rows it has.
    pub(crate) fn len(&self) -> u64 {
        self.rows.saturating_sub(self.shard).div_ceil(self.shards)
    }

    /// The row that is the `nth` to be used, from 0. `None` where there are none (any more).
    pub(crate) fn row(&self, order: Order, nth: u64) -> Option<u64> {
        let len = self.len();
        if len == 0 {
            return None;
        }
        let (pass, place) = (nth / len, nth % len);
        let place = match order {
            Order::Sequential => place,
            Order::Once => (pass == 0).then_some(place)?,
            Order::Random => below(len, mix_in(self.seed, nth)),
            Order::Shuffle => shuffled(place, len, mix_in(self.seed, pass)),
        };
        Some(place * self.shards + self.shard)
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

    #[test]
    fn in_the_order_of_the_file() {
        let slice = Slice::new(3, 0, 1, 7);
        let rows = |order| (0..5).map(|nth| slice.row(order, nth)).collect::<Vec<_>>();
        assert_eq!(rows(Order::Sequential), [0, 1, 2, 0, 1].map(Some));
        assert_eq!(rows(Order::Once), [Some(0), Some(1), Some(2), None, None]);
        assert_eq!(Slice::new(0, 0, 1, 7).row(Order::Random, 0), None);
    }

    #[test_matrix([1, 2, 3, 4, 5, 64, 1000, 1025])]
    fn a_shuffle_uses_each_row_once_and_then_in_another_order(len: u64) {
        let slice = Slice::new(len, 0, 1, 7);
        let pass = |pass| -> Vec<u64> {
            let rows = pass * len..(pass + 1) * len;
            rows.map(|nth| slice.row(Order::Shuffle, nth).unwrap())
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
            Slice::new(1000, 0, 1, 8).row(Order::Shuffle, 0),
            Slice::new(1000, 0, 1, 9).row(Order::Shuffle, 0)
        );
    }

    #[test]
    fn chance_is_even() {
        let slice = Slice::new(10, 0, 1, 7);
        let mut counts = [0_u32; 10];
        for nth in 0..10_000 {
            counts[slice.row(Order::Random, nth).unwrap() as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }

    #[test_matrix([1, 2, 3, 7, 64], [0, 1, 5, 10, 100])]
    fn shards_share_the_rows(shards: u64, rows: u64) {
        for order in [Order::Sequential, Order::Once, Order::Shuffle] {
            let mut used = Vec::new();
            for shard in 0..shards {
                let slice = Slice::new(rows, shard, shards, 7);
                used.extend((0..slice.len()).map(|nth| slice.row(order, nth).unwrap()));
            }
            used.sort_unstable();
            assert_eq!(used, (0..rows).collect::<Vec<_>>());
        }
    }
}
