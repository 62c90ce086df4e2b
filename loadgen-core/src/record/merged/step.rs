//! One step's figures.

use serde::{Deserialize, Serialize};

use super::{SeriesPoint, series};
use crate::clock::Nanos;
use crate::outcome::{Failure, Outcome};
use crate::record::{Histogram, LifePart, Parts, StepSpec, new_histogram};
use crate::workload::{MessageFault, SampleKind};

/// One step's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepRecord {
    /// Its name.
    pub name: String,
    /// The part of a user's life that it belongs to; `None` is a step of the iterations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<LifePart>,
    /// Whether an iteration may do it several times, or not at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub apart: bool,
    /// From due until the last reply was received.
    pub response_time: Histogram,
    /// From the request's last byte handed to the system until the reply's last byte received by it.
    pub service_time: Histogram,
    /// The other parts of its times; empty where it never ended.
    pub parts: Option<Box<Parts>>,
    /// How it ended.
    pub outcomes: Vec<(Outcome, u64)>,
    /// How often the service left it without an answer.
    pub unanswered: u64,
    /// The least age of what is unanswered: response times above it are lower bounds.
    pub youngest_unanswered: Option<Nanos>,
    /// The least service time of what was cut off unanswered: service times above it are lower bounds.
    pub youngest_cut_off: Option<Nanos>,
    /// Messages sent.
    pub messages_sent: u64,
    /// Messages received.
    pub messages_received: u64,
    /// How many messages had which fault, in the order of [`MessageFault::ALL`].
    #[serde(with = "super::stored::by_fault")]
    pub message_faults: [u64; MessageFault::ALL.len()],
    /// Its further series, those with samples.
    pub samples: Vec<(SampleKind, Histogram)>,
    /// What became of each of its checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckRecord>,
    /// Of a step outside of iterations, one example of each failure class: those of the iterations' steps
    /// are the scenario's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<(Failure, String)>,
    /// The step over time, by when it ended; none of an only step, whose times are the iterations', and of those
    /// after the first [`MOST_STEPS_OVER_TIME`].
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "series::read"
    )]
    pub series: Vec<SeriesPoint>,
}

/// So many steps of a scenario are kept over time.
pub const MOST_STEPS_OVER_TIME: usize = 20;

/// What became of one check of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CheckRecord {
    /// The expression, as it is written.
    pub expression: String,
    /// How often it held.
    pub passed: u64,
    /// How often it did not.
    pub failed: u64,
    /// What was seen when it did not, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

impl CheckRecord {
    /// A check that nothing was held against yet.
    #[must_use]
    pub fn empty(expression: impl Into<String>) -> Self {
        Self {
            expression: expression.into(),
            passed: 0,
            failed: 0,
            example: None,
        }
    }
}

impl StepRecord {
    /// A step that never ran.
    pub(super) fn empty(step: &StepSpec) -> Self {
        Self {
            name: step.name.clone(),
            part: step.part,
            apart: step.apart,
            response_time: new_histogram(),
            service_time: new_histogram(),
            parts: None,
            outcomes: Vec::new(),
            unanswered: 0,
            youngest_unanswered: None,
            youngest_cut_off: None,
            messages_sent: 0,
            messages_received: 0,
            message_faults: Default::default(),
            samples: Vec::new(),
            checks: step.checks.iter().map(CheckRecord::empty).collect(),
            examples: Vec::new(),
            series: Vec::new(),
        }
    }
}
