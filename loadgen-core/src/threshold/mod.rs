//! Conditions on the results: `error_rate < 1%`, `response_time.p95 < 5ms`.
//!
//! Owns the grammar (written down as EBNF in the scenario reference) and the judging. Reads a
//! scenario's record and changes nothing; whether a failed condition fails the run is for the
//! verdict to say.

mod metric;
mod parse;

use std::fmt;
use std::str::FromStr;

pub use parse::ThresholdError;

use crate::record::ScenarioRecord;
pub(crate) use metric::About;
use metric::Metric;

/// A condition on the results, as written.
///
/// ```
/// use loadgen_core::threshold::Threshold;
///
/// let threshold: Threshold = "response_time.p95 < 5ms".parse()?;
/// assert_eq!(threshold.unit(), "ms");
/// let error = "respons_time.p95 < 5ms".parse::<Threshold>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "unknown metric `respons_time` at column 1; did you mean `response_time`?",
/// );
/// # Ok::<(), loadgen_core::threshold::ThresholdError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    expression: String,
    metric: Metric,
    operator: Operator,
    value: f64,
    unit: Unit,
}

/// What became of a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The value compared, in the expression's own unit; `None` when nothing was measured.
    pub observed: Option<f64>,
    /// Whether the condition holds. Without an observed value it does not.
    pub pass: bool,
}

/// How observed and wanted value are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Operator {
    /// The longer first, so that `<=` is not read as `<`.
    const ALL: [(&'static str, Self); 6] = [
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    /// Equality is asked of counts and shares only, and there both sides are rounded once.
    fn holds(self, observed: f64, wanted: f64) -> bool {
        match self {
            Self::Less => observed < wanted,
            Self::LessOrEqual => observed <= wanted,
            Self::Greater => observed > wanted,
            Self::GreaterOrEqual => observed >= wanted,
            Self::Equal => observed == wanted,
            Self::NotEqual => observed != wanted,
        }
    }
}

/// The unit an expression is written in; the observed value is given in the same.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Count,
    Percent,
    Time { name: &'static str, nanos: f64 },
    PerTime { name: &'static str, seconds: f64 },
}

impl Threshold {
    /// What holds for a scenario that gives no thresholds: `error_rate < 1%`.
    #[must_use]
    pub fn default_error_rate() -> Self {
        Self {
            expression: "error_rate < 1%".to_owned(),
            metric: Metric::ErrorRate,
            operator: Operator::Less,
            value: 1.0,
            unit: Unit::Percent,
        }
    }

    /// The condition as written.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The unit of the observed value: `%`, `ms`, `/s`, or nothing for a count.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        match self.unit {
            Unit::Count => "",
            Unit::Percent => "%",
            Unit::Time { name, .. } | Unit::PerTime { name, .. } => name,
        }
    }

    /// The name of the step it is about, where it is about one.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.metric.step()
    }

    /// Whether it is about something that only an open model has: start lag or queue wait.
    #[must_use]
    pub fn needs_open_model(&self) -> bool {
        self.metric.needs_open_model()
    }

    /// Whether it says how long the service may be silent.
    pub(crate) fn is_about_silence(&self) -> bool {
        self.metric == Metric::Silence
    }

    /// Of a condition on a percentile, how many samples lie beyond that.
    pub(crate) fn samples_beyond(&self, record: &ScenarioRecord) -> Option<u64> {
        self.metric.samples_beyond(record)
    }

    /// Whose doing it is when the condition does not hold, and, where that was the generator's alone,
    /// the value without its part.
    pub(crate) fn blame(&self, record: &ScenarioRecord) -> (About, Option<f64>) {
        let about = self.metric.about();
        let undelayed = self.metric.observe_undelayed(record, self.unit);
        match (about, undelayed) {
            (About::Time, Some(value)) if self.operator.holds(value, self.value) => {
                (About::Generator, Some(value))
            }
            (About::Time, _) => (About::Service, None),
            (about, _) => (about, None),
        }
    }

    /// Judges a scenario's results.
    ///
    /// A percentile is judged as recorded, however few samples lie beyond it, although a report
    /// withholds it with fewer than ten: a condition that somebody wrote is answered, not skipped.
    /// What has no sample at all has no observed value, and then the condition does not hold: a
    /// run in which nothing ended has not shown that little fails.
    #[must_use]
    pub fn judge(&self, record: &ScenarioRecord) -> Judgement {
        let observed = self.metric.observe(record, self.unit);
        Judgement {
            observed,
            pass: observed.is_some_and(|observed| self.operator.holds(observed, self.value)),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expression)
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        parse::parse(text)
    }
}

#[cfg(test)]
mod tests;
