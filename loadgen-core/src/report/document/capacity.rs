//! How much load a service holds: what a search for that found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Document;
use super::scenario::ThresholdResult;
use super::statistics::Statistics;
use crate::units::human;

/// The highest rate at which a service holds its goals, as a search found it. The document's scenario is then of one
/// trial: the longest at the lower bound, or where none held the one that says why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Capacity {
    /// The highest rate that is known to hold all goals, per second; left out where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_per_s: Option<f64>,
    /// The lowest rate that is known not to: at which a goal broke or, where `end` is `generator`, which the
    /// generator could not offer. Left out where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_per_s: Option<f64>,
    /// What the service completed of the lower bound's rate in the worst of the trials there that had to hold: the
    /// conditional rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditional_per_s: Option<f64>,
    /// How far apart the bounds are, in parts of the upper one; left out where one is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<f64>,
    /// How far apart they were to be.
    pub wanted_width: f64,
    /// How the search ended.
    pub end: CapacityEnd,
    /// What that means, in a sentence.
    pub summary: String,
    /// What a reader should know of it, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Trials at the lower bound.
    pub at_lower: TrialCount,
    /// Trials at the upper bound.
    #[serde(default)]
    pub at_upper: TrialCount,
    /// Whether the lower bound is settled, and one trial there, longer than any other, held at the end.
    pub confirmed: bool,
    /// What broke first above it; left out where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaks_first: Option<Breach>,
    /// Each goal, and what is known of it.
    pub goals: Vec<CapacityGoal>,
    /// Every trial, in order: one user alone, users doubled, then rates.
    pub trials: Vec<Trial>,
    /// Which of `trials`, from 0, the document's scenario is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_trial: Option<u64>,
    /// What users and throughput make of the Universal Scalability Law; left out where there is too little for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scalability: Option<Scalability>,
    /// What the search was given, in seconds.
    pub budget_s: f64,
    /// What it took.
    pub took_s: f64,
}

impl Capacity {
    /// Between which rates it lies, in words: `41,200 to 42,000/s`.
    #[must_use]
    pub fn bounds(&self) -> String {
        // What the generator could not offer is no bound of the service's.
        let upper = self
            .upper_per_s
            .filter(|_| self.end != CapacityEnd::Generator);
        match (self.lower_per_s, upper) {
            (Some(lower), Some(upper)) => {
                let lower = human::rate(lower);
                let lower = lower.trim_end_matches("/s");
                format!("{lower} to {}", human::rate(upper))
            }
            (Some(lower), None) => format!("≥ {}", human::rate(lower)),
            (None, Some(upper)) => format!("< {}", human::rate(upper)),
            (None, None) => "not known".to_owned(),
        }
    }
}

impl Document {
    /// Which trial of a search the document's scenario is of.
    #[must_use]
    pub fn shown_trial(&self) -> Option<&Trial> {
        let capacity = self.capacity.as_ref()?;
        capacity
            .trials
            .get(usize::try_from(capacity.shown_trial?).ok()?)
    }
}

/// How a search for a capacity ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[non_exhaustive]
pub enum CapacityEnd {
    /// The bounds are as close as they were to be.
    Settled,
    /// The loads between the bounds, which are further apart, were held in some trials and not in others.
    Undecided,
    /// The generator could offer no more: the capacity is the lower bound or above.
    Generator,
    /// The highest rate that was to be tried holds.
    To,
    /// The lowest rate that was to be tried does not hold.
    From,
    /// One user alone is too much.
    Idle,
    /// The goals hold however much more is offered than the service completes.
    Unbounded,
    /// The time was used up before the bounds were close enough.
    Budget,
    /// Somebody stopped it.
    Stopped,
    /// The service was not there any more, or had mostly failures for one user alone, and did not come back.
    Died,
    /// An error ended it: the first of `notes`.
    Failed,
}

/// How many trials held, of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct TrialCount {
    /// Those that held all goals.
    pub held: u64,
    /// All.
    pub of: u64,
    /// Whether these, by their number and length, make the rate a bound; else it is where trials so far point to.
    #[serde(default)]
    pub settled: bool,
}

/// A goal, and what trials tell of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct CapacityGoal {
    /// The condition as written.
    pub expression: String,
    /// The highest rate that is known to hold it, per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_at_per_s: Option<f64>,
    /// The lowest rate that is known not to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaks_at_per_s: Option<f64>,
}

/// What broke first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Breach {
    /// The goal, and what was observed of it at the lowest rate at which it broke.
    pub goal: ThresholdResult,
    /// That rate, per second.
    pub at_per_s: f64,
    /// What is in the way.
    pub cause: BreachCause,
    /// The step that it is about, or that took the greatest part of the time; left out where there is one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The server that did worst; the most loaded one where several did the same. Left out where none named itself,
    /// or one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// What failed most, where the goal is about failures; left out where all were ok.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What shows that, in a sentence.
    pub explanation: String,
}

