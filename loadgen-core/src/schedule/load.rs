//! The load models as plain, validated data.

use std::time::Duration;

use crate::clock::nanos;
use crate::units::{MAX_DURATION, Rate};

/// The most users at a time of an open model that says nothing else.
pub const DEFAULT_MAX_USERS: u32 = 1_000;

/// How iterations come about.
#[derive(Debug, Clone, PartialEq)]
pub enum Load {
    /// A fixed number of users, each starting again when done.
    Closed(ClosedModel),
    /// Iterations start at a rate, whatever the service does.
    Open(OpenModel),
}

impl Load {
    /// So many users, each of which starts again when it is done. One iteration of each, until it is
    /// said when they stop:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use loadgen_core::schedule::{Load, ThinkTime};
    ///
    /// let rest = ThinkTime::Fixed(Duration::from_millis(100));
    /// let load = Load::closed(64).for_(Duration::from_secs(10)).think_time(rest);
    /// let count = Load::closed(64).iterations(5_000);
    /// # let _: [Load; 2] = [load.into(), count.into()];
    /// ```
    #[must_use]
    pub fn closed(users: u32) -> ClosedModel {
        ClosedModel {
            users,
            limit: Limit::IterationsPerUser(1),
            max_duration: None,
            think_time: None,
            rate_limit: None,
        }
    }

    /// Iterations that start at a rate, evenly, with at most 1,000 users at a time; who finds them all
    /// busy waits in line. It lasts for no time, until it is said how long:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use loadgen_core::schedule::Load;
    ///
    /// let steady = Load::open("500/s".parse()?).for_(Duration::from_secs(10));
    /// let rising = Load::open("100/s".parse()?)
    ///     .ramp_to("1000/s".parse()?, Duration::from_secs(3))
    ///     .for_(Duration::from_secs(10))
    ///     .max_users(50);
    /// # let _: [Load; 2] = [steady.into(), rising.into()];
    /// # Ok::<(), loadgen_core::units::UnitError>(())
    /// ```
    #[must_use]
    pub fn open(rate: Rate) -> OpenModel {
        let rate = rate.per_second();
        Self::open_stages(vec![RateStage::new(Duration::ZERO, rate, rate)])
    }

    /// Iterations whose rate follows these stages; otherwise like [`open`](Self::open).
    #[must_use]
    pub fn open_stages(stages: Vec<RateStage>) -> OpenModel {
        OpenModel {
            stages,
            spacing: Spacing::default(),
            max_users: DEFAULT_MAX_USERS,
            when_busy: WhenBusy::default(),
        }
    }

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

/// A closed load model: [`Load::closed`] makes one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
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

impl ClosedModel {
    /// The users stop after this time.
    #[must_use]
    pub fn for_(self, duration: Duration) -> Self {
        self.limit(Limit::Duration(duration))
    }

    /// The users stop after this many iterations of all together.
    #[must_use]
    pub fn iterations(self, count: u64) -> Self {
        self.limit(Limit::Iterations(count))
    }

    /// Each user stops after this many iterations.
    #[must_use]
    pub fn iterations_per_user(self, count: u64) -> Self {
        self.limit(Limit::IterationsPerUser(count))
    }

    /// The number of users follows these stages, and they stop after the last one.
    #[must_use]
    pub fn stages(mut self, stages: Vec<UserStage>) -> Self {
        self.users = stages.iter().map(|stage| stage.users).max().unwrap_or(1);
        self.limit(Limit::Stages(stages))
    }

    /// The users stop so.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limit = limit;
        self
    }

    /// Iterations that are counted end after this time at the latest.
    #[must_use]
    pub fn max_duration(mut self, duration: Duration) -> Self {
        self.max_duration = Some(duration);
        self
    }

    /// A user rests between two iterations.
    #[must_use]
    pub fn think_time(mut self, rest: ThinkTime) -> Self {
        self.think_time = Some(rest);
        self
    }

    /// All users together start no more iterations than this.
    #[must_use]
    pub fn rate_limit(mut self, rate: Rate) -> Self {
        self.rate_limit = Some(rate);
        self
    }
}

impl From<ClosedModel> for Load {
    fn from(model: ClosedModel) -> Self {
        Self::Closed(model)
    }
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
#[non_exhaustive]
pub struct UserStage {
    /// How long it lasts.
    pub duration: Duration,
    /// Users at its end. The first stage starts from 0.
    pub users: u32,
}

impl UserStage {
    /// A stage that lasts so long and ends with so many users.
    #[must_use]
    pub const fn new(duration: Duration, users: u32) -> Self {
        Self { duration, users }
    }
}

/// How long a user rests on purpose: between two iterations, or in a pause within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThinkTime {
    /// Always this long.
    Fixed(Duration),
    /// Drawn evenly from this range.
    Between(Duration, Duration),
    /// Drawn from a normal distribution; what would be below zero is no rest.
    Normal {
        /// Its mean.
        mean: Duration,
        /// Its standard deviation.
        deviation: Duration,
    },
    /// Drawn from an exponential distribution of this mean: as between events that know nothing of each
    /// other.
    Exponential(Duration),
}

