//! The names of what a scenario records, and what it records of its steps.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The part of a user's life that a step belongs to, where that is not its iterations.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LifePart {
    /// Before the user's first iteration, such as a login.
    Begin,
    /// After its last, such as a logout.
    End,
}

/// What is recorded of a step, and under which names. A name alone is a step of the iterations that
/// checks nothing:
///
/// ```
/// use loadgen_core::record::{LifePart, StepSpec};
///
/// let steps: Vec<StepSpec> = vec![
///     StepSpec::from("login").part(LifePart::Begin),
///     "browse".into(),
///     StepSpec::from("order").checks(["reply.total == 3"]),
/// ];
/// assert_eq!(steps[2].checks, ["reply.total == 3"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepSpec {
    /// Its name.
    pub name: String,
    /// The expressions that its replies are checked by, in the order in which
    /// [`Iteration::check`](crate::workload::Iteration::check) counts them.
    pub checks: Vec<String>,
    /// `None` is a step of the iterations.
    pub part: Option<LifePart>,
    /// Whether an iteration may do it several times, or not at all: then its figures are not those of the
    /// iteration even where it is the only step.
    pub apart: bool,
}

/// Whether these are one step whose figures are the iteration's.
pub(crate) fn is_single(steps: &[StepSpec]) -> bool {
    matches!(steps, [only] if !only.apart)
}

impl StepSpec {
    /// As one that an iteration may do several times, or not at all.
    #[must_use]
    pub fn apart(mut self, apart: bool) -> Self {
        self.apart = apart;
        self
    }

    /// With these checks.
    #[must_use]
    pub fn checks(mut self, expressions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.checks = expressions.into_iter().map(Into::into).collect();
        self
    }

    /// As a step of this part of a user's life; with `None`, of its iterations.
    #[must_use]
    pub fn part(mut self, part: impl Into<Option<LifePart>>) -> Self {
        self.part = part.into();
        self
    }
}

impl From<String> for StepSpec {
    fn from(name: String) -> Self {
        Self {
            name,
            checks: Vec::new(),
            part: None,
            apart: false,
        }
    }
}

impl From<&str> for StepSpec {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

/// The names of what a scenario records.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The scenario's own.
    pub scenario: String,
    /// What it speaks.
    pub protocol: String,
    /// Who speaks it, where that is a choice.
    pub codec: Option<String>,
    /// The same of steps that go elsewhere.
    pub codec_elsewhere: Option<String>,
    /// Whether its load model is open.
    pub open: bool,
    /// Its steps, pauses left out: those that begin a user's life, those of its iterations, and those that
    /// end it.
    pub steps: Vec<StepSpec>,
    /// Its custom counters.
    pub counters: Vec<String>,
    /// Its custom gauges.
    pub gauges: Vec<String>,
    /// Its custom timings.
    pub timings: Vec<String>,
    /// Its labels, for metrics: name and value.
    pub tags: Vec<(String, String)>,
    /// Its targets.
    pub targets: Vec<String>,
    /// Start lag above this counts as late.
    pub late_after: Duration,
    /// Whether its calls may be made again, which is counted then.
    pub retries: bool,
}
