//! What a figure of a failover may be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::condition::{FailoverWord, Left, Metric, Threshold, ThresholdError};

/// What a figure of a failover may be: `detected < 1s`. It is a condition without what it begins with there.
///
/// ```
/// use loadgen_core::expectation::Bound;
///
/// let bound: Bound = "lost <= 200".parse()?;
/// assert_eq!((bound.figure(), bound.limit()), ("lost", "<= 200"));
/// # Ok::<(), loadgen_core::condition::ThresholdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bound {
    word: FailoverWord,
    /// As a condition on what goes unannounced.
    threshold: Threshold,
}

/// The names of the figures.
const FIGURES: &[&str] = FailoverWord::WORDS;

impl Bound {
    /// The figure, such as `detected`, `lost`, `slow`, `recovered`, `silence`, `relapses`, `returned`, `rebalanced`,
    /// `switched` or `survivors_p99`.
    #[must_use]
    pub fn figure(&self) -> &'static str {
        let words = FIGURES.iter();
        let mut named = words.filter(|it| FailoverWord::from_word(it) == Some(self.word));
        named.next().copied().unwrap_or_default()
    }

    /// The comparison and what is compared with.
    #[must_use]
    pub fn limit(&self) -> &str {
        let expression = self.threshold.expression();
        let at = expression.find(['<', '>', '=', '!']);
        at.map_or("", |at| &expression[at..])
    }

    /// As a condition.
    pub(crate) fn expression(&self, left: Left) -> String {
        format!("{}.{self}", left.word())
    }

    pub(crate) fn word(&self) -> FailoverWord {
        self.word
    }

    /// The condition, for its comparison and its unit.
    pub(crate) fn threshold(&self) -> &Threshold {
        &self.threshold
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.figure(), self.limit())
    }
}

impl From<Bound> for String {
    fn from(bound: Bound) -> Self {
        bound.to_string()
    }
}

impl TryFrom<String> for Bound {
    type Error = ThresholdError;

    fn try_from(text: String) -> Result<Self, ThresholdError> {
        text.parse()
    }
}

impl FromStr for Bound {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let begin = Left::Unannounced.word();
        let threshold: Threshold = format!("{begin}.{}", text.trim()).parse()?;
        match threshold.metric() {
            Metric::Failover { word, .. } => Ok(Self {
                word: *word,
                threshold,
            }),
            // Nothing else begins so.
            _ => Err(ThresholdError::Unexpected {
                found: format!("`{text}`"),
                column: 1,
                expected: format!("one of {}", FIGURES.join(", ")),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("detected < 1s", "detected", "< 1s")]
    #[test_case(" lost==0", "lost", "==0"; "without blanks")]
    fn reads(text: &str, figure: &str, limit: &str) {
        let bound: Bound = text.parse().unwrap();
        assert_eq!((bound.figure(), bound.limit()), (figure, limit));
        assert_eq!(bound.to_string().parse::<Bound>().unwrap().limit(), limit);
        let word = bound.word();
        let drained: Threshold = bound.expression(Left::Drained).parse().unwrap();
        let left = Left::Drained;
        assert_eq!(*drained.metric(), Metric::Failover { left, word });
    }

    #[test_case("detcted < 1s"; "an unknown figure")]
    #[test_case("lost < 1s"; "a time for a count")]
    #[test_case("lost < 1 over any 10s"; "windows")]
    #[test_case("lost"; "no limit")]
    fn refuses(text: &str) {
        assert!(text.parse::<Bound>().is_err());
    }
}
