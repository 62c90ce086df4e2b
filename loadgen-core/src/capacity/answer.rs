//! What a search says: while it goes on, and in the end.

use super::tally::Class;
use crate::units::Rate;

/// Why a search is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// Both bounds are settled, no further apart than the method asks for, and the lower one is confirmed.
    Width,
    /// As [`End::Width`], but the loads between the bounds, which are further apart than asked for, were
    /// held in some trials and not in others, or could not be offered: the capacity is not known more closely
    /// with trials of this duration.
    Undecided,
    /// The lowest load of the range is an upper bound: there is no lower one.
    LowestBroke,
    /// The highest load of the range is a lower bound: there is no upper one.
    HighestHeld,
    /// The way up ended at a load that the generator could not offer, and no goal breaks below it.
    GeneratorLimit,
    /// There was no time for a further trial.
    Budget,
    /// The caller ended it, by a person's wish or because the service was gone.
    Stopped,
}

/// A load that bounds the capacity, and how many trials say so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// The load.
    pub rate: Rate,
    /// Trials in which it was held, that is in which every goal was that the bound is of.
    pub held: u32,
    /// All trials at this load that count, short ones included.
    pub trials: u32,
    /// Whether enough full-length trials have classified it. If not, it is where the trials so far
    /// point to.
    pub is_settled: bool,
}

/// A load that was tried, and what it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadKnowledge {
    /// The load.
    pub rate: Rate,
    /// What it is for all goals together.
    pub class: Class,
    /// Trials in which all goals were held.
    pub held: u32,
    /// All trials at this load that count, short ones included.
    pub trials: u32,
}

/// What the trials say of one goal, as far as it goes with what they say of all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GoalKnowledge {
    /// The highest load below `upper` at which the goal was held; none if it never was.
    pub lower: Option<Bound>,
    /// The lowest load at which it broke; none if it never did.
    pub upper: Option<Bound>,
}

/// What a search has found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// Why the search was over.
    pub end: End,
    /// The relevant lower bound: the highest load below `upper` at which all goals were held.
    pub lower: Option<Bound>,
    /// The relevant upper bound: the lowest load at which a goal broke.
    pub upper: Option<Bound>,
    /// The conditional rate: `lower`, less what was not completed there. Of the full-length trials at it
    /// the best ones are looked at, as many as the exceed ratio asks to be good, and of these the one
    /// that completed least. None where no full-length trial was made at it.
    pub conditional: Option<f64>,
    /// How far the bounds are apart, as a share of the upper one.
    pub width: Option<f64>,
    /// Whether a trial longer than any other was held at `lower`, which is a settled bound.
    pub is_confirmed: bool,
    /// The goal that breaks first: the index of the one that makes `upper` an upper bound.
    pub decided_by: Option<usize>,
    /// The lowest load that the generator could not offer. With no `upper` the capacity is at least
    /// `lower`, and this is as far as the generator goes.
    pub generator_limit: Option<Rate>,
    /// Whether a load was a lower bound in the end that lies above an upper bound: the service does not
    /// behave the same over time, or not worse with more load.
    pub is_contradicted: bool,
    /// What is known of each goal, by its index: no bound of one lies below the one of all together, and the goal
    /// that decides has its upper one.
    pub goals: Vec<GoalKnowledge>,
    /// Trials made, invalid ones included.
    pub trials: u32,
}
