//! Alternatives that are chosen as often as their weights say.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::chance::mix_in;
use crate::data::shuffled;
use crate::schedule::Shard;

/// Alternatives, in the order in which they come again and again. One for all workers.
#[derive(Debug)]
pub(super) struct Mixture {
    /// Which alternative is next, over one turn through all weights.
    order: Box<[u32]>,
    /// Where each alternative begins.
    starts: Box<[usize]>,
    /// How many were chosen, where it is not the arrival's number that chooses.
    chosen: AtomicU64,
    /// Whether it is passed once in each iteration.
    is_passed_once: bool,
    /// Which of a scenario's it is.
    which: u64,
}

impl Mixture {
    /// Alternatives with these weights, which begin there.
    pub(super) fn new(
        weights: &[u32],
        starts: Vec<usize>,
        is_passed_once: bool,
        which: u64,
    ) -> Self {
        Self {
            order: interleaved(weights).into(),
            starts: starts.into(),
            chosen: AtomicU64::new(0),
            is_passed_once,
            which,
        }
    }

    /// Where an iteration goes on. In an open model the arrival's number decides, so that the same seed gives the same
    /// run; else each takes the next in turn, of those of this part. Each round of all weights is in an order of its own: two
    /// mixes of one iteration, or the workers among which arrivals are dealt out, have nothing to do with
    /// each other.
    pub(super) fn choose(&self, arrival: Option<u64>, part: Shard) -> usize {
        let nth = match arrival.filter(|_| self.is_passed_once) {
            Some(arrival) => arrival,
            None => part.number(self.chosen.fetch_add(1, Ordering::Relaxed)),
        };
        let len = self.order.len() as u64;
        let (round, place) = (nth / len, nth % len);
        let place = shuffled(place, len, mix_in(round, self.which));
        self.starts[self.order[place as usize] as usize]
    }
}

/// Numbers of alternatives, each as often as its weight says, as evenly spread as can be: each time the
/// one that is furthest behind.
fn interleaved(weights: &[u32]) -> Vec<u32> {
    let divisor = weights
        .iter()
        .copied()
        .fold(0, greatest_common_divisor)
        .max(1);
    let weights: Vec<i64> = weights.iter().map(|it| i64::from(it / divisor)).collect();
    let total: i64 = weights.iter().sum();
    let mut credits = vec![0_i64; weights.len()];
    (0..total)
        .map(|_| {
            for (credit, weight) in credits.iter_mut().zip(&weights) {
                *credit += weight;
            }
            // The first of those that are equal.
            let most = credits.iter().copied().max().unwrap_or(0);
            let next = credits
                .iter()
                .position(|credit| *credit == most)
                .unwrap_or(0);
            credits[next] -= total;
            next as u32
        })
        .collect()
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    match b {
        0 => a,
        _ => greatest_common_divisor(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case(&[80, 20] => vec![0, 0, 1, 0, 0])]
    #[test_case(&[1, 1] => vec![0, 1])]
    #[test_case(&[2, 1, 1] => vec![0, 1, 2, 0])]
    #[test_case(&[7] => vec![0])]
    fn in_turn(weights: &[u32]) -> Vec<u32> {
        interleaved(weights)
    }

    proptest! {
        /// By the number of an arrival, or of a choice among those of all shards.
        #[test]
        fn shards_choose_what_one_process_would(
            weights in proptest::collection::vec(1..9_u32, 1..5),
            count in 1..=64_u32,
            has_arrivals: bool,
        ) {
            let mixture = || Mixture::new(&weights, (0..weights.len()).collect(), true, 1);
            let arrival = |nth| has_arrivals.then_some(nth);
            let all = u64::from(count) * 10;
            let one = mixture();
            let whole: Vec<_> = (0..all).map(|nth| one.choose(arrival(nth), Shard::ALL)).collect();
            let mut parts = vec![None; whole.len()];
            for index in 0..count {
                let (shard, mixture) = (Shard::new(index, count).unwrap(), mixture());
                for nth in (0..shard.part_of(all)).map(|it| shard.number(it)) {
                    parts[nth as usize] = Some(mixture.choose(arrival(nth), shard));
                }
            }
            prop_assert_eq!(parts, whole.into_iter().map(Some).collect::<Vec<_>>());
        }

        /// After any number of turns, each has come within one of its share.
        #[test]
        fn is_exact_at_any_time(weights in proptest::collection::vec(1..50_u32, 1..6)) {
            let order = interleaved(&weights);
            let total: u32 = weights.iter().sum();
            let mut counts = vec![0_u32; weights.len()];
            for (turn, next) in (1..).zip(&order) {
                counts[*next as usize] += 1;
                for (count, weight) in counts.iter().zip(&weights) {
                    let share = f64::from(turn) * f64::from(*weight) / f64::from(total);
                    prop_assert!((f64::from(*count) - share).abs() <= weights.len() as f64);
                }
            }
            let rounds = total / order.len() as u32;
            for (count, weight) in counts.iter().zip(&weights) {
                prop_assert_eq!(count * rounds, *weight);
            }
        }
    }
}
