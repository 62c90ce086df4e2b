//! The course of a search: one user alone, users doubled, rates as the search has them, and rest between.

mod cooling;
mod turned_away;

use std::time::Duration;

use self::cooling::CoolingDown;
pub use self::cooling::Look;
use self::turned_away::HeldBack;
use super::method::warm_up;
use super::trial::Offered;
use super::{Answer, End, Measured, Method, Next, Purpose, Range, Search, SearchError};
use crate::report::{Breach, CapacityEnd, Trial, TrialPurpose, TrialResult};
use crate::scenario::CapacityPlan;
use crate::units::Rate;
use crate::units::human;

/// The shortest trial with users.
const LEAST_WITH_USERS: Duration = Duration::from_millis(400);
/// The longest: where there are too few answers in it, more of them say little more.
const MOST_WITH_USERS: Duration = Duration::from_secs(5);
/// The shortest look at a service after a trial.
const LEAST_LOOK: Duration = Duration::from_millis(200);
/// How many answers one user should have had, where that is not too long.
const ANSWERS: u32 = 25;
/// And one who is held to a rate, to see whether a service is as before.
const ANSWERS_AT_A_RATE: u32 = 4;
/// Twice the users that complete less than this much more have found where no more is to be had.
const LEAST_GAIN: f64 = 1.15;
/// So many users find no end: it is time that they wait for, and nothing that others take.
const MOST_USERS: u32 = 4_096;
/// What is tried at the least unless said, as a part of what one user gets.
const LEAST_OF_ONE: f64 = 0.01;
/// What is tried at the most unless said, by what users got.
const MOST_OF_RAMP: f64 = 64.0;
/// The highest rate that a plan can have.
const HIGHEST_RATE: f64 = 10_000_000.0;
/// A service that is slower than this part of the rate while all goals hold is not held by these, where the trial lasts
/// so many times what the slowest goal allows: in a shorter one what waits has no time to become too much.
const LEAST_PACE: f64 = 0.9;
const LONG_ENOUGH: u32 = 20;
/// It is so, and no straggler's doing, where half of the answers took longer than twice what they take when nothing else
/// is to be done, and this part of the trial: at that pace the last waits for a ninth of it.
const BEHIND: f64 = 0.04;
/// And where that comes so many times, one after the other.
const TIMES_BEHIND: u32 = 2;
/// The part of the budget that users may have.
const FOR_USERS: u32 = 3;
/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// A trial.
    Trial(TrialStep),
    /// Looking for so long whether one user alone is answered as before all load.
    CoolDown(Duration),
    /// Leaving the service alone for so long: what was too much for it may linger though it answers as before.
    Rest(Duration),
    /// Nothing.
    Done,
}

/// A trial to be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrialStep {
    /// What it is for.
    pub purpose: TrialPurpose,
    /// The load.
    pub offered: Offered,
    /// How many iterations a second its users start at the most; `None` where each comes again as soon as it is done.
    pub held_to: Option<Rate>,
    /// How long it is measured.
    pub duration: Duration,
    /// How long there is load before that.
    pub warm_up: Duration,
}

/// What was seen in a trial beside what is kept of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The part of what was offered that completed, 0 to 1.
    pub kept: f64,
    /// How fast that was, as a part of how fast it was offered: below 1 where what waited was worked off after the load.
    pub pace: f64,
    /// Where a goal broke, what was in the way.
    pub breach: Option<Breach>,
}

/// Where the course is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Alone,
    Users(u32),
    Rates,
    Done(CapacityEnd),
}

/// A search from its beginning to its end: says what is to be done, is told what came of it, and reads no clock.
/// Elapsed time is counted from the beginning.
#[derive(Debug)]
pub struct Course {
    plan: CapacityPlan,
    method: Method,
    goals: usize,
    /// The longest time that a goal allows a response; zero where none is about that.
    longest_allowed: Duration,
    most_users: u32,
    phase: Phase,
    /// Whether one user alone is tried once more: nothing came of the first time.
    is_again: bool,
    /// Set once one user alone was turned away.
    held_back: Option<HeldBack>,
    search: Option<Search>,
    /// The search's own trial, from when it is chosen until it was made.
    asked: Option<super::Trial>,
    /// How many trials at rates came one after the other whose goals held although the service fell behind.
    behind: u32,
    cooling: Option<CoolingDown>,
    /// When the last trial was over.
    ended: Duration,
    longest_rest: Duration,
    pub(super) trials: Vec<Trial>,
    pub(super) breaches: Vec<Breach>,
    pub(super) notes: Vec<String>,
}

