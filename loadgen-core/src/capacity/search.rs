//! The search: which trial is next, and what became of those that were made.

use std::time::Duration;

use super::answer::{Answer, Bound, End, GoalKnowledge, LoadKnowledge};
use super::method::{Method, MethodError};
use super::select::{Choice, Selection};
use super::tally::{Class, Measure, Tally};
use crate::units::Rate;

/// The loads that may be tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The lowest.
    pub from: Rate,
    /// The highest.
    pub to: Rate,
    /// Where the capacity may be: the greatest throughput of a closed load, say. The search begins there
    /// and goes where trials lead. Without, it begins at `from` and climbs.
    pub hint: Option<Rate>,
}

/// Why there is no search.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The method is none.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// There is nothing that a load could hold.
    #[error("there is no goal; expected at least one, such as \"response_time.p99 < 20ms\"")]
    NoGoals,
    /// The range is empty.
    #[error(
        "the lowest load, {from}, is above the highest, {to}; expected it to be below, or the same"
    )]
    FromAboveTo {
        /// The lowest.
        from: Rate,
        /// The highest.
        to: Rate,
    },
}

/// What a trial is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Finding where the bounds may be.
    Explore,
    /// Deciding whether a load is a bound.
    Refine,
    /// Confirming the lower bound.
    Confirm,
}

/// A load to be offered for some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// The load, offered in an open model.
    pub rate: Rate,
    /// How long.
    pub duration: Duration,
    /// What for.
    pub purpose: Purpose,
    /// How long the service is left alone before it, at the least: after a bad trial it may take a while
    /// to be itself again, though it answers as it did when idle.
    pub rest: Duration,
}

/// What became of a trial.
#[derive(Debug, Clone, PartialEq)]
pub enum Measured {
    /// The load was offered; or the trial was ended before its time because its end was certain, in which
    /// case it counts with its whole duration.
    Valid {
        /// For each goal, by its index, whether it was held; `None` where that is not known, as the trial was ended
        /// when another could not be held any more.
        held: Vec<Option<bool>>,
        /// The share of what was offered that was completed, 0 to 1.
        kept: f64,
    },
    /// The generator could not offer the load. The trial says nothing of the service; it is made once
    /// more, and a second time is the generator's limit.
    Invalid,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    /// Make this trial, and [`Search::enter`] what became of it.
    Trial(Trial),
    /// Nothing: [`Search::answer`].
    Done(End),
}

/// A search for a capacity: a state machine that is asked for trials and told of them.
///
/// The same answers lead to the same trials.
#[derive(Debug, Clone)]
pub struct Search {
    pub(super) method: Method,
    pub(super) measure: Measure,
    pub(super) range: Range,
    goals: usize,
    /// Rising, as those of `generator_limit` are not.
    pub(super) loads: Vec<Load>,
    /// One that was invalid once and is made again.
    pub(super) again: Option<Trial>,
    pub(super) generator_limit: Option<Rate>,
    pub(super) trials: u32,
    /// The load of the last trial, if that was bad.
    pub(super) overloaded: Option<Rate>,
}

/// Trials at one load that were equally long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alike {
    pub(super) duration_s: f64,
    pub(super) held: u32,
    pub(super) broken: u32,
}

/// The trials at one load.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) rate: Rate,
    /// As each goal has them.
    goals: Vec<Tally>,
    /// With all goals held, or not.
    all: Tally,
    /// What was completed in each full-length trial, and how long that was.
    kept: Vec<(f64, f64)>,
    /// With all goals held, or not, by their duration.
    pub(super) trials: Vec<Alike>,
    pub(super) confirmations: u32,
    /// Of those, what was held.
    confirmed: u32,
}

impl Search {
    /// A search for the highest rate at which so many goals are held.
    ///
    /// # Errors
    /// [`SearchError`] for a method that is none, for no goals, and for a range whose lowest load is
    /// above its highest.
    pub fn new(method: Method, goals: usize, range: Range) -> Result<Self, SearchError> {
        method.check()?;
        if goals == 0 {
            return Err(SearchError::NoGoals);
        }
        let Range { from, to, .. } = range;
        if from > to {
            return Err(SearchError::FromAboveTo { from, to });
        }
        let measure = Measure {
            final_s: method.final_duration.as_secs_f64(),
            sum_s: method.duration_sum.as_secs_f64(),
            exceed_ratio: method.exceed_ratio,
            doubt: method.doubt,
        };
        Ok(Self {
            method,
            measure,
            range,
            goals,
            loads: Vec::new(),
            again: None,
            generator_limit: None,
            trials: 0,
            overloaded: None,
        })
    }

