//! Sizes: `64B`, `4KiB`, `1MB`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::UnitError;
use super::number::{Decimal, Quantity, Scaled, shortened};

/// The largest size there may be: 1 TiB.
pub const MAX_SIZE: Size = Size(1 << 40);

/// A regular expression that every size matches, for JSON Schema.
pub const SIZE_PATTERN: &str = r"^[0-9]+(\.[0-9]+)?(B|kB|KB|MB|GB|KiB|MiB|GiB)$";

const SIZE: Quantity = Quantity {
    name: "a size",
    expected: "a number with a unit (B, KB, MB, GB of a thousand, KiB, MiB, GiB of 1024), such as \"64B\" or \"4KiB\"",
};

/// The largest first within its kind; printing takes the first that divides.
const UNITS: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];

/// A number of bytes, at most [`MAX_SIZE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

impl Size {
    /// So many bytes.
    ///
    /// # Errors
    /// [`UnitError::TooLarge`] above [`MAX_SIZE`].
    pub fn new(bytes: u64) -> Result<Self, UnitError> {
        if bytes > MAX_SIZE.0 {
            return Err(UnitError::TooLarge {
                found: format!("{bytes}B"),
                most: "1024GiB",
            });
        }
        Ok(Self(bytes))
    }

    /// The size in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        SIZE.refuse_special(text)?;
        let (number, unit) = Decimal::take(text).ok_or_else(|| SIZE.malformed(text))?;
        if unit.is_empty() {
            return Err(SIZE.no_unit(text));
        }
        let (_, scale) = UNITS
            .into_iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| SIZE.unknown_unit(text, unit))?;
        match number.scaled(u128::from(scale)) {
            Scaled::Exact(bytes) => u64::try_from(bytes).ok().map(Self),
            Scaled::TooLarge => None,
            Scaled::TooFine => {
                return Err(UnitError::TooFine {
                    found: shortened(text),
                    finest: "1B",
                });
            }
        }
        .filter(|size| *size <= MAX_SIZE)
        .ok_or_else(|| UnitError::TooLarge {
            found: shortened(text),
            most: "1024GiB",
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) = UNITS
            .into_iter()
            .find(|(_, scale)| self.0 > 0 && self.0.is_multiple_of(*scale))
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / scale)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A number of bytes.",
            "pattern": SIZE_PATTERN,
            "examples": ["64B", "4KiB", "1MB"],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case("0B", 0)]
    #[test_case("64B", 64)]
    #[test_case("4KiB", 4096)]
    #[test_case("1.5KiB", 1536)]
    #[test_case("0.125KiB", 128)]
    #[test_case("1KB", 1000)]
    #[test_case("1kB", 1000; "lower case k")]
    #[test_case("1.25MB", 1_250_000)]
    #[test_case("1024GiB", 1 << 40)]
    fn reads(text: &str, bytes: u64) {
        assert_eq!(text.parse::<Size>().map(Size::bytes), Ok(bytes));
    }

    const FORM: &str = "expected a number with a unit (B, KB, MB, GB of a thousand, KiB, MiB, GiB of 1024), such as \"64B\" or \"4KiB\"";

    #[test_case("", "`` is not a size; {}"; "nothing")]
    #[test_case("64", "`64` has no unit; {}"; "no unit")]
    #[test_case("64b", "`64b` has the unknown unit `b`; {}"; "bits")]
    #[test_case("64 B", "`64 B` has the unknown unit ` B`; {}"; "space")]
    #[test_case("-1B", "`-1B` is negative; {}"; "negative")]
    #[test_case("nanB", "`nanB` is not finite; {}"; "nan")]
    #[test_case("0.5B", "`0.5B` is finer than 1B; expected a multiple of that"; "half a byte")]
    #[test_case("0.3KiB", "`0.3KiB` is finer than 1B; expected a multiple of that"; "no whole bytes")]
    #[test_case("1025GiB", "`1025GiB` is too large; expected at most 1024GiB"; "too large")]
    #[test_case("99999999999999999999999999999999999999999999GB", "`99999999999999999999999999999999999999999999GB` is too large; expected at most 1024GiB"; "huge")]
    fn refuses(text: &str, message: &str) {
        let error = text.parse::<Size>().unwrap_err();
        assert_eq!(error.to_string(), message.replace("{}", FORM));
    }

    #[test_case(0 => "0B")]
    #[test_case(1 => "1B")]
    #[test_case(1000 => "1KB")]
    #[test_case(1024 => "1KiB")]
    #[test_case(1536 => "1536B")]
    #[test_case(1_000_000 => "1MB")]
    fn prints(bytes: u64) -> String {
        Size::new(bytes).unwrap().to_string()
    }

    proptest! {
        #[test]
        fn printing_round_trips(bytes in 0..=1_u64 << 40, shift in 0..40_u32) {
            for size in [Size(bytes), Size(bytes >> shift << shift)] {
                prop_assert_eq!(size.to_string().parse(), Ok(size));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            if let Ok(size) = text.parse::<Size>() {
                prop_assert!(size <= MAX_SIZE);
            }
        }
    }
}
