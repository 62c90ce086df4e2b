//! Which trial is next: MLRsearch leaves that to whoever builds it.
//!
//! Steps away from the hint find a bracket, short trials make it coarse. From then on all trials together
//! say where the capacity probably lies ([`Place`]): full-length ones in the middle narrow that down, and
//! then a load on either side, as close as the width asks for or as far as the trials' disagreement does,
//! is tried until it is settled. A load that goes both ways for too long is *blurred*: no bound, and
//! nobody's candidate any more.

use std::time::Duration;

use super::answer::End;
use super::method::warm_up;
use super::place::Place;
use super::rounding::rounded_within;
use super::search::{Load, Purpose, Search, Trial};
use super::tally::Class;
use crate::units::Rate;

/// So many full-length trials settle a load, or it is blurred.
const MOST_AT_A_LOAD: u32 = 9;
/// Time for so many last trials is kept: one of them may find that there is a lower bound to be looked at below.
const LAST: u32 = 2;
/// So many confirmations, and the answer stands without one.
const MOST_CONFIRMATIONS: u32 = 3;
/// So many trials, and a search is over whatever the service does.
const MOST_TRIALS: u32 = 150;
/// The first step away from a hint, as a factor of the load. Each further one is squared.
const HINTED_STEP: f64 = 1.1;
/// The first step upwards where nothing is known.
const BLIND_STEP: f64 = 2.0;
/// The largest step.
const MOST_STEP: f64 = 4.0;
/// Short trials narrow the bracket down to so many widths.
const COARSE: f64 = 4.0;
/// The place of the capacity is known well enough when nine tenths of it lie within so many widths.
const SPREAD: f64 = 1.3;
/// So many full-length trials in one place narrow it down; more are for settling it.
const MOST_NARROWING: u32 = 2;
/// The bounds are laid so far apart, as a share of the width, that rounding them does no harm.
const AIM: f64 = 0.875;
/// How much of that lies below the middle: more than half, as capacities fall rather than rise.
const BELOW: f64 = 0.6;
/// How likely a load has to be held, or not, to be tried as a bound.
const SURE: f64 = 0.82;
/// How likely the capacity may lie beyond a load that is tried as a bound.
const BEYOND: f64 = 0.05;
/// The same for a load that is given as a bound though there was no time to settle it.
const BEYOND_UNSETTLED: f64 = 0.02;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Choice {
    Trial(Trial),
    Done(End),
}

/// What a load is for the selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Lower,
    Upper,
    LeansLower,
    LeansUpper,
    Blurred,
}

/// Which bound is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Lower,
    Upper,
}

/// A lower and an upper one, as far as there are any.
type Bounds<'a> = (Option<&'a Load>, Option<&'a Load>);

/// A search as the selection sees it.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    search: &'a Search,
    /// Of the budget.
    left: Duration,
    loads: Vec<(&'a Load, State)>,
}

impl<'a> Selection<'a> {
    pub(super) fn of(search: &'a Search, left: Duration) -> Self {
        let loads = search.loads.iter();
        Self {
            search,
            left,
            loads: loads.map(|it| (it, state(it, search))).collect(),
        }
    }

    pub(super) fn choose(&self) -> Choice {
        if let Some(again) = self.search.again {
            return self.if_time(again);
        }
        let wanted = self.wanted();
        let Choice::Trial(trial) = wanted else {
            return wanted;
        };
        if self.search.trials >= MOST_TRIALS {
            return Choice::Done(End::Undecided);
        }
        // What is left at last is for the lower bound.
        match self.confirmation().or_else(|| self.first_look()) {
            Some(last) if takes(&trial) + takes(&last) * LAST > self.left => self.if_time(last),
            _ => self.if_time(trial),
        }
    }

    fn if_time(&self, trial: Trial) -> Choice {
        if takes(&trial) <= self.left {
            Choice::Trial(trial)
        } else {
            Choice::Done(End::Budget)
        }
    }

