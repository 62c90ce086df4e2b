//! Durations: `1.5s`, `100ms`, `1m30s`.

use std::time::Duration;

use super::UnitError;
use super::number::{Decimal, Quantity, Scaled, shortened};

/// The longest duration that can be written: 30 days.
pub const MAX_DURATION: Duration = Duration::from_hours(30 * 24);

/// A regular expression that every duration matches, for JSON Schema.
pub const DURATION_PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$";

const DURATION: Quantity = Quantity {
    name: "a duration",
    expected: "a number with a unit (ns, us, ms, s, m or h), such as \"1.5s\", \"100ms\" or \"1m30s\"",
};

const NANOS_PER_SECOND: u128 = 1_000_000_000;
/// Largest first; the order in which a composite such as `1m30s` must be written.
const UNITS: [(&str, u128); 7] = [
    ("h", 3600 * NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("s", NANOS_PER_SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// Reads a duration: one or several numbers with units, the larger unit first (`1m30s`). Zero is
/// written `0s`. Exact to the nanosecond, at most [`MAX_DURATION`].
///
/// # Errors
/// [`UnitError`] says what was found and what was expected.
///
/// ```
/// use std::time::Duration;
/// use loadgen_core::units::parse_duration;
///
/// assert_eq!(parse_duration("1.5s")?, Duration::from_millis(1500));
/// assert_eq!(parse_duration("1m30s")?, Duration::from_secs(90));
/// assert!(parse_duration("30").is_err());
/// # Ok::<(), loadgen_core::units::UnitError>(())
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    DURATION.refuse_special(text)?;
    let mut rest = text;
    let mut total: u128 = 0;
    let mut last_scale = u128::MAX;
    while !rest.is_empty() || last_scale == u128::MAX {
        let (number, after) = Decimal::take(rest).ok_or_else(|| DURATION.malformed(text))?;
        let unit_end = after
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(after.len());
        let unit = &after[..unit_end];
        if unit.is_empty() {
            return Err(if after.is_empty() {
                DURATION.no_unit(text)
            } else {
                DURATION.malformed(text)
            });
        }
        let (_, scale) = UNITS
            .into_iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| DURATION.unknown_unit(text, unit))?;
        if scale >= last_scale {
            return Err(DURATION.malformed(text));
        }
        last_scale = scale;
        total = match number.scaled(scale) {
            Scaled::Exact(nanos) => total.saturating_add(nanos),
            Scaled::TooLarge => u128::MAX,
            Scaled::TooFine => {
                return Err(UnitError::TooFine {
                    found: shortened(text),
                    finest: "1ns",
                });
            }
        };
        rest = &after[unit_end..];
    }
    if total > MAX_DURATION.as_nanos() {
        return Err(too_long(shortened(text)));
    }
    Ok(Duration::from_nanos_u128(total))
}

/// Whether a duration is one that can be written and read again.
///
/// # Errors
/// [`UnitError`] for one above [`MAX_DURATION`].
pub(crate) fn check_duration(duration: Duration) -> Result<(), UnitError> {
    match duration > MAX_DURATION {
        true => Err(too_long(format_duration(duration))),
        false => Ok(()),
    }
}

fn too_long(found: String) -> UnitError {
    UnitError::TooLarge {
        found,
        most: "720h (30 days)",
    }
}

/// Prints a duration so that [`parse_duration`] gives it back exactly, in the largest units that
/// read well: `250us`, `1.5s`, `1m30s`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let seconds = nanos / NANOS_PER_SECOND;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let below_minute = nanos % (60 * NANOS_PER_SECOND);

    let mut text = String::new();
    if hours > 0 {
        text.push_str(&format!("{hours}h"));
    }
    if minutes > 0 {
        text.push_str(&format!("{minutes}m"));
    }
    if below_minute > 0 || text.is_empty() {
        text.push_str(&format_below_minute(below_minute));
    }
    text
}

