//! Whether two samples differ by more than chance has it, and by how much: of ranks alone.
//!
//! Nothing is assumed of how values are distributed, only that each is independent of the others, as
//! those of runs are. Mann and Whitney (1947) ask how the ranks of one sample lie among those of both; Hodges and
//! Lehmann (1963) by how much one has to be moved until they lie evenly. Pure arithmetic.

use std::f64::consts::SQRT_2;

/// Up to so many values in both samples, every way to divide them is counted. Beyond, the normal distribution
/// is as good.
const MOST_COUNTED: usize = 50;

/// An interval holds what it is of in all but this part of the cases.
const BEYOND_INTERVAL: f64 = 0.05;

/// So many standard deviations on either side hold 95 % of a normal distribution.
const Z_95: f64 = 1.959_964;

/// How likely two samples of one distribution differ as much as these, or more, either way: 0 to 1.
///
/// Exact, with equal values too, up to 50 values in all; from there on the normal approximation, corrected
/// for equal values. 1 where a sample is empty.
pub(super) fn p_value(base: &[f64], new: &[f64]) -> f64 {
    let (few, many) = if base.len() <= new.len() {
        (base, new)
    } else {
        (new, base)
    };
    if few.is_empty() {
        return 1.0;
    }
    let ranks = Ranks::of(few, many);
    let p = if ranks.all.len() <= MOST_COUNTED {
        ranks.counted()
    } else {
        ranks.approximated()
    };
    p.clamp(0.0, 1.0)
}

/// The ranks of two samples among both, each twice its size: values that are equal share the mean of their
/// ranks, which may be half a one.
struct Ranks {
    /// All of them, rising.
    all: Vec<usize>,
    /// How many the smaller sample has.
    few: usize,
    /// Their sum in the smaller sample.
    sum: usize,
    /// How many values are equal, for each value.
    equal: Vec<usize>,
}

impl Ranks {
    fn of(few: &[f64], many: &[f64]) -> Self {
        let own = few.iter().map(|value| (*value, true));
        let mut values: Vec<(f64, bool)> = own
            .chain(many.iter().map(|value| (*value, false)))
            .collect();
        values.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut this = Self {
            all: Vec::with_capacity(values.len()),
            few: few.len(),
            sum: 0,
            equal: Vec::new(),
        };
        for same in values.chunk_by(|(a, _), (b, _)| a == b) {
            // Ranks count from 1: twice the mean of first and last.
            let rank = 2 * this.all.len() + 1 + same.len();
            this.all.extend(same.iter().map(|_| rank));
            this.sum += rank * same.iter().filter(|(_, is_own)| *is_own).count();
            this.equal.push(same.len());
        }
        this
    }

    /// How far the sum is from what it would be, were the samples spread evenly.
    fn off(&self, sum: usize) -> usize {
        sum.abs_diff(self.few * (self.all.len() + 1))
    }

    /// The part of all ways to divide the values in which the sum is as far off.
    fn counted(&self) -> f64 {
        let ways = ways(&self.all, self.few);
        let observed = self.off(self.sum);
        let all: f64 = ways.iter().sum();
        let as_far = ways.iter().enumerate();
        let as_far: f64 = as_far
            .filter(|(sum, _)| self.off(*sum) >= observed)
            .map(|(_, count)| count)
            .sum();
        as_far / all
    }

    fn approximated(&self) -> f64 {
        let all = self.all.len() as f64;
        let (few, many) = (self.few as f64, all - self.few as f64);
        let equal = self.equal.iter().map(|it| *it as f64);
        let ties: f64 = equal.map(|it| it.powi(3) - it).sum();
        let variance = few * many / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
        if variance <= 0.0 {
            return 1.0;
        }
        // Half of it, as ranks are twice their size, and half a step for what lies between the steps.
        let off = (self.off(self.sum) as f64 / 2.0 - 0.5).max(0.0);
        beyond(off / variance.sqrt())
    }
}

/// In how many ways so many of these numbers can be chosen, by their sum.
fn ways(numbers: &[usize], chosen: usize) -> Vec<f64> {
    let largest: usize = numbers.iter().rev().take(chosen).sum();
    let mut ways = vec![vec![0.0; largest + 1]; chosen + 1];
    ways[0][0] = 1.0;
    for (nth, number) in numbers.iter().enumerate() {
        for count in (1..=chosen.min(nth + 1)).rev() {
            let (before, after) = ways.split_at_mut(count);
            let (fewer, these) = (&before[count - 1], &mut after[0]);
            let sums = these.iter_mut().skip(*number).zip(fewer);
            for (these, fewer) in sums {
                *these += fewer;
            }
        }
    }
    ways.swap_remove(chosen)
}

