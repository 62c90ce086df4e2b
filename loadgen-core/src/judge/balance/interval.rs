//! Where a share lies, as far as so many answers tell.

/// What a share may be, both bounds included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The error that all intervals of one distribution have together.
pub(crate) const ALPHA: f64 = 0.01;

/// How many standard deviations an interval goes to both sides, so that `of` of them are wrong together no
/// more often than [`ALPHA`] says.
pub(crate) fn deviations(of: usize) -> f64 {
    let error = ALPHA / of.max(1) as f64;
    // Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.23: off by 0.00045 at the most.
    let t = (-2.0 * (error / 2.0).ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - above / below
}

/// Wilson's interval of a share that was seen `count` times of `of` (E. B. Wilson, Probable inference, 1927).
/// All there may be, where nothing was seen.
pub(crate) fn wilson(count: f64, of: f64, deviations: f64) -> Interval {
    if of <= 0.0 {
        return Interval {
            low: 0.0,
            high: 1.0,
        };
    }
    let share = count / of;
    let square = deviations * deviations;
    let whole = 1.0 + square / of;
    let middle = (share + square / (2.0 * of)) / whole;
    let spread = share * (1.0 - share) / of + square / (4.0 * of * of);
    let half = deviations * spread.sqrt() / whole;
    Interval {
        low: (middle - half).max(0.0),
        high: (middle + half).min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn deviations_are_those_of_the_tables() {
        // z of 0.995, 0.9975 and 0.9995.
        for (of, z) in [(1, 2.5758), (2, 2.8070), (10, 3.2905)] {
            assert!((deviations(of) - z).abs() < 0.001, "{of}");
        }
    }

    #[test]
    fn wilson_as_in_the_tables() {
        let Interval { low, high } = wilson(81.0, 263.0, 1.959_964);
        assert!((low - 0.2553).abs() < 0.0002, "{low}");
        assert!((high - 0.3662).abs() < 0.0002, "{high}");
        assert!(wilson(0.0, 100.0, 2.0).low.abs() < 1e-12);
        let nothing = wilson(0.0, 0.0, 2.0);
        assert_eq!((nothing.low, nothing.high), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn a_share_lies_in_its_interval_and_more_answers_make_it_smaller(
            of in 1_u64..1_000_000, part in 0.0..=1.0_f64, servers in 1_usize..50
        ) {
            let (of, z) = (of as f64, deviations(servers));
            let count = of * part;
            let one = wilson(count, of, z);
            let more = wilson(count * 10.0, of * 10.0, z);
            prop_assert!(one.low <= part + 1e-9 && part <= one.high + 1e-9);
            prop_assert!(more.high - more.low < one.high - one.low);
        }
    }
}
