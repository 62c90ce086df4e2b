//! Numbers as the document has them: so many decimals, and always finite.

/// Nanoseconds as microseconds with three decimals.
pub(in crate::report) fn micros(nanos: u64) -> f64 {
    round3(nanos as f64 / 1_000.0)
}

/// Rounds to three decimals; what is not finite becomes 0, since JSON cannot say it.
pub(in crate::report) fn round3(value: f64) -> f64 {
    round(value, 1_000.0)
}

/// Rounds to six decimals; what is not finite becomes 0, since JSON cannot say it.
pub(in crate::report) fn round6(value: f64) -> f64 {
    round(value, 1_000_000.0)
}

fn round(value: f64, steps: f64) -> f64 {
    if !value.is_finite() {
        return 0.0;
    }
    let rounded = (value * steps).round() / steps;
    if rounded.is_finite() { rounded } else { value }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(0 => 0.0)]
    #[test_case(1 => 0.001)]
    #[test_case(1_234_567 => 1_234.567)]
    fn nanoseconds_as_microseconds(nanos: u64) -> f64 {
        micros(nanos)
    }

    #[test_case(f64::NAN => 0.0)]
    #[test_case(f64::INFINITY => 0.0)]
    #[test_case(0.123_456 => 0.123)]
    #[test_case(1e300 => 1e300)]
    fn rounding(value: f64) -> f64 {
        round3(value)
    }
}
