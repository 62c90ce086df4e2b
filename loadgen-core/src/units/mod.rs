//! Rates (`500/s`), durations (`1.5s`) and sizes (`4KiB`): parse, print, serde and JSON Schema.
//!
//! Owns the one way these are written, in scenario files and on the command line. Strict: a number
//! without a unit is refused, and so is anything negative, not finite or absurdly large. What is
//! printed parses back to the same value; how figures are shown to people is [`human`]'s.

mod duration;
pub mod human;
mod number;
mod rate;
mod size;

pub(crate) use duration::check_duration;
pub use duration::{DURATION_PATTERN, MAX_DURATION, format_duration, parse_duration};
pub use rate::{MAX_PER_SECOND, MIN_PER_SECOND, RATE_PATTERN, Rate};
pub(crate) use rate::{ZeroOrRate, format_per_second};
pub use size::{MAX_SIZE, SIZE_PATTERN, Size};

/// Why a text is not a rate, a duration or a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// It does not begin with a number, or goes on after its end.
    #[error("`{found}` is not {quantity}; expected {expected}")]
    Malformed {
        /// The text.
        found: String,
        /// What it should have been: `a rate`, `a duration`, `a size`.
        quantity: &'static str,
        /// The form it should have.
        expected: &'static str,
    },
    /// It is a number and nothing else.
    #[error("`{found}` has no unit; expected {expected}")]
    NoUnit {
        /// The text.
        found: String,
        /// The form it should have.
        expected: &'static str,
    },
    /// Its unit is none of those that there are.
    #[error("`{found}` has the unknown unit `{unit}`; expected {expected}")]
    UnknownUnit {
        /// The text.
        found: String,
        /// The unit.
        unit: String,
        /// The form it should have.
        expected: &'static str,
    },
    /// It is NaN or infinite.
    #[error("`{found}` is not finite; expected {expected}")]
    NotFinite {
        /// The text.
        found: String,
        /// The form it should have.
        expected: &'static str,
    },
    /// It is below zero.
    #[error("`{found}` is negative; expected {expected}")]
    Negative {
        /// The text.
        found: String,
        /// The form it should have.
        expected: &'static str,
    },
    /// It is below the least that is allowed, zero included.
    #[error("`{found}` is too small; expected at least {least}")]
    TooSmall {
        /// The text.
        found: String,
        /// The least there may be.
        least: &'static str,
    },
    /// It is above the most that is allowed.
    #[error("`{found}` is too large; expected at most {most}")]
    TooLarge {
        /// The text.
        found: String,
        /// The most there may be.
        most: &'static str,
    },
    /// It has more decimals than the smallest unit can hold.
    #[error("`{found}` is finer than {finest}; expected a multiple of that")]
    TooFine {
        /// The text.
        found: String,
        /// The smallest step there is.
        finest: &'static str,
    },
}

impl UnitError {
    /// What was expected instead, for messages that show what was found in their own way.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Malformed { expected, .. }
            | Self::NoUnit { expected, .. }
            | Self::UnknownUnit { expected, .. }
            | Self::NotFinite { expected, .. }
            | Self::Negative { expected, .. } => (*expected).to_owned(),
            Self::TooSmall { least, .. } => format!("at least {least}"),
            Self::TooLarge { most, .. } => format!("at most {most}"),
            Self::TooFine { finest, .. } => format!("a multiple of {finest}"),
        }
    }

    /// What was wrong with it, where [`UnitError::expected`] alone does not tell.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::NoUnit { .. } => Some("the unit is missing".to_owned()),
            Self::UnknownUnit { unit, .. } => Some(format!("there is no unit `{unit}`")),
            Self::NotFinite { .. } => Some("it is not finite".to_owned()),
            Self::Negative { .. } => Some("it is negative".to_owned()),
            Self::TooFine { .. } => Some("it has too many decimals".to_owned()),
            Self::Malformed { .. } | Self::TooSmall { .. } | Self::TooLarge { .. } => None,
        }
    }
}
