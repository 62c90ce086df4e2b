//! Carrying a search out: each of its trials is a run like any other.

use std::time::Duration;

use super::breach::breach;
use super::conclude::put;
use super::fit::{check, goals};
use super::trial::{Offered, kept, mark_lost, pace, trial};
use super::{Course, Look, SearchError, Seen, Step, TrialStep};
use crate::assemble::{AssembleError, assemble};
use crate::clock::Clock;
use crate::condition::{Metric, Series, Threshold, Unit};
use crate::engine::{Event, Options, Run, RunError};
use crate::judge::{Arrivals, lost};
use crate::outcome::{Failure, Outcome};
use crate::record::{RunRecord, ScenarioRecord};
use crate::report::{self, Capacity, Context, Document, Trial, TrialPurpose, TrialResult};
use crate::scenario::{CapacityPlan, Plan, ScenarioPlan};
use crate::schedule::{DEFAULT_MAX_USERS, Load, Spacing, WhenBusy};
use crate::units::Rate;

/// How long what is under way may take after a trial, by how long it may take at all.
const LEAST_GRACE: Duration = Duration::from_millis(200);
const MOST_GRACE: Duration = Duration::from_secs(5);

/// What is about to be run in a search.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Upcoming<'a> {
    /// What it is for.
    pub step: Step,
    /// The plan of its load.
    pub plan: &'a Plan,
    /// What would be found were the search stopped now; `took_s` is how long it has gone on.
    pub so_far: &'a Capacity,
}

/// How often it is seen whether somebody has ended a search that rests.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whoever looks on while a capacity is looked for.
pub trait Watch {
    /// A run of it is about to begin: what may be done with it before, such as listening.
    fn begin(&mut self, next: Upcoming<'_>, run: Run) -> Run;

    /// A trial is over: the last one of what is known by it.
    fn ended(&mut self, so_far: &Capacity);

    /// Nothing is run for a moment, by this step.
    fn rests(&mut self, step: Step, so_far: &Capacity);

    /// Whether the search is to end with what is known.
    fn is_stopped(&self) -> bool;

    /// What the result document of a trial of this plan says beside what was measured.
    fn context(&self, plan: &Plan) -> Context {
        Context::of(plan)
    }
}

/// Why nothing was found, and no figure is lost by that.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CapacityError {
    /// What is to be searched is none, or cannot be searched.
    #[error("scenario `{scenario}`: {found}; expected {expected}")]
    Unfit {
        /// The scenario.
        scenario: String,
        /// What it has.
        found: String,
        /// What it should have.
        expected: String,
    },
    /// There is not one scenario.
    #[error("{0} scenarios are chosen; expected one, as `--scenario NAME` chooses it")]
    NotOne(usize),
    /// What is no search.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// A goal that nothing was measured for with one user alone.
    #[error(
        "the goal `{goal}` is of what nothing measures: {why}; expected a condition that this scenario's steps and servers have figures for"
    )]
    Unmeasured {
        /// The goal.
        goal: String,
        /// What is known of that.
        why: String,
    },
    /// The scenario cannot be run.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// It could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The workload broke.
    #[error("the workload panicked: {0}")]
    Panicked(String),
}

