//! Conditions on the results: `error_rate < 1%`, `response_time.p95 < 5ms`.
//!
//! Owns the grammar, written down as EBNF in the scenario reference: its words, what is wrong with a
//! text that is none, and how one is written. Knows no record: a condition is judged where
//! [the report](crate::report) is made.

mod change;
mod cursor;
mod error;
mod metric;
mod parse;
mod tag;
mod unit;
mod window;

use crate::schedule::Shard;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::units::format_duration;

pub use change::ChangeLimit;
pub use error::ThresholdError;
pub use tag::Tag;

pub(crate) use change::{SERIES, STATISTICS, STEP_SERIES};
pub(crate) use metric::{
    BackendMetric, BalanceWord, ConnectionWord, FailoverWord, LedgerWord, Left, Metric, RetryWord,
    Series, Statistic, StepMetric,
};
pub(crate) use tag::quoted;
pub(crate) use unit::Unit;

/// A condition on the results, as written.
///
/// ```
/// use loadgen_core::condition::Threshold;
///
/// let threshold: Threshold = "response_time.p95 < 5ms".parse()?;
/// assert_eq!(threshold.unit(), "ms");
/// let error = "respons_time.p95 < 5ms".parse::<Threshold>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "unknown metric `respons_time` at column 1; did you mean `response_time`?",
/// );
/// # Ok::<(), loadgen_core::condition::ThresholdError>(())
/// ```
///
/// One that holds for every window of ten seconds, and ends the run when it does not, half a minute after
/// measuring began at the earliest:
///
/// ```
/// use std::time::Duration;
/// use loadgen_core::condition::Threshold;
///
/// let threshold: Threshold = "response_time.p99 < 20ms over any 10s".parse()?;
/// let threshold = threshold.aborting(Duration::from_secs(30));
/// assert_eq!(threshold.window(), Some(Duration::from_secs(10)));
/// assert_eq!(threshold.abort_after(), Some(Duration::from_secs(30)));
/// # Ok::<(), loadgen_core::condition::ThresholdError>(())
/// ```
///
/// One on all scenarios with a tag, taken together:
///
/// ```
/// use loadgen_core::condition::Threshold;
///
/// let threshold: Threshold = "tags.tier.gold.response_time.p99 < 20ms".parse()?;
/// let tag = threshold.tag().expect("it has one");
/// assert_eq!((&*tag.key, &*tag.value), ("tier", "gold"));
/// # Ok::<(), loadgen_core::condition::ThresholdError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    expression: String,
    tag: Option<Tag>,
    metric: Metric,
    operator: Operator,
    value: f64,
    unit: Unit,
    window: Option<Duration>,
    abort_after: Option<Duration>,
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

/// What a condition allows, in its own unit.
#[cfg(feature = "page")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    Most(f64),
    Least(f64),
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

impl Threshold {
    /// What holds for a scenario that gives no thresholds: `error_rate < 1%`.
    #[must_use]
    pub fn default_error_rate() -> Self {
        Self {
            expression: "error_rate < 1%".to_owned(),
            tag: None,
            metric: Metric::ErrorRate,
            operator: Operator::Less,
            value: 1.0,
            unit: Unit::Percent,
            window: None,
            abort_after: None,
        }
    }

    /// The same, held to in every window of this length: whole seconds, from one to an hour.
    ///
    /// # Errors
    /// [`ThresholdError`] for another length, for a condition that has windows already, and for one that
    /// is of a whole run: `silence`, `unanswered`, and what compares with `==` or `!=`.
    pub fn over_any(self, window: Duration) -> Result<Self, ThresholdError> {
        let expression = format!("{} over any {}", self.expression, format_duration(window));
        let windowed: Self = expression.parse()?;
        Ok(Self {
            abort_after: self.abort_after,
            ..windowed
        })
    }

    /// The same, ending the run when it does not hold, so long after measuring began at the earliest.
    #[must_use]
    pub fn aborting(self, after: Duration) -> Self {
        Self {
            abort_after: Some(after),
            ..self
        }
    }

    /// The same, ending no run.
    pub(crate) fn judged_at_the_end(self) -> Self {
        Self {
            abort_after: None,
            ..self
        }
    }

    /// Whether it is about a count or a rate that may not be too low: a part of a load has too little of it.
    pub(crate) fn is_of_all(&self) -> bool {
        let is_counted = matches!(self.unit, Unit::Count | Unit::PerTime { .. });
        is_counted && !self.bounds_from_above()
    }

