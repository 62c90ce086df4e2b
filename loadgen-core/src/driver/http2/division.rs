//! Which of several connections goes to whom.
//!
//! Pure arithmetic.

/// What becomes of connections when those change whom they are divided among.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Division {
    /// Whom each of those goes to that there are, by number; `None` of one that is too many.
    pub(super) goes: Vec<Option<usize>>,
    /// Whom each of those goes to that are missing.
    pub(super) more: Vec<usize>,
}

/// Divides `wanted` connections among so many peers, none of which gets more than one more than another.
/// Those that there are go to `now`, by the peers' numbers, and as few of them as can be go to another one;
/// `None` is nobody who is still there. `first` is the first who may get one more: where this is for one of
/// several workers, how many connections those before it have.
pub(super) fn divide(now: &[Option<usize>], wanted: usize, peers: usize, first: usize) -> Division {
    let from_first = |nth: usize| (first + nth) % peers;
    let mut room = vec![wanted / peers; peers];
    (0..wanted % peers).for_each(|nth| room[from_first(nth)] += 1);
    let mut goes: Vec<Option<usize>> = now
        .iter()
        .map(|at| {
            let at = (*at)?;
            room[at] = room[at].checked_sub(1)?;
            Some(at)
        })
        .collect();
    // What is left over is taken in turn.
    let rounds = room.iter().copied().max().unwrap_or(0);
    let all = (0..rounds).flat_map(|round| (0..peers).map(move |nth| (round, nth)));
    let mut left = all
        .map(|(round, nth)| (round, from_first(nth)))
        .filter(|(round, peer)| room[*peer] > *round)
        .map(|(_, peer)| peer);
    for it in goes.iter_mut().filter(|it| it.is_none()) {
        *it = left.next();
    }
    Division {
        more: left.collect(),
        goes,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case(&[], 4, 2, 0 => (vec![], vec![0, 1, 0, 1]); "the first")]
    #[test_case(&[], 3, 2, 1 => (vec![], vec![1, 0, 1]); "of a later worker")]
    #[test_case(&[Some(0), Some(1), Some(0), Some(1)], 4, 2, 0 => (vec![Some(0), Some(1), Some(0), Some(1)], vec![]); "nothing new")]
    #[test_case(&[Some(0), Some(1), Some(0), Some(1)], 4, 3, 0 => (vec![Some(0), Some(1), Some(0), Some(2)], vec![]); "one comes")]
    #[test_case(&[Some(0), None, Some(0), None], 4, 2, 0 => (vec![Some(0), Some(1), Some(0), Some(1)], vec![]); "one in place of another")]
    #[test_case(&[Some(0), None], 1, 1, 0 => (vec![Some(0), None], vec![]); "one is too many")]
    fn divides(
        now: &[Option<usize>],
        wanted: usize,
        peers: usize,
        first: usize,
    ) -> (Vec<Option<usize>>, Vec<usize>) {
        let Division { goes, more } = divide(now, wanted, peers, first);
        (goes, more)
    }

    proptest! {
        #[test]
        fn everybody_gets_as_many_and_nobody_moves_without_need(
            now in prop::collection::vec(prop::option::of(0_usize..6), 0..30),
            wanted in 1_usize..40,
            peers in 6_usize..9,
            first in 0_usize..20,
        ) {
            let Division { goes, more } = divide(&now, wanted, peers, first);
            prop_assert_eq!(goes.len(), now.len());
            let taken: Vec<usize> = goes.iter().flatten().chain(&more).copied().collect();
            prop_assert_eq!(taken.len(), wanted);
            let of = |peer| taken.iter().filter(|it| **it == peer).count();
            let counts: Vec<usize> = (0..peers).map(of).collect();
            let (least, most) = (counts.iter().min(), counts.iter().max());
            prop_assert!(most <= least.map(|least| least + 1).as_ref());
            // Who had no more than everybody gets loses none.
            for (peer, count) in counts.iter().enumerate() {
                let before = now.iter().filter(|it| **it == Some(peer)).count();
                let pairs = now.iter().zip(&goes);
                let stay = pairs.filter(|(was, is)| **was == Some(peer) && was == is).count();
                prop_assert!(stay >= before.min(*count));
            }
        }
    }
}
