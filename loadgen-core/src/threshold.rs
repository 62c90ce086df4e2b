//! Conditions on the results.

use crate::record::ScenarioRecord;

/// A condition on the results, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    expression: String,
}

/// What became of a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The value compared, in the expression's own unit; `None` when nothing was measured.
    pub observed: Option<f64>,
    /// Whether the condition holds. Without an observed value it does not.
    pub pass: bool,
}

impl Threshold {
    /// The condition as written.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The unit of the observed value: `%`, `ms`, `/s`, or nothing for a count.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        ""
    }

    /// Judges a scenario's results.
    #[must_use]
    pub fn judge(&self, record: &ScenarioRecord) -> Judgement {
        let _ = record;
        Judgement {
            observed: None,
            pass: false,
        }
    }
}
