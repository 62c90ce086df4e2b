//! Which backend is next: the algorithms, and nothing else.
//!
//! Owns the arithmetic. It knows neither sockets nor time: what may be chosen is told by
//! [`Choice`], and whoever calls does so under one lock, so that counts are what they seem.

use std::fmt;

/// How backends take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// One after the other, whatever their weights.
    #[default]
    RoundRobin,
    /// In proportion to their weights, and evenly spread within a cycle: weights 5, 1, 1 give
    /// `a a b a c a a`, not `a a a a a b c` (the smooth kind that nginx made known).
    WeightedRoundRobin,
    /// The one with the fewest open connections or requests for its weight.
    LeastConnections,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::RoundRobin,
        Self::WeightedRoundRobin,
        Self::LeastConnections,
    ];

    /// Its name in configurations and flags.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::WeightedRoundRobin => "weighted_round_robin",
            Self::LeastConnections => "least_connections",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One that may be chosen.
pub(crate) trait Choice {
    /// Its weight, from 1.
    fn weight(&self) -> u32;
    /// What is open on it now.
    fn open(&self) -> usize;
    /// Whether it takes new work: up and not draining.
    fn takes(&self) -> bool;
    /// What smooth round robin remembers of it, from 0.
    fn credit(&mut self) -> &mut i64;
}

/// An algorithm at work. What it remembers of a backend is the backend's [`Choice::credit`].
#[derive(Debug, Default)]
pub(crate) struct Selection {
    algorithm: Algorithm,
    /// Where round robin goes on.
    next: usize,
}

impl Selection {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, next: 0 }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The index of the next one among those that take work and were not `tried`; none if there
    /// is none.
    pub(crate) fn next<C: Choice>(
        &mut self,
        choices: &mut [C],
        tried: impl Fn(&C) -> bool,
    ) -> Option<usize> {
        match self.algorithm {
            Algorithm::RoundRobin => self.in_turn(choices, tried),
            Algorithm::WeightedRoundRobin => smooth(choices, |choice| !tried(choice)),
            Algorithm::LeastConnections => least(choices, tried),
        }
    }

    fn in_turn<C: Choice>(&mut self, choices: &[C], tried: impl Fn(&C) -> bool) -> Option<usize> {
        let count = choices.len();
        let from = self.next;
        let found = (0..count)
            .map(|step| (from + step) % count)
            .find(|&at| choices[at].takes() && !tried(&choices[at]))?;
        self.next = (found + 1) % count;
        Some(found)
    }
}

/// Each gets its weight in credit, the richest is chosen and pays what all got.
///
/// One that takes no work begins anew when it does. What it leaves behind moves all others alike, and
/// so changes nothing among them.
fn smooth<C: Choice>(choices: &mut [C], may: impl Fn(&C) -> bool) -> Option<usize> {
    let mut total = 0;
    let mut best: Option<(usize, i64)> = None;
    for (at, choice) in choices.iter_mut().enumerate() {
        if !choice.takes() {
            *choice.credit() = 0;
            continue;
        }
        if !may(choice) {
            continue;
        }
        let weight = i64::from(choice.weight());
        total += weight;
        let credit = choice.credit();
        *credit += weight;
        if best.is_none_or(|(_, most)| *credit > most) {
            best = Some((at, *credit));
        }
    }
    let (chosen, _) = best?;
    *choices[chosen].credit() -= total;
    Some(chosen)
}

