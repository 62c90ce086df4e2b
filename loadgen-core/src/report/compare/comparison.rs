//! What a comparison found, for programs to read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::document::Status;

/// How two groups of runs differ.
///
/// Times are in microseconds, changes parts of what was before: 0.1 is 10 %. What cannot be told is left out.
/// Readers must expect further fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "loadgen comparison")]
#[non_exhaustive]
pub struct Comparison {
    /// What this document is, and which version of it.
    pub schema: ComparisonVersion,
    /// Why these runs should not be compared, a sentence each, where they were all the same (`--force`).
    pub unlike: Vec<String>,
    /// What a reader should know, a sentence each.
    pub warnings: Vec<String>,
    /// The runs that the others are held against.
    pub base: Vec<ComparedRun>,
    /// These others.
    pub new: Vec<ComparedRun>,
    /// A change of no more than this is none to speak of, as a part of what was before. Error rates are the same
    /// within 0.001 of each other.
    pub within: f64,
    /// How many figures there are of each verdict.
    pub counts: Counts,
    /// Each scenario that both groups have.
    pub scenarios: Vec<ComparedScenario>,
    /// Each limit on a change, for each scenario that it is for.
    pub limits: Vec<LimitResult>,
}

/// The versions of the comparison that this library writes.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(inline)]
#[non_exhaustive]
pub enum ComparisonVersion {
    /// The first version. Fields may be added to it; none changes its meaning.
    #[default]
    #[serde(rename = "loadgen.comparison/1")]
    V1,
}

/// One of the runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ComparedRun {
    /// Where its document came from.
    pub source: String,
    /// Its id.
    pub id: String,
    /// When its measured part began.
    pub started_at: String,
    /// The version of loadgen that it was made with.
    pub version: String,
    /// Its own verdict.
    pub status: Status,
}

/// How many figures there are of each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Counts {
    /// Those that are better.
    pub better: u64,
    /// Those that are worse.
    pub worse: u64,
    /// Those that are the same but for what is not to speak of.
    pub same: u64,
    /// Those of which it cannot be told.
    pub undecided: u64,
}

/// One scenario, compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ComparedScenario {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub protocol: String,
    /// What was compared of it as a whole.
    pub figures: Vec<Compared>,
    /// Its steps.
    pub steps: Vec<ComparedStep>,
}

/// One step, compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ComparedStep {
    /// Its name.
    pub name: String,
    /// What was compared of it.
    pub figures: Vec<Compared>,
}

/// One metric, compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Compared {
    /// Which, as conditions write it: `response_time.p99`; of searches `capacity`, the only one.
    pub metric: String,
    /// What its figures are in.
    pub unit: Unit,
    /// Which way it gets better.
    pub better: Better,
    /// What the runs of the base say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Figures>,
    /// What the new runs say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Figures>,
    /// What they differ by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// What that is told from.
    pub told_from: ToldFrom,
    /// How likely chance alone makes groups of runs differ as much; where that is told from runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The same once it is taken into account how many figures there are; this decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_of_all: Option<f64>,
    /// What to make of it.
    pub verdict: Judgement,
}

/// What figures are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[non_exhaustive]
pub enum Unit {
    /// Microseconds.
    #[serde(rename = "us")]
    Microseconds,
    /// Times per second.
    #[serde(rename = "/s")]
    PerSecond,
    /// A part of a whole, 0 to 1. Its change is a difference and no ratio.
    #[serde(rename = "share")]
    Share,
}

/// Which way a figure gets better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[non_exhaustive]
pub enum Better {
    /// The more, the better.
    Higher,
    /// The less, the better.
    Lower,
}

/// What the runs of one group say of a metric. Of a capacity `min` and `max` are the bounds, and `median` the middle
/// between them; where there is no upper bound all three are the lower one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Figures {
    /// How many of them say something.
    pub runs: u64,
    /// The middle of what they say.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Whether some are lower bounds, because of what services left unanswered; left out where none is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}

/// What two groups differ by: as a part of the base's, of error rates as it is. Of a capacity `estimate` is what the
/// middles differ by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Change {
    /// The middle of what all pairs of runs differ by (Hodges and Lehmann); left out where the base has
    /// nothing, so that there is no ratio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<f64>,
    /// Where it lies but for chance in 95 of 100 cases: from here. Left out where that cannot be told. Of a capacity the
    /// least change between bounds, and the greatest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// To here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// What a difference is told from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[non_exhaustive]
pub enum ToldFrom {
    /// How much runs of one group differ from each other.
    Runs,
    /// How much the seconds within runs do. Approximate and too narrow: what one run differs by from the
    /// next is not in it.
    Seconds,
    /// Between which bounds searches found the capacity: it differs where they do not overlap.
    Bounds,
    /// Both groups are the same runs.
    SameRuns,
    /// Nothing: there are too few runs, and too few seconds or no histograms of them.
    Nothing,
}

/// What to make of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[non_exhaustive]
pub enum Judgement {
    /// The new runs are better.
    Better,
    /// They are worse.
    Worse,
    /// They differ by no more than `within`.
    Same,
    /// It cannot be told.
    Undecided,
}

impl Judgement {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Same => "same",
            Self::Undecided => "undecided",
        }
    }
}

/// What became of a limit on a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct LimitResult {
    /// The limit as written.
    pub expression: String,
    /// The scenario that it was held against; left out where no scenario has such a figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// What the figure is in.
    pub unit: Unit,
    /// What the figure changed by; left out where that cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// The fewest samples with which a run has such a figure; left out unless one side has none for having had
    /// fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples_needed: Option<u64>,
    /// What became of it.
    pub verdict: LimitVerdict,
}

/// What became of a limit on a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[non_exhaustive]
pub enum LimitVerdict {
    /// All of the interval is within it.
    Kept,
    /// All of the interval is beyond it.
    Broken,
    /// The interval has both in it: chance alone may have it on either side.
    Undecided,
    /// There is no interval, and so nothing to judge by. It counts as broken.
    Untold,
}

impl LimitVerdict {
    /// Whether it fails a comparison.
    #[must_use]
    pub fn fails(self) -> bool {
        matches!(self, Self::Broken | Self::Untold)
    }
}

impl Comparison {
    /// Whether some limit on a change fails it.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.limits.iter().any(|it| it.verdict.fails())
    }
}