/// Looks for the highest rate that the plan's one scenario holds. The document is that of the trial that stands for it,
/// with what was found in it.
///
/// # Errors
/// [`CapacityError`] where nothing could be measured.
pub fn measure(
    plan: &Plan,
    search: &CapacityPlan,
    options: &Options,
    watch: &mut impl Watch,
) -> Result<Document, CapacityError> {
    let [scenario] = plan.scenarios.as_slice() else {
        return Err(CapacityError::NotOne(plan.scenarios.len()));
    };
    let goals = goals(scenario, search);
    check(scenario, search, &goals)?;
    let searched = Searched {
        plan,
        scenario,
        options,
        goals: &goals,
        clock: Clock::start(),
    };
    let course = Course::new(search, goals.len(), searched.most_users())?;
    let mut course = course.allowing(searched.longest_allowed().unwrap_or_default());
    let mut results = Results::default();
    loop {
        if watch.is_stopped() {
            course.stop();
        }
        match course.next(searched.elapsed()) {
            Step::Done => break,
            Step::Trial(step) => {
                let made = searched.trial(&step, &mut course, &mut results, watch);
                searched.unless_known(made, &mut course)?;
            }
            Step::CoolDown(lasts) => {
                let looked = searched.cool_down(lasts, &mut course, watch);
                searched.unless_known(looked, &mut course)?;
            }
            step @ Step::Rest(lasts) => {
                watch.rests(step, &course.found(&goals, searched.elapsed()));
                rest(lasts.min(LOOK_EVERY));
            }
        }
    }
    let took = searched.elapsed();
    let capacity = course.found(&goals, took);
    match results.of(capacity.lower_per_s) {
        Some((place, document)) => Ok(put(document, capacity, place)),
        None => Err(RunError::StoppedEarly.into()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing is under way between two trials, and no load waits for this thread"
)]
fn rest(lasts: Duration) {
    std::thread::sleep(lasts);
}

/// A search under way.
struct Searched<'a> {
    plan: &'a Plan,
    scenario: &'a ScenarioPlan,
    options: &'a Options,
    goals: &'a [Threshold],
    clock: Clock,
}

