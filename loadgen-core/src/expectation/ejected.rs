//! What ejections of servers may be.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::condition::{Threshold, ThresholdError};

/// What ejections may be: of servers that were up, and got nothing for a time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ejected {
    /// How many bad answers it took: a count.
    pub bad: Option<Limit>,
    /// For how long a server was out: a time.
    pub out: Option<Limit>,
    /// How often one was out that had answered nothing badly: a count.
    pub healthy: Option<Limit>,
}

impl Ejected {
    /// Whether nothing is said of them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { bad, out, healthy } = self;
        bad.is_none() && out.is_none() && healthy.is_none()
    }
}

/// What a figure is compared with.
///
/// ```
/// use loadgen_core::expectation::Limit;
///
/// let limit = Limit::time("< 40s")?;
/// assert_eq!(limit.to_string(), "< 40s");
/// assert!(Limit::count("< 40s").is_err());
/// # Ok::<(), loadgen_core::condition::ThresholdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Limit(Threshold);

impl From<Limit> for String {
    fn from(limit: Limit) -> Self {
        limit.0.expression().to_owned()
    }
}

impl TryFrom<String> for Limit {
    type Error = ThresholdError;

    fn try_from(expression: String) -> Result<Self, ThresholdError> {
        expression.parse().map(Self)
    }
}

/// Conditions on a count and on a time, for their grammar.
const COUNT: &str = "failover.lost";
const TIME: &str = "failover.silence";

impl Limit {
    /// A limit of a count: `<= 20`.
    ///
    /// # Errors
    /// [`ThresholdError`] for what is none.
    pub fn count(text: &str) -> Result<Self, ThresholdError> {
        format!("{COUNT} {}", text.trim()).parse().map(Self)
    }

    /// A limit of a time: `< 40s`.
    ///
    /// # Errors
    /// [`ThresholdError`] for what is none.
    pub fn time(text: &str) -> Result<Self, ThresholdError> {
        format!("{TIME} {}", text.trim()).parse().map(Self)
    }

    /// The condition, for its comparison and its unit.
    pub(crate) fn threshold(&self) -> &Threshold {
        &self.0
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expression = self.0.expression();
        let at = expression.find(['<', '>', '=', '!']);
        f.write_str(at.map_or("", |at| &expression[at..]))
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("<= 20" => Some("<= 20".to_owned()))]
    #[test_case(" ==0" => Some("==0".to_owned()); "without blanks")]
    #[test_case("< 40s" => None; "a time for a count")]
    #[test_case("20" => None; "no comparison")]
    #[test_case("< 1 over any 10s" => None; "windows")]
    fn counts(text: &str) -> Option<String> {
        let limit = Limit::count(text).ok()?;
        assert_eq!(Limit::count(&limit.to_string()), Ok(limit.clone()));
        Some(limit.to_string())
    }

    #[test_case("< 40s" => true)]
    #[test_case("< 40" => false; "a count for a time")]
    fn times(text: &str) -> bool {
        Limit::time(text).is_ok()
    }
}