    /// The same in one of several processes that make a load together. What is counted of all of them and may not be
    /// too little cannot be seen by one alone: it ends no run there.
    #[must_use]
    pub(crate) fn in_shard(self, shard: Shard) -> Self {
        let is_of_all = self.is_of_all();
        let abort_after = self.abort_after.filter(|_| shard.is_all() || !is_of_all);
        Self {
            abort_after,
            ..self
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
        self.unit.name()
    }

    /// The tag whose scenarios it is about, all of them together; `None` where it is about one scenario.
    #[must_use]
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The name of the step it is about, where it is about one.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.metric.step()
    }

    /// The name of the server it is about, where it is about one: what that calls itself.
    #[must_use]
    pub fn backend(&self) -> Option<&str> {
        self.metric.backend()
    }

    /// The length of the windows that it holds for, each of them; `None` where it is about the whole.
    #[must_use]
    pub fn window(&self) -> Option<Duration> {
        self.window
    }

    /// Where it ends the run when it does not hold, how long after measuring began at the earliest.
    #[must_use]
    pub fn abort_after(&self) -> Option<Duration> {
        self.abort_after
    }

    /// Whether it bounds its value from above, so that the worst is the highest.
    pub(crate) fn bounds_from_above(&self) -> bool {
        matches!(self.operator, Operator::Less | Operator::LessOrEqual)
    }

    /// The most that it allows, or the least; nothing where it is about one value.
    #[cfg(feature = "page")]
    pub(crate) fn limit(&self) -> Option<Limit> {
        match self.operator {
            Operator::Less | Operator::LessOrEqual => Some(Limit::Most(self.value)),
            Operator::Greater | Operator::GreaterOrEqual => Some(Limit::Least(self.value)),
            Operator::Equal | Operator::NotEqual => None,
        }
    }

    /// Whether it holds of this value, or may of a greater one; in its own unit.
    pub(crate) fn may_hold_from(&self, least: f64) -> bool {
        match self.operator {
            Operator::Less | Operator::LessOrEqual => self.holds(least),
            Operator::Equal => least <= self.value,
            Operator::Greater | Operator::GreaterOrEqual | Operator::NotEqual => true,
        }
    }

    /// Whether it is about something that only an open model has: start lag or queue wait.
    #[must_use]
    pub fn needs_open_model(&self) -> bool {
        self.metric.needs_open_model()
    }

    /// Whether it is about what became of the load when a server went away.
    pub(crate) fn is_about_failover(&self) -> bool {
        matches!(self.metric, Metric::Failover { .. })
    }

    /// Whether it bounds failures of any kind.
    pub(crate) fn is_about_failures(&self) -> bool {
        match &self.metric {
            Metric::ErrorRate | Metric::Unanswered | Metric::Outcome(_) => true,
            Metric::Ledger(word) => matches!(word, LedgerWord::Failed | LedgerWord::Completed),
            Metric::Step { metric, .. } => {
                matches!(metric, StepMetric::ErrorRate | StepMetric::Outcome(_))
            }
            Metric::Backend { metric, .. } => {
                matches!(metric, BackendMetric::Failed | BackendMetric::ErrorRate)
            }
            _ => false,
        }
    }

    /// Whether it is about calls that are made again.
    pub(crate) fn is_about_retries(&self) -> bool {
        matches!(self.metric, Metric::Retries(_))
    }

    /// Whether it is about requests that were ok and took too long, so that somebody must say how long they may.
    pub(crate) fn is_about_slow(&self) -> bool {
        matches!(
            self.metric,
            Metric::Failover {
                word: FailoverWord::Slow,
                ..
            }
        )
    }

    /// What it is about, of a scenario or of all with its tag.
    pub(crate) fn metric(&self) -> &Metric {
        &self.metric
    }

    /// The unit that it is written in, and a value is compared in.
    pub(crate) fn value_unit(&self) -> Unit {
        self.unit
    }

    /// The value that it compares with, in its own unit.
    pub(crate) fn value(&self) -> f64 {
        self.value
    }

    /// Whether it holds of this value, given in its own unit.
    pub(crate) fn holds(&self, observed: f64) -> bool {
        self.operator.holds(observed, self.value)
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
