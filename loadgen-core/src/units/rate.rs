//! Rates: `500/s`, `0.5/s`, `30/m`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::UnitError;
use super::number::{Decimal, Quantity, shortened};

/// The highest rate there may be, in iterations per second.
pub const MAX_PER_SECOND: f64 = 1e8;
/// The lowest rate there may be, in iterations per second: about one in twelve days.
pub const MIN_PER_SECOND: f64 = 1e-6;

/// A regular expression that every rate matches, for JSON Schema.
pub const RATE_PATTERN: &str = r"^[0-9]+(\.[0-9]+)?/(s|m|min|h)$";

const RATE: Quantity = Quantity {
    name: "a rate",
    expected: "a number per second, minute or hour, such as \"500/s\", \"0.5/s\" or \"30/m\"",
};
const LEAST: &str = "0.000001/s";
const MOST: &str = "100000000/s";

const SECONDS_PER: [(&str, f64); 4] = [("s", 1.0), ("m", 60.0), ("min", 60.0), ("h", 3600.0)];

/// Iterations per second: finite, from [`MIN_PER_SECOND`] to [`MAX_PER_SECOND`].
///
/// ```
/// use loadgen_core::units::Rate;
///
/// let rate: Rate = "30/m".parse()?;
/// assert_eq!(rate.per_second(), 0.5);
/// assert_eq!(rate.to_string(), "0.5/s");
/// # Ok::<(), loadgen_core::units::UnitError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// The lowest that there may be.
    pub(crate) const LEAST: Self = Self(MIN_PER_SECOND);

    /// A rate of so many iterations per second.
    ///
    /// # Errors
    /// [`UnitError`] for what is not finite or outside of [`MIN_PER_SECOND`] to
    /// [`MAX_PER_SECOND`].
    pub fn new(per_second: f64) -> Result<Self, UnitError> {
        Self::checked(per_second, || format!("{per_second}/s"))
    }

    fn checked(per_second: f64, found: impl Fn() -> String) -> Result<Self, UnitError> {
        if !per_second.is_finite() {
            return Err(UnitError::NotFinite {
                found: found(),
                expected: RATE.expected,
            });
        }
        if per_second < 0.0 {
            return Err(UnitError::Negative {
                found: found(),
                expected: RATE.expected,
            });
        }
        if per_second < MIN_PER_SECOND {
            return Err(UnitError::TooSmall {
                found: found(),
                least: LEAST,
            });
        }
        if per_second > MAX_PER_SECOND {
            return Err(UnitError::TooLarge {
                found: found(),
                most: MOST,
            });
        }
        Ok(Self(per_second))
    }

    /// The rate as iterations per second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let per_second = parse_per_second(text)?;
        Self::checked(per_second, || shortened(text))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_per_second(self.0))
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "So many per second, minute or hour.",
            "pattern": RATE_PATTERN,
            "examples": ["500/s", "0.5/s", "30/m"],
        })
    }
}

/// A rate that may be zero: where a line of rates begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct ZeroOrRate(f64);

impl ZeroOrRate {
    /// For values that validation has made already.
    pub(crate) fn trusted(per_second: f64) -> Self {
        Self(per_second)
    }

    pub(crate) fn per_second(self) -> f64 {
        self.0
    }

    /// Whether it is one that can be written and read again.
    ///
    /// # Errors
    /// [`UnitError`] for what is neither zero nor a [`Rate`].
    pub(crate) fn check(self) -> Result<(), UnitError> {
        Self::checked(self.0, || format_per_second(self.0)).map(drop)
    }

    fn checked(per_second: f64, found: impl Fn() -> String) -> Result<Self, UnitError> {
        match per_second {
            0.0 => Ok(Self(0.0)),
            per_second => Rate::checked(per_second, found).map(|rate| Self(rate.0)),
        }
    }
}

impl FromStr for ZeroOrRate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        Self::checked(parse_per_second(text)?, || shortened(text))
    }
}

fn parse_per_second(text: &str) -> Result<f64, UnitError> {
    RATE.refuse_special(text)?;
    let (number, after) = Decimal::take(text).ok_or_else(|| RATE.malformed(text))?;
    if after.is_empty() {
        return Err(RATE.no_unit(text));
    }
    let unit = after
        .strip_prefix('/')
        .ok_or_else(|| RATE.malformed(text))?;
    let (_, seconds) = SECONDS_PER
        .into_iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(|| RATE.unknown_unit(text, unit))?;
    Ok(number.to_f64() / seconds)
}

