//! The load models as plain, validated data.

use std::time::Duration;

use crate::units::Rate;

/// How iterations come about.
#[derive(Debug, Clone, PartialEq)]
pub enum Load {
    /// A fixed number of users, each starting again when done.
    Closed(ClosedModel),
    /// Iterations start at a rate, whatever the service does.
    Open(OpenModel),
}

impl Load {
    /// The most users the load can have at a time, at least 1.
    #[must_use]
    pub fn max_users(&self) -> u32 {
        let users = match self {
            Self::Closed(closed) => closed.users,
            Self::Open(open) => open.max_users,
        };
        users.max(1)
    }

    /// How long the load lasts, where the plan fixes it. One that may end before does not count:
    /// that is a [`time_limit`](Self::time_limit).
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        match self {
            Self::Closed(closed) => match &closed.limit {
                Limit::Iterations(_) | Limit::IterationsPerUser(_) => None,
                Limit::Duration(duration) => Some(*duration),
                Limit::Stages(stages) => Some(stages.iter().map(|stage| stage.duration).sum()),
            },
            Self::Open(open) => Some(open.stages.iter().map(|stage| stage.duration).sum()),
        }
    }

    /// How long iterations start, where there is an end to it in time: the load's duration, or the
    /// most that a closed model may take for its iterations.
    #[must_use]
    pub fn time_limit(&self) -> Option<Duration> {
        match self {
            Self::Closed(closed) => self.duration().or(closed.max_duration),
            Self::Open(_) => self.duration(),
        }
    }
}

/// A closed load model.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedModel {
    /// The most users at a time; with [`Limit::Stages`] the largest of the stages. At least 1.
    pub users: u32,
    /// When the users stop starting again.
    pub limit: Limit,
    /// The end in time of a limit that counts iterations, if that comes first. `None` beside
    /// [`Limit::Duration`] and [`Limit::Stages`], which have one of their own.
    pub max_duration: Option<Duration>,
    /// How long a user rests between two iterations.
    pub think_time: Option<ThinkTime>,
    /// The most iterations a second that all users together may start.
    pub rate_limit: Option<Rate>,
}

/// When the users of a closed model stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    /// After this many iterations, shared by all users.
    Iterations(u64),
    /// After this many iterations of each user.
    IterationsPerUser(u64),
    /// After this time.
    Duration(Duration),
    /// After the last stage; meanwhile the number of users follows the stages.
    Stages(Vec<UserStage>),
}

/// A stretch of time over which the number of users goes in a straight line to a new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserStage {
    /// How long it lasts.
    pub duration: Duration,
    /// Users at its end. The first stage starts from 0.
    pub users: u32,
}

/// How long a user rests between two iterations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkTime {
    /// Always this long.
    Fixed(Duration),
    /// Drawn evenly from this range.
    Between(Duration, Duration),
}

/// An open load model.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenModel {
    /// The rate over time. A constant rate is one stage whose `from` and `to` agree.
    pub stages: Vec<RateStage>,
    /// How arrivals are spaced at a given rate.
    pub spacing: Spacing,
    /// The most users at a time. At least 1.
    pub max_users: u32,
    /// What becomes of an arrival that finds all users busy.
    pub when_busy: WhenBusy,
}

/// A stretch of time over which the rate goes in a straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateStage {
    /// How long it lasts.
    pub duration: Duration,
    /// Arrivals per second at its beginning. May be 0.
    pub from: f64,
    /// Arrivals per second at its end. May be 0.
    pub to: f64,
}

/// How arrivals are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spacing {
    /// Evenly, by index.
    #[default]
    Uniform,
    /// At random and independent of one another, as from many independent clients.
    Poisson,
}

/// What becomes of an arrival that finds all users busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenBusy {
    /// It waits in line and keeps its due time.
    #[default]
    Queue,
    /// It is dropped and counted.
    Drop,
}
