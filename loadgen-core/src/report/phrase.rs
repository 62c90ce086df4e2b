//! Numbers as the verdict's sentences have them, where that differs from
//! [everywhere else](crate::units::human).

use crate::units::human::{count, significant};

/// A part of a whole, to two decimals, but never rounded up to all or down to nothing: `1%`,
/// `1.04%`, `98.96%`.
pub(super) fn percent(part: f64) -> String {
    let percent = part * 100.0;
    if percent > 99.99 && part < 1.0 {
        return "over 99.99%".to_owned();
    }
    if percent < 0.01 && part > 0.0 {
        return "under 0.01%".to_owned();
    }
    let text = format!("{percent:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}%")
}

/// A value in a condition's unit, as the rest of a sentence has its like: `7.2 ms`, `3%`,
/// `12,345`, `812/s`.
pub(super) fn observed(value: f64, unit: &str) -> String {
    let nanos = match unit {
        "%" => return percent(value / 100.0),
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 6e10,
        "h" => 3.6e12,
        _ => return format!("{}{unit}", figure(value)),
    };
    span((value * nanos).round() as u64)
}

/// A figure to three digits at least; every digit before the point.
fn figure(value: f64) -> String {
    let is_whole = value.fract() == 0.0;
    if (0.0..1e15).contains(&value) && (is_whole || value >= 99.95) {
        return count(value.round() as u64);
    }
    let shortened = format!("{value:.2e}").parse::<f64>();
    shortened.unwrap_or(value).to_string()
}

/// A span of nanoseconds, three digits of it, in the unit that suits it: `312 ms`, `1.5 s`.
pub(super) fn span(nanos: u64) -> String {
    const UNITS: [(f64, &str); 4] = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")];
    let value = nanos as f64;
    let (size, unit) = UNITS
        .into_iter()
        // What rounds up to 1,000 of one unit is 1 of the next.
        .find(|(size, _)| value >= size * 0.9995)
        .unwrap_or((1.0, "ns"));
    let scaled = value / size;
    format!("{} {unit}", significant(scaled))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(0.0 => "0%")]
    #[test_case(0.000_01 => "under 0.01%")]
    #[test_case(0.01 => "1%")]
    #[test_case(0.010_4 => "1.04%")]
    #[test_case(0.3 => "30%")]
    #[test_case(0.999_99 => "over 99.99%")]
    #[test_case(1.0 => "100%")]
    fn percentages(part: f64) -> String {
        percent(part)
    }

    #[test_case(2_238.46, "us" => "2.24 ms"; "microseconds")]
    #[test_case(7.200_000_000_1, "ms" => "7.2 ms"; "milliseconds")]
    #[test_case(0.05, "ms" => "50 µs"; "less than its unit")]
    #[test_case(0.5, "m" => "30 s"; "minutes")]
    #[test_case(0.1 + 0.2, "%" => "0.3%"; "percent")]
    #[test_case(24.271_8, "%" => "24.27%"; "more percent")]
    #[test_case(0.0, "" => "0"; "nothing")]
    #[test_case(12_345.0, "" => "12,345"; "many")]
    #[test_case(0.123_456, "/s" => "0.123/s"; "seldom")]
    #[test_case(8_120.4, "/s" => "8,120/s"; "often")]
    #[test_case(f64::NAN, "" => "NaN"; "no number")]
    fn observed_values(value: f64, unit: &str) -> String {
        observed(value, unit)
    }

    #[test_case(0 => "0 ns")]
    #[test_case(999 => "999 ns")]
    #[test_case(1_500 => "1.5 µs"; "microseconds")]
    #[test_case(999_999 => "1 ms"; "rounds up into the next unit")]
    #[test_case(312_400_000 => "312 ms")]
    #[test_case(100_000_000 => "100 ms")]
    #[test_case(1_500_000_000 => "1.5 s")]
    #[test_case(120_000_000_000 => "120 s")]
    fn spans(nanos: u64) -> String {
        span(nanos)
    }
}