/// Prints so that reading gives the same number back: per second, unless only a whole number per
/// minute or hour is short.
pub(crate) fn format_per_second(per_second: f64) -> String {
    let plain = per_second.to_string();
    if plain.len() > 8 && plain.contains('.') {
        for (unit, seconds) in [("m", 60.0), ("h", 3600.0)] {
            let count = (per_second * seconds).round();
            if count >= 1.0 && count / seconds == per_second {
                return format!("{count}/{unit}");
            }
        }
    }
    format!("{plain}/s")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case("500/s", 500.0)]
    #[test_case("0.5/s", 0.5)]
    #[test_case("30/m", 0.5)]
    #[test_case("30/min", 0.5)]
    #[test_case("3600/h", 1.0)]
    #[test_case("100000000/s", 1e8; "most")]
    #[test_case("0.000001/s", 1e-6; "least")]
    fn reads(text: &str, per_second: f64) {
        assert_eq!(text.parse::<Rate>().map(Rate::per_second), Ok(per_second));
    }

    const FORM: &str =
        "expected a number per second, minute or hour, such as \"500/s\", \"0.5/s\" or \"30/m\"";

    #[test_case("", "`` is not a rate; {}"; "nothing")]
    #[test_case("500", "`500` has no unit; {}"; "no unit")]
    #[test_case("500s", "`500s` is not a rate; {}"; "no slash")]
    #[test_case("500/", "`500/` has the unknown unit ``; {}"; "nothing after the slash")]
    #[test_case("500/day", "`500/day` has the unknown unit `day`; {}"; "day")]
    #[test_case("500 /s", "`500 /s` is not a rate; {}"; "space")]
    #[test_case("1e3/s", "`1e3/s` is not a rate; {}"; "exponent")]
    #[test_case("NaN/s", "`NaN/s` is not finite; {}"; "nan")]
    #[test_case("inf/s", "`inf/s` is not finite; {}"; "inf")]
    #[test_case("-5/s", "`-5/s` is negative; {}"; "negative")]
    #[test_case("0/s", "`0/s` is too small; expected at least 0.000001/s"; "zero")]
    #[test_case("100000001/s", "`100000001/s` is too large; expected at most 100000000/s"; "too large")]
    fn refuses(text: &str, message: &str) {
        let error = text.parse::<Rate>().unwrap_err();
        assert_eq!(error.to_string(), message.replace("{}", FORM));
    }

    #[test]
    fn a_number_longer_than_any_float_is_refused() {
        let text = format!("{}/s", "9".repeat(400));
        assert!(matches!(
            text.parse::<Rate>(),
            Err(UnitError::NotFinite { .. })
        ));
    }

    #[test_case(f64::NAN)]
    #[test_case(f64::INFINITY)]
    #[test_case(f64::NEG_INFINITY)]
    #[test_case(-1.0)]
    #[test_case(0.0)]
    #[test_case(1e-7)]
    #[test_case(1e9)]
    fn refuses_numbers(per_second: f64) {
        assert!(Rate::new(per_second).is_err());
    }

    #[test_case(500.0 => "500/s")]
    #[test_case(0.5 => "0.5/s")]
    #[test_case(1.0 / 60.0 => "1/m")]
    #[test_case(1.0 / 3600.0 => "1/h")]
    #[test_case(1e8 => "100000000/s")]
    fn prints(per_second: f64) -> String {
        Rate::new(per_second).unwrap().to_string()
    }

    #[test]
    fn zero_only_where_a_line_of_rates_may_touch_it() {
        assert_eq!("0/s".parse::<ZeroOrRate>(), Ok(ZeroOrRate(0.0)));
        assert!("0.0000001/s".parse::<ZeroOrRate>().is_err());
    }

    #[test]
    fn serde_as_text() {
        let rate: Rate = serde_json::from_str("\"1.5/s\"").unwrap();
        assert_eq!(serde_json::to_string(&rate).unwrap(), "\"1.5/s\"");
        let error = serde_json::from_str::<Rate>("\"fast\"").unwrap_err();
        assert!(error.to_string().starts_with("`fast` is not a rate"));
    }

    proptest! {
        #[test]
        fn printing_round_trips(exponent in -6.0..8.0_f64, count in 1..100_000_u32) {
            for per_second in [10_f64.powf(exponent), f64::from(count) / 60.0, f64::from(count) / 3600.0] {
                let rate = Rate::new(per_second).unwrap();
                prop_assert_eq!(rate.to_string().parse(), Ok(rate));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            if let Ok(rate) = text.parse::<Rate>() {
                prop_assert!((MIN_PER_SECOND..=MAX_PER_SECOND).contains(&rate.per_second()));
            }
        }
    }
}