impl Searched<'_> {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.clock.now())
    }

    fn most_users(&self) -> u32 {
        match &self.scenario.load {
            Load::Open(model) => model.max_users,
            Load::Closed(model) => model.users.max(DEFAULT_MAX_USERS),
        }
    }

    /// The plan of a load for so long, after some that is not measured. `held_to` is what users start at the most.
    fn plan(
        &self,
        offered: Offered,
        held_to: Option<Rate>,
        lasts: Duration,
        warm_up: Duration,
    ) -> Plan {
        let mut scenario = self.scenario.clone();
        scenario.load = match offered {
            Offered::Users(users) => {
                let load = Load::closed(users).for_(lasts);
                match held_to {
                    Some(rate) => load.rate_limit(rate).into(),
                    None => load.into(),
                }
            }
            Offered::Rate(per_second) => {
                let spacing = match &self.scenario.load {
                    Load::Open(model) => model.spacing,
                    Load::Closed(_) => Spacing::default(),
                };
                let rate = Rate::new(per_second).expect("the search's rates are rates");
                let load = Load::open(rate).for_(lasts).max_users(self.most_users());
                load.spacing(spacing).when_busy(WhenBusy::Queue).into()
            }
        };
        scenario.start_after = Duration::ZERO;
        scenario.warm_up = warm_up;
        scenario.graceful_stop = self.grace();
        scenario.thresholds = self.goals.to_vec();
        scenario.events = Vec::new();
        let mut plan = self.plan.clone();
        // Conditions on tags are of runs: a search has its goals.
        plan.thresholds = Vec::new();
        plan.scenarios = vec![scenario];
        plan
    }

    /// The longest time that a goal allows a response, where one is about that.
    fn longest_allowed(&self) -> Option<Duration> {
        let limits = self
            .goals
            .iter()
            .filter_map(|it| match (it.metric(), it.value_unit()) {
                (Metric::Series(Series::ResponseTime, _), Unit::Time { nanos, .. }) => {
                    Duration::try_from_secs_f64(it.value() * nanos / 1e9).ok()
                }
                _ => None,
            });
        limits.max()
    }

    /// How long what is under way may take after a trial: twice what a goal allows, so that it is known which side of
    /// that it was on.
    fn grace(&self) -> Duration {
        let longest = self.longest_allowed().map_or(MOST_GRACE, |it| it * 2);
        longest.max(LEAST_GRACE).min(self.scenario.graceful_stop)
    }

    /// An error ends a search that knows nothing, and is told of one that does.
    fn unless_known(
        &self,
        done: Result<(), CapacityError>,
        course: &mut Course,
    ) -> Result<(), CapacityError> {
        match done {
            Err(error) if course.knows() && !matches!(error, CapacityError::Unmeasured { .. }) => {
                course.fail(error.to_string());
                Ok(())
            }
            other => other,
        }
    }

    /// Makes a trial and tells the course of it.
    fn trial(
        &self,
        step: &TrialStep,
        course: &mut Course,
        results: &mut Results,
        watch: &mut impl Watch,
    ) -> Result<(), CapacityError> {
        let TrialStep {
            purpose,
            offered,
            held_to,
            duration,
            warm_up,
        } = *step;
        let plan = self.plan(offered, held_to, duration, warm_up);
        let from = self.elapsed();
        let is_first = !course.knows();
        let run = assemble(&plan, self.seeded(course.trials.len()));
        let run = run.map(|run| self.ending_early(run, offered, duration));
        let so_far = course.found(self.goals, from);
        let next = Upcoming {
            step: Step::Trial(*step),
            plan: &plan,
            so_far: &so_far,
        };
        let run = run.map(|run| watch.begin(next, run));
        let record = match executed(run, is_first) {
            Ok(Some(record)) => record,
            Ok(None) if watch.is_stopped() => return Ok(()),
            Ok(None) => {
                course.gone(self.elapsed());
                return Ok(());
            }
            Err(CapacityError::Run(RunError::StoppedEarly)) if watch.is_stopped() && !is_first => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if let Some(panic) = record.panic {
            return Err(CapacityError::Panicked(panic));
        }
        if record.stopped && record.early_end.is_none() {
            // Of a trial that somebody ended only what has gone before counts.
            course.stop();
            return Ok(());
        }
        let mut document = report::build(&record, watch.context(&plan));
        mark_lost(&record, &mut document);
        let made = trial(&record, &document, step, from);
        let is_measured = match purpose {
            TrialPurpose::Idle => measured(&made),
            _ => Ok(()),
        };
        let at = made.rate_per_s.unwrap_or(made.completed_per_s);
        let broken = made.goals.iter().find(|it| !it.pass);
        let broken = broken.filter(|_| made.result == TrialResult::Broke);
        let breach = broken.and_then(|goal| breach(&document, goal, at));
        let seen = Seen {
            kept: kept(&document),
            pace: pace(&document, duration),
            breach,
        };
        let before = course.trials.len();
        let kind = Kind::of(&made);
        course.enter(made, seen, self.elapsed());
        if course.trials.len() == before {
            // Nothing came of it, and it is made again.
            return Ok(());
        }
        is_measured?;
        results.0.push((kind, before, document));
        watch.ended(&course.found(self.goals, self.elapsed()));
        Ok(())
    }

    /// Each trial has chances of its own.
    fn seeded(&self, nth: usize) -> Options {
        let seed = self.options.seed.wrapping_add(nth as u64);
        self.options.clone().seed(seed)
    }

    /// The run, which ends when a goal cannot hold any more.
    fn ending_early(&self, run: Run, offered: Offered, duration: Duration) -> Run {
        let Offered::Rate(per_second) = offered else {
            return run;
        };
        let is_even = match &self.scenario.load {
            Load::Open(model) => model.spacing == Spacing::Uniform,
            Load::Closed(_) => true,
        };
        let arrivals = Arrivals {
            planned: per_second * duration.as_secs_f64(),
            per_second,
            is_even,
        };
        let (goals, stopper) = (self.goals.to_vec(), run.stopper());
        run.listen(move |event: &Event<'_>| {
            let Event::Snapshot(snapshot) = event else {
                return;
            };
            let Some(scenario) = snapshot.scenarios.first() else {
                return;
            };
            let mut lost = goals
                .iter()
                .filter_map(|it| lost(it, scenario.total, arrivals));
            if let Some(end) = lost.next() {
                stopper.end_early(end);
            }
        })
    }

    /// Looks whether one user alone is answered as before.
    fn cool_down(
        &self,
        lasts: Duration,
        course: &mut Course,
        watch: &mut impl Watch,
    ) -> Result<(), CapacityError> {
        let plan = self.plan(Offered::Users(1), course.held_to(), lasts, Duration::ZERO);
        let run = assemble(&plan, self.seeded(course.trials.len()));
        let so_far = course.found(self.goals, self.elapsed());
        let next = Upcoming {
            step: Step::CoolDown(lasts),
            plan: &plan,
            so_far: &so_far,
        };
        let run = run.map(|run| watch.begin(next, run));
        let record = match executed(run, false) {
            Err(CapacityError::Run(RunError::StoppedEarly)) if watch.is_stopped() => return Ok(()),
            other => other?,
        };
        let scenario = record.as_ref().and_then(|it| it.scenarios.first());
        let look = scenario.map_or(Look::Gone, look);
        course.cooled(look, self.elapsed());
        Ok(())
    }
}

