//! How scenarios stand by what they were told, for whoever shows it.

use serde::Serialize;

/// How a scenario stands while the run is under way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Standing {
    /// Its name, with its protocol behind it where several have that name: `echo_light grpc`. A
    /// [change](super::Change) of it alone names it so.
    pub scenario: String,
    /// Whether nothing of it starts any more.
    pub is_over: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// Iterations a second that are to start now, or may: as somebody told it, or by the plan. `None` where the plan
    /// says nothing of a rate.
    pub rate: Option<f64>,
    /// Whether somebody told it that rate.
    pub rate_is_told: bool,
    /// Users that start again now: as somebody told it, or by the plan. `None` in open models, whose users come as
    /// they are needed.
    pub users: Option<u32>,
    /// Whether somebody told it so many users.
    pub users_are_told: bool,
    /// The most users that it can be told to have, which is the most that it can have at all.
    pub most_users: u32,
    /// Its targets, in the order of the plan.
    pub targets: Vec<TargetStanding>,
    /// What it can be told now: the names of [changes](super::Change).
    pub takes: Vec<&'static str>,
}

impl Standing {
    /// A scenario that was told nothing, without rate, users and targets.
    #[must_use]
    pub fn new(scenario: impl Into<String>) -> Self {
        Self {
            scenario: scenario.into(),
            is_over: false,
            paused: false,
            rate: None,
            rate_is_told: false,
            users: None,
            users_are_told: false,
            most_users: 0,
            targets: Vec::new(),
            takes: Vec::new(),
        }
    }
}

/// Whether a target is sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TargetStanding {
    /// As the plan writes it.
    pub target: String,
    /// Whether new work goes to it, as far as somebody decides that: it may be out of health all the same.
    pub on: bool,
}

impl TargetStanding {
    /// A target that is sent to, or not.
    #[must_use]
    pub fn new(target: impl Into<String>, on: bool) -> Self {
        Self {
            target: target.into(),
            on,
        }
    }
}
