//! Values of conditions, and the units that they are written in.

use super::cursor::Cursor;
use super::error::ThresholdError;

/// The unit an expression is written in; the observed value is given in the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    Count,
    Percent,
    Time { name: &'static str, nanos: f64 },
    PerTime { name: &'static str, seconds: f64 },
}

impl Unit {
    /// As it is written; nothing for a count.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Percent => "%",
            Self::Time { name, .. } | Self::PerTime { name, .. } => name,
        }
    }
}

/// The units that a metric's value may be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Percent,
    Count,
    /// With decimals.
    Number,
    CountOrPercent,
    CountOrPerTime,
    Time,
    PerTime,
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Self::Percent => "a percentage such as `1%`",
            Self::Count => "a whole number",
            Self::Number => "a number such as `1.2`",
            Self::CountOrPercent => "a whole number or a percentage such as `5` or `1%`",
            Self::CountOrPerTime => "a whole number or a rate such as `5` or `1000/s`",
            Self::Time => "a time with a unit (ns, us, ms, s, m or h) such as `5ms`",
            Self::PerTime => "a rate such as `1000/s`",
        }
    }
}

const TIMES: [(&str, f64); 6] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 6e10),
    ("h", 3.6e12),
];
const RATES: [(&str, f64); 3] = [("/s", 1.0), ("/m", 60.0), ("/h", 3600.0)];

/// A number in one of the units that suit `kind`.
pub(super) fn value(cursor: &mut Cursor<'_>, kind: Kind) -> Result<(f64, Unit), ThresholdError> {
    let start = cursor.at;
    let number = cursor.take_while(|c| c.is_ascii_digit() || c == '.');
    let whole = number.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed = number.starts_with(|c: char| c.is_ascii_digit())
        && number.ends_with(|c: char| c.is_ascii_digit());
    let parsed = number
        .parse::<f64>()
        .ok()
        .filter(|value| well_formed && *value <= 1e15);
    let unit = cursor.take_while(|c| !c.is_whitespace());
    let named =
        |units: &[(&'static str, f64)]| units.iter().copied().find(|(name, _)| *name == unit);
    let unit = match kind {
        Kind::Percent | Kind::CountOrPercent if unit == "%" => Some(Unit::Percent),
        Kind::Count | Kind::CountOrPercent if unit.is_empty() && whole => Some(Unit::Count),
        Kind::CountOrPerTime if unit.is_empty() && whole => Some(Unit::Count),
        Kind::Number if unit.is_empty() => Some(Unit::Count),
        Kind::Percent | Kind::Count | Kind::Number | Kind::CountOrPercent => None,
        Kind::Time => named(&TIMES).map(|(name, nanos)| Unit::Time { name, nanos }),
        Kind::PerTime | Kind::CountOrPerTime => {
            named(&RATES).map(|(name, seconds)| Unit::PerTime { name, seconds })
        }
    };
    match (parsed, unit) {
        (Some(value), Some(unit)) => Ok((value, unit)),
        _ => Err(cursor.unexpected_at(start, kind.expected())),
    }
}