/// What of a normal distribution lies so many standard deviations away or further, either way (Abramowitz
/// and Stegun 7.1.26, good to 2e-7).
fn beyond(deviations: f64) -> f64 {
    const COEFFICIENTS: [f64; 5] = [
        0.254_829_592,
        -0.284_496_736,
        1.421_413_741,
        -1.453_152_027,
        1.061_405_429,
    ];
    let x = deviations / SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let polynomial = COEFFICIENTS
        .iter()
        .rev()
        .fold(0.0, |sum, it| (sum + it) * t);
    polynomial * (-x * x).exp()
}

/// By how much one sample is moved against another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    /// The middle of what all pairs differ by.
    pub(super) middle: f64,
    /// Where it lies but for chance, in 95 of 100 cases; nothing where there are too few values to tell.
    pub(super) interval: Option<[f64; 2]>,
}

/// By how much the new values are moved against those of the base; `differ` says by how much a new one is from
/// one of the base, and rises with the new one. Nothing where a sample is empty.
pub(super) fn shift(base: &[f64], new: &[f64], differ: impl Fn(f64, f64) -> f64) -> Option<Shift> {
    let pairs = base
        .iter()
        .flat_map(|base| new.iter().map(|new| differ(*base, *new)));
    let mut pairs: Vec<f64> = pairs.collect();
    pairs.sort_by(f64::total_cmp);
    let middle = median(&pairs)?;
    let outside = outside(base.len(), new.len());
    let interval = outside
        .checked_sub(1)
        .map(|at| [pairs[at], pairs[pairs.len() - 1 - at]]);
    Some(Shift { middle, interval })
}

/// Which of all pairs, from either end, bounds the interval, counted from 1; 0 where none does.
fn outside(base: usize, new: usize) -> usize {
    let all = base + new;
    let pairs = (base * new) as f64;
    if all > MOST_COUNTED {
        let deviation = (pairs * (all + 1) as f64 / 12.0).sqrt();
        return (pairs / 2.0 - Z_95 * deviation).floor().max(0.0) as usize;
    }
    let few = base.min(new);
    let ranks: Vec<usize> = (1..=all).collect();
    // The least sum is the first of which there is a way.
    let ways = ways(&ranks, few);
    let each_side = ways.iter().sum::<f64>() * BEYOND_INTERVAL / 2.0;
    let mut sum = 0.0;
    let least = few * (few + 1) / 2;
    let within = ways.iter().skip(least).take_while(|count| {
        sum += **count;
        sum <= each_side
    });
    within.count()
}

/// The middle of values that rise, or the mean of both that are next to it.
pub(super) fn median(rising: &[f64]) -> Option<f64> {
    let upper = rising.len() / 2;
    let lower = rising.len().checked_sub(1)? / 2;
    let (lower, upper) = (rising[lower], rising[upper]);
    // Not the mean of what is the same, which may be infinite.
    Some(if lower == upper {
        lower
    } else {
        (lower + upper) / 2.0
    })
}