/// What one user alone found.
fn look(scenario: &ScenarioRecord) -> Look {
    if scenario.ledger.completed > scenario.ledger.failed {
        return Look::Answered(scenario.response_time.value_at_quantile(0.5) as f64 / 1e3);
    }
    let is_nobody = |it: &Outcome| {
        matches!(
            it,
            Outcome::Failed(Failure::Connect | Failure::Connection | Failure::Timeout)
        )
    };
    let answers = scenario.outcomes.iter().filter(|(it, _)| !is_nobody(it));
    match answers.map(|(_, count)| count).sum() {
        0_u64 => Look::Gone,
        _ => Look::Failing,
    }
}

/// What was recorded; nothing where nobody was there, which of the first trial is an error.
fn executed(
    run: Result<Run, AssembleError>,
    is_first: bool,
) -> Result<Option<RunRecord>, CapacityError> {
    let run = match run {
        Ok(run) => run,
        Err(error) if error.is_unreachable() && !is_first => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match run.execute() {
        Ok(record) => Ok(Some(record)),
        Err(RunError::Unreachable { .. } | RunError::Setup { .. }) if !is_first => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether each goal is of something that was measured.
fn measured(idle: &Trial) -> Result<(), CapacityError> {
    let unmeasured = idle.goals.iter().find(|it| it.observed.is_none());
    unmeasured.map_or(Ok(()), |goal| {
        let why = goal.unjudged.clone();
        Err(CapacityError::Unmeasured {
            goal: goal.expression.clone(),
            why: why.unwrap_or_else(|| "one user alone gave it no value".to_owned()),
        })
    })
}

/// The results of trials, each with its place among them, until it is known which one stands for the search.
#[derive(Default)]
struct Results(Vec<(Kind, usize, Document)>);

/// What tells the results of trials apart.
#[derive(Clone, Copy)]
struct Kind {
    rate: Option<f64>,
    result: TrialResult,
    lasted_s: f64,
}

impl Kind {
    fn of(trial: &Trial) -> Self {
        Self {
            rate: trial.rate_per_s,
            result: trial.result,
            lasted_s: trial.lasted_s(),
        }
    }
}

impl Results {
    /// The longest that held at this rate; else the lowest rate that did not hold, or users that did not, and else the
    /// last of all.
    fn of(mut self, rate: Option<f64>) -> Option<(usize, Document)> {
        let all = || self.0.iter().enumerate();
        let held = all().filter(|(_, (it, ..))| it.rate == rate && it.result == TrialResult::Held);
        let held = held
            .filter(|_| rate.is_some())
            .max_by(|(_, (a, ..)), (_, (b, ..))| a.lasted_s.total_cmp(&b.lasted_s));
        // Of several the last: one user alone may be tried twice.
        let broke = all().rev();
        let broke = broke.filter(|(_, (it, ..))| it.result == TrialResult::Broke);
        let broke = broke.min_by(|(_, (a, ..)), (_, (b, ..))| {
            let rate = |it: &Kind| it.rate.unwrap_or(f64::MAX);
            rate(a).total_cmp(&rate(b))
        });
        let place = held
            .or(broke)
            .or_else(|| all().next_back())
            .map(|(place, _)| place)?;
        let (_, trial, document) = self.0.swap_remove(place);
        Some((trial, document))
    }
}