impl ThinkTime {
    /// One rest.
    #[must_use]
    pub fn draw(self, random: &mut fastrand::Rng) -> Duration {
        match self {
            Self::Fixed(rest) => rest,
            Self::Between(a, b) => {
                let (shortest, longest) = (nanos(a.min(b)), nanos(a.max(b)));
                Duration::from_nanos(random.u64(shortest..=longest))
            }
            Self::Normal { mean, deviation } => {
                let drawn = mean.as_secs_f64() + deviation.as_secs_f64() * normal(random);
                within_bounds(drawn)
            }
            Self::Exponential(mean) => within_bounds(mean.as_secs_f64() * exponential(random)),
        }
    }
}

impl From<Duration> for ThinkTime {
    fn from(rest: Duration) -> Self {
        Self::Fixed(rest)
    }
}

fn within_bounds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(MAX_DURATION)
}

/// A draw from the exponential distribution of mean 1.
pub(super) fn exponential(random: &mut fastrand::Rng) -> f64 {
    -(1.0 - random.f64()).ln()
}

/// A draw from the normal distribution of mean 0 and deviation 1 (Box and Muller).
fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (2.0 * exponential(random)).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

/// An open load model: [`Load::open`] makes one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
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

impl OpenModel {
    /// The rate stays as it is for so long.
    #[must_use]
    pub fn for_(self, duration: Duration) -> Self {
        let rate = self.last_rate();
        self.then(duration, rate)
    }

    /// The rate goes in a straight line to this one, in so long.
    #[must_use]
    pub fn ramp_to(self, rate: Rate, duration: Duration) -> Self {
        self.then(duration, rate.per_second())
    }

    fn last_rate(&self) -> f64 {
        self.stages.last().map_or(0.0, |stage| stage.to)
    }

    fn then(mut self, duration: Duration, to: f64) -> Self {
        let from = self.last_rate();
        self.stages.retain(|stage| !stage.duration.is_zero());
        self.stages.push(RateStage::new(duration, from, to));
        self
    }

    /// At most so many users at a time.
    #[must_use]
    pub fn max_users(mut self, users: u32) -> Self {
        self.max_users = users;
        self
    }

    /// Arrivals are spaced so.
    #[must_use]
    pub fn spacing(mut self, spacing: Spacing) -> Self {
        self.spacing = spacing;
        self
    }

    /// What becomes of an arrival that finds all users busy.
    #[must_use]
    pub fn when_busy(mut self, when_busy: WhenBusy) -> Self {
        self.when_busy = when_busy;
        self
    }
}

impl From<OpenModel> for Load {
    fn from(model: OpenModel) -> Self {
        Self::Open(model)
    }
}

/// A stretch of time over which the rate goes in a straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RateStage {
    /// How long it lasts.
    pub duration: Duration,
    /// Arrivals per second at its beginning. May be 0.
    pub from: f64,
    /// Arrivals per second at its end. May be 0.
    pub to: f64,
}

impl RateStage {
    /// A stage that lasts so long and goes from one number of arrivals per second to another.
    #[must_use]
    pub const fn new(duration: Duration, from: f64, to: f64) -> Self {
        Self { duration, from, to }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rate(text: &str) -> Rate {
        text.parse().expect("a rate")
    }

    #[test]
    fn users_stop_when_it_is_said() {
        let limits = [
            (Load::closed(3), Limit::IterationsPerUser(1)),
            (Load::closed(3).for_(SECOND), Limit::Duration(SECOND)),
            (Load::closed(3).iterations(9), Limit::Iterations(9)),
            (
                Load::closed(3).for_(SECOND).iterations_per_user(2),
                Limit::IterationsPerUser(2),
            ),
        ];
        for (model, limit) in limits {
            assert_eq!((model.users, model.limit), (3, limit));
        }
        let stages = [5, 8, 2].map(|users| UserStage::new(SECOND, users));
        assert_eq!(Load::closed(3).stages(stages.into()).users, 8);
    }

    #[test]
    fn a_rate_goes_from_stage_to_stage() {
        let model = Load::open(rate("100/s"))
            .for_(SECOND)
            .ramp_to(rate("500/s"), SECOND)
            .for_(SECOND);
        let rates: Vec<_> = model.stages.iter().map(|it| (it.from, it.to)).collect();
        assert_eq!(rates, [(100.0, 100.0), (100.0, 500.0), (500.0, 500.0)]);
        let rising = Load::open(rate("100/s")).ramp_to(rate("500/s"), SECOND);
        assert_eq!(rising.stages.len(), 1);
        assert_eq!(Load::from(rising).duration(), Some(SECOND));
        assert_eq!(
            Load::from(Load::open(rate("1/s"))).duration(),
            Some(Duration::ZERO)
        );
    }
}