    /// What would be done with all the time there is.
    fn wanted(&self) -> Choice {
        if let Some(doubtful) = self.contradicted() {
            return self.refine(doubtful.rate);
        }
        let range = self.search.range;
        let (lower, upper) = self.leaning();
        let limit = self.search.generator_limit;
        let limit = limit.filter(|limit| upper.is_none_or(|it| *limit <= it.rate));
        match (lower, upper, limit) {
            (None, None, None) if self.loads.is_empty() => self.explore(self.start()),
            // All there is, is blurred.
            (None, None, None) => Choice::Done(End::Undecided),
            (Some(lower), None, None) if lower.rate == range.to => {
                self.conclude(lower, End::HighestHeld)
            }
            (Some(lower), None, None) => self.above(lower),
            (Some(lower), upper, Some(limit)) => {
                // What was offered above it says that it is no limit: it is one place that cannot be told.
                let end = match upper {
                    Some(_) => End::Undecided,
                    None => End::GeneratorLimit,
                };
                self.under_limit(lower, limit, end)
            }
            (Some(lower), Some(upper), None) => self.between(lower, upper),
            (None, _, Some(limit)) if limit == range.from => Choice::Done(End::GeneratorLimit),
            (None, _, Some(limit)) => self.below(limit),
            (None, Some(upper), None) if upper.rate == range.from => {
                self.settle(upper).unwrap_or(Choice::Done(End::LowestBroke))
            }
            (None, Some(upper), None) => self.below(upper.rate),
        }
    }

    fn start(&self) -> Rate {
        let range = self.search.range;
        range
            .hint
            .map_or(range.from, |hint| self.rounded(hint.per_second()))
    }

    fn above(&self, lower: &Load) -> Choice {
        let rate = self.rounded(lower.rate.per_second() * self.step());
        if self.is_blurred(rate) {
            return self.conclude(lower, End::Undecided);
        }
        self.explore(rate)
    }

    fn below(&self, upper: Rate) -> Choice {
        let rate = self.rounded(upper.per_second() / self.step());
        if self.is_blurred(rate) {
            return Choice::Done(End::Undecided);
        }
        self.explore(rate)
    }

    /// The step away from the only end of a bracket: the longer the way, the larger.
    fn step(&self) -> f64 {
        let first = match self.search.range.hint {
            Some(_) => HINTED_STEP,
            None => BLIND_STEP,
        };
        // Where some were held and some were not it is near, though trials there disagree.
        let all = || self.loads.iter().flat_map(|(load, _)| &load.trials);
        let is_near = all().any(|it| it.held > 0) && all().any(|it| it.broken > 0);
        let steps = match is_near {
            true => 0,
            false => self.loads.len().clamp(1, 8) as i32 - 1,
        };
        first.powf(2_f64.powi(steps)).min(MOST_STEP)
    }

    fn under_limit(&self, lower: &Load, limit: Rate, end: End) -> Choice {
        let middle = self.middle(lower.rate, limit);
        let is_new = self.load(middle).is_none() && middle < limit;
        if is_new && apart(lower.rate, limit) > COARSE * self.search.method.width {
            return self.explore(middle);
        }
        self.conclude(lower, end)
    }

    fn between(&self, lower: &Load, upper: &Load) -> Choice {
        let method = &self.search.method;
        let width = method.width;
        let middle = self.middle(lower.rate, upper.rate);
        if apart(lower.rate, upper.rate) > COARSE * width && self.load(middle).is_none() {
            return self.explore(middle);
        }
        let place = self.place(lower, upper);
        let middle = place.quantile(0.5);
        let spread = 1.0 - place.quantile(0.05) / place.quantile(0.95);
        if spread > SPREAD * width && self.left > self.to_settle() {
            let middle = self.rounded(middle);
            let tried = self.load(middle).map_or(0, Load::full);
            if tried < MOST_NARROWING {
                return self.refine(middle);
            }
        }
        let low = (middle * (1.0 - width * AIM * BELOW))
            .min(place.highest_held(SURE))
            .min(place.quantile(BEYOND));
        if let Some(rate) = self.open(Side::Lower, low) {
            return self.refine(rate);
        }
        let (lower, upper) = self.settled();
        let low = lower.map_or(low, |it| it.rate.per_second());
        let high = (low / (1.0 - width * AIM))
            .max(place.lowest_held(1.0 - SURE))
            .max(place.quantile(1.0 - BEYOND));
        if let Some(rate) = self.open(Side::Upper, high) {
            return self.refine(rate);
        }
        let bounds = lower.zip(upper);
        let is_narrow = bounds.is_some_and(|(lower, upper)| apart(lower.rate, upper.rate) <= width);
        let end = if is_narrow {
            End::Width
        } else {
            End::Undecided
        };
        self.confirmation().map_or(Choice::Done(end), Choice::Trial)
    }

    /// What it takes to settle two bounds and to confirm one, and something for what goes wrong.
    fn to_settle(&self) -> Duration {
        let method = &self.search.method;
        let full = method.final_duration + warm_up(method.final_duration);
        full * 7 + method.confirmation_duration + method.rest * 2
    }