    /// What is next, with so much of the budget used: trials, what lay between them, and what came before
    /// the first one. The same until something is entered, but for what the budget allows.
    #[must_use]
    pub fn next(&self, elapsed: Duration) -> Next {
        let left = self.method.budget.saturating_sub(elapsed);
        match Selection::of(self, left).choose() {
            Choice::Trial(trial) => Next::Trial(trial),
            Choice::Done(end) => Next::Done(end),
        }
    }

    /// Takes what became of a trial: of the one that was next, or of any other that was made.
    ///
    /// # Panics
    /// If it is not known of each goal whether it was held.
    pub fn enter(&mut self, trial: Trial, measured: &Measured) {
        self.trials += 1;
        let (held, kept) = match measured {
            Measured::Valid { held, kept } => (held, *kept),
            Measured::Invalid => return self.enter_invalid(trial),
        };
        assert_eq!(held.len(), self.goals, "one for each goal");
        self.again = None;
        // What is offered after all is no limit.
        self.generator_limit = self.generator_limit.filter(|limit| trial.rate < *limit);
        let measure = self.measure;
        let duration_s = trial.duration.as_secs_f64();
        let all_held = held.iter().all(|held| *held == Some(true));
        self.overloaded = (!all_held).then_some(trial.rate);
        let load = self.load(trial.rate);
        for (goal, held) in load.goals.iter_mut().zip(held) {
            if let Some(held) = held {
                goal.add(duration_s, *held, &measure);
            }
        }
        load.all.add(duration_s, all_held, &measure);
        load.count(duration_s, all_held);
        if duration_s >= measure.final_s {
            load.kept.push((kept, duration_s));
        }
        if trial.purpose == Purpose::Confirm {
            load.confirmations += 1;
            load.confirmed += u32::from(all_held);
        }
    }

    fn enter_invalid(&mut self, trial: Trial) {
        let is_second = self.again.take().is_some_and(|it| it.rate == trial.rate);
        if is_second {
            let limit = self.generator_limit.unwrap_or(trial.rate);
            let lower = if trial.rate < limit {
                trial.rate
            } else {
                limit
            };
            self.generator_limit = Some(lower);
        } else {
            self.again = Some(trial);
        }
    }

    fn load(&mut self, rate: Rate) -> &mut Load {
        let place = self
            .loads
            .binary_search_by(|it| it.rate.per_second().total_cmp(&rate.per_second()));
        let place = place.unwrap_or_else(|place| {
            self.loads.insert(
                place,
                Load {
                    rate,
                    goals: vec![Tally::default(); self.goals],
                    all: Tally::default(),
                    kept: Vec::new(),
                    trials: Vec::new(),
                    confirmations: 0,
                    confirmed: 0,
                },
            );
            place
        });
        &mut self.loads[place]
    }

    /// All loads that were tried, rising, and what each is.
    #[must_use]
    pub fn loads(&self) -> Vec<LoadKnowledge> {
        let known = self.loads.iter().map(|load| {
            let (held, trials) = load.all.held_of();
            LoadKnowledge {
                rate: load.rate,
                class: load.settled(&self.measure),
                held,
                trials,
            }
        });
        known.collect()
    }

    /// What has been found, from any state: with [`Next::Done`]'s end, or [`End::Stopped`].
    #[must_use]
    pub fn answer(&self, end: End) -> Answer {
        let measure = &self.measure;
        let settled = |load: &Load| load.settled(measure);
        let (lower, upper) = Selection::of(self, Duration::ZERO).best();
        let is_contradicted = upper.is_some_and(|upper| {
            let mut above = self.loads.iter().filter(|it| it.rate > upper.rate);
            above.any(|it| settled(it) == Class::Lower)
        });
        let width = lower
            .zip(upper)
            .map(|(lower, upper)| 1.0 - lower.rate.per_second() / upper.rate.per_second());
        let decided_by = upper.and_then(|it| it.decided_by(measure));
        let goals = (0..self.goals).map(|goal| {
            let decides = upper.filter(|_| decided_by == Some(goal));
            self.goal(goal, (lower, upper), decides)
        });
        Answer {
            end,
            lower: lower.map(|it| it.bound(measure)),
            upper: upper.map(|it| it.bound(measure)),
            conditional: lower.and_then(|it| it.conditional(measure)),
            width,
            is_confirmed: lower.is_some_and(|it| it.confirmed > 0 && settled(it) == Class::Lower),
            decided_by,
            generator_limit: self.generator_limit,
            is_contradicted,
            goals: goals.collect(),
            trials: self.trials,
        }
    }