impl Course {
    /// A search as the plan has it for so many goals, of a service that takes at most so many users.
    ///
    /// # Errors
    /// [`SearchError`] for what is no search.
    pub fn new(plan: &CapacityPlan, goals: usize, most_users: u32) -> Result<Self, SearchError> {
        let method = Method::within(plan.budget, plan.width)?;
        if goals == 0 {
            return Err(SearchError::NoGoals);
        }
        if let (Some(from), Some(to)) = (plan.from, plan.to)
            && from > to
        {
            return Err(SearchError::FromAboveTo { from, to });
        }
        Ok(Self {
            plan: plan.clone(),
            longest_rest: (plan.budget / 10).clamp(Duration::from_secs(2), Duration::from_secs(30)),
            method,
            goals,
            longest_allowed: Duration::ZERO,
            most_users: most_users.clamp(1, MOST_USERS),
            phase: Phase::Alone,
            is_again: false,
            held_back: None,
            search: None,
            asked: None,
            behind: 0,
            cooling: None,
            ended: Duration::ZERO,
            trials: Vec::new(),
            breaches: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// The same with goals of which one allows a response so long. Trials that are short beside that find too high a
    /// capacity: what waits has not become too much by their end.
    #[must_use]
    pub fn allowing(mut self, longest: Duration) -> Self {
        self.longest_allowed = longest;
        let full = self.method.final_duration;
        let share = longest.as_secs_f64() / full.as_secs_f64();
        if share > self.plan.width {
            let (longest, full) = (human::duration(longest), human::duration(full));
            self.notes.push(format!(
                "full-length trials of {full} are short for a goal of {longest}: a rate that is up to {} too high \
                 may hold it, as what waits has not become too much by their end; a longer `--budget` makes longer ones",
                human::percent(share)
            ));
        }
        self
    }

    /// What is next.
    pub fn next(&mut self, elapsed: Duration) -> Step {
        if self.cooling.is_some() && self.held_last() && self.is_over(elapsed) {
            self.cooling = None;
        }
        if self.cooling.is_some() {
            let answers = match self.held_to() {
                Some(_) => ANSWERS_AT_A_RATE,
                None => ANSWERS,
            };
            let lasts = self.for_answers(answers);
            return Step::CoolDown(lasts.clamp(LEAST_LOOK, self.longest_rest / 4));
        }
        let with_users = |purpose, users| {
            Step::Trial(TrialStep {
                purpose,
                offered: Offered::Users(users),
                held_to: self.held_to(),
                duration: self.with_users(),
                // An answer may take longer than a trial: then the first is waited for.
                warm_up: match self.is_again {
                    true => Duration::ZERO,
                    false => warm_up(self.with_users()),
                },
            })
        };
        match self.phase {
            Phase::Alone => {
                // It is to have forgotten that it was asked too much.
                let rest = self.held_back.map_or(Duration::ZERO, |_| self.method.rest);
                match rest.checked_sub(elapsed.saturating_sub(self.ended)) {
                    Some(left) if !left.is_zero() => Step::Rest(left),
                    _ => with_users(TrialPurpose::Idle, 1),
                }
            }
            Phase::Users(users) => with_users(TrialPurpose::Ramp, users),
            Phase::Rates => self.next_rate(elapsed),
            Phase::Done(_) => Step::Done,
        }
    }

    fn next_rate(&mut self, elapsed: Duration) -> Step {
        let Some(search) = &self.search else {
            return Step::Done;
        };
        // One that was chosen is made, however much of its rest is over.
        let next = match self.asked {
            Some(trial) => Next::Trial(trial),
            None => search.next(elapsed),
        };
        match next {
            Next::Trial(trial) => {
                self.asked = Some(trial);
                let rested = elapsed.saturating_sub(self.ended);
                if let Some(left) = trial.rest.checked_sub(rested).filter(|it| !it.is_zero()) {
                    return Step::Rest(left);
                }
                Step::Trial(TrialStep {
                    purpose: match trial.purpose {
                        Purpose::Explore => TrialPurpose::Explore,
                        Purpose::Refine => TrialPurpose::Refine,
                        Purpose::Confirm => TrialPurpose::Confirm,
                    },
                    offered: Offered::Rate(trial.rate.per_second()),
                    held_to: None,
                    duration: trial.duration,
                    warm_up: warm_up(trial.duration),
                })
            }
            Next::Done(end) => {
                self.phase = Phase::Done(ended(end));
                Step::Done
            }
        }
    }

    /// How long trials with users are: a short trial, or as long as one of them takes for some answers.
    fn with_users(&self) -> Duration {
        let least = self.method.initial_duration.max(LEAST_WITH_USERS);
        let most = MOST_WITH_USERS.min(self.plan.budget / 20).max(least);
        match self.is_again && self.idle().is_none() {
            true => most,
            false => self.for_answers(ANSWERS).clamp(least, most),
        }
    }

    /// How long one user takes for so many answers.
    fn for_answers(&self, answers: u32) -> Duration {
        let apart = self.held_to().map_or(0.0, |it| 1.0 / it.per_second());
        let apart = Duration::try_from_secs_f64(apart).unwrap_or(Duration::MAX);
        let one = apart.max(self.idle_p50().unwrap_or_default());
        one.saturating_mul(answers)
    }

    fn idle(&self) -> Option<&Trial> {
        self.trials
            .iter()
            .rfind(|it| it.purpose == TrialPurpose::Idle)
    }

    fn idle_p50(&self) -> Option<Duration> {
        let times = &self.idle()?.response_time_us;
        let micros = times.p50.or(times.mean)?;
        Some(Duration::from_secs_f64(micros / 1e6))
    }

    /// A trial is over: what came of it, and what was seen in it.
    pub fn enter(&mut self, trial: Trial, seen: Seen, elapsed: Duration) {
        let asked = self.asked.take();
        self.ended = elapsed;
        let is_empty = trial.error_rate.is_none() && trial.result == TrialResult::Invalid;
        let (result, completed) = (trial.result, trial.completed_per_s);
        let was_again = std::mem::take(&mut self.is_again);
        if self.phase == Phase::Alone && self.hold_back(&trial, &seen) {
            self.trials.push(trial);
            return;
        }
        match self.phase {
            Phase::Alone => {
                self.phase = match result {
                    // What came of nothing is no trial of one user.
                    TrialResult::Invalid if !was_again => {
                        self.is_again = true;
                        Phase::Alone
                    }
                    // More of them would be turned away.
                    TrialResult::Held if self.held_back.is_some() => self.begin_search(),
                    TrialResult::Held if self.most_users > 1 => Phase::Users(2),
                    TrialResult::Held => self.begin_search(),
                    TrialResult::Broke => Phase::Done(CapacityEnd::Idle),
                    TrialResult::Invalid => Phase::Done(CapacityEnd::Generator),
                };
                self.breaches.extend(seen.breach);
                if !self.is_again || !is_empty {
                    self.trials.push(trial);
                }
            }
            Phase::Users(users) => {
                let before = self.best_of_users(users);
                self.trials.push(trial);
                let is_over = result != TrialResult::Held
                    || completed < before * LEAST_GAIN
                    || users >= self.most_users
                    || self.is_above_to(completed)
                    || elapsed >= self.plan.budget / FOR_USERS;
                self.phase = match is_over {
                    true => {
                        self.cool_down(elapsed);
                        self.begin_search()
                    }
                    false => Phase::Users((users * 2).min(self.most_users)),
                };
            }
            Phase::Rates => {
                self.breaches.extend(seen.breach);
                self.cool_down(elapsed);
                self.behind = match self.is_behind(&trial, seen.pace) {
                    true => self.behind + 1,
                    false => 0,
                };
                if let (Some(search), Some(asked), false) = (&mut self.search, asked, is_empty) {
                    search.enter(asked, &measured(&trial, seen.kept));
                }
                self.trials.push(trial);
                let mut of_rates = self.trials.iter().filter(|it| it.rate_per_s.is_some());
                let none_broke = of_rates.all(|it| it.result != TrialResult::Broke);
                if self.behind >= TIMES_BEHIND && none_broke {
                    self.phase = Phase::Done(CapacityEnd::Unbounded);
                }
            }
            Phase::Done(_) => self.trials.push(trial),
        }
    }

    /// Whether a service did not do what was asked of it, for all that its goals held.
    fn is_behind(&self, trial: &Trial, pace: f64) -> bool {
        let duration = Duration::from_secs_f64(trial.duration_s);
        let times = &trial.response_time_us;
        let usual = self.idle_p50().unwrap_or_default() * 2 + duration.mul_f64(BEHIND);
        let is_late = times.p50.or(times.mean) > Some(usual.as_secs_f64() * 1e6);
        trial.result == TrialResult::Held
            && pace < LEAST_PACE
            && is_late
            && duration >= self.longest_allowed * LONG_ENOUGH
    }

    fn held_last(&self) -> bool {
        self.trials
            .last()
            .is_some_and(|it| it.result == TrialResult::Held)
    }

    /// Whether there is no trial to come.
    fn is_over(&self, elapsed: Duration) -> bool {
        match (self.phase, &self.search) {
            (Phase::Done(_), _) => true,
            (Phase::Rates, Some(search)) => matches!(search.next(elapsed), Next::Done(_)),
            _ => false,
        }
    }

    fn is_above_to(&self, completed: f64) -> bool {
        self.plan.to.is_some_and(|to| completed > to.per_second())
    }

    /// The most that fewer users completed.
    fn best_of_users(&self, users: u32) -> f64 {
        let fewer = self
            .trials
            .iter()
            .filter(|it| it.users < Some(u64::from(users)));
        fewer.map(|it| it.completed_per_s).fold(0.0, f64::max)
    }

    /// From what users got to rates.
    fn begin_search(&mut self) -> Phase {
        let most = match self.held_back {
            Some(it) => it.completed_per_s,
            None => self.best_of_users(u32::MAX),
        };
        let alone = self.idle().map_or(1.0, |it| it.completed_per_s);
        let rate = |per_second: f64| Rate::new(per_second.clamp(0.01, HIGHEST_RATE)).ok();
        let to = self.plan.to.or_else(|| rate(most * MOST_OF_RAMP));
        let from = self.plan.from.or_else(|| {
            let least = rate(alone * LEAST_OF_ONE);
            least.filter(|it| to.is_none_or(|to| *it < to)).or(to)
        });
        let (Some(from), Some(to)) = (from, to) else {
            return Phase::Done(CapacityEnd::Idle);
        };
        let to = if to < from { from } else { to };
        let range = Range {
            from,
            to,
            hint: rate(most.clamp(from.per_second(), to.per_second())),
        };
        match Search::new(self.method.clone(), self.goals, range) {
            Ok(search) => {
                self.search = Some(search);
                Phase::Rates
            }
            // Its parts have been looked at.
            Err(_) => Phase::Done(CapacityEnd::Idle),
        }
    }

    /// Whether there is anything to be known by now.
    pub(super) fn knows(&self) -> bool {
        !self.trials.is_empty()
    }

    /// It cannot go on: why.
    pub fn fail(&mut self, why: String) {
        self.notes.insert(0, why);
        self.phase = Phase::Done(CapacityEnd::Failed);
        self.cooling = None;
    }

    /// Somebody ended it.
    pub fn stop(&mut self) {
        if !matches!(self.phase, Phase::Done(_)) {
            self.phase = Phase::Done(CapacityEnd::Stopped);
        }
        self.cooling = None;
    }

    pub(super) fn end(&self) -> CapacityEnd {
        match self.phase {
            Phase::Done(end) => end,
            _ => CapacityEnd::Stopped,
        }
    }

    pub(super) fn answer(&self) -> Option<Answer> {
        let end = match self.end() {
            CapacityEnd::Settled => End::Width,
            CapacityEnd::Undecided => End::Undecided,
            CapacityEnd::From => End::LowestBroke,
            CapacityEnd::To => End::HighestHeld,
            CapacityEnd::Generator => End::GeneratorLimit,
            CapacityEnd::Budget => End::Budget,
            _ => End::Stopped,
        };
        self.search.as_ref().map(|it| it.answer(end))
    }

    pub(super) fn plan(&self) -> &CapacityPlan {
        &self.plan
    }
}

/// What a trial says to the search. Of one that was ended before its time only that is known which ended it.
fn measured(trial: &Trial, kept: f64) -> Measured {
    if trial.result == TrialResult::Invalid {
        return Measured::Invalid;
    }
    let is_whole = trial.certain_after_s.is_none();
    let held = trial.goals.iter().map(|it| match it.pass {
        true => is_whole.then_some(true),
        false => Some(false),
    });
    Measured::Valid {
        held: held.collect(),
        kept,
    }
}

fn ended(end: End) -> CapacityEnd {
    match end {
        End::Width => CapacityEnd::Settled,
        End::Undecided => CapacityEnd::Undecided,
        End::LowestBroke => CapacityEnd::From,
        End::HighestHeld => CapacityEnd::To,
        End::GeneratorLimit => CapacityEnd::Generator,
        End::Budget => CapacityEnd::Budget,
        End::Stopped => CapacityEnd::Stopped,
    }
}

#[cfg(test)]
mod tests;