    /// The load to be tried for a bound that is wanted here, or further away from the capacity; none if
    /// there is one, or none can be settled.
    fn open(&self, side: Side, wanted: f64) -> Option<Rate> {
        let width = self.search.method.width;
        let (settled, leaning, away) = match side {
            Side::Lower => (State::Lower, State::LeansLower, -1.0),
            Side::Upper => (State::Upper, State::LeansUpper, 1.0),
        };
        let close = width / 8.0;
        let near = self.loads.iter().filter_map(|(load, state)| {
            let off = (load.rate.per_second() / wanted).ln() * away;
            let is_one = *state == settled || *state == leaning;
            (is_one && off < close && off > -width / 2.0).then_some((
                *load,
                *state == settled,
                off >= -close,
            ))
        });
        let near: Vec<(&Load, bool, bool)> = near.collect();
        if near
            .iter()
            .any(|(_, is_settled, is_close)| *is_settled && *is_close)
        {
            return None;
        }
        // One that is settled and somewhat closer to the capacity only needs more trials to be sure.
        let open = near
            .iter()
            .filter(|(load, ..)| load.full() < MOST_AT_A_LOAD)
            .filter(|(_, is_settled, is_close)| *is_settled || *is_close)
            .max_by_key(|(load, ..)| load.full());
        if let Some((load, ..)) = open {
            return Some(load.rate);
        }
        let mut steps = (0..8).map(|step| {
            let further = away * width / 4.0 * f64::from(step);
            self.rounded(wanted * further.exp())
        });
        steps.find(|rate| {
            let load = self.load(*rate);
            load.is_none_or(|it| it.full() < MOST_AT_A_LOAD && !self.is_blurred(*rate))
        })
    }

    /// Settles the lower bound and confirms it, where there is no upper one.
    fn conclude(&self, lower: &Load, end: End) -> Choice {
        let confirmation = || self.confirmation().map(Choice::Trial);
        let next = self.settle(lower).or_else(confirmation);
        next.unwrap_or(Choice::Done(end))
    }

    /// A further trial at a load, unless it is settled.
    fn settle(&self, load: &Load) -> Option<Choice> {
        let state = state(load, self.search);
        let is_open = matches!(state, State::LeansLower | State::LeansUpper);
        is_open.then(|| self.refine(load.rate))
    }

    /// The trial that confirms the lower bound, where there is a settled one that none was made at.
    fn confirmation(&self) -> Option<Trial> {
        let lower = self.settled().0?;
        let made: u32 = self.loads.iter().map(|(it, _)| it.confirmations).sum();
        let is_due = lower.confirmations == 0 && made < MOST_CONFIRMATIONS;
        let duration = self.search.method.confirmation_duration;
        is_due.then(|| self.trial(lower.rate, duration, Purpose::Confirm))
    }

    /// A full-length trial at what would be answered as the lower bound, where none was made there.
    fn first_look(&self) -> Option<Trial> {
        let lower = self.best().0?;
        let duration = self.search.method.final_duration;
        (lower.full() == 0).then(|| self.trial(lower.rate, duration, Purpose::Refine))
    }

