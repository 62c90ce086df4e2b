//! How much each server gets.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::record::Unit;

/// How much each server gets, and how far from that it may be.
///
/// ```
/// use loadgen_core::expectation::Distribution;
///
/// let even: Distribution = "even within 10%".parse()?;
/// assert_eq!(even.within, 0.1);
/// assert!(even.weights.is_empty());
/// # Ok::<(), loadgen_core::expectation::DistributionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Distribution {
    /// What each server gets in proportion to the others, by the name that it gives itself; one that is not
    /// named gets nothing. All the same where there are none.
    pub weights: Vec<(String, f64)>,
    /// How far from that a server's share of all may be: 0.02 are two points of a hundred.
    pub within: f64,
    /// What is counted; where it is not told, what the balancer decides upon, as far as that is seen, and
    /// requests where it is not.
    pub per: Option<Unit>,
}

/// A text that is no distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a distribution such as `even within 10%` or `even within 10% per connection`")]
#[non_exhaustive]
pub struct DistributionError;

impl Distribution {
    /// All the same, to so much of the whole.
    #[must_use]
    pub fn even(within: f64) -> Self {
        Self {
            weights: Vec::new(),
            within,
            per: None,
        }
    }

    /// What a server should get of one; `None` where all get the same.
    pub(crate) fn wished(&self, server: &str) -> Option<f64> {
        if self.weights.is_empty() {
            return None;
        }
        let whole: f64 = self.weights.iter().map(|(_, weight)| weight).sum();
        let own = self.weights.iter().find(|(name, _)| name == server);
        Some(own.map_or(0.0, |(_, weight)| weight / whole))
    }
}

/// The word for what is counted.
pub(crate) fn word(unit: Unit) -> &'static str {
    match unit {
        Unit::Request => "request",
        Unit::Stream => "stream",
        Unit::Connection => "connection",
    }
}

/// A part of a hundred, as it is written: `2%`.
pub(crate) fn percent(text: &str) -> Option<f64> {
    let number = text.strip_suffix('%')?;
    let is_plain = number.bytes().all(|it| it.is_ascii_digit() || it == b'.')
        && number.starts_with(|it: char| it.is_ascii_digit());
    let number: f64 = number.parse().ok().filter(|_| is_plain)?;
    (number <= 100.0).then_some(number / 100.0)
}

/// So many of a hundred, with as many digits as it takes to be read as the same.
pub(crate) fn percentage(share: f64) -> String {
    let hundredths = share * 100.0;
    let short = format!("{}%", (hundredths * 1e9).round() / 1e9);
    match percent(&short) == Some(share) {
        true => short,
        false => format!("{hundredths}%"),
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.weights.is_empty() {
            f.write_str("even")?;
        }
        for (index, (name, weight)) in self.weights.iter().enumerate() {
            let between = if index == 0 { "" } else { ", " };
            write!(f, "{between}{name} {weight}")?;
        }
        write!(f, " within {}", percentage(self.within))?;
        match self.per {
            Some(unit) => write!(f, " per {}", word(unit)),
            None => Ok(()),
        }
    }
}

impl FromStr for Distribution {
    type Err = DistributionError;

    fn from_str(text: &str) -> Result<Self, DistributionError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (within, per) = match words.as_slice() {
            ["even", "within", within] => (within, None),
            ["even", "within", within, "per", unit] => {
                let units = [Unit::Request, Unit::Stream, Unit::Connection];
                let unit = units.into_iter().find(|it| word(*it) == *unit);
                (within, Some(unit.ok_or(DistributionError)?))
            }
            _ => return Err(DistributionError),
        };
        let within = percent(within).filter(|it| *it > 0.0 && *it < 1.0);
        Ok(Self {
            per,
            ..Self::even(within.ok_or(DistributionError)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("even within 10%", "even within 10%")]
    #[test_case(" even  within 0.5% per stream", "even within 0.5% per stream")]
    fn reads(text: &str, written: &str) {
        let read: Distribution = text.parse().unwrap();
        assert_eq!(read.to_string(), written);
        assert_eq!(written.parse(), Ok(read));
    }

    #[test_case("even"; "how far")]
    #[test_case("even within 10"; "a number")]
    #[test_case("even within 0%"; "no room")]
    #[test_case("even within 100%"; "anything")]
    #[test_case("even within .5%"; "half a number")]
    #[test_case("even within 10% per user"; "an unknown unit")]
    fn refuses(text: &str) {
        assert_eq!(text.parse::<Distribution>(), Err(DistributionError));
    }

    #[test]
    fn those_that_are_not_named_get_nothing() {
        let weighted = Distribution {
            weights: vec![("b1".to_owned(), 70.0), ("b2".to_owned(), 30.0)],
            ..Distribution::even(0.02)
        };
        let wished = ["b1", "b2", "b3"].map(|it| weighted.wished(it));
        assert_eq!(wished, [Some(0.7), Some(0.3), Some(0.0)]);
        assert_eq!(Distribution::even(0.1).wished("b1"), None);
        assert_eq!(weighted.to_string(), "b1 70, b2 30 within 2%");
    }
}