/// What becomes of p-values when there are so many: of those that are called different by them, at most
/// the given part is so by chance (Benjamini and Hochberg 1995), and where nothing differs, any is in that
/// part of the cases.
pub(super) fn held_against_all(p_values: &[f64]) -> Vec<f64> {
    let mut falling: Vec<usize> = (0..p_values.len()).collect();
    falling.sort_by(|a, b| p_values[*b].total_cmp(&p_values[*a]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least = 1.0_f64;
    for (nth, at) in falling.into_iter().enumerate() {
        let rank = p_values.len() - nth;
        least = least.min(p_values[at] * p_values.len() as f64 / rank as f64);
        adjusted[at] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn near(found: f64, expected: f64) {
        let off = (found - expected).abs();
        assert!(
            off < 1e-4 * expected.max(1e-3),
            "{found} and not {expected}"
        );
    }

    /// The figures of R's `wilcox.test`, and of `scipy.stats.mannwhitneyu(method="exact")`.
    #[test_case(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], 0.1; "three of each never tell")]
    #[test_case(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0], 2.0 / 70.0; "four of each, apart")]
    #[test_case(&[1.0, 3.0, 5.0, 7.0], &[2.0, 4.0, 6.0, 8.0], 0.685_714; "interleaved")]
    #[test_case(&[19.0, 22.0, 16.0, 29.0, 24.0], &[20.0, 11.0, 17.0, 12.0], 0.111_111; "two samples")]
    #[test_case(&[20.0, 11.0, 17.0, 12.0], &[19.0, 22.0, 16.0, 29.0, 24.0], 0.111_111; "either way round")]
    #[test_case(&[5.0; 4], &[5.0; 6], 1.0; "all the same")]
    #[test_case(&[1.0, 1.0, 2.0], &[1.0, 2.0, 2.0], 1.0; "equal values")]
    #[test_case(&[], &[1.0], 1.0; "none")]
    fn p_values(base: &[f64], new: &[f64], expected: f64) {
        near(p_value(base, new), expected);
    }

    /// All ways to divide values of which some are equal, one by one.
    #[test]
    fn equal_values_are_counted_as_they_are() {
        let (base, new) = ([1.0, 2.0, 2.0, 3.0], [2.0, 3.0, 4.0, 4.0, 5.0]);
        let all = [&base[..], &new[..]].concat();
        let rank = |value: f64| {
            let below = all.iter().filter(|it| **it < value).count();
            let same = all.iter().filter(|it| **it == value).count();
            below as f64 + (same + 1) as f64 / 2.0
        };
        let off = |sum: f64| (sum - 4.0 * 10.0 / 2.0).abs();
        let observed = off(base.iter().map(|it| rank(*it)).sum());
        let (mut as_far, mut ways) = (0, 0);
        for chosen in (0_u32..1 << all.len()).filter(|it| it.count_ones() == 4) {
            let own = all
                .iter()
                .enumerate()
                .filter(|(at, _)| chosen >> at & 1 == 1);
            as_far += usize::from(off(own.map(|(_, it)| rank(*it)).sum()) >= observed);
            ways += 1;
        }
        near(
            p_value(&base, &new),
            f64::from(as_far as u32) / f64::from(ways),
        );
    }

    #[test]
    fn many_values_are_approximated_as_closely_as_is_seen() {
        let mut random = fastrand::Rng::with_seed(4);
        for moved in [0.0, 0.1, 0.3] {
            let base: Vec<f64> = (0..25).map(|_| random.f64()).collect();
            let new: Vec<f64> = (0..25).map(|_| random.f64() + moved).collect();
            let ranks = Ranks::of(&base, &new);
            let (counted, approximated) = (ranks.counted(), ranks.approximated());
            assert!(
                (counted - approximated).abs() < 0.005,
                "{counted} {approximated}"
            );
        }
        let large: Vec<f64> = (0..1_000).map(f64::from).collect();
        near(p_value(&large, &large), 1.0);
        assert!(
            p_value(
                &large,
                &large.iter().map(|it| it + 200.0).collect::<Vec<_>>()
            ) < 1e-9
        );
    }

    #[test_case(0.0, 1.0)]
    #[test_case(1.0, 0.317_311)]
    #[test_case(1.959_964, 0.05)]
    #[test_case(3.0, 0.002_699_8)]
    fn normal_tails(deviations: f64, expected: f64) {
        near(beyond(deviations), expected);
    }

    /// Published tables of the critical values of U at 5 %, either way.
    #[test_case(3, 4, 0)]
    #[test_case(4, 4, 1; "from four of each on")]
    #[test_case(3, 5, 1)]
    #[test_case(5, 5, 3)]
    #[test_case(8, 10, 18)]
    #[test_case(10, 10, 24)]
    #[test_case(20, 20, 128)]
    #[test_case(26, 26, 230; "beyond what is counted")]
    fn pairs_outside_the_interval(base: usize, new: usize, expected: usize) {
        assert_eq!(outside(base, new), expected);
    }

    #[test]
    fn shifts() {
        let difference = |base: f64, new: f64| new - base;
        let base = [1.0, 2.0, 3.0, 4.0];
        let found = shift(&base, &[11.0, 12.5, 13.0, 14.0], difference).unwrap();
        near(found.middle, 10.0);
        assert_eq!(found.interval, Some([7.0, 13.0]));
        let few = shift(&base[..3], &base[..3], difference).unwrap();
        assert_eq!((few.middle, few.interval), (0.0, None));
        assert_eq!(shift(&[], &base, difference), None);
    }

    /// From zero to something is no ratio that there is a number for.
    #[test]
    fn an_infinite_middle_stays_infinite() {
        assert_eq!(median(&[f64::INFINITY, f64::INFINITY]), Some(f64::INFINITY));
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
    }

    /// The interval leaves zero out where the p-value is below 5 %, and there only.
    #[test]
    fn intervals_and_p_values_say_the_same() {
        let mut random = fastrand::Rng::with_seed(11);
        for nth in 0..300 {
            let mut sample = |moved: f64| {
                let count = 4 + nth % 7;
                (0..count).map(|_| random.f64() + moved).collect::<Vec<_>>()
            };
            let (base, new) = (sample(0.0), sample(0.3));
            let found = shift(&base, &new, |base, new| new - base).unwrap();
            let [low, high] = found.interval.unwrap();
            let is_apart = low > 0.0 || high < 0.0;
            assert_eq!(is_apart, p_value(&base, &new) <= 0.05, "{base:?} {new:?}");
        }
    }

    #[test]
    fn many_p_values() {
        let adjusted = held_against_all(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in adjusted.iter().zip([0.02, 0.04, 0.04, 0.02]) {
            near(*found, expected);
        }
        assert!(held_against_all(&[]).is_empty());
        assert_eq!(held_against_all(&[0.03]), [0.03]);
    }
}