    /// The upper bound, if a lower one lies above it and it may be tried again.
    fn contradicted(&self) -> Option<&'a Load> {
        let upper = self.leaning().1?;
        let mut above = self.loads.iter().filter(|(it, _)| it.rate > upper.rate);
        let is_contradicted = above.any(|(_, state)| *state == State::Lower);
        (is_contradicted && upper.full() < MOST_AT_A_LOAD).then_some(upper)
    }

    /// The relevant bounds of those loads that are one or may be.
    pub(super) fn leaning(&self) -> Bounds<'a> {
        self.relevant(
            |state| matches!(state, State::Lower | State::LeansLower),
            |state| matches!(state, State::Upper | State::LeansUpper),
        )
    }

    /// The relevant bounds of those loads that are one.
    fn settled(&self) -> Bounds<'a> {
        self.relevant(|state| state == State::Lower, |state| state == State::Upper)
    }

    /// The lowest upper bound, and the highest lower one below it.
    fn relevant(
        &self,
        is_lower: impl Fn(State) -> bool,
        is_upper: impl Fn(State) -> bool,
    ) -> Bounds<'a> {
        let upper = self.loads.iter().find(|it| is_upper(it.1));
        let upper = upper.map(|(load, _)| *load);
        let mut below = self.loads.iter().rev();
        let lower =
            below.find(|it| is_lower(it.1) && upper.is_none_or(|upper| it.0.rate < upper.rate));
        (lower.map(|(load, _)| *load), upper)
    }

    /// The bounds to answer with: those that are settled. Where there was no time to settle one, the
    /// nearest load beyond which the capacity hardly lies, as all trials together have it.
    pub(super) fn best(&self) -> Bounds<'a> {
        let (lower, upper) = self.settled();
        let (Some(from), Some(to)) = self.leaning() else {
            let leaning = self.leaning();
            let upper = upper.or_else(|| {
                let mut above = self.loads.iter().filter(|it| it.1 == State::LeansUpper);
                let above = above.find(|it| lower.is_none_or(|lower| it.0.rate > lower.rate));
                above.map(|it| it.0)
            });
            let under = |it: &&Load| upper.is_none_or(|upper| it.rate < upper.rate);
            return (lower.or(leaning.0.filter(under)), upper);
        };
        if lower.is_some() && upper.is_some() {
            return (lower, upper);
        }
        let place = self.place(from, to);
        let below = |load: &Load| place.below(load.rate.per_second());
        let loads = || self.loads.iter().map(|(load, _)| *load);
        let upper = upper.or_else(|| {
            let above = || loads().filter(|it| lower.is_none_or(|lower| it.rate > lower.rate));
            let mut bad = above().filter(|it| it.leans_bad());
            let sure = bad.clone().find(|it| below(it) > 1.0 - BEYOND_UNSETTLED);
            sure.or_else(|| bad.next_back())
        });
        let lower = lower.or_else(|| {
            let under = |it: &&Load| upper.is_none_or(|upper| it.rate < upper.rate);
            let mut good = loads().filter(under).filter(|it| !it.leans_bad());
            let sure = good.clone().rfind(|it| below(it) < BEYOND_UNSETTLED);
            sure.or_else(|| good.next())
        });
        (lower, upper)
    }

    fn place(&self, lower: &Load, upper: &Load) -> Place {
        let width = self.search.method.width;
        let beyond = 1.0 + COARSE * width;
        Place::within(
            lower.rate.per_second() / beyond,
            upper.rate.per_second() * beyond,
            &self.search.loads,
            self.search.measure.final_s,
            width,
        )
    }

    fn load(&self, rate: Rate) -> Option<&'a Load> {
        let mut loads = self.search.loads.iter();
        loads.find(|it| it.rate == rate)
    }

    fn is_blurred(&self, rate: Rate) -> bool {
        let blurred = Some(State::Blurred);
        self.load(rate).map(|it| state(it, self.search)) == blurred
    }

    fn middle(&self, lower: Rate, upper: Rate) -> Rate {
        self.rounded((lower.per_second() * upper.per_second()).sqrt())
    }

    fn rounded(&self, per_second: f64) -> Rate {
        let range = self.search.range;
        rounded_within(per_second, self.search.method.width, range.from, range.to)
    }

    fn explore(&self, rate: Rate) -> Choice {
        Choice::Trial(Trial {
            rate,
            duration: self.search.method.initial_duration,
            purpose: Purpose::Explore,
            rest: Duration::ZERO,
        })
    }

    fn refine(&self, rate: Rate) -> Choice {
        let duration = self.search.method.final_duration;
        Choice::Trial(self.trial(rate, duration, Purpose::Refine))
    }

    fn trial(&self, rate: Rate, duration: Duration, purpose: Purpose) -> Trial {
        // A load that broke the goals on a rested service may be tried again at once.
        let is_overloaded = self.search.overloaded.is_some_and(|it| it != rate);
        let rest = if is_overloaded {
            self.search.method.rest
        } else {
            Duration::ZERO
        };
        Trial {
            rate,
            duration,
            purpose,
            rest,
        }
    }
}

fn state(load: &Load, search: &Search) -> State {
    let measure = &search.measure;
    match load.settled(measure) {
        Class::Lower => State::Lower,
        Class::Upper => State::Upper,
        Class::Undecided if load.is_hopeless(MOST_AT_A_LOAD, measure) => State::Blurred,
        Class::Undecided if load.leans_bad() => State::LeansUpper,
        Class::Undecided => State::LeansLower,
    }
}

fn takes(trial: &Trial) -> Duration {
    trial.rest + warm_up(trial.duration) + trial.duration
}

/// How far two loads are apart, as a share of the upper one.
fn apart(lower: Rate, upper: Rate) -> f64 {
    1.0 - lower.per_second() / upper.per_second()
}