    /// What is known of a goal, in accordance with what is answered of all of them: what holds them all holds it, and
    /// the one that decides breaks where they do.
    fn goal(
        &self,
        goal: usize,
        (lower, upper): (Option<&Load>, Option<&Load>),
        decides: Option<&Load>,
    ) -> GoalKnowledge {
        let measure = &self.measure;
        let class = |load: &Load| load.goals[goal].settled(measure);
        let held_of = |load: &Load| load.goals[goal].held_of();
        let is_always_held = |load: &&Load| {
            let (held, trials) = held_of(load);
            trials > 0 && held == trials
        };
        let is_never_held = |load: &&Load| {
            let (held, trials) = held_of(load);
            trials > 0 && held == 0
        };
        let from = |bound: Option<&Load>| {
            let least = bound.map(|it| it.rate);
            let loads = self.loads.iter();
            loads.filter(move |it| least.is_none_or(|least| it.rate >= least))
        };
        // Where no load is settled as one, the nearest whose trials all went one way.
        let upper = decides
            .or_else(|| from(upper).find(|it| class(it) == Class::Upper))
            .or_else(|| from(upper.or(lower)).find(is_never_held));
        let below = || {
            let loads = from(lower).rev();
            loads.filter(move |it| upper.is_none_or(|upper| it.rate < upper.rate))
        };
        let lower = below()
            .find(|it| class(it) == Class::Lower)
            .or_else(|| below().find(is_always_held))
            .or(lower);
        let bound = |load: &Load| {
            let (held, trials) = held_of(load);
            Bound {
                rate: load.rate,
                held,
                trials,
                is_settled: class(load) != Class::Undecided,
            }
        };
        GoalKnowledge {
            lower: lower.map(bound),
            upper: upper.map(bound),
        }
    }
}

impl Load {
    fn count(&mut self, duration_s: f64, held: bool) {
        let place = self
            .trials
            .iter()
            .position(|it| it.duration_s == duration_s);
        let place = place.unwrap_or_else(|| {
            self.trials.push(Alike {
                duration_s,
                held: 0,
                broken: 0,
            });
            self.trials.len() - 1
        });
        let alike = &mut self.trials[place];
        alike.held += u32::from(held);
        alike.broken += u32::from(!held);
    }

    /// A lower bound where it is one for all goals, an upper one where it is for any.
    pub(super) fn settled(&self, measure: &Measure) -> Class {
        let mut classes = self.goals.iter().map(|it| it.settled(measure));
        let lowest = classes.clone().all(|it| it == Class::Lower);
        if lowest {
            Class::Lower
        } else if classes.any(|it| it == Class::Upper) {
            Class::Upper
        } else {
            Class::Undecided
        }
    }

    pub(super) fn leans_bad(&self) -> bool {
        self.goals.iter().any(Tally::leans_bad)
    }

    /// Whether no goal can be settled by so many trials that is not, and none is an upper bound.
    pub(super) fn is_hopeless(&self, most: u32, measure: &Measure) -> bool {
        self.settled(measure) == Class::Undecided
            && self.goals.iter().any(|it| it.is_hopeless(most, measure))
    }

    pub(super) fn full(&self) -> u32 {
        let (good, bad) = self.all.full();
        good + bad
    }

    fn bound(&self, measure: &Measure) -> Bound {
        let (held, trials) = self.all.held_of();
        Bound {
            rate: self.rate,
            held,
            trials,
            is_settled: self.settled(measure) != Class::Undecided,
        }
    }

    /// The goal that was broken for the longest, of those that make it an upper bound.
    fn decided_by(&self, measure: &Measure) -> Option<usize> {
        let is_upper = |goal: &Tally| goal.settled(measure) == Class::Upper;
        let any = self.goals.iter().any(is_upper);
        let goals = self.goals.iter().enumerate();
        let broken = goals.filter(|(_, it)| if any { is_upper(it) } else { it.leans_bad() });
        // The first of those that are equal.
        let most = broken
            .rev()
            .max_by(|(_, a), (_, b)| a.bad_s().total_cmp(&b.bad_s()));
        most.map(|(index, _)| index)
    }

    /// What was completed in the worst of those trials that the exceed ratio asks to be good.
    fn conditional(&self, measure: &Measure) -> Option<f64> {
        let mut kept = self.kept.clone();
        kept.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let measured: f64 = kept.iter().map(|(_, duration_s)| duration_s).sum();
        // A bound may be one before its trials last as long as they are to; what they would show is not
        // known, and a lower bound does not need it.
        let whole = if self.settled(measure) == Class::Lower {
            measured.max(measure.sum_s)
        } else {
            measured
        };
        let mut missing = whole * (1.0 - measure.exceed_ratio);
        let worst = kept.iter().find(|(_, duration_s)| {
            missing -= duration_s;
            missing <= 0.0
        });
        worst
            .or(kept.last())
            .map(|(kept, _)| kept * self.rate.per_second())
    }
}