fn format_below_minute(nanos: u128) -> String {
    let (unit, scale) = [("s", NANOS_PER_SECOND), ("ms", 1_000_000), ("us", 1_000)]
        .into_iter()
        .find(|(_, scale)| nanos >= *scale)
        .unwrap_or(if nanos == 0 { ("s", 1) } else { ("ns", 1) });
    let (whole, rest) = (nanos / scale, nanos % scale);
    if rest == 0 {
        return format!("{whole}{unit}");
    }
    let places = scale.ilog10() as usize;
    let fraction = format!("{rest:0places$}");
    format!("{whole}.{}{unit}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case("1.5s", 1_500_000_000)]
    #[test_case("100ms", 100_000_000)]
    #[test_case("250us", 250_000)]
    #[test_case("250µs", 250_000; "micro sign")]
    #[test_case("7ns", 7)]
    #[test_case("2m", 120_000_000_000)]
    #[test_case("1h", 3_600_000_000_000)]
    #[test_case("1m30s", 90_000_000_000)]
    #[test_case("1h0.5s", 3_600_500_000_000)]
    #[test_case("0.5m", 30_000_000_000)]
    #[test_case("0s", 0)]
    #[test_case("0.000000001s", 1)]
    #[test_case("1.5000000000000s", 1_500_000_000; "zeros at the end are no precision")]
    #[test_case("720h", 2_592_000_000_000_000)]
    fn reads(text: &str, nanos: u64) {
        assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)));
    }

    const FORM: &str = "expected a number with a unit (ns, us, ms, s, m or h), such as \"1.5s\", \"100ms\" or \"1m30s\"";

    #[test_case("", "`` is not a duration; {}"; "nothing")]
    #[test_case("30", "`30` has no unit; {}"; "no unit")]
    #[test_case("1m30", "`1m30` has no unit; {}"; "no unit at the end")]
    #[test_case("s", "`s` is not a duration; {}"; "no number")]
    #[test_case("1.s", "`1.s` is not a duration; {}"; "no decimals")]
    #[test_case(".5s", "`.5s` is not a duration; {}"; "nothing before the point")]
    #[test_case("1 s", "`1 s` is not a duration; {}"; "space")]
    #[test_case(" 1s", "` 1s` is not a duration; {}"; "space before")]
    #[test_case("1s ", "`1s ` is not a duration; {}"; "space after")]
    #[test_case("1e3s", "`1e3s` has the unknown unit `e`; {}"; "exponent")]
    #[test_case("30s1m", "`30s1m` is not a duration; {}"; "wrong order")]
    #[test_case("1s1s", "`1s1s` is not a duration; {}"; "twice")]
    #[test_case("3 parsecs", "`3 parsecs` is not a duration; {}"; "space and unit")]
    #[test_case("3parsecs", "`3parsecs` has the unknown unit `parsecs`; {}"; "parsecs")]
    #[test_case("5S", "`5S` has the unknown unit `S`; {}"; "upper case")]
    #[test_case("-5s", "`-5s` is negative; {}"; "negative")]
    #[test_case("NaN", "`NaN` is not finite; {}"; "nan")]
    #[test_case("infs", "`infs` is not finite; {}"; "inf")]
    #[test_case("-inf", "`-inf` is not finite; {}"; "minus inf")]
    #[test_case("0.1ns", "`0.1ns` is finer than 1ns; expected a multiple of that"; "too fine")]
    #[test_case("0.0000000001s", "`0.0000000001s` is finer than 1ns; expected a multiple of that"; "too many decimals")]
    #[test_case("721h", "`721h` is too large; expected at most 720h (30 days)"; "too large")]
    #[test_case("99999999999999999999999999999999999999999999999h", "`99999999999999999999999999999999999999999999999h` is too large; expected at most 720h (30 days)"; "huge")]
    fn refuses(text: &str, message: &str) {
        let error = parse_duration(text).unwrap_err();
        assert_eq!(error.to_string(), message.replace("{}", FORM));
    }

    #[test_case(0 => "0s")]
    #[test_case(1 => "1ns")]
    #[test_case(1_500 => "1.5us")]
    #[test_case(250_000 => "250us")]
    #[test_case(100_000_000 => "100ms")]
    #[test_case(1_500_000_000 => "1.5s")]
    #[test_case(30_000_000_000 => "30s")]
    #[test_case(90_000_000_000 => "1m30s")]
    #[test_case(3_600_000_000_000 => "1h")]
    #[test_case(3_600_500_000_000 => "1h500ms")]
    #[test_case(5_400_000_000_000 => "1h30m")]
    fn prints(nanos: u64) -> String {
        format_duration(Duration::from_nanos(nanos))
    }

    proptest! {
        #[test]
        fn printing_round_trips(nanos in 0..=2_592_000_000_000_000_u64, shift in 0..50_u32) {
            let duration = Duration::from_nanos(nanos >> shift);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            if let Ok(duration) = parse_duration(&text) {
                prop_assert!(duration <= MAX_DURATION);
            }
        }
    }
}
