//! Plain decimal numbers: digits, and after a point more digits. No sign, no exponent.

use super::UnitError;

/// What is being read, for the errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quantity {
    /// With its article: `a rate`.
    pub(super) name: &'static str,
    /// The form it has.
    pub(super) expected: &'static str,
}

impl Quantity {
    pub(super) fn malformed(self, found: &str) -> UnitError {
        UnitError::Malformed {
            found: shortened(found),
            quantity: self.name,
            expected: self.expected,
        }
    }

    pub(super) fn no_unit(self, found: &str) -> UnitError {
        UnitError::NoUnit {
            found: shortened(found),
            expected: self.expected,
        }
    }

    pub(super) fn unknown_unit(self, found: &str, unit: &str) -> UnitError {
        UnitError::UnknownUnit {
            found: shortened(found),
            unit: shortened(unit),
            expected: self.expected,
        }
    }

    /// Names what people write for numbers that are none, before anything else is looked at.
    pub(super) fn refuse_special(self, text: &str) -> Result<(), UnitError> {
        let lower = text.to_ascii_lowercase();
        let unsigned = lower.trim_start_matches(['-', '+']);
        if unsigned.starts_with("nan") || unsigned.starts_with("inf") {
            return Err(UnitError::NotFinite {
                found: shortened(text),
                expected: self.expected,
            });
        }
        if lower.starts_with('-') && unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        {
            return Err(UnitError::Negative {
                found: shortened(text),
                expected: self.expected,
            });
        }
        Ok(())
    }
}

/// A number as written: its digits before and after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal<'a> {
    pub(super) text: &'a str,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    /// Takes a number off the front of `text`; `None` when there is none.
    pub(super) fn take(text: &'a str) -> Option<(Self, &'a str)> {
        let whole_end = digits(text);
        if whole_end == 0 {
            return None;
        }
        let after = &text[whole_end..];
        let fraction_end = match after.strip_prefix('.') {
            Some(rest) => match digits(rest) {
                0 => return None,
                count => count + 1,
            },
            None => 0,
        };
        let end = whole_end + fraction_end;
        let decimal = Self {
            text: &text[..end],
            whole: &text[..whole_end],
            fraction: text[whole_end..end].trim_start_matches('.'),
        };
        Some((decimal, &text[end..]))
    }

    /// The number times `scale`, exactly.
    pub(super) fn scaled(&self, scale: u128) -> Scaled {
        let mut whole: u128 = 0;
        for digit in self.whole.bytes() {
            let next = whole
                .checked_mul(10)
                .and_then(|whole| whole.checked_add(u128::from(digit - b'0')))
                .filter(|whole| whole.checked_mul(scale).is_some());
            match next {
                Some(next) => whole = next,
                None => return Scaled::TooLarge,
            }
        }
        let mut value = whole * scale;
        let mut place = scale;
        for digit in self.fraction.trim_end_matches('0').bytes() {
            if !place.is_multiple_of(10) {
                // The rest of a power of two such as 1024 still has halves, quarters and so on.
                return self.scaled_binary(whole, scale);
            }
            place /= 10;
            value = value.saturating_add(place * u128::from(digit - b'0'));
        }
        Scaled::Exact(value)
    }

    /// As above where the scale is not a power of ten: fraction × scale must be whole.
    fn scaled_binary(&self, whole: u128, scale: u128) -> Scaled {
        let fraction = self.fraction.trim_end_matches('0');
        let Some((numerator, denominator)) = u32::try_from(fraction.len())
            .ok()
            .and_then(|places| 10_u128.checked_pow(places))
            .and_then(|denominator| {
                let numerator: u128 = fraction.parse().ok()?;
                Some((numerator.checked_mul(scale)?, denominator))
            })
        else {
            return Scaled::TooFine;
        };
        if numerator.is_multiple_of(denominator) {
            Scaled::Exact((whole * scale).saturating_add(numerator / denominator))
        } else {
            Scaled::TooFine
        }
    }

    /// The nearest floating-point number.
    pub(super) fn to_f64(self) -> f64 {
        self.text.parse().unwrap_or(f64::INFINITY)
    }
}

/// A number times a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scaled {
    Exact(u128),
    TooLarge,
    TooFine,
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Input quoted in an error, cut where nobody would read on.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
