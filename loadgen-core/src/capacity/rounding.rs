//! Rates that people can read and type: as few digits as the width leaves.

use crate::units::Rate;

/// So many steps between two loads that are as far apart as they may be in the end.
const STEPS: f64 = 8.0;

/// The nearest rate with few digits: a multiple of 1, 2 or 5 of a power of ten that is a small part of
/// the width.
pub(super) fn rounded(per_second: f64, width: f64) -> f64 {
    let most = per_second * width / STEPS;
    let power = most.log10().floor();
    let ten = 10_f64.powf(power.abs());
    let (times, over) = if power < 0.0 { (1.0, ten) } else { (ten, 1.0) };
    let factor = [5.0, 2.0, 1.0]
        .into_iter()
        .find(|factor| factor * times / over <= most)
        .unwrap_or(1.0);
    // Divided last, so that what is written with few digits is the number that is meant.
    (per_second * over / (times * factor)).round() * factor * times / over
}

/// [`rounded`], within two rates.
pub(super) fn rounded_within(per_second: f64, width: f64, from: Rate, to: Rate) -> Rate {
    let rounded = rounded(per_second, width);
    match Rate::new(rounded) {
        Ok(rate) if rate > from && rate < to => rate,
        _ if rounded >= to.per_second() => to,
        _ => from,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case(4876.3, 0.02 => 4880.0)]
    #[test_case(41_234.0, 0.02 => 41_200.0)]
    #[test_case(41_234.0, 0.2 => 41_000.0)]
    #[test_case(999.7, 0.02 => 1_000.0)]
    #[test_case(0.123_456, 0.02 => 0.1234)]
    #[test_case(12.345, 0.02 => 12.34)]
    #[test_case(1e8, 0.02 => 1e8)]
    fn few_digits(per_second: f64, width: f64) -> f64 {
        rounded(per_second, width)
    }

    proptest! {
        #[test]
        fn hardly_anything_of_the_width_is_lost(power in -5.5..8.0_f64, width in 0.001..0.5_f64) {
            let per_second = 10_f64.powf(power);
            let off = (rounded(per_second, width) / per_second - 1.0).abs();
            prop_assert!(off <= width / STEPS / 2.0 + 1e-12, "{off}");
        }

        #[test]
        fn it_stays_within(power in -6.0..8.0_f64, from in 1.0..100.0_f64, above in 0.0..100.0_f64) {
            let (from, to) = (Rate::new(from).unwrap(), Rate::new(from + above).unwrap());
            let rate = rounded_within(10_f64.powf(power), 0.02, from, to);
            prop_assert!(from <= rate && rate <= to);
        }
    }
}