/// What was in the way when a goal broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[non_exhaustive]
pub enum BreachCause {
    /// Answers took too long.
    Slow,
    /// Requests failed.
    Failing,
    /// Connections could not be opened, or were lost.
    Connections,
    /// Requests waited for a free stream on their connection: more `connections` may hold more.
    Streams,
    /// Arrivals waited for a free user: a higher `load.open.users.max` may hold more.
    Users,
}

/// A load for a while, and what the service made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Trial {
    /// What it was for.
    pub purpose: TrialPurpose,
    /// Arrivals per second that were offered; left out where users came again as soon as they were done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<f64>,
    /// Users that came again as soon as they were done, or as `held_to_per_s` let them; left out where a rate was offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// How many iterations a second these started at the most; left out where they came again as soon as they were done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_to_per_s: Option<f64>,
    /// When it began, in seconds from the beginning of the search.
    pub from_s: f64,
    /// How long it was measured, or would have been where its end was certain before.
    pub duration_s: f64,
    /// When its end was certain, in seconds from where it began to be measured; left out where it lasted as planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certain_after_s: Option<f64>,
    /// What came of it.
    pub result: TrialResult,
    /// Why it did not hold, or does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Iterations completed per second.
    pub completed_per_s: f64,
    /// The part of the iterations that failed or were left unanswered, 0 to 1; left out where none ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub error_rate: Option<f64>,
    /// Their response times.
    pub response_time_us: Statistics,
    /// Each goal, and what became of it.
    pub goals: Vec<ThresholdResult>,
    /// How long it took afterwards until the service answered as fast as before all load, in seconds; left out where
    /// nobody waited for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cool_down_s: Option<f64>,
}

impl Trial {
    /// How long it was measured, in seconds: to its end, or until that was certain.
    #[must_use]
    pub fn lasted_s(&self) -> f64 {
        self.certain_after_s
            .map_or(self.duration_s, |it| it.min(self.duration_s))
    }

    /// A percentile of the response times, in microseconds: `p50`, `p90`, `p95`, `p99`, `p999` or `p9999`. One that there
    /// are too few samples to tell is as a goal on it was held against it; `None` where none was.
    #[must_use]
    pub fn percentile_us(&self, name: &str) -> Option<f64> {
        let times = &self.response_time_us;
        let known = match name {
            "p50" => times.p50,
            "p90" => times.p90,
            "p95" => times.p95,
            "p99" => times.p99,
            "p999" => times.p999,
            "p9999" => times.p9999,
            _ => None,
        };
        known.or_else(|| {
            let of = format!("response_time.{name} ");
            let mut goals = self.goals.iter();
            let goal = goals.find(|it| it.expression.starts_with(&of))?;
            let us = match goal.unit.as_deref()? {
                "ns" => 1e-3,
                "us" => 1.0,
                "ms" => 1e3,
                "s" => 1e6,
                "m" => 6e7,
                "h" => 3.6e9,
                _ => return None,
            };
            Some(goal.observed? * us)
        })
    }

    /// What was offered, in words: `41,200/s`, `64 users`, `1 user, 50/s`.
    #[must_use]
    pub fn load(&self) -> String {
        match (self.rate_per_s, self.users) {
            (Some(rate), _) => human::rate(rate),
            (None, users) => {
                let users = human::counted(users.unwrap_or_default(), "user");
                let held_to = self
                    .held_to_per_s
                    .map(|it| format!(", {}", human::rate(it)));
                format!("{users}{}", held_to.unwrap_or_default())
            }
        }
    }
}

/// What a trial was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[non_exhaustive]
pub enum TrialPurpose {
    /// What the service does with one user alone.
    Idle,
    /// Where to look: users doubled until more complete no more.
    Ramp,
    /// A short look at a rate.
    Explore,
    /// Part of what makes a rate a bound.
    Refine,
    /// Longer than any other, at the lower bound, at the end.
    Confirm,
}

impl TrialPurpose {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ramp => "ramp",
            Self::Explore => "explore",
            Self::Refine => "refine",
            Self::Confirm => "confirm",
        }
    }
}

/// What came of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[non_exhaustive]
pub enum TrialResult {
    /// All goals held.
    Held,
    /// A goal did not.
    Broke,
    /// The generator could not offer it: it says nothing of the service.
    Invalid,
}

impl TrialResult {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Broke => "broke",
            Self::Invalid => "invalid",
        }
    }
}

/// The Universal Scalability Law, fitted to how many requests were under way at once and how many completed per
/// second: `X(N) = λN / (1 + σ(N−1) + κN(N−1))`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Scalability {
    /// λ: what one at a time would complete, per second.
    pub lambda_per_s: f64,
    /// σ: the part that cannot be done side by side.
    pub sigma: f64,
    /// κ: what keeping in step with one another costs.
    pub kappa: f64,
    /// How far the points are off, as a part of what the law says: the root of the mean square.
    pub residual: f64,
    /// The least number under way at once that was measured.
    pub from_users: f64,
    /// The greatest. Beyond these the law says nothing.
    pub to_users: f64,
    /// At how many the most completes, where that is between these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_users: Option<f64>,
}
