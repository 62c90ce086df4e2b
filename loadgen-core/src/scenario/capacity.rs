//! What a scenario says of the search for its service's capacity.

use std::time::Duration;

use super::expect::Share;
use super::protocol::layers::Layers;
use super::protocol::room::Life;
use super::reader::{Entry, List, object};
use super::value::PositiveSpan;
use crate::capacity::Method;
use crate::condition::Threshold;
use crate::units::Rate;

object! {
    /// How `loadgen capacity` looks for the highest rate that a service holds. A run makes no use of it.
    RawCapacity is "a search such as {\"goals\": [\"response_time.p99 < 20ms\"]}" {
        /// What has to hold at that rate: conditions without windows. The scenario's thresholds unless given.
        "goals" goals: List<Threshold>,
        /// The lowest rate that is tried; a hundredth of what one user gets, unless given.
        "from" from: Rate,
        /// The highest rate that is tried; 64 times the most that users got, unless given.
        "to" to: Rate,
        /// How far apart, in parts of the upper one, the bounds of the result may be. 2% unless given.
        "width" width: Share,
        /// The longest that the search may take. 5m unless given.
        "budget" budget: PositiveSpan,
    }
    hints {
        "thresholds" => "what has to hold is `goals`",
        "goal" => "goals are a list: `goals`",
        "min" => "the lowest rate is `from`",
        "max" => "the highest rate is `to`",
        "duration" => "how long it may take in all is `budget`",
        "precision" => "how far apart the bounds may be is `width`",
    }
}

/// How to look for the highest rate that a scenario's service holds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CapacityPlan {
    /// What has to hold; the scenario's own thresholds where there is none.
    pub goals: Vec<Threshold>,
    /// The lowest rate that is tried; a hundredth of what one user gets where it is `None`.
    pub from: Option<Rate>,
    /// The highest rate that is tried; 64 times the most that users got where it is `None`.
    pub to: Option<Rate>,
    /// How far apart the bounds of the result may be, in parts of the upper one: above 0.0005, at most 0.5.
    pub width: f64,
    /// The longest that the search may take, at least 15 s.
    pub budget: Duration,
}

impl Default for CapacityPlan {
    fn default() -> Self {
        Self {
            goals: Vec::new(),
            from: None,
            to: None,
            width: Method::WIDTH,
            budget: Method::BUDGET,
        }
    }
}

/// What a search may not be, each with what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {found}; expected {expected}")]
#[non_exhaustive]
pub struct CapacityError {
    /// The field: `goals[0]`, `from`, `width`.
    pub field: String,
    /// What it is.
    pub found: String,
    /// What it may be.
    pub expected: String,
}

impl CapacityPlan {
    /// Whether it can be carried out.
    ///
    /// # Errors
    /// [`CapacityError`] for the first field that is out of its bounds, or does not fit the others.
    pub fn check(&self) -> Result<(), CapacityError> {
        let goals = self.goals.iter().enumerate();
        let goals = goals.filter_map(|(index, goal)| misfit(index, goal));
        goals.chain(self.out_of_bounds()).next().map_or(Ok(()), Err)
    }

    /// What is wrong with it beside its goals.
    fn out_of_bounds(&self) -> Vec<CapacityError> {
        let mut wrong = Vec::new();
        let mut refuse = |field: &str, found: String, expected: &str| {
            wrong.push(CapacityError {
                field: field.to_owned(),
                found,
                expected: expected.to_owned(),
            });
        };
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from.per_second() >= to.per_second()
        {
            let expected = format!("a rate below `to`, which is {to}");
            refuse("from", from.to_string(), &expected);
        }
        if !(self.width > Method::LEAST_WIDTH && self.width <= Method::MOST_WIDTH) {
            let found = format!("{}%", self.width * 100.0);
            refuse("width", found, "a percentage above 0.05%, at most 50%");
        }
        if self.budget < Method::LEAST_BUDGET {
            let found = crate::units::format_duration(self.budget);
            let expected = "at least 15s: there are some twenty trials in a search";
            refuse("budget", found, expected);
        }
        wrong
    }
}

/// Why no search can be for this goal, where it cannot.
fn misfit(index: usize, goal: &Threshold) -> Option<CapacityError> {
    let expected = if goal.window().is_some() {
        "a condition without a window: each trial is judged as a whole"
    } else if goal.abort_after().is_some() {
        "a condition that does not `abort`: a trial whose end is certain ends by itself"
    } else if goal.tag().is_some() {
        "a condition on the scenario itself: it is the only one that runs"
    } else if goal.is_about_failover() {
        "a condition on the load: nothing is done to servers during a search"
    } else {
        return None;
    };
    Some(CapacityError {
        field: format!("goals[{index}]"),
        found: format!("`{goal}`"),
        expected: expected.to_owned(),
    })
}

impl Layers<'_> {
    /// How a capacity is looked for, where the scenario says so; `None` where something is wrong with it, of which all is
    /// told.
    pub(in crate::scenario) fn capacity<A>(
        &self,
        life: Option<&Life<A>>,
    ) -> Option<Option<CapacityPlan>> {
        let picked = self.pick("capacity", |raw| &raw.capacity);
        let raw: &RawCapacity = match picked.entry {
            Entry::Absent => return Some(None),
            entry => entry.given()?,
        };
        let tell = |error: CapacityError| {
            let path = format!("{}.{}", picked.path, error.field);
            self.problems.add(path, error.found, error.expected, None);
        };
        let goals = raw.goals.or(Some(Vec::new()), |list| {
            let fits = list.given().map(|(index, goal)| {
                let path = format!("{}.goals[{index}]", picked.path);
                let is_about_this = self.is_about_this(goal, life, &path);
                let misfit = misfit(index, goal).filter(|_| is_about_this);
                let fits = is_about_this && misfit.is_none();
                misfit.into_iter().for_each(tell);
                fits
            });
            let fits = fits.collect::<Vec<_>>().into_iter().all(|it| it);
            list.all(Clone::clone).filter(|_| fits)
        });
        let unless_given = CapacityPlan::default();
        let from = raw.from.or(None, |it| Some(*it));
        let to = raw.to.or(None, |it| Some(*it));
        let width = raw.width.or(unless_given.width, |it| it.0);
        let budget = raw.budget.or(unless_given.budget, |it| it.0);
        // What could not be read has been told, and is held against nothing.
        let read = CapacityPlan {
            goals: Vec::new(),
            from: from.flatten(),
            to: to.flatten(),
            width: width.unwrap_or(unless_given.width),
            budget: budget.unwrap_or(unless_given.budget),
        };
        let wrong = read.out_of_bounds();
        let is_sound = wrong.is_empty();
        wrong.into_iter().for_each(tell);
        let plan = CapacityPlan {
            goals: goals??,
            from: from?,
            to: to?,
            width: width?,
            budget: budget?,
        };
        is_sound.then_some(Some(plan))
    }
}

/// What a search is, as it is written.
pub(in crate::scenario) fn print(plan: Option<&CapacityPlan>) -> Entry<RawCapacity> {
    let Some(plan) = plan else {
        return Entry::Absent;
    };
    Entry::Given(RawCapacity {
        goals: List::unless_empty(plan.goals.iter().cloned()),
        from: Entry::from_option(plan.from),
        to: Entry::from_option(plan.to),
        width: Entry::Given(Share(plan.width)),
        budget: Entry::Given(PositiveSpan(plan.budget)),
    })
}