/// The least open for its weight; among equals, smooth round robin.
fn least<C: Choice>(choices: &mut [C], tried: impl Fn(&C) -> bool) -> Option<usize> {
    let (open, weight) = choices
        .iter()
        .filter(|choice| choice.takes() && !tried(choice))
        .map(|choice| (choice.open() as u64, u64::from(choice.weight())))
        // a/b < c/d, without dividing; an open count and a weight are far from 32 bits each.
        .min_by(|(a, b), (c, d)| (a * d).cmp(&(c * b)))?;
    smooth(choices, |choice| {
        !tried(choice) && choice.open() as u64 * weight == open * u64::from(choice.weight())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    struct Member {
        weight: u32,
        open: usize,
        takes: bool,
        credit: i64,
    }

    impl Choice for Member {
        fn weight(&self) -> u32 {
            self.weight
        }
        fn open(&self) -> usize {
            self.open
        }
        fn takes(&self) -> bool {
            self.takes
        }
        fn credit(&mut self) -> &mut i64 {
            &mut self.credit
        }
    }

    fn member(weight: u32, open: usize, takes: bool) -> Member {
        Member {
            weight,
            open,
            takes,
            credit: 0,
        }
    }

    fn weighted(weights: &[u32]) -> Vec<Member> {
        weights.iter().map(|it| member(*it, 0, true)).collect()
    }

    fn counts(algorithm: Algorithm, members: &mut [Member], picks: u32) -> Vec<u32> {
        let mut selection = Selection::new(algorithm);
        let mut counts = vec![0; members.len()];
        for _ in 0..picks {
            counts[selection.next(members, |_| false).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn heavy_ones_do_not_come_in_bursts() {
        let mut members = weighted(&[5, 1, 1]);
        let mut selection = Selection::new(Algorithm::WeightedRoundRobin);
        let order: Vec<_> = (0..14)
            .map(|_| selection.next(&mut members, |_| false).unwrap())
            .collect();
        assert_eq!(order, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn one_that_was_tried_is_not_offered_again() {
        for algorithm in Algorithm::ALL {
            let mut selection = Selection::new(algorithm);
            let mut members = weighted(&[1, 2, 3]);
            let mut tried = Vec::new();
            while let Some(at) = selection.next(&mut members, |it| tried.contains(&it.weight)) {
                tried.push(members[at].weight);
            }
            tried.sort_unstable();
            assert_eq!(tried, [1, 2, 3], "{algorithm}");
        }
    }

    #[test]
    fn nobody_is_chosen_where_nobody_takes() {
        for algorithm in Algorithm::ALL {
            let mut selection = Selection::new(algorithm);
            assert_eq!(selection.next::<Member>(&mut [], |_| false), None);
            assert_eq!(selection.next(&mut [member(1, 0, false)], |_| false), None);
        }
    }

    prop_compose! {
        fn members()(members in prop::collection::vec((1_u32..100, 0_usize..1000, any::<bool>()), 1..12))
            -> Vec<Member>
        {
            members.into_iter().map(|(weight, open, takes)| member(weight, open, takes)).collect()
        }
    }

    proptest! {
        #[test]
        fn weights_are_exact_over_every_cycle(weights in prop::collection::vec(1_u32..50, 1..10), cycles in 1_u32..4) {
            let total: u32 = weights.iter().sum();
            let got = counts(Algorithm::WeightedRoundRobin, &mut weighted(&weights), total * cycles);
            let wanted: Vec<_> = weights.iter().map(|weight| weight * cycles).collect();
            prop_assert_eq!(got, wanted);
        }

        /// At no moment is anybody a whole turn of everybody away from its share.
        #[test]
        fn weights_nearly_hold_within_a_cycle(weights in prop::collection::vec(1_u32..50, 1..10), picks in 1_u32..300) {
            let total: f64 = weights.iter().copied().map(f64::from).sum();
            let got = counts(Algorithm::WeightedRoundRobin, &mut weighted(&weights), picks);
            for (got, weight) in got.into_iter().zip(&weights) {
                let due = f64::from(picks) * f64::from(*weight) / total;
                prop_assert!((f64::from(got) - due).abs() <= weights.len() as f64, "{} for {}", got, due);
            }
        }

        #[test]
        fn round_robin_is_even(count in 1_usize..12, picks in 1_u32..200) {
            let got = counts(Algorithm::RoundRobin, &mut weighted(&vec![7; count]), picks);
            prop_assert!(got.iter().max().unwrap() - got.iter().min().unwrap() <= 1);
        }

        #[test]
        fn least_connections_never_picks_a_busier_one(mut members in members()) {
            let all = members.clone();
            let mut selection = Selection::new(Algorithm::LeastConnections);
            match selection.next(&mut members, |_| false) {
                None => prop_assert!(all.iter().all(|it| !it.takes)),
                Some(at) => {
                    let chosen = &all[at];
                    prop_assert!(chosen.takes);
                    for other in all.iter().filter(|it| it.takes) {
                        let (here, there) = (
                            chosen.open as u64 * u64::from(other.weight),
                            other.open as u64 * u64::from(chosen.weight),
                        );
                        prop_assert!(here <= there, "{:?} before {:?}", chosen, other);
                    }
                }
            }
        }

        /// With nothing ever closed, open connections stand as the weights do.
        #[test]
        fn least_connections_fills_by_weight(weights in prop::collection::vec(1_u32..20, 1..8)) {
            let mut members = weighted(&weights);
            let mut selection = Selection::new(Algorithm::LeastConnections);
            let total: u32 = weights.iter().sum();
            for _ in 0..total * 3 {
                let at = selection.next(&mut members, |_| false).unwrap();
                members[at].open += 1;
            }
            for (member, weight) in members.iter().zip(&weights) {
                prop_assert!(member.open.abs_diff(*weight as usize * 3) <= members.len(), "{:?}", members);
            }
        }

        /// Whoever goes down or comes back: only those that take are chosen, and once all is calm the
        /// weights hold again.
        #[test]
        fn flaps_leave_nothing_behind(
            weights in prop::collection::vec(1_u32..10, 2..6),
            flaps in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..60),
        ) {
            for algorithm in Algorithm::ALL {
                let mut members = weighted(&weights);
                let mut selection = Selection::new(algorithm);
                for (who, takes) in &flaps {
                    let at = who.index(members.len());
                    members[at].takes = *takes;
                    match selection.next(&mut members, |_| false) {
                        Some(chosen) => prop_assert!(members[chosen].takes),
                        None => prop_assert!(members.iter().all(|it| !it.takes)),
                    }
                }
                for member in &mut members {
                    member.takes = true;
                }
                let mut got = vec![0_u32; members.len()];
                let total: u32 = weights.iter().sum();
                for _ in 0..total * 20 {
                    got[selection.next(&mut members, |_| false).unwrap()] += 1;
                }
                let even = algorithm == Algorithm::RoundRobin;
                for (got, weight) in got.into_iter().zip(&weights) {
                    let due = f64::from(total) * 20.0 * if even { 1.0 / weights.len() as f64 } else { f64::from(*weight) / f64::from(total) };
                    prop_assert!((f64::from(got) - due).abs() <= f64::from(total) + 1.0, "{} for {}", got, due);
                }
            }
        }
    }
}
