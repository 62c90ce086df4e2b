//! What a worker thread enters into: nobody else touches it while it is filled.
//!
//! A [`Recorder`] fills one [`Tick`]'s figures, without locks and, once warm, without allocating.

mod activity;
mod addresses;
mod bounds;
mod few;
mod fine;
mod homes;
mod keys;
mod muted;
mod named;
mod outside;
mod recorder;
mod retries;
mod tally;
mod tick;
mod told;

pub(in crate::record) use activity::{Activity, Marks, SLOT, SLOTS_PER_SECOND};
pub(in crate::record) use addresses::{AddressTick, AddressesTick, MOST_ADDRESSES};
pub(in crate::record) use bounds::{MOST_BACKENDS, MOST_CLASSES, OTHER_BACKENDS};
#[cfg(test)]
pub(in crate::record) use homes::HomesMove;
pub(in crate::record) use homes::{AtHome, HomesTick};
pub(crate) use muted::Muted;
pub(crate) use outside::Outside;
pub(crate) use recorder::Recorder;
pub(in crate::record) use retries::RetryTick;
pub(crate) use tick::Tick;
pub(in crate::record) use tick::{BackendTick, Happened, StepTick, TargetTick, youngest};
pub(crate) use told::{Ended, Started, Unanswered, Via, Waited, Whose};
